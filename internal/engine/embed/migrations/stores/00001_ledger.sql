-- +goose Up
-- Times are microseconds since 1970 UTC; 0 is none.

CREATE TABLE job (
    id           TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    asset        TEXT NOT NULL UNIQUE,
    master_id    TEXT NOT NULL,
    master       BLOB NOT NULL, -- weir.Master as JSON
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL DEFAULT '',
    records      INTEGER NOT NULL DEFAULT 0, -- how many it has
    assembled    INTEGER NOT NULL DEFAULT 0, -- how many the head holds
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX job_open ON job (created) WHERE state IN ('pending', 'running');

-- Apart from job, because it may be megabytes and job is written often.
CREATE TABLE plan (
    job          TEXT PRIMARY KEY REFERENCES job (id),
    organisation TEXT NOT NULL,
    body         BLOB NOT NULL
) STRICT;

CREATE TABLE task (
    job          TEXT NOT NULL REFERENCES job (id),
    n            INTEGER NOT NULL,
    organisation TEXT NOT NULL,
    kind         TEXT NOT NULL,
    wanted       INTEGER NOT NULL, -- weir.Task.Order
    tool         TEXT NOT NULL,
    total        INTEGER NOT NULL,
    progress     INTEGER NOT NULL DEFAULT 0,
    state        TEXT NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    fence        INTEGER NOT NULL DEFAULT 0,
    worker       TEXT NOT NULL DEFAULT '',
    lease        INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER NOT NULL DEFAULT 0, -- after a failed attempt: when it may be claimed again
    PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX task_open ON task (job, wanted, n) WHERE state IN ('ready', 'leased');

CREATE TABLE record (
    job          TEXT NOT NULL,
    task         INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    organisation TEXT NOT NULL,
    body         BLOB NOT NULL,
    PRIMARY KEY (job, task, seq),
    FOREIGN KEY (job, task) REFERENCES task (job, n)
) STRICT;
