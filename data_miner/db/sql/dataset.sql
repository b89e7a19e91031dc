-- Queries of data_miner.db.dataset: what a project's dataset consists of.

-- name: cut
-- Every video with frames.
SELECT video, path, frames, width, height FROM frameset
WHERE project = %(project)s AND params_hash = %(frames_hash)s AND pruned_at IS NULL ORDER BY video;

-- name: passed
-- The frames that passed the filter, by video.
SELECT frameset.video, frameset.path, cardinality(filtered.passed_ms) AS frames, frameset.width, frameset.height,
    filtered.passed_ms AS times_ms
FROM filtered JOIN frameset
    ON frameset.project = filtered.project AND frameset.video = filtered.video
        AND frameset.params_hash = filtered.frames_hash
WHERE filtered.project = %(project)s AND filtered.params_hash = %(filter_hash)s
    AND cardinality(filtered.passed_ms) > 0
ORDER BY frameset.video;

-- name: kept
-- The frames that dedup keeps, by video.
SELECT frameset.video, frameset.path, count(*) AS frames, frameset.width, frameset.height,
    array_agg(dedup_frame.time_ms ORDER BY dedup_frame.time_ms) AS times_ms
FROM dedup_frame JOIN frameset
    ON frameset.project = dedup_frame.project AND frameset.video = dedup_frame.video
        AND frameset.params_hash = dedup_frame.frames_hash
WHERE dedup_frame.project = %(project)s AND dedup_frame.params_hash = %(dedup_hash)s AND dedup_frame.kept
GROUP BY frameset.video, frameset.path, frameset.width, frameset.height
ORDER BY frameset.video;

-- name: origins
-- Where the videos of a project come from, the first find first.
SELECT video, url, metadata FROM video_origin
WHERE project = %(project)s AND (%(videos)s::text[] IS NULL OR video = ANY(%(videos)s))
ORDER BY video, created_at, key;

-- name: scores
SELECT video, prompts, times_ms, scores FROM frame_scores
WHERE project = %(project)s AND frames_hash = %(frames_hash)s AND scores_hash = %(scores_hash)s
    AND (%(videos)s::text[] IS NULL OR video = ANY(%(videos)s))
ORDER BY video;

-- name: objects
SELECT video, time_ms, label, score, x1, y1, x2, y2 FROM object_box
WHERE project = %(project)s AND params_hash = %(detect_hash)s
    AND (%(videos)s::text[] IS NULL OR video = ANY(%(videos)s))
ORDER BY video, time_ms, number;

-- name: duplicates
-- The frames that are not kept because a frame of another video, or an earlier one of the same, is kept.
SELECT video, time_ms, keeper_video, keeper_ms FROM dedup_frame
WHERE project = %(project)s AND params_hash = %(dedup_hash)s AND keeper_video IS NOT NULL
ORDER BY keeper_video, keeper_ms, video, time_ms;
