-- Queries of data_miner.queue. Time is always the database's, so that workers' clocks do not matter.

-- name: enqueue
-- Add items unless they exist. One row of the arrays is one item. Returns the ids of the new ones, and of those that
-- were skipped before and that now come with another payload, such as other rules: they are looked at again.
-- Items that exist are not even tried to be inserted: that would wait for everybody who is just finishing one.
WITH new AS (
    SELECT DISTINCT ON (project, stage, key, params_hash) *
    FROM unnest(
        %(project)s::text[], %(stage)s::text[], %(key)s::text[], %(params)s::jsonb[], %(params_hash)s::text[],
        %(payload)s::jsonb[], %(site)s::text[], %(priority)s::integer[]
    ) AS new (project, stage, key, params, params_hash, payload, site, priority)
    ORDER BY project, stage, key, params_hash
), again AS (
    UPDATE item
    SET state = 'ready', payload = new.payload, attempts = 0, ready_at = now(), error = NULL, finished_at = NULL
    FROM new
    WHERE (item.project, item.stage, item.key, item.params_hash)
            = (new.project, new.stage, new.key, new.params_hash)
        AND item.state = 'skipped' AND item.payload <> new.payload
    RETURNING item.id
), added AS (
    INSERT INTO item (project, stage, key, params, params_hash, payload, site, priority)
    SELECT * FROM new
    WHERE NOT EXISTS (
        SELECT FROM item
        WHERE (item.project, item.stage, item.key, item.params_hash)
            = (new.project, new.stage, new.key, new.params_hash)
    )
    ORDER BY project, stage, key, params_hash  -- the same for all, so that none of them wait for each other
    ON CONFLICT (project, stage, key, params_hash) DO NOTHING
    RETURNING id
)
SELECT id FROM again UNION ALL SELECT id FROM added;

