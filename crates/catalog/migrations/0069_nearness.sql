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
-- Beginnings of one letter get an index too. The triggers of `search_documents` go by the table's name.
DROP TABLE search_words;
CREATE VIRTUAL TABLE search_words USING fts5(title, tags, description, speech, content='search_documents',
    content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='1 2 3');
INSERT INTO search_words (search_words) VALUES ('rebuild');
