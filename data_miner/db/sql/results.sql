-- Queries of data_miner.db.results: what the stages found, stored in the transaction that acknowledges the item.

-- name: add_video
INSERT INTO video (sha256, path, size_bytes) VALUES (%(sha256)s, %(path)s, %(size_bytes)s)
ON CONFLICT (sha256) DO NOTHING;

-- name: add_origin
INSERT INTO video_origin (project, key, video, url, metadata)
VALUES (%(project)s, %(key)s, %(sha256)s, %(url)s, %(metadata)s)
ON CONFLICT (project, key) DO UPDATE
SET video = excluded.video, url = excluded.url, metadata = excluded.metadata;

-- name: add_frameset
-- The directory is whole again, also for other projects that had pruned it.
WITH whole AS (
    UPDATE frameset SET pruned_at = NULL
    WHERE project <> %(project)s AND video = %(video)s AND params_hash = %(params_hash)s AND pruned_at IS NOT NULL
)
INSERT INTO frameset (project, video, params_hash, path, frames, width, height)
VALUES (%(project)s, %(video)s, %(params_hash)s, %(path)s, %(frames)s, %(width)s, %(height)s)
ON CONFLICT (project, video, params_hash) DO UPDATE
SET path = excluded.path, frames = excluded.frames, width = excluded.width, height = excluded.height,
    pruned_at = NULL;

-- name: known_videos
-- Which of these videos anything in the database speaks of.
SELECT sha256 FROM video WHERE sha256 = ANY(%(column_0)s);

-- name: known_framesets
-- Which of these directories of frames, videos and parameters, anything in the database speaks of.
SELECT DISTINCT video, params_hash FROM frameset
JOIN unnest(%(column_0)s::text[], %(column_1)s::text[]) AS asked (video, params_hash) USING (video, params_hash);

-- name: database_made
-- When this database was made, which a restore does too: Postgres writes this file then and never again.
SELECT extract(epoch FROM (pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification) AS made_s
FROM pg_database WHERE datname = current_database();

-- name: project_videos
-- Every video that a project has, for seeding a stage whose parameters changed.
SELECT DISTINCT video.sha256, video.path
FROM video_origin JOIN video ON video.sha256 = video_origin.video
WHERE video_origin.project = %(project)s
ORDER BY video.sha256;
