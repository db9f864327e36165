-- +goose Up
-- The registry's small shared configuration. A version counts the writes of its key from 1.
CREATE TABLE kv (
    key     TEXT PRIMARY KEY,
    value   BLOB NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE kv;
