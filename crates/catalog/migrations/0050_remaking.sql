-- A video that plays, and whose media are made again because the store has lost some of them. Until the new revision is
-- published the old one is served.
ALTER TABLE videos ADD COLUMN remaking BOOLEAN NOT NULL DEFAULT FALSE;

-- What follows from the rest of a revision and is in the store beside it: manifests, the init segments of the other
-- flavour, the storyboard's track. Written when they are; a revision that was published before there was this table has
-- none.
CREATE TABLE documents (
    video_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    object_key TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    PRIMARY KEY (video_id, revision, object_key),
    FOREIGN KEY (video_id, revision) REFERENCES plans (video_id, revision) ON DELETE CASCADE
);

-- What a round of reading everything back has done so far. A round that has come to its end leaves nothing here.
CREATE TABLE scrubbed (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    -- What was served when it was read; a video that was published again is read again.
    revision BIGINT,
    objects BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    -- JSON that only the program reads.
    damage TEXT NOT NULL,
    read_at BIGINT NOT NULL
);
