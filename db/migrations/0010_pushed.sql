-- Where registries have the images of a release, as JSON.
ALTER TABLE releases ADD COLUMN pushed TEXT NOT NULL DEFAULT '[]';
