-- Queries of data_miner.queue. Time is always the database's, so that workers' clocks do not matter.

-- name: enqueue
SELECT enqueue(
    %(project)s::text[], %(stage)s::text[], %(key)s::text[], %(params)s::jsonb[], %(params_hash)s::text[],
    %(payload)s::jsonb[], %(site)s::text[], %(priority)s::integer[]
) AS ids;

-- name: claim
SELECT * FROM claim(
    %(stage)s::text, %(worker)s::text, %(node)s::text, %(limit)s::integer, %(lease_s)s::double precision,
    %(token)s::uuid
);

-- name: extend
-- Renew a lease that is still alive; returns what it holds. As with claims, nobody waits for the disk.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE lease SET lease_until = now() + %(lease_s)s * interval '1 second'
FROM quick
WHERE token = %(token)s AND lease_until > now()
RETURNING tasks AS ids;

-- name: finish
SELECT finish(
    %(token)s::uuid, %(ids)s::bigint[], %(lanes)s::integer[], %(states)s::text[], %(results)s::jsonb[],
    %(errors)s::text[]
) AS ids;

-- name: finished_before
-- Which of these were already acknowledged under this lease: the commit arrived, its answer did not.
SELECT task FROM finished
WHERE task = ANY(%(ids)s::bigint[]) AND token = %(token)s AND state IN ('done', 'skipped');

-- name: let_go
SELECT tasks AS ids, worker, node FROM let_go(%(token)s::uuid, %(ids)s::bigint[], %(only_alive)s::boolean);

-- name: note_failed
-- An attempt failed: the next one comes after a pause with jitter, unless it was the last.
UPDATE task
SET attempts = attempts + 1, error = %(error)s, worker = %(worker)s, node = %(node)s,
    ready_at = now() + least(%(max_backoff_s)s, %(backoff_s)s * 2 ^ least(attempts, 30))
        * (0.5 + random()) * interval '1 second'
WHERE id = ANY(%(ids)s)
RETURNING id, attempts >= %(max_attempts)s AS dead;

-- name: note_lost
-- A worker is gone; what used up its attempts this way is dead.
UPDATE task
SET attempts = attempts + 1, worker = %(worker)s, node = %(node)s, ready_at = now(),
    error = 'worker ' || %(worker)s || ' did not finish within its lease'
WHERE id = ANY(%(ids)s)
RETURNING id, attempts >= %(max_attempts)s AS dead;

-- name: note_hopeless
-- Trying again cannot help.
UPDATE task SET attempts = attempts + 1, error = %(error)s, worker = %(worker)s, node = %(node)s
WHERE id = ANY(%(ids)s)
RETURNING id, true AS dead;

-- name: note_blocked
-- Its site refused us: that is no attempt, but a site that never relents ends in a dead letter.
UPDATE task SET blocks = blocks + 1, error = %(error)s, worker = %(worker)s, node = %(node)s
WHERE id = ANY(%(ids)s)
RETURNING id, blocks >= %(max_blocks)s AS dead;

-- name: note_released
-- No attempt was made, for a reason that does not lie in the task. With a delay others come first.
UPDATE task
SET error = %(error)s, worker = %(worker)s, node = %(node)s,
    ready_at = greatest(ready_at, now() + %(delay_s)s * interval '1 second')
WHERE id = ANY(%(ids)s)
RETURNING id, false AS dead;

-- name: let_wait
SELECT let_wait(%(ids)s::bigint[]);

-- name: end_dead
INSERT INTO finished (task, lane, state, finished_at, worker, node, error)
SELECT id, lane, 'dead', now(), worker, node, error FROM task WHERE id = ANY(%(ids)s);

-- name: block_site
-- Leave a site alone, twice as long each time in a row. A block that others noted just now is not counted again.
INSERT INTO site_block AS known (site, blocked_until, blocks, reason)
VALUES (%(site)s, now() + %(pause_s)s * interval '1 second', 1, %(reason)s)
ON CONFLICT (site) DO UPDATE
SET blocks = known.blocks + 1, reason = excluded.reason,
    blocked_until = now()
        + least(%(max_pause_s)s, %(pause_s)s * 2 ^ least(known.blocks, 30)) * interval '1 second'
WHERE known.blocked_until <= now();

-- name: unblock_site
-- The site answered again.
DELETE FROM site_block WHERE site = %(site)s AND blocked_until <= now();

-- name: expired
-- End leases of workers that are gone; returns what they held.
DELETE FROM lease
WHERE token IN (
    SELECT token FROM lease WHERE lease_until <= now() ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED
)
RETURNING tasks AS ids, worker, node;

-- name: expire
-- End all leases: for when it is certain that nobody works.
UPDATE lease SET lease_until = now();

-- name: given_back
-- Why tasks of a project were given back without being tried: what their worker needs is away. Those that wait for
-- a site are not among them.
SELECT DISTINCT error FROM item
WHERE project = %(project)s AND state = 'ready' AND attempts = 0 AND blocks = 0 AND error IS NOT NULL
ORDER BY error;

-- name: retry
SELECT retry(%(project)s::text, %(stage)s::text, %(ids)s::bigint[]) AS count;

-- name: unfinished
-- Which of these tasks may still need their working files.
SELECT id FROM task WHERE id = ANY(%(ids)s) AND NOT EXISTS (SELECT FROM finished WHERE finished.task = task.id);

-- name: pause
INSERT INTO pause (project, stage) SELECT %(project)s, unnest(%(stages)s::text[])
ON CONFLICT DO NOTHING RETURNING stage;

-- name: resume
DELETE FROM pause WHERE project = %(project)s AND stage = ANY(%(stages)s) RETURNING stage;

-- name: pauses
SELECT project, stage FROM pause WHERE %(project)s::text IS NULL OR project = %(project)s;
