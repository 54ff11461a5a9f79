-- Videos. Spans of time are microseconds unless a column has a timescale beside it.
CREATE TABLE videos (
    id UUID NOT NULL PRIMARY KEY,
    process_id UUID NOT NULL UNIQUE,
    owner_id UUID NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    claimed_duration BIGINT,
    measured_duration BIGINT,
    source_name TEXT NOT NULL,
    source_extension TEXT NOT NULL,
    source_key TEXT NOT NULL,
    source_bytes BIGINT NOT NULL,
    source_sha256 BYTEA,
    state TEXT NOT NULL
        CONSTRAINT videos_state_check CHECK (state IN ('uploaded', 'processing', 'ready', 'failed', 'deleting')),
    -- The sentence the uploader reads when the state is 'failed'.
    error TEXT,
    warnings TEXT NOT NULL,
    visibility TEXT NOT NULL
        CONSTRAINT videos_visibility_check CHECK (visibility IN ('public', 'unlisted', 'private')),
    protection TEXT NOT NULL,
    -- The newest plan, and the one that is served.
    revision BIGINT,
    published_revision BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    ready_at BIGINT,
    CONSTRAINT videos_error_check CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT videos_ready_check CHECK (state <> 'ready' OR published_revision IS NOT NULL)
);

CREATE INDEX videos_page ON videos (created_at DESC, id DESC);
CREATE INDEX videos_public_page ON videos (created_at DESC, id DESC) WHERE state = 'ready' AND visibility = 'public';
CREATE INDEX videos_owner_page ON videos (owner_id, created_at DESC, id DESC);

-- How far the present processing of a video is.
CREATE TABLE stages (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    stage TEXT NOT NULL,
    units_done BIGINT NOT NULL,
    units_total BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, stage),
    CONSTRAINT stages_units_check CHECK (units_done BETWEEN 0 AND units_total)
);

-- What a revision is made from: timeline, ladder, settings, audio. JSON that only the pipeline reads.
CREATE TABLE plans (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    revision BIGINT NOT NULL,
    document TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, revision)
);

CREATE TABLE renditions (
    video_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    rendition TEXT NOT NULL,
    kind TEXT NOT NULL CONSTRAINT renditions_kind_check CHECK (kind IN ('video', 'audio')),
    width BIGINT,
    height BIGINT,
    bitrate BIGINT NOT NULL,
    timescale BIGINT NOT NULL,
    segments BIGINT NOT NULL,
    -- Both are unknown until the first chunk is recorded, and the same for every further chunk.
    codecs TEXT,
    sample_entry BYTEA,
    PRIMARY KEY (video_id, revision, rendition),
    FOREIGN KEY (video_id, revision) REFERENCES plans (video_id, revision) ON DELETE CASCADE
);

-- What is in the blob store. Index 0 is the init segment, n the nth media segment; times are in the rendition's
-- timescale. Rows are never changed: the first valid result wins.
CREATE TABLE objects (
    video_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    rendition TEXT NOT NULL,
    idx BIGINT NOT NULL CONSTRAINT objects_idx_check CHECK (idx >= 0),
    object_key TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    iframe_bytes BIGINT,
    start_time BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    PRIMARY KEY (video_id, revision, rendition, idx),
    FOREIGN KEY (video_id, revision, rendition) REFERENCES renditions (video_id, revision, rendition) ON DELETE CASCADE
);

-- Poster and storyboard sheets. What they show follows from the plan.
CREATE TABLE images (
    video_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    kind TEXT NOT NULL CONSTRAINT images_kind_check CHECK (kind IN ('poster', 'storyboard')),
    idx BIGINT NOT NULL,
    object_key TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    PRIMARY KEY (video_id, revision, kind, idx),
    FOREIGN KEY (video_id, revision) REFERENCES plans (video_id, revision) ON DELETE CASCADE
);
