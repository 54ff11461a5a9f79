-- Captions, one for each language of a video. What is in the store is made of these, for each revision.
CREATE TABLE captions (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    -- Names its file, and is never used for another one.
    number BIGINT NOT NULL,
    language TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL CONSTRAINT captions_kind_check CHECK (kind IN ('subtitles', 'captions')),
    -- WebVTT, as it is served.
    content TEXT NOT NULL,
    cues BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (video_id, number),
    CONSTRAINT captions_language_key UNIQUE (video_id, language),
    CONSTRAINT captions_label_key UNIQUE (video_id, label)
);

-- Grows with each change of a video's captions. A video that never had any has none.
CREATE TABLE caption_editions (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    edition BIGINT NOT NULL
);

-- What is said when: to find the moment of a word.
CREATE TABLE caption_cues (
    video_id UUID NOT NULL,
    number BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    start_millis BIGINT NOT NULL,
    said TEXT NOT NULL,
    -- Folded, as in `search_documents`.
    words TEXT NOT NULL,
    PRIMARY KEY (video_id, number, idx),
    FOREIGN KEY (video_id, number) REFERENCES captions (video_id, number) ON DELETE CASCADE
);

-- What was made of a revision, as plain data: its manifests can be written again without its source. A revision that was
-- published before there was this table has none.
CREATE TABLE presentations (
    video_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    -- JSON that only the program reads.
    document TEXT NOT NULL,
    -- Which edition of the captions its manifests name.
    captions BIGINT NOT NULL,
    PRIMARY KEY (video_id, revision),
    FOREIGN KEY (video_id, revision) REFERENCES plans (video_id, revision) ON DELETE CASCADE
);

-- Each word of all captions once.
ALTER TABLE search_documents ADD COLUMN speech TEXT NOT NULL DEFAULT '';

-- @postgres
ALTER TABLE search_documents DROP COLUMN words;
ALTER TABLE search_documents ADD COLUMN words tsvector GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', tags), 'B')
        || setweight(to_tsvector('simple', description), 'D') || setweight(to_tsvector('simple', speech), 'C')
) STORED;
CREATE INDEX search_documents_words ON search_documents USING gin (words);

-- @sqlite
DROP TRIGGER search_documents_inserted;
DROP TRIGGER search_documents_deleted;
DROP TRIGGER search_documents_updated;
DROP TABLE search_words;
CREATE VIRTUAL TABLE search_words USING fts5(title, tags, description, speech, content='search_documents',
    content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='2 3');
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
