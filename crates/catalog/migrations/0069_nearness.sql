-- What is found is ordered by where it was found, and not weighed: what is nearer has an index of its own. What a search is
-- narrowed down by stands in these indexes beside the words, as words with a sign that no text has.
CREATE VIEW search_facets AS
    SELECT id AS video_id,
-- @sqlite
        '=owner' || lower(hex(owner_id))
-- @postgres
        '=owner' || replace(CAST(owner_id AS TEXT), '-', '')
-- @both
        || CASE WHEN state = 'ready' AND visibility = 'public' THEN ' =listed' ELSE '' END
        || CASE
            WHEN coalesce(measured_duration, claimed_duration, 0) < 240000000 THEN ' =short'
            WHEN coalesce(measured_duration, claimed_duration, 0) <= 1200000000 THEN ' =medium'
            ELSE ' =long'
        END
        || CASE WHEN EXISTS (SELECT 1 FROM captions WHERE captions.video_id = videos.id) THEN ' =captions' ELSE '' END
        AS facets
    FROM videos;

-- Written with the words, and again whenever a video is published, hidden or measured.
ALTER TABLE search_documents ADD COLUMN facets TEXT NOT NULL DEFAULT '';

-- @postgres
CREATE FUNCTION index_search_facets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE search_documents SET facets = search_facets.facets FROM search_facets
    WHERE search_facets.video_id = new.id AND search_documents.video_id = new.id
        AND search_documents.facets <> search_facets.facets;
    RETURN NULL;
END $$;
CREATE TRIGGER videos_searched AFTER UPDATE OF state, visibility, measured_duration ON videos
    FOR EACH ROW EXECUTE FUNCTION index_search_facets();

-- The words are what `catalog::search` takes for words; PostgreSQL need not find them. It knows none of more than 2046 bytes.
UPDATE search_documents SET
    title = regexp_replace(title, '(\S{64})\S+', '\1', 'g'),
    tags = regexp_replace(tags, '(\S{64})\S+', '\1', 'g'),
    description = regexp_replace(description, '(\S{64})\S+', '\1', 'g'),
    speech = regexp_replace(speech, '(\S{64})\S+', '\1', 'g'),
    facets = (SELECT facets FROM search_facets WHERE search_facets.video_id = search_documents.video_id);
CREATE FUNCTION words_of(texts TEXT) RETURNS tsvector LANGUAGE sql IMMUTABLE AS $$
    SELECT array_to_tsvector(array_remove(string_to_array(texts, ' '), ''))
$$;
ALTER TABLE search_documents DROP COLUMN words;
ALTER TABLE search_documents
    ADD COLUMN in_title tsvector GENERATED ALWAYS AS (words_of(title || ' ' || facets)) STORED,
    ADD COLUMN in_name tsvector GENERATED ALWAYS AS (words_of(title || ' ' || tags || ' ' || facets)) STORED,
    ADD COLUMN in_writing tsvector GENERATED ALWAYS AS
        (words_of(title || ' ' || tags || ' ' || description || ' ' || facets)) STORED,
    ADD COLUMN words tsvector GENERATED ALWAYS AS
        (words_of(title || ' ' || tags || ' ' || description || ' ' || speech || ' ' || facets)) STORED;
CREATE INDEX search_documents_in_title ON search_documents USING gin (in_title);
CREATE INDEX search_documents_in_name ON search_documents USING gin (in_name);
CREATE INDEX search_documents_in_writing ON search_documents USING gin (in_writing);
CREATE INDEX search_documents_words ON search_documents USING gin (words);

-- @sqlite
DROP TRIGGER search_documents_inserted;
DROP TRIGGER search_documents_deleted;
DROP TRIGGER search_documents_updated;
DROP TABLE search_words;
UPDATE search_documents SET
    facets = (SELECT facets FROM search_facets WHERE search_facets.video_id = search_documents.video_id);
-- Beginnings of one letter get an index too.
CREATE VIRTUAL TABLE search_words USING fts5(title, tags, description, speech, facets, content='search_documents',
    content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='1 2 3');
INSERT INTO search_words (search_words) VALUES ('rebuild');
CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_words (rowid, title, tags, description, speech, facets)
    VALUES (new.id, new.title, new.tags, new.description, new.speech, new.facets);
END;
CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description, speech, facets)
    VALUES ('delete', old.id, old.title, old.tags, old.description, old.speech, old.facets);
END;
CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_words (search_words, rowid, title, tags, description, speech, facets)
    VALUES ('delete', old.id, old.title, old.tags, old.description, old.speech, old.facets);
    INSERT INTO search_words (rowid, title, tags, description, speech, facets)
    VALUES (new.id, new.title, new.tags, new.description, new.speech, new.facets);
END;
CREATE TRIGGER videos_searched AFTER UPDATE OF state, visibility, measured_duration ON videos BEGIN
    UPDATE search_documents SET facets = search_facets.facets FROM search_facets
    WHERE search_facets.video_id = new.id AND search_documents.video_id = new.id
        AND search_documents.facets <> search_facets.facets;
END;
