-- Token buckets by name, each as the moment at which it is full again. One that is full has no row.
CREATE TABLE rate_buckets (
    bucket TEXT NOT NULL PRIMARY KEY,
    full_at BIGINT NOT NULL,
    -- Whether the last request got its token.
    granted BOOLEAN NOT NULL
);

CREATE INDEX rate_buckets_full_at ON rate_buckets (full_at);
