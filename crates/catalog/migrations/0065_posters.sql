-- Posters that owners chose in place of the ones that were made. The name of the one that is shown is with its video,
-- where every list finds it; NULL for the one that was made.
ALTER TABLE videos ADD COLUMN poster BIGINT;

CREATE TABLE posters (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    object_key TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    -- Where in the video it was taken; NULL for a picture that was sent.
    moment BIGINT
);
