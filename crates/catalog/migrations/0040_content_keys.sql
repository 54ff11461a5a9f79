-- Keys of protected videos, each encrypted under a master key that is no part of the database.
CREATE TABLE content_keys (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    class TEXT NOT NULL
        CONSTRAINT content_keys_class_check CHECK (class IN ('audio', 'sd', 'hd', 'source')),
    key_id BYTEA NOT NULL UNIQUE,
    -- Under which master key, by its id.
    master_key TEXT NOT NULL,
    wrapped BYTEA NOT NULL,
    -- What encryption begins with; no secret.
    iv BYTEA NOT NULL,
    -- What a key server wants players to be told, as JSON; NULL where we make it.
    headers TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, class)
);

CREATE INDEX content_keys_master_key ON content_keys (master_key, key_id);

-- Whether the uploaded file is in the store as it came, encrypted, or not any more.
ALTER TABLE videos ADD COLUMN source_state TEXT NOT NULL DEFAULT 'clear'
    CONSTRAINT videos_source_state_check CHECK (source_state IN ('clear', 'sealed', 'gone'));
