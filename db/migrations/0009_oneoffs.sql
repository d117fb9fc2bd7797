-- Commands that run, or ran, detached beside an app's processes: what somebody
-- ran, and the runs of cron jobs.
CREATE TABLE oneoffs (
    id         INTEGER PRIMARY KEY,
    app        TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    cron       TEXT NOT NULL,    -- the id of the job; '' for what somebody ran
    due        TEXT NOT NULL,    -- the minute that a job was due at; '' if somebody ran it
    command    BLOB NOT NULL,    -- JSON array, sealed, since people type passwords
    release    INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    started_at TEXT NOT NULL,
    deadline   TEXT NOT NULL,
    ended_at   TEXT NOT NULL,    -- '' while it runs
    status     INTEGER NOT NULL,
    error      TEXT NOT NULL,
    output     BLOB NOT NULL,    -- what it printed, of a long one the beginning and the end; sealed
    UNIQUE (app, name)
) STRICT;
CREATE INDEX oneoffs_by_job ON oneoffs (app, cron, id);
CREATE UNIQUE INDEX oneoffs_by_due ON oneoffs (app, cron, due) WHERE due <> '';
