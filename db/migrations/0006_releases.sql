-- How the deploy of a release went, what it restored if it was a rollback, and
-- how many of each process type were to run.
ALTER TABLE releases ADD COLUMN status TEXT NOT NULL DEFAULT 'succeeded';
ALTER TABLE releases ADD COLUMN restores INTEGER NOT NULL DEFAULT 0;
ALTER TABLE releases ADD COLUMN formation TEXT NOT NULL DEFAULT '{}'; -- JSON object

-- Of what was there before, the builds know how it went.
UPDATE releases SET status = 'failed' WHERE
    version <> (SELECT live_release FROM apps WHERE name = releases.app)
    AND EXISTS (SELECT 1 FROM builds b WHERE b.app = releases.app AND b.release = releases.version)
    AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.app = releases.app AND b.release = releases.version AND b.status = 'succeeded');
