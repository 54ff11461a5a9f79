-- Who gets licences for a video, where that differs from what is the rule on this server. NULL: as everywhere.
CREATE TABLE licence_policies (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    audience TEXT
        CONSTRAINT licence_policies_audience_check CHECK (audience IN ('viewers', 'accounts', 'entitled')),
    max_height BIGINT,
    max_streams BIGINT,
    licence_duration BIGINT,
    updated_at BIGINT NOT NULL
);

-- Who may play what is for a list of people, and until when; NULL for ever.
CREATE TABLE entitlements (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    ends_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, user_id)
);

CREATE INDEX entitlements_user ON entitlements (user_id, video_id);

-- What people play now: one row for each player that got a licence, until its player lets go of it or it ends.
CREATE TABLE streams (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);

CREATE INDEX streams_user ON streams (user_id, ends_at);
CREATE INDEX streams_end ON streams (ends_at);

-- Every licence that was asked for. It outlives the video and the account it is about.
CREATE TABLE licence_log (
    id UUID NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    video_id UUID,
    user_id UUID,
    stream_id UUID,
    system TEXT NOT NULL,
    -- NULL when it was granted.
    refusal TEXT,
    -- Which keys were given, as a JSON array of classes.
    classes TEXT NOT NULL,
    address TEXT NOT NULL
);

CREATE INDEX licence_log_page ON licence_log (at DESC, id DESC);
CREATE INDEX licence_log_video ON licence_log (video_id, at DESC, id DESC);
