-- Worker processes, as they say of themselves. A row goes when its process ends in order, or some time after it
-- was heard of last.
CREATE TABLE job_workers (
    worker TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    slots BIGINT NOT NULL,
    -- Of one more kind: only for jobs that somebody waits for.
    spare_slots BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Lists of jobs: every filter that people use is answered inside the index.
CREATE INDEX jobs_listed ON jobs (state, id, kind, queue, owner);

-- How many jobs of an owner run, and which of an owner's waiting jobs is the next one.
CREATE INDEX jobs_running_owner ON jobs (queue, owner) WHERE state = 'running';
CREATE INDEX jobs_ready_owner ON jobs (queue, owner, priority DESC, stamp, id, run_at, kind) WHERE state = 'ready';
