-- Credentials of DNS hosts that accounts have asked us to keep, one for each zone. `refused_at` says since when the host
-- does not take it, with its own code.
CREATE TABLE dns_credentials (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    zone TEXT NOT NULL,
    host TEXT NOT NULL,
    fields TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    refused_at BIGINT,
    refused_code TEXT,
    sealed BYTEA NOT NULL,
    UNIQUE (account_id, zone)
);
