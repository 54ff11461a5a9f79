-- What happened to videos. The log outlives the videos, and is kept for a configured time.
CREATE TABLE events (
    -- In the order of the commits: whoever has read up to one of them has missed nothing before it.
    seq BIGINT NOT NULL PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The video as it was, as JSON; NULL for an event that is about none.
    video TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX events_owner ON events (owner_id, seq);
CREATE INDEX events_age ON events (created_at);

-- The last number given. Its row is locked until the transaction that takes a number ends: a sequence would show
-- a later number before an earlier one.
CREATE TABLE event_clock (
    id BIGINT NOT NULL PRIMARY KEY CONSTRAINT event_clock_id_check CHECK (id = 1),
    last_seq BIGINT NOT NULL
);

INSERT INTO event_clock (id, last_seq) VALUES (1, 0);

-- Where events are posted to. One without an owner hears of everybody's videos.
CREATE TABLE webhooks (
    id UUID NOT NULL PRIMARY KEY,
    owner_id UUID REFERENCES users (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- Which events, as a JSON array of their names; an empty one is all.
    kinds TEXT NOT NULL,
    secret TEXT NOT NULL,
    -- Signs as well until then.
    previous_secret TEXT,
    previous_until BIGINT,
    enabled BOOLEAN NOT NULL,
    -- Why it was disabled, unless somebody asked for it.
    disabled_reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX webhooks_owner ON webhooks (owner_id, id);

-- One event on its way to one destination, and what came of each attempt.
CREATE TABLE deliveries (
    event_seq BIGINT NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
    destination TEXT NOT NULL,
    webhook_id UUID REFERENCES webhooks (id) ON DELETE CASCADE,
    -- Grows when it is delivered again; a job of an earlier run does nothing.
    run BIGINT NOT NULL,
    state TEXT NOT NULL
        CONSTRAINT deliveries_state_check CHECK (state IN ('pending', 'delivered', 'dead', 'skipped')),
    -- JSON, the oldest first.
    attempts TEXT NOT NULL,
    next_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    PRIMARY KEY (event_seq, destination)
);

CREATE INDEX deliveries_webhook ON deliveries (webhook_id, event_seq DESC) WHERE webhook_id IS NOT NULL;
