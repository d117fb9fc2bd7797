-- What stands for a key at the HTTP door. Of the token itself only a hash is
-- kept.
CREATE TABLE tokens (
    name       TEXT PRIMARY KEY,
    key        TEXT NOT NULL REFERENCES keys (name) ON DELETE CASCADE ON UPDATE CASCADE,
    hash       TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL, -- '' for never
    used_at    TEXT NOT NULL  -- to the day; '' if it never was
) STRICT;
