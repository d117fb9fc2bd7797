-- What an app is called where its name cannot change: in the engine, in the
-- repositories' directory, in the router. It stays when the app is renamed.
ALTER TABLE apps ADD COLUMN handle TEXT NOT NULL DEFAULT '';
UPDATE apps SET handle = name;
CREATE UNIQUE INDEX apps_by_handle ON apps (handle);
