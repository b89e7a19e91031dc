-- What the stages with models find. Raw scores and boxes are kept, so that other thresholds need no model.

-- How well the frames of a video fit some prompts.
CREATE TABLE frame_scores (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    video text NOT NULL REFERENCES video (sha256),
    -- parameters hash of the frames
    frames_hash text NOT NULL,
    -- hash of model and prompts
    scores_hash text NOT NULL,
    model text NOT NULL,
    prompts text[] NOT NULL,
    times_ms integer[] NOT NULL,
    -- a row for each frame, a column for each prompt
    scores real[] NOT NULL,
    PRIMARY KEY (project, video, frames_hash, scores_hash)
);

-- Which frames of a video pass, with one set of filter parameters.
CREATE TABLE filtered (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    video text NOT NULL REFERENCES video (sha256),
    params_hash text NOT NULL,
    frames_hash text NOT NULL,
    scores_hash text NOT NULL,
    passed_ms integer[] NOT NULL,
    PRIMARY KEY (project, params_hash, video)
);

-- The frames that passed, compared with each other: one scope for each set of dedup parameters of a project.
CREATE TABLE dedup_frame (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    params_hash text NOT NULL,
    video text NOT NULL REFERENCES video (sha256),
    time_ms integer NOT NULL,
    frames_hash text NOT NULL,
    -- in the order in which they were stored, one after the other within a scope
    number bigint GENERATED ALWAYS AS IDENTITY,
    phash bigint,
    pixels integer NOT NULL,
    size_bytes integer NOT NULL,
    -- the frame of the same video that this one repeats; null for a candidate
    repeats_ms integer,
    kept boolean NOT NULL DEFAULT false,
    -- of a candidate that is not kept: the frame of another video that is kept in its place
    keeper_video text,
    keeper_ms integer,
    PRIMARY KEY (project, params_hash, video, time_ms),
    CHECK (NOT (kept AND (repeats_ms IS NOT NULL OR keeper_video IS NOT NULL)))
);
CREATE INDEX dedup_frame_number ON dedup_frame (project, params_hash, number) WHERE repeats_ms IS NULL;

-- Candidates of different videos that show the same; each pair in both directions.
CREATE TABLE near_duplicate (
    project text NOT NULL,
    params_hash text NOT NULL,
    video text NOT NULL,
    time_ms integer NOT NULL,
    other_video text NOT NULL,
    other_ms integer NOT NULL,
    similarity real NOT NULL,
    distance smallint,
    PRIMARY KEY (project, params_hash, video, time_ms, other_video, other_ms),
    FOREIGN KEY (project, params_hash, video, time_ms) REFERENCES dedup_frame ON DELETE CASCADE
);

-- Every box that a detector found in a frame, also weak ones and those that overlap.
CREATE TABLE raw_boxes (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    video text NOT NULL REFERENCES video (sha256),
    frames_hash text NOT NULL,
    -- hash of the model and what it was asked
    raw_hash text NOT NULL,
    time_ms integer NOT NULL,
    labels text[] NOT NULL,
    scores real[] NOT NULL,
    -- xyxy in pixels of the frame, four numbers for each box
    boxes real[] NOT NULL,
    PRIMARY KEY (project, video, frames_hash, raw_hash, time_ms)
);

-- The objects in a frame, with one set of detection parameters.
CREATE TABLE object_box (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    params_hash text NOT NULL,
    video text NOT NULL REFERENCES video (sha256),
    time_ms integer NOT NULL,
    -- from 0, the most certain first
    number smallint NOT NULL,
    label text NOT NULL,
    score real NOT NULL,
    x1 real NOT NULL,
    y1 real NOT NULL,
    x2 real NOT NULL,
    y2 real NOT NULL,
    PRIMARY KEY (project, params_hash, video, time_ms, number)
);
