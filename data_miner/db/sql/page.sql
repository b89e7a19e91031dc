-- Queries of data_miner.db.page: what the web page shows beside the status.

-- name: causes
-- Why items failed, are tried again or were skipped; texts that differ only in addresses, and in numbers other than
-- HTTP's, are one cause.
SELECT stage, state, count(*) AS items, min(error) AS example, max(coalesce(finished_at, ready_at)) AS last,
    regexp_replace(regexp_replace(error, '[a-z]+://[^[:space:]]+|[0-9a-f]{12,}', '…', 'g'), 
        '(?<!HTTP )(?<!HTTP Error )(?<![0-9])[0-9]+', 'N', 'g')
        AS cause
FROM item
WHERE project = %(project)s AND error IS NOT NULL AND state IN ('ready', 'leased', 'skipped', 'dead')
GROUP BY stage, state, cause
ORDER BY state, items DESC, stage, cause
LIMIT 200;

-- name: failed
SELECT task.id, task.stage, key, payload ->> 'url' AS url, attempts, finished.error, finished_at,
    count(*) OVER () AS total
FROM finished JOIN lane ON lane.id = finished.lane JOIN task ON task.id = finished.task
WHERE lane.project = %(project)s AND state = 'dead' AND (%(stage)s::text IS NULL OR lane.stage = %(stage)s)
ORDER BY finished_at DESC, task.id
LIMIT %(limit)s OFFSET %(offset)s;

-- name: groups
-- Frames that are left out, by the frame that is kept or shown in their place; the largest groups first.
WITH left_out AS (
    SELECT keeper_video AS by_video, keeper_ms AS by_ms, video, time_ms FROM dedup_frame
    WHERE project = %(project)s AND params_hash = %(dedup_hash)s AND keeper_video IS NOT NULL
    UNION ALL
    SELECT video, repeats_ms, video, time_ms FROM dedup_frame
    WHERE project = %(project)s AND params_hash = %(dedup_hash)s AND repeats_ms IS NOT NULL
)
SELECT by_video, by_ms, count(*) OVER () AS total,
    array_agg(json_build_array(video, time_ms) ORDER BY video, time_ms) AS frames
FROM left_out
GROUP BY by_video, by_ms
ORDER BY count(*) DESC, by_video, by_ms
LIMIT %(limit)s OFFSET %(offset)s;

-- name: similarities
-- How alike frames are; pairs are stored in both directions.
SELECT video, time_ms, other_video, other_ms, similarity, distance FROM near_duplicate
WHERE project = %(project)s AND params_hash = %(dedup_hash)s AND other_video = ANY(%(videos)s);

-- name: histogram
-- How many frames have which score, for each prompt, and how many reach its threshold. Scores lie in the array row
-- by row, a column for each prompt.
WITH flat AS (
    SELECT (place - 1) %% cardinality(prompts) AS prompt, score
    FROM frame_scores, unnest(scores) WITH ORDINALITY AS one (score, place)
    WHERE project = %(project)s AND frames_hash = %(frames_hash)s AND scores_hash = %(scores_hash)s
)
SELECT prompt::integer, least(floor(score * %(bins)s), %(bins)s - 1)::integer AS bin, count(*) AS frames,
    count(*) FILTER (WHERE score >= (%(thresholds)s::real[])[prompt + 1]) AS reached
FROM flat GROUP BY 1, 2 ORDER BY 1, 2;
