-- +goose Up
-- Facts that were committed with the rows they tell of and are not on the bus yet, oldest first. One writer at a time
-- gives the ids, so they are in the order of the commits.

CREATE TABLE outbox (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    organisation TEXT NOT NULL,
    subject      TEXT NOT NULL,
    fact         BLOB NOT NULL -- weir.Fact as JSON
) STRICT;
