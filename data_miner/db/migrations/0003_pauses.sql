-- Stages of projects that are paused: their items are not claimed. A project that is paused as a whole has a row
-- for each stage, so that single ones can be resumed.
CREATE TABLE pause (
    project text NOT NULL REFERENCES project (name) ON DELETE CASCADE,
    stage text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project, stage)
);
