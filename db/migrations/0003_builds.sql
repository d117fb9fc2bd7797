CREATE TABLE builds (
    app        TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    status     TEXT NOT NULL,
    source     TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    branch     TEXT NOT NULL,
    builder    TEXT NOT NULL,
    actor      TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT NOT NULL, -- '' while it runs
    error      TEXT NOT NULL,
    release    INTEGER NOT NULL,
    image      TEXT NOT NULL,
    PRIMARY KEY (app, number)
) STRICT;

-- What a build printed, in pieces. Of a long one the middle is left out.
CREATE TABLE build_output (
    app    TEXT NOT NULL,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL, -- bytes that were printed before it
    text   BLOB NOT NULL,
    PRIMARY KEY (app, number, at),
    FOREIGN KEY (app, number) REFERENCES builds (app, number) ON DELETE CASCADE
) STRICT;
