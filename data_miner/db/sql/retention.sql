-- Queries of data_miner.db.retention: what a project alone has, and removing it.

-- name: project_counts
SELECT
    count(*) AS items, count(*) FILTER (WHERE state = 'leased') AS leased,
    count(*) FILTER (WHERE state IN ('ready', 'leased')) AS unfinished
FROM item WHERE project = %(project)s;

-- name: own_videos
-- Videos that no other project found too.
SELECT sha256, path FROM video
WHERE EXISTS (SELECT FROM video_origin WHERE project = %(project)s AND video = video.sha256)
    AND NOT EXISTS (SELECT FROM video_origin WHERE project <> %(project)s AND video = video.sha256)
ORDER BY sha256;

-- name: own_framesets
-- Frames that no other project has cut in the same way, for they share the directory; one that pruned it still has
-- its dataset's frames there.
SELECT mine.video, mine.params_hash, mine.path FROM frameset AS mine
WHERE mine.project = %(project)s
    AND NOT EXISTS (
        SELECT FROM frameset AS other
        WHERE other.project <> mine.project AND other.video = mine.video
            AND other.params_hash = mine.params_hash
    )
ORDER BY mine.video, mine.params_hash;

-- name: old_framesets
-- Those of them that were cut long ago, that nobody pruned, and whose video nobody works on or may try again.
SELECT mine.video, mine.params_hash, mine.path FROM frameset AS mine
WHERE mine.project = %(project)s AND mine.pruned_at IS NULL
    AND mine.created_at < now() - %(days)s * interval '1 day'
    AND NOT EXISTS (
        SELECT FROM frameset AS other
        WHERE other.project <> mine.project AND other.video = mine.video
            AND other.params_hash = mine.params_hash
    )
    AND NOT EXISTS (
        SELECT FROM task LEFT JOIN finished ON finished.task = task.id
        WHERE task.project = mine.project AND task.key = mine.video AND coalesce(finished.state, 'dead') = 'dead'
    )
ORDER BY mine.video, mine.params_hash;

-- name: note_pruned
UPDATE frameset SET pruned_at = now()
WHERE project = %(project)s AND video = %(video)s AND params_hash = %(params_hash)s;

-- name: note_unpruned
UPDATE frameset SET pruned_at = NULL
WHERE project = %(project)s AND video = %(video)s AND params_hash = %(params_hash)s;

-- name: hold_claims
-- As deleting a project does, but before: no lease of it is added from now on.
SELECT pg_advisory_xact_lock(7236002, hashtext(stage)) FROM (SELECT DISTINCT stage FROM lane ORDER BY stage) AS known;

-- name: hold_leases
-- Whoever is just settling tasks of the project locks their lease first, so that is what deleting it begins with:
-- then neither waits for the other in a circle, and no result comes in between.
SELECT FROM lease
WHERE EXISTS (SELECT FROM unnest(tasks) AS one (task) JOIN task ON task.id = one.task WHERE project = %(project)s)
ORDER BY token FOR UPDATE;

-- name: delete_project
DELETE FROM project WHERE name = %(project)s;

-- name: delete_videos
DELETE FROM video
WHERE sha256 = ANY(%(videos)s)
    AND NOT EXISTS (SELECT FROM video_origin WHERE video_origin.video = video.sha256)
    AND NOT EXISTS (SELECT FROM frameset WHERE frameset.video = video.sha256);
