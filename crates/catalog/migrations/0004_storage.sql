-- Multipart uploads to the object store that nobody has finished or given up yet. A server keeps their parts for ever
-- and shows them to nobody: this is how those of a killed process are found.
CREATE TABLE unfinished_uploads (
    -- As the store calls it.
    upload TEXT NOT NULL PRIMARY KEY,
    object_key TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    -- When the last sign of life came.
    touched_at BIGINT NOT NULL
);

CREATE INDEX unfinished_uploads_touched ON unfinished_uploads (touched_at);

-- How often objects of a revision were found missing or damaged, and made again.
ALTER TABLE plans ADD COLUMN repairs BIGINT NOT NULL DEFAULT 0;
