-- Queries of data_miner.db.projects: projects, workers and counts.

-- name: save_project
INSERT INTO project (name, config, config_hash) VALUES (%(name)s, %(config)s, %(config_hash)s)
ON CONFLICT (name) DO UPDATE
SET config = excluded.config, config_hash = excluded.config_hash, updated_at = now()
WHERE project.config_hash <> excluded.config_hash;

-- name: project_config
SELECT config FROM project WHERE name = %(name)s;

-- name: projects
SELECT name, updated_at FROM project ORDER BY name;

-- name: report_worker
-- A worker is alive. The clock is the database's.
INSERT INTO worker (name, stage, node, item_id) VALUES (%(name)s, %(stage)s, %(node)s, %(item_id)s)
ON CONFLICT (name) DO UPDATE
SET stage = excluded.stage, node = excluded.node, item_id = excluded.item_id, seen_at = now();

-- name: forget_worker
DELETE FROM worker WHERE name = %(name)s;

-- name: forget_lost_workers
DELETE FROM worker WHERE seen_at < now() - interval '1 hour';

-- name: workers
-- Workers that reported within %(alive_s)s seconds.
SELECT name, stage, node, item_id, extract(epoch FROM now() - seen_at)::float AS seen_s
FROM worker WHERE seen_at > now() - %(alive_s)s * interval '1 second'
ORDER BY stage, name;

-- name: item_counts
SELECT project, stage, state, count(*) AS items FROM item
WHERE %(project)s::text IS NULL OR project = %(project)s
GROUP BY project, stage, state ORDER BY project, stage, state;

-- name: node_counts
-- What the workers of each machine finished.
SELECT project, node, stage, count(*) AS items FROM item
WHERE state = 'done' AND (%(project)s::text IS NULL OR project = %(project)s)
GROUP BY project, node, stage ORDER BY project, node, stage;

-- name: result_counts
SELECT name AS project,
    (SELECT count(DISTINCT video) FROM video_origin WHERE video_origin.project = project.name) AS videos,
    (SELECT coalesce(sum(size_bytes), 0) FROM video WHERE sha256 IN
        (SELECT video FROM video_origin WHERE video_origin.project = project.name))::bigint AS bytes,
    (SELECT coalesce(sum(frames), 0) FROM frameset WHERE frameset.project = project.name)::bigint AS frames
FROM project
WHERE %(project)s::text IS NULL OR name = %(project)s
ORDER BY name;

-- name: blocked_sites
SELECT site, extract(epoch FROM blocked_until - now())::float AS seconds, reason FROM site_block
WHERE blocked_until > now() ORDER BY site;

-- name: dead_items
SELECT id, stage, key, attempts, error FROM item
WHERE project = %(project)s AND state = 'dead'
ORDER BY finished_at DESC LIMIT %(limit)s;

-- name: rates
-- What was finished within the last %(window_s)s seconds, since when, and what waits.
SELECT project, stage, sum(finished)::bigint AS finished, sum(waiting)::bigint AS waiting,
    max(span_s)::float AS span_s
FROM (
    SELECT project, stage, count(*) AS finished, 0 AS waiting, extract(epoch FROM now() - min(finished_at)) AS span_s
    FROM item
    WHERE state IN ('done', 'skipped') AND finished_at > now() - %(window_s)s * interval '1 second'
        AND (%(project)s::text IS NULL OR project = %(project)s)
    GROUP BY project, stage
    UNION ALL
    SELECT project, stage, 0, count(*), NULL FROM item
    WHERE state IN ('ready', 'leased') AND (%(project)s::text IS NULL OR project = %(project)s)
    GROUP BY project, stage
) AS part
GROUP BY project, stage
ORDER BY project, stage;
