-- What programs sign in with, by its SHA-256. Signing out of devices does not end it.
CREATE TABLE api_tokens (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE,
    -- What its owner calls it, and its first characters, which are no secret.
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    -- What it may be used for, as a JSON array.
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    -- NULL for one that is good until it is removed.
    expires_at BIGINT
);

CREATE INDEX api_tokens_user ON api_tokens (user_id, id);
