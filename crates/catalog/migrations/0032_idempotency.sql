-- Creations that are asked for under a key, so that asking twice makes one video.
CREATE TABLE idempotency_keys (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    -- The request that works on it, and until when it may be believed to.
    holder UUID NOT NULL,
    held_until BIGINT NOT NULL,
    -- Both are there once it is done: what was asked for, and what came of it.
    fingerprint BYTEA,
    video_id UUID REFERENCES videos (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_video ON idempotency_keys (video_id);
