-- +goose Up
-- What pairwise name IDs are made with, sealed; NULL until an app needs one.
-- It is never changed: members would be strangers to their apps.

ALTER TABLE tenants ADD COLUMN pairwise_key BYTEA;
