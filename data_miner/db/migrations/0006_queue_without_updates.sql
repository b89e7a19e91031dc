-- The queue without updates. A task is written once; where it stands is told by which table has its number: ready,
-- a lease, or finished. Working one off adds and removes rows and changes none, so no index follows every step, and
-- ready tasks and leases are lists of numbers: a batch is one row.
SET LOCAL statement_timeout = 0;
DROP VIEW queue_depth;
ALTER TABLE item RENAME TO old_item;

-- What one stage has to do for one project on one site: paused and blocked as a whole, so that a claim looks at none
-- of its tasks.
CREATE TABLE lane (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text NOT NULL,
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    site text,
    UNIQUE NULLS NOT DISTINCT (stage, project, site)
);

CREATE TABLE task (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane integer NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    project text NOT NULL,
    stage text NOT NULL,
    -- what the task is about, the same however often it is found: a query, an extractor's video id, a sha256
    key text NOT NULL,
    -- parameters that change the result, and their hash: other parameters make another task
    params jsonb NOT NULL,
    params_hash text NOT NULL,
    -- what the stage needs to know besides, such as the URL; does not make another task
    payload jsonb NOT NULL,
    -- which site the work talks to, for the breaker
    site text,
    priority integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- of former attempts, which did not succeed: how many, how often its site refused, why the last one ended, who
    -- made it and where, and when the next one may begin
    attempts integer NOT NULL DEFAULT 0,
    blocks integer NOT NULL DEFAULT 0,
    error text,
    worker text,
    node text,
    ready_at timestamptz NOT NULL DEFAULT now()
);

-- Who waits: tasks of a lane with the same priority and time, up to 128 in a row.
CREATE TABLE ready (
    lane integer NOT NULL REFERENCES lane (id) ON DELETE CASCADE,
    priority integer NOT NULL,
    ready_at timestamptz NOT NULL,
    -- the first task's number when the row was made: not kept up to date, so that taking some moves no index entry
    place bigint NOT NULL,
    tasks bigint[] NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE ready ALTER COLUMN tasks SET STORAGE PLAIN;

-- Who is worked on: what was claimed together and is not settled yet.
CREATE TABLE lease (
    token uuid PRIMARY KEY,
    stage text NOT NULL,
    lease_until timestamptz NOT NULL,
    worker text NOT NULL,
    node text NOT NULL,
    tasks bigint[] NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- How tasks ended.
CREATE TABLE finished (
    task bigint NOT NULL,
    lane integer NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'skipped', 'dead')),
    finished_at timestamptz NOT NULL,
    -- the lease under which it was done
    token uuid,
    worker text,
    node text,
    -- of a dead letter, or why it was skipped
    error text,
    result jsonb
);

INSERT INTO lane (stage, project, site) SELECT DISTINCT stage, project, site FROM old_item ORDER BY 1, 2, 3;
INSERT INTO task (
    id, lane, project, stage, key, params, params_hash, payload, site, priority, created_at, attempts, blocks, error,
    worker, node, ready_at
) OVERRIDING SYSTEM VALUE
SELECT old.id, lane.id, old.project, old.stage, key, params, params_hash, payload, old.site, priority, created_at,
    -- the attempt that goes on or succeeded is not a former one
    attempts - (state IN ('leased', 'done', 'skipped'))::integer, blocks,
    CASE WHEN state IN ('ready', 'leased') THEN error END, worker, node, ready_at
FROM old_item AS old
JOIN lane ON lane.stage = old.stage AND lane.project = old.project AND lane.site IS NOT DISTINCT FROM old.site
ORDER BY old.id;
SELECT setval(pg_get_serial_sequence('task', 'id'), max(id)) FROM task;

INSERT INTO finished
SELECT task.id, lane, state, finished_at, lease_token, task.worker, task.node, old.error, result
FROM old_item AS old JOIN task ON task.id = old.id
WHERE state IN ('done', 'skipped', 'dead') ORDER BY task.id;

INSERT INTO lease
SELECT lease_token, min(stage), min(lease_until), min(coalesce(worker, '?')), min(coalesce(node, '?')),
    array_agg(id ORDER BY priority DESC, ready_at, id)
FROM old_item WHERE state = 'leased' GROUP BY lease_token;

ALTER TABLE task ADD UNIQUE (project, stage, key, params_hash),
    ADD FOREIGN KEY (project) REFERENCES project (name) ON DELETE CASCADE;
CREATE INDEX ready_order ON ready (lane, priority DESC, ready_at, place);
ALTER TABLE finished ADD PRIMARY KEY (task);
CREATE INDEX finished_dead ON finished (lane, finished_at) WHERE state = 'dead';

