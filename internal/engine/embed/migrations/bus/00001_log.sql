-- +goose Up
-- Times are microseconds since 1970 UTC.

-- A partition of a topic. next is the offset its next message gets; it never falls, also when messages are dropped.
CREATE TABLE log (
    id        INTEGER PRIMARY KEY,
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next      INTEGER NOT NULL,
    UNIQUE (topic, partition)
) STRICT;

CREATE TABLE message (
    log    INTEGER NOT NULL REFERENCES log (id),
    offset INTEGER NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    time   INTEGER NOT NULL,
    PRIMARY KEY (log, offset)
) STRICT;

-- The first offset of a partition that a group has not acknowledged.
CREATE TABLE position (
    consumers TEXT NOT NULL,
    log       INTEGER NOT NULL REFERENCES log (id),
    next      INTEGER NOT NULL,
    PRIMARY KEY (consumers, log)
) STRICT, WITHOUT ROWID;
