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
SELECT project, stage, state, sum(items)::bigint AS items
FROM (
    SELECT lane, state, count(*) AS items FROM finished GROUP BY lane, state
    UNION ALL
    SELECT lane, 'ready', sum(cardinality(tasks)) FROM ready GROUP BY lane
    UNION ALL
    SELECT lane, 'leased', count(*) FROM lease, unnest(tasks) AS one (task) JOIN task ON id = one.task GROUP BY lane
) AS part
JOIN lane ON lane.id = part.lane
WHERE %(project)s::text IS NULL OR project = %(project)s
GROUP BY project, stage, state ORDER BY project, stage, state;

-- name: node_counts
-- What the workers of each machine finished.
SELECT project, node, stage, sum(items)::bigint AS items
FROM (SELECT lane, node, count(*) AS items FROM finished WHERE state = 'done' GROUP BY lane, node) AS part
JOIN lane ON lane.id = part.lane
WHERE %(project)s::text IS NULL OR project = %(project)s
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
SELECT task.id, task.stage, key, attempts, finished.error
FROM finished JOIN lane ON lane.id = finished.lane JOIN task ON task.id = finished.task
WHERE lane.project = %(project)s AND state = 'dead'
ORDER BY finished_at DESC LIMIT %(limit)s;

-- name: skipped
-- Why items were skipped, the most frequent reasons first.
SELECT stage, error AS reason, count(*) AS items
FROM finished JOIN lane ON lane.id = finished.lane
WHERE project = %(project)s AND state = 'skipped'
GROUP BY stage, error ORDER BY items DESC, reason LIMIT %(limit)s;

-- name: rates
-- What was finished within the last %(window_s)s seconds, since when, and what waits.
SELECT project, stage, coalesce(sum(finished), 0)::bigint AS finished, coalesce(sum(waiting), 0)::bigint AS waiting,
    max(span_s)::float AS span_s
FROM (
    SELECT lane, count(*) AS finished, NULL::bigint AS waiting,
        extract(epoch FROM now() - min(finished_at)) AS span_s
    FROM finished
    WHERE state IN ('done', 'skipped') AND finished_at > now() - %(window_s)s * interval '1 second'
    GROUP BY lane
    UNION ALL
    SELECT lane, NULL, sum(cardinality(tasks)), NULL FROM ready GROUP BY lane
    UNION ALL
    SELECT lane, NULL, count(*), NULL FROM lease, unnest(tasks) AS one (task) JOIN task ON id = one.task GROUP BY lane
) AS part
JOIN lane ON lane.id = part.lane
WHERE %(project)s::text IS NULL OR project = %(project)s
GROUP BY project, stage
ORDER BY project, stage;
