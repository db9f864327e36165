-- +goose Up
-- When the objects of a deleted asset were removed, in microseconds since 1970 UTC; 0 is not yet.

ALTER TABLE asset ADD COLUMN collected INTEGER NOT NULL DEFAULT 0;
CREATE INDEX asset_deleted ON asset (deleted) WHERE state = 'deleted' AND collected = 0;
