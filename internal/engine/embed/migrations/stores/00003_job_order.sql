-- +goose Up
-- In the order of claims: 'pending' comes before 'running'.

DROP INDEX job_open;
CREATE INDEX job_open ON job (state, created) WHERE state IN ('pending', 'running');
