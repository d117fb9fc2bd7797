CREATE TABLE apps (
    name            TEXT PRIMARY KEY,
    created_at      TEXT NOT NULL,
    provisional     INTEGER NOT NULL, -- 1 until something has been deployed
    live_generation TEXT NOT NULL,    -- what should serve; '' before the first deploy
    live_release    INTEGER NOT NULL
) STRICT;

CREATE TABLE config (
    app   TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (app, key)
) STRICT;

CREATE TABLE formation (
    app      TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    type     TEXT NOT NULL,
    replicas INTEGER NOT NULL,
    PRIMARY KEY (app, type)
) STRICT;

CREATE TABLE domains (
    host TEXT PRIMARY KEY,
    app  TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE
) STRICT;
CREATE INDEX domains_by_app ON domains (app);

CREATE TABLE releases (
    app        TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    version    INTEGER NOT NULL,
    image      TEXT NOT NULL,
    builder    TEXT NOT NULL,
    stack      TEXT NOT NULL,
    commit_id  TEXT NOT NULL,
    env        TEXT NOT NULL, -- JSON object
    procfile   TEXT NOT NULL, -- JSON object
    port       INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (app, version)
) STRICT;

CREATE TABLE app_settings (
    app   TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (app, name)
) STRICT;

-- Of the appliance as a whole.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE keys (
    fingerprint TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    public      TEXT NOT NULL,
    admin       INTEGER NOT NULL,
    created_at  TEXT NOT NULL
) STRICT;

-- Which keys that are not an admin's may work on which apps.
CREATE TABLE access (
    app TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    key TEXT NOT NULL REFERENCES keys (name) ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (app, key)
) STRICT;

-- What the certificate library keeps: accounts, keys, certificates, challenges.
CREATE TABLE certificates (
    key      TEXT PRIMARY KEY,
    value    BLOB NOT NULL,
    modified TEXT NOT NULL
) STRICT;

-- The audit trail outlives the apps that it is about: no reference.
CREATE TABLE events (
    id     INTEGER PRIMARY KEY,
    at     TEXT NOT NULL,
    actor  TEXT NOT NULL,
    door   TEXT NOT NULL,
    origin TEXT NOT NULL, -- where the connection came from
    app    TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    error  TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_app ON events (app, id);
