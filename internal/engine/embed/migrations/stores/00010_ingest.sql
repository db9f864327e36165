-- +goose Up
-- Times are microseconds since 1970 UTC; 0 is none.

CREATE TABLE asset (
    id           TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    title        TEXT NOT NULL,
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    file         TEXT NOT NULL,    -- weir.Master.Name
    size         INTEGER NOT NULL, -- as declared; the master has as many bytes
    declared     TEXT NOT NULL,    -- sha256 the uploader promised, '' if none
    sha256       TEXT NOT NULL,    -- of the master, '' until it is stored
    created      INTEGER NOT NULL,
    stored       INTEGER NOT NULL, -- weir.Master.Created
    deleted      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX asset_uploading ON asset (id) WHERE state = 'uploading';
