-- +goose Up
-- IDs are ordered by time, so that old entries are found by them; one index less
-- to write at each log-in.

DROP INDEX audit_at;
