-- What published videos take up in the store, so that nobody has to read the ledger of objects for it. Written when a video
-- is published.
CREATE TABLE stored_videos (
    video_id UUID NOT NULL PRIMARY KEY REFERENCES videos (id) ON DELETE CASCADE,
    objects BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE INDEX stored_videos_bytes ON stored_videos (bytes, video_id);

-- The same by what they are of: a rendition, or what is beside all of them.
CREATE TABLE stored_parts (
    video_id UUID NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    part TEXT NOT NULL,
    objects BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (video_id, part)
);
-- Sums over all videos read nothing else.
CREATE INDEX stored_parts_part ON stored_parts (part, bytes, objects);

CREATE INDEX videos_source_bytes ON videos (source_bytes, id);

INSERT INTO stored_parts (video_id, part, objects, bytes)
    SELECT objects.video_id, objects.rendition, count(*), CAST(sum(objects.bytes) AS BIGINT)
    FROM objects JOIN videos ON videos.id = objects.video_id AND videos.published_revision = objects.revision
    GROUP BY objects.video_id, objects.rendition;
INSERT INTO stored_parts (video_id, part, objects, bytes)
    SELECT images.video_id, 'pictures', count(*), CAST(sum(images.bytes) AS BIGINT)
    FROM images JOIN videos ON videos.id = images.video_id AND videos.published_revision = images.revision
    GROUP BY images.video_id;
INSERT INTO stored_parts (video_id, part, objects, bytes)
    SELECT documents.video_id, 'manifests', count(*), CAST(sum(documents.bytes) AS BIGINT)
    FROM documents JOIN videos ON videos.id = documents.video_id AND videos.published_revision = documents.revision
    GROUP BY documents.video_id;
INSERT INTO stored_videos (video_id, objects, bytes)
    SELECT video_id, CAST(sum(objects) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM stored_parts GROUP BY video_id;
