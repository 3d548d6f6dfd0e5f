-- +goose Up
-- One text for SQLite and PostgreSQL. Times are Unix milliseconds, 0 is never;
-- deleted_at alone is NULL while the row lives, for the partial indexes.
-- Migrations go forward only: an older program refuses a newer database.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE tenants (
    slug        TEXT PRIMARY KEY,
    owner       TEXT NOT NULL,
    digest      TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    body        TEXT NOT NULL,
    certificate BYTEA NOT NULL,
    private_key BYTEA NOT NULL, -- sealed
    deleted_at  BIGINT
);

CREATE TABLE members (
    tenant              TEXT NOT NULL REFERENCES tenants (slug),
    name                TEXT NOT NULL,
    id                  TEXT NOT NULL,
    owner               TEXT NOT NULL,
    digest              TEXT NOT NULL,
    mail                TEXT NOT NULL, -- normalised
    body                TEXT NOT NULL,
    suspended           BOOLEAN NOT NULL,
    password_setup      TEXT NOT NULL,
    password_kind       TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    password_expires_at BIGINT NOT NULL,
    password_reset      TEXT NOT NULL, -- the last one carried out
    link_expires_at     BIGINT NOT NULL, -- of the last link not used
    expiry_noticed_at   BIGINT NOT NULL,
    last_login          BIGINT NOT NULL,
    login_noticed_at    BIGINT NOT NULL,
    mail_error          TEXT NOT NULL,
    deleted_at          BIGINT,
    PRIMARY KEY (tenant, name)
);
CREATE UNIQUE INDEX members_id ON members (id);
CREATE UNIQUE INDEX members_mail ON members (mail) WHERE deleted_at IS NULL;

CREATE TABLE member_values (
    tenant    TEXT NOT NULL,
    attribute TEXT NOT NULL,
    value     TEXT NOT NULL,
    member    TEXT NOT NULL,
    PRIMARY KEY (tenant, attribute, value),
    FOREIGN KEY (tenant, member) REFERENCES members (tenant, name) ON DELETE CASCADE
);
CREATE INDEX member_values_member ON member_values (tenant, member);

CREATE TABLE objects (
    tenant    TEXT NOT NULL REFERENCES tenants (slug),
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    owner     TEXT NOT NULL,
    digest    TEXT NOT NULL,
    body      TEXT NOT NULL,
    entity_id TEXT NOT NULL, -- of a SAML app's service provider
    PRIMARY KEY (tenant, kind, name)
);
CREATE UNIQUE INDEX objects_entity_id ON objects (tenant, entity_id) WHERE entity_id <> '';

CREATE TABLE images (
    tenant       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    data         BYTEA NOT NULL,
    PRIMARY KEY (tenant, kind, name)
);

CREATE TABLE sessions (
    token_hash       TEXT PRIMARY KEY,
    id               TEXT NOT NULL,
    tenant           TEXT NOT NULL,
    member           TEXT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    address          TEXT NOT NULL,
    user_agent       TEXT NOT NULL,
    FOREIGN KEY (tenant, member) REFERENCES members (tenant, name) ON DELETE CASCADE
);
CREATE INDEX sessions_member ON sessions (tenant, member);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE flows (
    id_hash    TEXT PRIMARY KEY,
    body       BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX flows_expires_at ON flows (expires_at);

CREATE TABLE attempts (
    subject      TEXT PRIMARY KEY,
    used         BIGINT NOT NULL,
    locked_until BIGINT NOT NULL,
    resets_at    BIGINT NOT NULL
);
CREATE INDEX attempts_resets_at ON attempts (resets_at);

CREATE TABLE password_links (
    token_hash TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL,
    member     TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (tenant, member) REFERENCES members (tenant, name) ON DELETE CASCADE
);
CREATE INDEX password_links_member ON password_links (tenant, member);

CREATE TABLE outbox (
    id         TEXT PRIMARY KEY,
    purpose    TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    member     TEXT NOT NULL,
    recipient  TEXT NOT NULL,
    language   TEXT NOT NULL,
    payload    BYTEA NOT NULL, -- sealed
    attempts   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL, -- also the end of a lease
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (tenant, member) REFERENCES members (tenant, name) ON DELETE CASCADE
);
CREATE INDEX outbox_due_at ON outbox (due_at);
CREATE INDEX outbox_member ON outbox (tenant, member);

CREATE TABLE notices (
    kind    TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    due_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, tenant, name)
);
CREATE INDEX notices_due_at ON notices (due_at);

CREATE TABLE waiters (
    kind     TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    name     TEXT NOT NULL,
    resource TEXT NOT NULL, -- what the refused object waits for
    PRIMARY KEY (kind, tenant, name)
);
CREATE INDEX waiters_resource ON waiters (resource);

CREATE TABLE audit (
    id          TEXT PRIMARY KEY, -- time-ordered
    at          BIGINT NOT NULL,
    tenant      TEXT NOT NULL,
    member      TEXT NOT NULL,
    member_name TEXT NOT NULL,
    mail        TEXT NOT NULL,
    app         TEXT NOT NULL,
    action      TEXT NOT NULL,
    address     TEXT NOT NULL,
    user_agent  TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX audit_tenant ON audit (tenant, id);
CREATE INDEX audit_mail ON audit (mail, id);
CREATE INDEX audit_at ON audit (at);
