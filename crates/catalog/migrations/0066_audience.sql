-- How much of videos is watched: sums, by video and day. Nothing says who watched, or what one person watched of it.
-- Days are counted from 1970-01-01 in UTC.
CREATE TABLE audience_days (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    playbacks BIGINT NOT NULL,
    -- Time in front of moving pictures, in microseconds.
    played BIGINT NOT NULL,
    PRIMARY KEY (video_id, day)
);

-- How many playbacks have shown something of each of 50 equal parts of a video.
CREATE TABLE audience_parts (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    part BIGINT NOT NULL CONSTRAINT audience_parts_part_check CHECK (part BETWEEN 0 AND 49),
    playbacks BIGINT NOT NULL,
    PRIMARY KEY (video_id, day, part)
);
