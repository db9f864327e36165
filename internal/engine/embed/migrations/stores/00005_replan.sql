-- +goose Up
-- A job may be planned anew, which makes its next revision; records counts those of superseded plans, too.

ALTER TABLE job ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE job ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

-- When workers with a version of a tool were there, in microseconds since 1970 UTC.
CREATE TABLE tool (
    version TEXT PRIMARY KEY,
    seen    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
