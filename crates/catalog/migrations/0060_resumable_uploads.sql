-- Files that are sent in pieces, over as many requests as it takes, to whichever node.
CREATE TABLE resumable_uploads (
    id UUID NOT NULL PRIMARY KEY,
    owner_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CONSTRAINT resumable_uploads_kind_check CHECK (kind IN ('whole', 'partial', 'final')),
    state TEXT NOT NULL
        CONSTRAINT resumable_uploads_state_check CHECK (state IN ('receiving', 'joined', 'done', 'refused')),
    -- NULL until the client knows it.
    length BIGINT,
    -- The sum of the pieces, as long as there are any.
    received BIGINT NOT NULL,
    pieces BIGINT NOT NULL,
    -- As the client wrote them.
    metadata TEXT NOT NULL,
    concat TEXT,
    -- What a final one was put together of: JSON.
    parts TEXT NOT NULL,
    -- What a part has become part of. It refers to nothing: rows are restored from a backup in any order.
    joined_into UUID,
    -- Who adds to it, and until when they may be believed to.
    writer UUID,
    writer_until BIGINT NOT NULL,
    -- Why there is no video: a sentence for its uploader.
    error TEXT,
    video_id UUID REFERENCES videos (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT resumable_uploads_received_check CHECK (received >= 0 AND (length IS NULL OR received <= length))
);

CREATE INDEX resumable_uploads_owner ON resumable_uploads (owner_id, state);
CREATE INDEX resumable_uploads_age ON resumable_uploads (expires_at);
CREATE INDEX resumable_uploads_video ON resumable_uploads (video_id);
-- What is whole and is no video yet.
CREATE INDEX resumable_uploads_complete ON resumable_uploads (writer_until)
    WHERE state = 'receiving' AND received = length;

-- Objects of the store that are the bytes of an upload, one after the other. They may lie in the folder of another one:
-- those of its parts become those of a final upload.
CREATE TABLE resumable_pieces (
    upload_id UUID NOT NULL REFERENCES resumable_uploads (id) ON DELETE CASCADE,
    start BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    object_key TEXT NOT NULL UNIQUE,
    PRIMARY KEY (upload_id, start)
);
