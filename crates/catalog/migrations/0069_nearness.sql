-- What is found is ordered by where it was found, and not weighed: what is nearer has an index of its own.
-- @postgres
ALTER TABLE search_documents DROP COLUMN words;
ALTER TABLE search_documents
    ADD COLUMN in_title tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED,
    ADD COLUMN in_name tsvector GENERATED ALWAYS AS (to_tsvector('simple', title || ' ' || tags)) STORED,
    ADD COLUMN in_writing tsvector GENERATED ALWAYS AS
        (to_tsvector('simple', title || ' ' || tags || ' ' || description)) STORED,
    ADD COLUMN words tsvector GENERATED ALWAYS AS
        (to_tsvector('simple', title || ' ' || tags || ' ' || description || ' ' || speech)) STORED;
CREATE INDEX search_documents_in_title ON search_documents USING gin (in_title);
CREATE INDEX search_documents_in_name ON search_documents USING gin (in_name);
CREATE INDEX search_documents_in_writing ON search_documents USING gin (in_writing);
CREATE INDEX search_documents_words ON search_documents USING gin (words);

-- @sqlite
DROP TRIGGER search_documents_inserted;
DROP TRIGGER search_documents_deleted;
DROP TRIGGER search_documents_updated;
DROP TABLE search_words;
CREATE VIRTUAL TABLE search_words USING fts5(title, tags, description, speech, content='search_documents',
    content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='1 2 3');
INSERT INTO search_words (search_words) VALUES ('rebuild');
CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_words (rowid, title, tags, description, speech)
    VALUES (new.id, new.title, new.tags, new.description, new.speech);
END;
CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description, speech)
    VALUES ('delete', old.id, old.title, old.tags, old.description, old.speech);
END;
CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description, speech)
    VALUES ('delete', old.id, old.title, old.tags, old.description, old.speech);
    INSERT INTO search_words (rowid, title, tags, description, speech)
    VALUES (new.id, new.title, new.tags, new.description, new.speech);
END;
