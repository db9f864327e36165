-- +goose Up
-- When the objects of a failed job were removed, in microseconds since 1970 UTC; 0 is not yet.

ALTER TABLE job ADD COLUMN collected INTEGER NOT NULL DEFAULT 0;
CREATE INDEX job_failed ON job (updated) WHERE state = 'failed' AND collected = 0;
