-- What people say about videos, and what they like.
CREATE TABLE comments (
    id UUID NOT NULL PRIMARY KEY,
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    author_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- What it answers. Answers to answers there are none.
    parent_id UUID REFERENCES comments (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    edited_at BIGINT
);
CREATE INDEX comments_video ON comments (video_id, id);
CREATE INDEX comments_parent ON comments (parent_id, id);
CREATE INDEX comments_author ON comments (author_id, id);

-- Videos whose owners want to hear no more.
CREATE TABLE closed_comments (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE
);

-- What somebody found wrong with a comment, once for each of them.
CREATE TABLE comment_reports (
    comment_id UUID NOT NULL REFERENCES comments (id) ON DELETE CASCADE,
    reporter_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (comment_id, reporter_id)
);
CREATE INDEX comment_reports_reporter ON comment_reports (reporter_id);

-- What administrators decided. It outlives what it was about.
CREATE TABLE moderations (
    id UUID NOT NULL PRIMARY KEY,
    -- NULL when their account is gone.
    moderator_id UUID REFERENCES users (id) ON DELETE SET NULL,
    decision TEXT NOT NULL CONSTRAINT moderations_decision_check CHECK (decision IN ('removed', 'kept')),
    author TEXT NOT NULL,
    video_id UUID NOT NULL,
    text TEXT NOT NULL,
    decided_at BIGINT NOT NULL
);
CREATE INDEX moderations_moderator ON moderations (moderator_id);

CREATE TABLE likes (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, user_id)
);
CREATE INDEX likes_user ON likes (user_id);
