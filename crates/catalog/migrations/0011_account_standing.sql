-- Whether an account may be used. One that leaves goes when the last of its videos has gone.
ALTER TABLE users ADD COLUMN standing TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT users_standing_check CHECK (standing IN ('active', 'waiting', 'suspended', 'leaving'));

-- When somebody proved that the address is theirs.
ALTER TABLE users ADD COLUMN verified_at BIGINT;

-- What this person may have: NULL is what the configuration says for everybody, 0 as much as they like.
ALTER TABLE users ADD COLUMN quota_bytes BIGINT;
ALTER TABLE users ADD COLUMN quota_videos BIGINT;
ALTER TABLE users ADD COLUMN quota_minutes BIGINT;

-- What was sent to an address to prove that somebody reads it, by its SHA-256. Each is used once.
CREATE TABLE account_links (
    hash BYTEA NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CONSTRAINT account_links_purpose_check CHECK (purpose IN ('confirm', 'reset')),
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

CREATE INDEX account_links_user ON account_links (user_id, purpose, created_at);

-- What makes an account where not everybody may, by the SHA-256 of its code.
CREATE TABLE invites (
    id UUID NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    note TEXT NOT NULL,
    role TEXT NOT NULL CONSTRAINT invites_role_check CHECK (role IN ('viewer', 'creator', 'admin')),
    created_by UUID REFERENCES users (id) ON DELETE SET NULL,
    uses BIGINT NOT NULL,
    max_uses BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT invites_uses_check CHECK (uses BETWEEN 0 AND max_uses)
);

-- Attempts at guessing something, by the SHA-256 of what is guessed or who guesses.
CREATE TABLE attempts (
    hash BYTEA NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);

CREATE INDEX attempts_age ON attempts (last_at);
