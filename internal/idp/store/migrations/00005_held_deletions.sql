-- +goose Up
-- Deletions that the deletion guard holds, until they are approved or declared
-- away. A member whose deletion is held is live.

CREATE TABLE held_deletions (
    tenant   TEXT NOT NULL REFERENCES tenants (slug) ON DELETE CASCADE,
    name     TEXT NOT NULL, -- of the member; empty for the tenant itself
    reason   TEXT NOT NULL,
    held_at  BIGINT NOT NULL,
    approved BOOLEAN NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- The approval that was last carried out.
ALTER TABLE tenants ADD COLUMN deletion_approval TEXT NOT NULL DEFAULT '';

-- The guard counts who went lately.
CREATE INDEX members_deleted ON members (tenant, deleted_at) WHERE deleted_at IS NOT NULL;
