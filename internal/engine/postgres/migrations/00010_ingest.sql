-- +goose Up
-- Times are microseconds since 1970 UTC; 0 is none.

CREATE TABLE asset (
    id           text COLLATE "C" PRIMARY KEY,
    organisation text COLLATE "C" NOT NULL,
    revision     bigint NOT NULL,
    title        text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL,
    reason       text COLLATE "C" NOT NULL,
    file         text COLLATE "C" NOT NULL, -- weir.Master.Name
    size         bigint NOT NULL,           -- as declared; the master has as many bytes
    declared     text COLLATE "C" NOT NULL, -- sha256 the uploader promised, '' if none
    sha256       text COLLATE "C" NOT NULL, -- of the master, '' until it is stored
    created      bigint NOT NULL,
    stored       bigint NOT NULL,           -- weir.Master.Created
    deleted      bigint NOT NULL,
    collected    bigint NOT NULL DEFAULT 0  -- when the objects of a deleted asset were removed
);

CREATE INDEX asset_uploading ON asset (id) WHERE state = 'uploading';
CREATE INDEX asset_deleted ON asset (deleted) WHERE state = 'deleted' AND collected = 0;
