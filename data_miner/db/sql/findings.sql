-- Queries of data_miner.db.findings: what the stages with models found.

-- name: scores
SELECT model, prompts, times_ms, scores FROM frame_scores
WHERE project = %(project)s AND video = %(video)s AND frames_hash = %(frames_hash)s
    AND scores_hash = %(scores_hash)s;

-- name: add_scores
INSERT INTO frame_scores (project, video, frames_hash, scores_hash, model, prompts, times_ms, scores)
VALUES (%(project)s, %(video)s, %(frames_hash)s, %(scores_hash)s, %(model)s, %(prompts)s, %(times_ms)s,
    %(scores)s::real[])
ON CONFLICT DO NOTHING;

-- name: add_filtered
INSERT INTO filtered (project, video, params_hash, frames_hash, scores_hash, passed_ms)
VALUES (%(project)s, %(video)s, %(params_hash)s, %(frames_hash)s, %(scores_hash)s, %(passed_ms)s)
ON CONFLICT (project, params_hash, video) DO UPDATE SET passed_ms = excluded.passed_ms;

-- name: passed
SELECT passed_ms FROM filtered
WHERE project = %(project)s AND video = %(video)s AND params_hash = %(params_hash)s;

-- name: candidates
-- The candidates of a scope that came after one that is known.
SELECT number, video, frames_hash, time_ms, phash FROM dedup_frame
WHERE project = %(project)s AND params_hash = %(scope)s AND repeats_ms IS NULL AND number > %(after)s
ORDER BY number;

-- name: lock_scope
-- Until the end of the transaction, nobody else stores frames in this scope.
SELECT pg_advisory_xact_lock(hashtextextended('dedup ' || %(project)s || ' ' || %(scope)s, 0));

-- name: last_candidate
SELECT coalesce(max(number), 0) AS number FROM dedup_frame
WHERE project = %(project)s AND params_hash = %(scope)s AND repeats_ms IS NULL;

-- name: is_compared
SELECT EXISTS (
    SELECT FROM dedup_frame
    WHERE project = %(project)s AND params_hash = %(scope)s AND video = %(video)s
) AS compared;

-- name: add_frames
INSERT INTO dedup_frame
    (project, params_hash, video, frames_hash, time_ms, phash, pixels, size_bytes, repeats_ms, kept)
SELECT %(project)s, %(scope)s, %(video)s, %(frames_hash)s, time_ms, phash, pixels, size_bytes, repeats_ms,
    repeats_ms IS NULL
FROM unnest(
    %(times_ms)s::integer[], %(phashes)s::bigint[], %(pixels)s::integer[], %(sizes)s::integer[],
    %(repeats_ms)s::integer[]
) AS new (time_ms, phash, pixels, size_bytes, repeats_ms);

-- name: add_pairs
WITH new AS (
    SELECT * FROM unnest(
        %(times_ms)s::integer[], %(other_videos)s::text[], %(others_ms)s::integer[], %(similarities)s::real[],
        %(distances)s::smallint[]
    ) AS pair (time_ms, other_video, other_ms, similarity, distance)
)
INSERT INTO near_duplicate
    (project, params_hash, video, time_ms, other_video, other_ms, similarity, distance)
SELECT %(project)s, %(scope)s, %(video)s, time_ms, other_video, other_ms, similarity, distance FROM new
UNION ALL
SELECT %(project)s, %(scope)s, other_video, other_ms, %(video)s, time_ms, similarity, distance FROM new;

