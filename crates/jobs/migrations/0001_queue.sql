-- The queue. Texts and numbers only; what a payload means is the business of who enqueued it.
CREATE TABLE jobs (
    id BIGSERIAL PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- Whose share of the queue the job takes; empty for the system's own.
    owner TEXT NOT NULL,
    -- What is cancelled together.
    job_group TEXT,
    priority BIGINT NOT NULL,
    stamp BIGINT NOT NULL,
    state TEXT NOT NULL CONSTRAINT jobs_state_check CHECK (state IN ('ready', 'running', 'done', 'dead', 'cancelled')),
    run_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL CONSTRAINT jobs_max_attempts_check CHECK (max_attempts > 0),
    -- Of the attempts, those that the job itself failed; the others were taken from workers that vanished.
    failures BIGINT NOT NULL,
    max_failures BIGINT NOT NULL CONSTRAINT jobs_max_failures_check CHECK (max_failures > 0),
    -- Grows at each claim and never shrinks, unlike the attempt, which a hand-back gives back.
    fence BIGINT NOT NULL,
    -- Of a running job, and of a cancelled one whose worker may not have heard of it.
    lease_until BIGINT,
    worker TEXT,
    dedup_key TEXT UNIQUE,
    error TEXT,
    units_done BIGINT NOT NULL,
    units_total BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    CONSTRAINT jobs_lease_check CHECK (state = 'cancelled' OR (state = 'running') = (lease_until IS NOT NULL))
);

CREATE INDEX jobs_ready ON jobs (queue, priority DESC, stamp, id, run_at, kind) WHERE state = 'ready';
CREATE INDEX jobs_running ON jobs (lease_until) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state IN ('done', 'dead', 'cancelled');
CREATE INDEX jobs_group ON jobs (job_group, id) WHERE job_group IS NOT NULL;

-- The last stamp each owner was given in each lane (queue and priority).
CREATE TABLE job_shares (
    queue TEXT NOT NULL,
    priority BIGINT NOT NULL,
    owner TEXT NOT NULL,
    last_stamp BIGINT NOT NULL,
    PRIMARY KEY (queue, priority, owner)
);

CREATE INDEX job_shares_last ON job_shares (queue, priority, last_stamp);

-- How many jobs a next stage still waits for.
CREATE TABLE job_counters (
    counter TEXT NOT NULL PRIMARY KEY,
    job_group TEXT NOT NULL,
    remaining BIGINT NOT NULL CONSTRAINT job_counters_remaining_check CHECK (remaining >= 0)
);

CREATE INDEX job_counters_group ON job_counters (job_group);

-- The queues that hand out nothing at present.
CREATE TABLE job_pauses (
    queue TEXT NOT NULL PRIMARY KEY,
    paused_at BIGINT NOT NULL
);
