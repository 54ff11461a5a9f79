-- Pictures that people show of themselves. One of another look is another object under another key.
CREATE TABLE profile_pictures (
    user_id UUID NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    object_key TEXT NOT NULL UNIQUE,
    bytes BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

-- Letters that somebody does not want, by what they are about. Whoever has said nothing gets all of them.
CREATE TABLE unwanted_letters (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    topic TEXT NOT NULL,
    PRIMARY KEY (user_id, topic)
);
