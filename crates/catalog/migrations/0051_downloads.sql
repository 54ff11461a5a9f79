-- What viewers may take home of a video; 'default' is what the configuration says for all of them.
ALTER TABLE videos ADD COLUMN downloads TEXT NOT NULL DEFAULT 'default'
    CONSTRAINT videos_downloads_check CHECK (downloads IN ('default', 'none', 'renditions', 'original_too'));
