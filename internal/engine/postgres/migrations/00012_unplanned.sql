-- +goose Up
-- Whether the asset's job was seen: until then, the fact that its master is ready may have been lost.

ALTER TABLE asset ADD COLUMN planned bigint NOT NULL DEFAULT 0;
CREATE INDEX asset_unplanned ON asset (id) WHERE state = 'received' AND planned = 0;
