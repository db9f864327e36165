-- +goose Up
-- Times are microseconds since 1970 UTC.

-- A deleted title stays as a row, so that a fact that comes late does not bring it back.
CREATE TABLE title (
    id           text COLLATE "C" PRIMARY KEY,
    organisation text COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    name         text COLLATE "C" NOT NULL,
    asset        text COLLATE "C" NOT NULL,
    state        text COLLATE "C" NOT NULL,
    reason       text COLLATE "C" NOT NULL,
    duration_num bigint NOT NULL,
    duration_den bigint NOT NULL,
    applied      text COLLATE "C" NOT NULL, -- what the newest applied fact of each source was, as JSON
    created      bigint NOT NULL
);

CREATE INDEX title_listed ON title (organisation, id) WHERE state <> 'deleted';
