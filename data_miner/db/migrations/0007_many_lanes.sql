-- Many sites in one project. Nothing looks for the tasks of a lane, which go with their project, as it does: without
-- an index of them, deleting a project read the whole table for each of its lanes.
ALTER TABLE task DROP CONSTRAINT task_lane_fkey;

-- No index and no hash is used for IS NOT DISTINCT FROM, so lanes are also found by this.
CREATE INDEX lane_of_site ON lane (stage, project, (coalesce(site, '')));

-- Add tasks unless they exist. One row of the arrays is one task. Returns the numbers of the new ones, and of those
-- that were skipped before and that now come with another payload, such as other rules: they are looked at again.
-- Tasks that exist are not even tried to be inserted: that would wait for everybody who is just adding one.
CREATE OR REPLACE FUNCTION enqueue(
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
        WHERE lane.stage = new.stage AND lane.project = new.project
            AND coalesce(lane.site, '') = coalesce(new.site, '') AND lane.site IS NOT DISTINCT FROM new.site
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
        SELECT
            (  -- not a join: some plans of one compare each task with all lanes
                SELECT id FROM lane
                WHERE lane.stage = new.stage AND lane.project = new.project
                    AND coalesce(lane.site, '') = coalesce(new.site, '') AND lane.site IS NOT DISTINCT FROM new.site
            ), new.*
        FROM new
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
