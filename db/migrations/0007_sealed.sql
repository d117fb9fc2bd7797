-- What may be secret is sealed under a key that is not in this file. The
-- columns are BLOBs: bytes are sealed, text is not. What is in the tables and
-- columns that go is sealed by sealing.go, within the same transaction.
CREATE TABLE sealing (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    fits     BLOB NOT NULL,    -- opens with the right key
    scrubbed INTEGER NOT NULL  -- 0 while what was there unsealed may still be in the file
) STRICT;

ALTER TABLE config RENAME TO plain_config;
CREATE TABLE config (
    app   TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (app, key)
) STRICT;

-- Of all apps.
CREATE TABLE global_config (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

ALTER TABLE app_settings RENAME TO plain_app_settings;
CREATE TABLE app_settings (
    app   TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (app, name)
) STRICT;

ALTER TABLE settings RENAME TO plain_settings;
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- JSON of the environment, the services and app.json.
ALTER TABLE releases ADD COLUMN sealed BLOB NOT NULL DEFAULT x'';
