-- What a repository's app.json and compose file said when a release was built.
ALTER TABLE releases ADD COLUMN app_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE releases ADD COLUMN services TEXT NOT NULL DEFAULT '{}';
