-- How often videos are watched. Days are counted from 1970-01-01 in UTC.
CREATE TABLE view_days (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    views BIGINT NOT NULL,
    PRIMARY KEY (video_id, day)
);
CREATE INDEX view_days_by_day ON view_days (day, video_id);

-- Who has been counted today: hashes that mean nothing without the day's salt. Both go when the day is over.
CREATE TABLE viewers (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    day BIGINT NOT NULL,
    viewer BYTEA NOT NULL,
    PRIMARY KEY (video_id, day, viewer)
);
CREATE INDEX viewers_by_day ON viewers (day);

CREATE TABLE view_salts (
    day BIGINT NOT NULL PRIMARY KEY,
    salt BYTEA NOT NULL
);