-- name: claim
-- Lease up to %(limit)s items of a stage, skipping those that others hold, paused projects, and sites that refuse us.
-- The attempt is counted now, so that an item that kills its worker cannot do so for ever.
-- An array rather than a join: some plans of a join read the whole table.
-- A claim that a crash of the server undoes is only made again, so nobody waits for the disk here.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), claimed AS (
    UPDATE item
    SET state = 'leased', attempts = attempts + 1, worker = %(worker)s, node = %(node)s,
        lease_token = %(token)s, lease_until = now() + %(lease_s)s * interval '1 second'
    FROM quick
    WHERE id = ANY(ARRAY(
        SELECT id FROM item
        WHERE stage = %(stage)s AND state = 'ready' AND ready_at <= now()
            AND NOT EXISTS (SELECT FROM pause WHERE pause.project = item.project AND pause.stage = item.stage)
            AND NOT EXISTS (
                SELECT FROM site_block WHERE site_block.site = item.site AND site_block.blocked_until > now()
            )
        ORDER BY priority DESC, ready_at, id
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING item.*
)
SELECT id, project, stage, key, params, params_hash, payload, site, attempts, blocks, lease_token,
    (SELECT config_hash FROM project WHERE project.name = claimed.project) AS config_hash
FROM claimed
ORDER BY priority DESC, ready_at, id;

-- name: extend
-- Renew leases that are still alive; returns the ids of those. As with claims, nobody waits for the disk.
WITH quick AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
UPDATE item SET lease_until = now() + %(lease_s)s * interval '1 second'
FROM quick
WHERE id = ANY(%(ids)s) AND lease_token = %(token)s AND state = 'leased' AND lease_until > now()
RETURNING id;

-- name: finish
-- Acknowledge items whose lease is alive; state is done or skipped. Returns their ids.
-- The ids once more as an array: some plans of the join alone read the whole table. That the state is leased follows
-- from lease_until; saying so would let a plan read all that anyone has leased.
UPDATE item
SET state = new.state, result = new.result, error = new.error, finished_at = now(), lease_until = NULL
FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(results)s::jsonb[], %(errors)s::text[])
    AS new (id, state, result, error)
WHERE item.id = ANY(%(ids)s) AND item.id = new.id AND item.lease_token = %(token)s AND item.lease_until > now()
RETURNING item.id;

-- name: finished_before
-- Which of these were already acknowledged under this lease: the commit arrived, its answer did not.
SELECT id FROM item
WHERE id = ANY(%(ids)s) AND lease_token = %(token)s AND state IN ('done', 'skipped');

-- name: fail
-- Give an item back after an error: ready again after a pause with jitter, or dead when its attempts are used up.
UPDATE item
SET state = CASE WHEN attempts >= %(max_attempts)s THEN 'dead' ELSE 'ready' END,
    ready_at = now() + least(%(max_backoff_s)s, %(backoff_s)s * 2 ^ least(attempts - 1, 30))
        * (0.5 + random()) * interval '1 second',
    finished_at = CASE WHEN attempts >= %(max_attempts)s THEN now() END,
    error = %(error)s, lease_until = NULL
WHERE id = %(id)s AND lease_token = %(token)s AND state = 'leased' AND lease_until > now()
RETURNING state;

-- name: bury
-- Make an item a dead letter: trying again cannot help.
UPDATE item SET state = 'dead', error = %(error)s, finished_at = now(), lease_until = NULL
WHERE id = %(id)s AND lease_token = %(token)s AND state = 'leased' AND lease_until > now()
RETURNING state;

-- name: release
-- Give items back and take the attempt back: the reason does not lie in the items. With a delay others come first.
UPDATE item SET state = 'ready', attempts = attempts - 1, lease_until = NULL, error = %(error)s,
    ready_at = greatest(ready_at, now() + %(delay_s)s * interval '1 second')
WHERE id = ANY(%(ids)s) AND lease_token = %(token)s AND state = 'leased'
RETURNING id;

-- name: block_site
-- Leave a site alone, twice as long each time in a row. A block that others noted just now is not counted again.
INSERT INTO site_block AS known (site, blocked_until, blocks, reason)
VALUES (%(site)s, now() + %(pause_s)s * interval '1 second', 1, %(reason)s)
ON CONFLICT (site) DO UPDATE
SET blocks = known.blocks + 1, reason = excluded.reason,
    blocked_until = now()
        + least(%(max_pause_s)s, %(pause_s)s * 2 ^ least(known.blocks, 30)) * interval '1 second'
WHERE known.blocked_until <= now();

-- name: block_item
-- Give back an item that its site refused: no attempt is burnt, but a site that never relents ends in a dead letter.
UPDATE item
SET state = CASE WHEN blocks + 1 >= %(max_blocks)s THEN 'dead' ELSE 'ready' END,
    finished_at = CASE WHEN blocks + 1 >= %(max_blocks)s THEN now() END,
    attempts = attempts - 1, blocks = blocks + 1, error = %(error)s, lease_until = NULL
WHERE id = %(id)s AND lease_token = %(token)s AND state = 'leased' AND lease_until > now()
RETURNING state;

-- name: unblock_site
-- The site answered again.
DELETE FROM site_block WHERE site = %(site)s AND blocked_until <= now();

-- name: reap
-- Take back the items of workers that are gone; an item that used up its attempts this way is dead.
WITH expired AS (
    SELECT id FROM item WHERE state = 'leased' AND lease_until <= now()
    ORDER BY lease_until LIMIT 1000
    FOR UPDATE SKIP LOCKED
)
UPDATE item
SET state = CASE WHEN attempts >= %(max_attempts)s THEN 'dead' ELSE 'ready' END,
    finished_at = CASE WHEN attempts >= %(max_attempts)s THEN now() END,
    ready_at = now(), lease_until = NULL,
    error = 'worker ' || coalesce(worker, '?') || ' did not finish within its lease'
FROM expired
WHERE item.id = expired.id
RETURNING item.id, item.state;

-- name: expire
-- End all leases: for when it is certain that nobody works.
UPDATE item SET lease_until = now() WHERE state = 'leased';

-- name: given_back
-- Why items of a project were given back without being tried: what their worker needs is away. Those that wait for
-- a site are not among them.
SELECT DISTINCT error FROM item
WHERE project = %(project)s AND state = 'ready' AND attempts = 0 AND blocks = 0 AND error IS NOT NULL
ORDER BY error;

-- name: retry
-- Make dead letters ready again with all their attempts; null means all stages.
UPDATE item SET state = 'ready', attempts = 0, blocks = 0, ready_at = now(), error = NULL, finished_at = NULL
WHERE state = 'dead' AND project = %(project)s AND (%(stage)s::text IS NULL OR stage = %(stage)s)
RETURNING id;

-- name: unfinished
-- Which of these items may still need their working files.
SELECT id FROM item WHERE id = ANY(%(ids)s) AND state IN ('ready', 'leased');

-- name: pause
INSERT INTO pause (project, stage) SELECT %(project)s, unnest(%(stages)s::text[])
ON CONFLICT DO NOTHING RETURNING stage;

-- name: resume
DELETE FROM pause WHERE project = %(project)s AND stage = ANY(%(stages)s) RETURNING stage;

-- name: pauses
SELECT project, stage FROM pause WHERE %(project)s::text IS NULL OR project = %(project)s;
