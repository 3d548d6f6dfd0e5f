-- +goose Up
-- The apps that took a log-in from a session, to be told when it ends.

CREATE TABLE participants (
    token_hash        TEXT NOT NULL REFERENCES sessions (token_hash) ON DELETE CASCADE,
    app               TEXT NOT NULL,
    entity_id         TEXT NOT NULL,
    session_index     TEXT NOT NULL,
    name_id           TEXT NOT NULL,
    name_id_format    TEXT NOT NULL,
    name_qualifier    TEXT NOT NULL,
    sp_name_qualifier TEXT NOT NULL,
    PRIMARY KEY (token_hash, app)
);
CREATE INDEX participants_session_index ON participants (session_index);
