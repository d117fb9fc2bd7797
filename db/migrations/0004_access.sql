-- What a key may do with an app. Who was let in before there were levels could
-- push to it.
ALTER TABLE access ADD COLUMN level TEXT NOT NULL DEFAULT 'deploy';

CREATE TABLE teams (
    name       TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE team_keys (
    team TEXT NOT NULL REFERENCES teams (name) ON DELETE CASCADE,
    key  TEXT NOT NULL REFERENCES keys (name) ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (team, key)
) STRICT;
CREATE INDEX team_keys_by_key ON team_keys (key);

CREATE TABLE team_access (
    app   TEXT NOT NULL REFERENCES apps (name) ON DELETE CASCADE,
    team  TEXT NOT NULL REFERENCES teams (name) ON DELETE CASCADE,
    level TEXT NOT NULL,
    PRIMARY KEY (app, team)
) STRICT;
