-- +goose Up
-- Times are microseconds since 1970 UTC.

-- A deleted title stays as a row, so that a fact that comes late does not bring it back.
CREATE TABLE title (
    id           TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    version      INTEGER NOT NULL,
    name         TEXT NOT NULL,
    asset        TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    duration_num INTEGER NOT NULL,
    duration_den INTEGER NOT NULL,
    applied      TEXT NOT NULL, -- what the newest applied fact of each source was, as JSON
    created      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX title_listed ON title (organisation, id) WHERE state <> 'deleted';