-- Let tasks wait, in the order of their priority and time.
CREATE FUNCTION let_wait(my_tasks bigint[]) RETURNS void LANGUAGE sql
SET enable_seqscan = off AS $$
    INSERT INTO ready (lane, priority, ready_at, place, tasks)
    SELECT lane, priority, ready_at, min(id), array_agg(id ORDER BY id)
    FROM (
        SELECT id, lane, priority, ready_at,
            (row_number() OVER (PARTITION BY lane, priority, ready_at ORDER BY id) - 1) / 128 AS part
        FROM task WHERE id = ANY(my_tasks)
    ) AS numbered
    GROUP BY lane, priority, ready_at, part
$$;
SELECT let_wait(array_agg(id)) FROM old_item WHERE state = 'ready';
DROP TABLE old_item;

-- Add tasks unless they exist. One row of the arrays is one task. Returns the numbers of the new ones, and of those
-- that were skipped before and that now come with another payload, such as other rules: they are looked at again.
-- Tasks that exist are not even tried to be inserted: that would wait for everybody who is just adding one.
CREATE FUNCTION enqueue(
    projects text[], stages text[], keys text[], all_params jsonb[], hashes text[], payloads jsonb[], sites text[],
    priorities integer[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    again bigint[];
    added bigint[];
BEGIN
    INSERT INTO lane (stage, project, site)
    SELECT DISTINCT stage, project, site FROM unnest(projects, stages, sites) AS new (project, stage, site)
    WHERE NOT EXISTS (
        SELECT FROM lane
        WHERE lane.stage = new.stage AND lane.project = new.project AND lane.site IS NOT DISTINCT FROM new.site
    )
    ORDER BY stage, project, site  -- here as below the same order for all, so that none wait for each other
    ON CONFLICT DO NOTHING;

    WITH new AS (
        SELECT project, stage, key, params_hash, payload
        FROM unnest(projects, stages, keys, hashes, payloads) AS new (project, stage, key, params_hash, payload)
    ), skipped AS (
        DELETE FROM finished USING new, task
        WHERE (task.project, task.stage, task.key, task.params_hash)
                = (new.project, new.stage, new.key, new.params_hash)
            AND task.id = finished.task AND finished.state = 'skipped' AND task.payload <> new.payload
        RETURNING task.id, new.payload
    ), changed AS (
        UPDATE task SET payload = skipped.payload, attempts = 0, ready_at = now(), error = NULL
        FROM skipped WHERE task.id = skipped.id
        RETURNING task.id
    )
    SELECT array_agg(id) INTO again FROM changed;

    WITH new AS (
        SELECT DISTINCT ON (project, stage, key, params_hash) *
        FROM unnest(projects, stages, keys, all_params, hashes, payloads, sites, priorities)
            AS new (project, stage, key, params, params_hash, payload, site, priority)
        ORDER BY project, stage, key, params_hash
    ), inserted AS (
        INSERT INTO task (lane, project, stage, key, params, params_hash, payload, site, priority)
        SELECT lane.id, new.* FROM new
        JOIN lane ON lane.stage = new.stage AND lane.project = new.project AND lane.site IS NOT DISTINCT FROM new.site
        WHERE NOT EXISTS (
            SELECT FROM task
            WHERE (task.project, task.stage, task.key, task.params_hash)
                = (new.project, new.stage, new.key, new.params_hash)
        )
        ORDER BY new.project, new.stage, new.key, new.params_hash
        ON CONFLICT (project, stage, key, params_hash) DO NOTHING
        RETURNING id
    )
    SELECT array_agg(id) INTO added FROM inserted;

    again := coalesce(again, '{}') || coalesce(added, '{}');
    IF again <> '{}' THEN
        PERFORM let_wait(again);
    END IF;
    RETURN again;
END $$;

-- Lease up to so many ready tasks of a stage: the first of all lanes that are neither paused nor blocked.
-- Claims of a stage come one after the other, which takes less than a millisecond each: so none of them finds the
-- first tasks locked and goes away with nothing. A claim that a crash of the server undoes is only made again, so
-- nobody waits for the disk here. A few rows of ready often hold enough tasks, else each holds one at least.
-- Tables of which Postgres knows nothing yet are read by their indexes all the same.
CREATE FUNCTION claim(
    my_stage text, my_worker text, my_node text, most integer, lease_s double precision, my_token uuid
) RETURNS TABLE (
    id bigint, lane integer, project text, key text, params text, params_hash text, payload text, site text,
    attempts integer, blocks integer, config_hash text
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    taken bigint[] := '{}';
    missing integer := most;
    whole tid[];
    row record;
    rows_read integer;
    nothing text;
BEGIN
    nothing := set_config('synchronous_commit', 'off', true);
    nothing := pg_advisory_xact_lock(7236002, hashtext(my_stage));
    FOREACH rows_read IN ARRAY ARRAY[4, most] LOOP
        whole := '{}';
        FOR row IN
            SELECT found.row_id, found.tasks
            FROM lane CROSS JOIN LATERAL (
                SELECT ready.ctid AS row_id, ready.priority, ready.ready_at, ready.tasks
                FROM ready
                WHERE ready.lane = lane.id AND ready.ready_at <= now()
                ORDER BY ready.priority DESC, ready.ready_at, ready.place
                LIMIT rows_read
            ) AS found
            WHERE lane.stage = my_stage
                AND NOT EXISTS (SELECT FROM pause WHERE pause.project = lane.project AND pause.stage = lane.stage)
                AND NOT EXISTS (
                    SELECT FROM site_block WHERE site_block.site = lane.site AND site_block.blocked_until > now()
                )
            ORDER BY priority DESC, ready_at, tasks[1]
            LIMIT rows_read
        LOOP
            IF cardinality(row.tasks) <= missing THEN
                taken := taken || row.tasks;
                whole := whole || row.row_id;
                missing := missing - cardinality(row.tasks);
            ELSE
                taken := taken || row.tasks[:missing];
                UPDATE ready SET tasks = row.tasks[missing + 1:] WHERE ctid = row.row_id;
                missing := 0;
            END IF;
            EXIT WHEN missing = 0;
        END LOOP;
        EXIT WHEN whole = '{}';
        DELETE FROM ready WHERE ctid = ANY(whole);
        EXIT WHEN missing = 0;
    END LOOP;
    IF taken = '{}' THEN
        RETURN;
    END IF;
    INSERT INTO lease (token, stage, lease_until, worker, node, tasks)
    VALUES (my_token, my_stage, now() + lease_s * interval '1 second', my_worker, my_node, taken);
    RETURN QUERY
        SELECT task.id, task.lane, task.project, task.key, task.params::text, task.params_hash, task.payload::text,
            task.site, task.attempts + 1, task.blocks, project.config_hash
        FROM unnest(taken) WITH ORDINALITY AS one (task, number)
        JOIN task ON task.id = one.task
        JOIN project ON project.name = task.project
        ORDER BY one.number;
END $$;

-- Take tasks out of a lease, and return those that were in it; the lease ends with its last task.
CREATE FUNCTION let_go(
    my_token uuid, my_tasks bigint[], only_alive boolean, OUT tasks bigint[], OUT worker text, OUT node text
) LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    held lease;
    one bigint;
BEGIN
    tasks := '{}';
    SELECT * INTO held FROM lease
    WHERE token = my_token AND (lease_until > now() OR NOT only_alive) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    worker := held.worker;
    node := held.node;
    IF held.tasks = my_tasks THEN
        tasks := my_tasks;
        DELETE FROM lease WHERE token = my_token;
        RETURN;
    END IF;
    FOREACH one IN ARRAY my_tasks LOOP
        IF one = ANY(held.tasks) THEN
            held.tasks := array_remove(held.tasks, one);
            tasks := tasks || one;
        END IF;
    END LOOP;
    IF held.tasks = '{}' THEN
        DELETE FROM lease WHERE token = my_token;
    ELSIF tasks <> '{}' THEN
        UPDATE lease SET tasks = held.tasks WHERE token = my_token;
    END IF;
END $$;

-- Acknowledge tasks whose lease is alive, and return them; an array that is null stands for: done, without a result,
-- without an error.
CREATE FUNCTION finish(
    my_token uuid, my_tasks bigint[], lanes integer[], states text[], results jsonb[], errors text[]
) RETURNS bigint[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    held record;
    complete boolean;
BEGIN
    SELECT * INTO held FROM let_go(my_token, my_tasks, true);
    IF held.tasks <> '{}' THEN
        complete := held.tasks = my_tasks;
        INSERT INTO finished (task, lane, state, finished_at, token, worker, node, error, result)
        SELECT new.task, new.lane, coalesce(new.state, 'done'), now(), my_token, held.worker, held.node, new.error,
            coalesce(new.result, '{}')
        FROM unnest(my_tasks, lanes, states, results, errors) AS new (task, lane, state, result, error)
        WHERE complete OR new.task = ANY(held.tasks);
    END IF;
    RETURN held.tasks;
END $$;

-- Make dead letters of a project ready again with all their attempts, of one stage or of all, these or all; returns
-- how many. The page may call this and write nothing else.
CREATE FUNCTION retry(my_project text, my_stage text, my_tasks bigint[]) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    again bigint[];
BEGIN
    WITH dead AS (
        DELETE FROM finished USING lane
        WHERE state = 'dead' AND lane.id = finished.lane AND project = my_project
            AND (my_stage IS NULL OR stage = my_stage) AND (my_tasks IS NULL OR task = ANY(my_tasks))
        RETURNING task
    ), changed AS (
        UPDATE task SET attempts = 0, blocks = 0, ready_at = now(), error = NULL FROM dead WHERE id = dead.task
        RETURNING id
    )
    SELECT array_agg(id) INTO again FROM changed;
    IF again IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM let_wait(again);
    RETURN cardinality(again);
END $$;
REVOKE EXECUTE ON FUNCTION retry FROM PUBLIC;

-- Tasks that are deleted, as with their project, leave all tables, also what workers hold. Nobody claims meanwhile.
CREATE FUNCTION hold_claims() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7236002, hashtext(stage))
    FROM (SELECT DISTINCT stage FROM lane ORDER BY stage) AS known;
    RETURN NULL;
END $$;
CREATE TRIGGER hold_claims BEFORE DELETE ON project FOR EACH STATEMENT EXECUTE FUNCTION hold_claims();
CREATE TRIGGER hold_claims BEFORE DELETE ON task FOR EACH STATEMENT EXECUTE FUNCTION hold_claims();

CREATE FUNCTION forget_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    deleted bigint[] := ARRAY(SELECT id FROM gone);
BEGIN
    IF deleted = '{}' THEN
        RETURN NULL;
    END IF;
    DELETE FROM finished USING gone WHERE finished.task = gone.id;
    UPDATE ready SET tasks = ARRAY(
        SELECT one.task FROM unnest(tasks) WITH ORDINALITY AS one (task, number)
        WHERE NOT EXISTS (SELECT FROM gone WHERE gone.id = one.task) ORDER BY number
    )
    WHERE lane IN (SELECT lane FROM gone);
    DELETE FROM ready WHERE tasks = '{}' AND lane IN (SELECT lane FROM gone);
    UPDATE lease SET tasks = ARRAY(
        SELECT one.task FROM unnest(tasks) WITH ORDINALITY AS one (task, number)
        WHERE NOT EXISTS (SELECT FROM gone WHERE gone.id = one.task) ORDER BY number
    )
    WHERE EXISTS (SELECT FROM unnest(tasks) AS one (task) JOIN gone ON gone.id = one.task);
    DELETE FROM lease WHERE tasks = '{}';
    RETURN NULL;
END $$;
CREATE TRIGGER forget_tasks AFTER DELETE ON task
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_tasks();

-- Every task and where it stands, for whoever reads.
CREATE VIEW item AS
SELECT task.id, task.project, task.stage, key, params, params_hash, payload, site, priority,
    CASE WHEN finished.task IS NOT NULL THEN finished.state WHEN held.task IS NOT NULL THEN 'leased' ELSE 'ready' END
        AS state,
    attempts + (held.task IS NOT NULL OR coalesce(finished.state, 'dead') <> 'dead')::integer AS attempts,
    blocks, ready_at, coalesce(held.token, finished.token) AS lease_token, held.lease_until,
    coalesce(held.worker, finished.worker, task.worker) AS worker, coalesce(held.node, finished.node, task.node) AS node,
    CASE WHEN finished.task IS NOT NULL THEN finished.error ELSE task.error END AS error,
    result, created_at, finished_at
FROM task
LEFT JOIN finished ON finished.task = task.id
LEFT JOIN (
    SELECT unnest(tasks) AS task, token, lease_until, worker, node FROM lease
) AS held ON held.task = task.id;

-- Tasks of each stage that a worker could take now, and those that are worked on: what pods are needed for. A stage
-- without any has no row.
CREATE VIEW queue_depth AS
SELECT stage, sum(cardinality(tasks))::bigint AS items
FROM (
    SELECT stage, tasks FROM lease
    UNION ALL
    SELECT stage, tasks FROM ready JOIN lane ON lane.id = ready.lane
    WHERE ready_at <= now()
        AND NOT EXISTS (SELECT FROM pause WHERE pause.project = lane.project AND pause.stage = lane.stage)
        AND NOT EXISTS (
            SELECT FROM site_block WHERE site_block.site = lane.site AND site_block.blocked_until > now()
        )
) AS part
GROUP BY stage;
