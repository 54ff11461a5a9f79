-- What people look videos up by. Texts are words in lower case without accents, as `catalog::search` writes them, so that
-- both databases find the same.
ALTER TABLE videos ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';

-- Grows with each change of what people edit: who changes a video can say which version they have seen.
ALTER TABLE videos ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

CREATE TABLE search_documents (
    id BIGSERIAL PRIMARY KEY,
    video_id UUID NOT NULL UNIQUE REFERENCES videos (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    tags TEXT NOT NULL,
    description TEXT NOT NULL
);

CREATE INDEX videos_by_duration ON videos (coalesce(measured_duration, claimed_duration, 0), id);

-- @postgres
ALTER TABLE search_documents ADD COLUMN words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', tags), 'B')
        || setweight(to_tsvector('simple', description), 'D')
) STORED;
CREATE INDEX search_documents_words ON search_documents USING gin (words);

-- @sqlite
CREATE VIRTUAL TABLE search_words USING fts5(title, tags, description, content='search_documents',
    content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='2 3');
CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_words (rowid, title, tags, description)
    VALUES (new.id, new.title, new.tags, new.description);
END;
CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description)
    VALUES ('delete', old.id, old.title, old.tags, old.description);
END;
CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description)
    VALUES ('delete', old.id, old.title, old.tags, old.description);
    INSERT INTO search_words (rowid, title, tags, description)
    VALUES (new.id, new.title, new.tags, new.description);
END;
