-- Neither a link's token nor a session's is kept: only the keyed digest it is found by.
CREATE TABLE setup_links (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES domains ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    opened_at BIGINT
);

CREATE INDEX setup_links_domain ON setup_links (domain_id);

-- Apart from the domain's own row, so that an open page gets in nobody's way.
CREATE TABLE watched (
    domain_id TEXT PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    until BIGINT NOT NULL
);

-- The operator's have no account; a key's go with the key.
CREATE TABLE sessions (
    digest BYTEA PRIMARY KEY,
    account_id TEXT REFERENCES accounts ON DELETE CASCADE,
    key_id TEXT REFERENCES api_keys ON DELETE CASCADE,
    mark BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL
);

CREATE INDEX sessions_account ON sessions (account_id);

CREATE INDEX sessions_key ON sessions (key_id);

CREATE INDEX sessions_ended ON sessions (ends_at);
