-- +goose Up
-- The certificates that are published beside the signing one, as a JSON list of
-- base64, and when the signing one ends (0 where nothing needs to be told).

ALTER TABLE tenants ADD COLUMN certificates TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tenants ADD COLUMN certificate_ends BIGINT NOT NULL DEFAULT 0;

-- Which ends were told of by mail, so that each is told once by all processes.
CREATE TABLE certificate_warnings (
    tenant      TEXT NOT NULL REFERENCES tenants (slug) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    days        BIGINT NOT NULL, -- ahead of the end
    PRIMARY KEY (tenant, fingerprint, days)
);

-- Why the last try failed; a member may have mails of several purposes now.
ALTER TABLE outbox ADD COLUMN error TEXT NOT NULL DEFAULT '';
