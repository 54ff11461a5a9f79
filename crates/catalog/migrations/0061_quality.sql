-- What players tell of playing: one row for each time that somebody opened a player, under an id that it drew itself.
-- Nothing says who that was. Spans of time are microseconds.
CREATE TABLE playbacks (
    id UUID NOT NULL PRIMARY KEY,
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    -- Height of the pictures that were shown for the longest time; 0 when none were.
    height BIGINT NOT NULL,
    -- From the wish to play to the first picture; NULL when there was none.
    startup BIGINT,
    played BIGINT NOT NULL,
    rebuffers BIGINT NOT NULL,
    rebuffering BIGINT NOT NULL,
    switches BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    -- How often the player has told of it. What it tells last is what is here.
    reports BIGINT NOT NULL,
    began_at BIGINT NOT NULL
);

CREATE INDEX playbacks_day ON playbacks (began_at);
CREATE INDEX playbacks_video ON playbacks (video_id, began_at);