-- name: group_frames
-- All candidates that hang together with those of a video, through any number of pairs. Of frames that were pruned
-- only the kept ones are still there.
WITH RECURSIVE hanging (video, time_ms) AS (
    SELECT video, time_ms FROM near_duplicate
    WHERE project = %(project)s AND params_hash = %(scope)s AND video = %(video)s
    UNION
    SELECT pair.other_video, pair.other_ms
    FROM hanging JOIN near_duplicate AS pair
        ON pair.project = %(project)s AND pair.params_hash = %(scope)s
            AND pair.video = hanging.video AND pair.time_ms = hanging.time_ms
)
SELECT frame.video, frame.time_ms, frame.frames_hash, frame.pixels, frame.size_bytes, frame.kept,
    frame.keeper_video, frame.keeper_ms, frameset.pruned_at IS NOT NULL AND NOT frame.kept AS gone,
    array(
        SELECT json_build_array(pair.other_video, pair.other_ms) FROM near_duplicate AS pair
        WHERE pair.project = %(project)s AND pair.params_hash = %(scope)s
            AND pair.video = frame.video AND pair.time_ms = frame.time_ms
    ) AS like_it
FROM hanging JOIN dedup_frame AS frame
    ON frame.project = %(project)s AND frame.params_hash = %(scope)s
        AND frame.video = hanging.video AND frame.time_ms = hanging.time_ms
LEFT JOIN frameset
    ON frameset.project = frame.project AND frameset.video = frame.video
        AND frameset.params_hash = frame.frames_hash;

-- name: set_keeper
UPDATE dedup_frame
SET kept = new.keeper_video IS NULL, keeper_video = new.keeper_video, keeper_ms = new.keeper_ms
FROM unnest(%(videos)s::text[], %(times_ms)s::integer[], %(keeper_videos)s::text[], %(keepers_ms)s::integer[])
    AS new (video, time_ms, keeper_video, keeper_ms)
WHERE dedup_frame.project = %(project)s AND dedup_frame.params_hash = %(scope)s
    AND dedup_frame.video = new.video AND dedup_frame.time_ms = new.time_ms;

-- name: raw_boxes
SELECT time_ms, labels, scores, boxes FROM raw_boxes
WHERE project = %(project)s AND video = %(video)s AND frames_hash = %(frames_hash)s AND raw_hash = %(raw_hash)s
    AND time_ms = ANY(%(times_ms)s);

-- name: add_raw_boxes
INSERT INTO raw_boxes (project, video, frames_hash, raw_hash, time_ms, labels, scores, boxes)
VALUES (%(project)s, %(video)s, %(frames_hash)s, %(raw_hash)s, %(time_ms)s, %(labels)s, %(scores)s::real[],
    %(boxes)s::real[])
ON CONFLICT DO NOTHING;

-- name: add_object
INSERT INTO object_box (project, params_hash, video, time_ms, number, label, score, x1, y1, x2, y2)
VALUES (%(project)s, %(params_hash)s, %(video)s, %(time_ms)s, %(number)s, %(label)s, %(score)s,
    %(x1)s, %(y1)s, %(x2)s, %(y2)s)
ON CONFLICT DO NOTHING;

-- name: framesets
-- Videos of a project whose frames were cut with given parameters, for seeding the filter.
SELECT video FROM frameset
WHERE project = %(project)s AND params_hash = %(params_hash)s AND pruned_at IS NULL ORDER BY video;

-- name: videos_passed
-- Videos with frames that pass given filter parameters, for seeding dedup.
SELECT filtered.video FROM filtered
JOIN frameset
    ON frameset.project = filtered.project AND frameset.video = filtered.video
        AND frameset.params_hash = filtered.frames_hash
WHERE filtered.project = %(project)s AND filtered.params_hash = %(params_hash)s
    AND cardinality(filtered.passed_ms) > 0 AND frameset.pruned_at IS NULL
ORDER BY filtered.video;

-- name: kept_frames
-- What a project keeps with given dedup parameters and no detect item with given parameters covers, for seeding.
SELECT video, array_agg(time_ms ORDER BY time_ms) AS times_ms FROM dedup_frame
WHERE project = %(project)s AND params_hash = %(params_hash)s AND kept
    AND NOT EXISTS (
        SELECT FROM task
        WHERE task.project = %(project)s AND task.stage = 'detect' AND task.key = dedup_frame.video
            AND task.params - 'times_ms' = %(params)s
            AND task.params -> 'times_ms' @> to_jsonb(dedup_frame.time_ms)
    )
GROUP BY video ORDER BY video;
