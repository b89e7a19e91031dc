-- Projects, the queue, who works on it, and what came of it.

CREATE TABLE project (
    name text PRIMARY KEY,
    -- the validated configuration that the monitor seeded last
    config jsonb NOT NULL,
    config_hash text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    stage text NOT NULL,
    -- what the item is about, the same however often it is found: a query, an extractor's video id, a sha256
    key text NOT NULL,
    -- parameters that change the result, and their hash: other parameters make another item
    params jsonb NOT NULL,
    params_hash text NOT NULL,
    -- what the stage needs to know besides, such as the URL; does not make another item
    payload jsonb NOT NULL DEFAULT '{}',
    -- which site the work talks to, for the breaker
    site text,
    priority integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'done', 'skipped', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    blocks integer NOT NULL DEFAULT 0,
    ready_at timestamptz NOT NULL DEFAULT now(),
    lease_token uuid,
    lease_until timestamptz,
    -- who holds it or held it last, and on which machine
    worker text,
    node text,
    -- why the last attempt failed, or why the item was skipped
    error text,
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    UNIQUE (project, stage, key, params_hash),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL))
);

-- The claim walks this index from the front; finished items are not in it.
CREATE INDEX item_ready ON item (stage, priority DESC, ready_at, id) WHERE state = 'ready';
CREATE INDEX item_leased ON item (lease_until) WHERE state = 'leased';
CREATE INDEX item_counts ON item (project, stage, state);

-- Sites that refuse us, and until when they are left alone.
CREATE TABLE site_block (
    site text PRIMARY KEY,
    blocked_until timestamptz NOT NULL,
    blocks integer NOT NULL,
    reason text NOT NULL
);

-- Worker processes, as they reported last.
CREATE TABLE worker (
    name text PRIMARY KEY,
    stage text NOT NULL,
    node text NOT NULL,
    item_id bigint,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);

-- A video's bytes, stored once however many URLs lead to them.
CREATE TABLE video (
    sha256 text PRIMARY KEY,
    path text NOT NULL,
    size_bytes bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Where a project found a video, and what the site said about it.
CREATE TABLE video_origin (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    key text NOT NULL,
    video text NOT NULL REFERENCES video (sha256),
    url text NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, key)
);
CREATE INDEX video_origin_video ON video_origin (video);

-- The frames cut from a video with one set of parameters: one directory.
CREATE TABLE frameset (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    video text NOT NULL REFERENCES video (sha256),
    params_hash text NOT NULL,
    path text NOT NULL,
    frames integer NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, video, params_hash)
);
