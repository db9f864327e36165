-- +goose Up
-- The tables, columns and values are those of the stores in a file, so that rows can be copied between the two: text
-- sorts by bytes, JSON is kept as the bytes it came in, times are microseconds since 1970 UTC; 0 is none.

CREATE TABLE job (
    id           text COLLATE "C" PRIMARY KEY,
    organisation text COLLATE "C" NOT NULL,
    asset        text COLLATE "C" NOT NULL UNIQUE,
    master_id    text COLLATE "C" NOT NULL,
    master       bytea NOT NULL, -- weir.Master as JSON
    state        text COLLATE "C" NOT NULL,
    reason       text COLLATE "C" NOT NULL DEFAULT '',
    records      bigint NOT NULL DEFAULT 0, -- how many it has, of superseded plans, too
    assembled    bigint NOT NULL DEFAULT 0, -- how many the head holds
    created      bigint NOT NULL,
    updated      bigint NOT NULL,
    collected    bigint NOT NULL DEFAULT 0, -- when the objects of a failed job were removed
    revision     bigint NOT NULL DEFAULT 1,
    superseded   bigint NOT NULL DEFAULT 0 -- how many records earlier plans had
);

-- In the order of claims: 'pending' comes before 'running'.
CREATE INDEX job_open ON job (state, created) WHERE state IN ('pending', 'running');
CREATE INDEX job_failed ON job (updated) WHERE state = 'failed' AND collected = 0;

-- Apart from job, because it may be megabytes and job is written often.
CREATE TABLE plan (
    job          text COLLATE "C" PRIMARY KEY REFERENCES job (id),
    organisation text COLLATE "C" NOT NULL,
    body         bytea NOT NULL
);

CREATE TABLE task (
    job          text COLLATE "C" NOT NULL REFERENCES job (id),
    n            bigint NOT NULL,
    organisation text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    wanted       bigint NOT NULL, -- weir.Task.Order
    tool         text COLLATE "C" NOT NULL,
    total        bigint NOT NULL,
    progress     bigint NOT NULL DEFAULT 0,
    state        text COLLATE "C" NOT NULL,
    attempt      bigint NOT NULL DEFAULT 0,
    fence        bigint NOT NULL DEFAULT 0,
    worker       text COLLATE "C" NOT NULL DEFAULT '',
    lease        bigint NOT NULL DEFAULT 0,
    not_before   bigint NOT NULL DEFAULT 0, -- after a failed attempt: when it may be claimed again
    PRIMARY KEY (job, n)
);

CREATE INDEX task_open ON task (job, wanted, n) WHERE state IN ('ready', 'leased');

CREATE TABLE record (
    job          text COLLATE "C" NOT NULL,
    task         bigint NOT NULL,
    seq          bigint NOT NULL,
    organisation text COLLATE "C" NOT NULL,
    body         bytea NOT NULL,
    PRIMARY KEY (job, task, seq),
    FOREIGN KEY (job, task) REFERENCES task (job, n)
);

-- When workers with a version of a tool were there.
CREATE TABLE tool (
    version text COLLATE "C" PRIMARY KEY,
    seen    bigint NOT NULL
);
