CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    domains_limit BIGINT,
    requests_limit BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    digest BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    key_type TEXT NOT NULL,
    scope TEXT NOT NULL,
    masked TEXT NOT NULL,
    environment_id TEXT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    ends_at BIGINT
);

CREATE INDEX api_keys_account ON api_keys (account_id);

CREATE TABLE usage (
    account_id TEXT NOT NULL,
    month TEXT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (account_id, month)
);

-- A column is what SQL asks about; `life` is the whole of core.lifecycle.Domain as JSON.
CREATE TABLE domains (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts,
    sender TEXT /*postgresql COLLATE "C" */ NOT NULL,
    status TEXT NOT NULL,
    held SMALLINT NOT NULL,
    next_check_at BIGINT,
    lease_until BIGINT,
    lease_owner TEXT,
    version BIGINT NOT NULL,
    life TEXT NOT NULL,
    UNIQUE (account_id, sender)
) /*postgresql WITH (fillfactor = 80) */;

CREATE UNIQUE INDEX domains_held ON domains (sender) WHERE held = 1;

CREATE INDEX domains_due ON domains (next_check_at) WHERE next_check_at IS NOT NULL;

CREATE INDEX domains_leased ON domains (lease_owner) WHERE lease_owner IS NOT NULL;

CREATE TABLE domain_keys (
    domain_id TEXT PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    sealed BYTEA NOT NULL
);

CREATE TABLE used_selectors (
    sender TEXT NOT NULL,
    selector TEXT NOT NULL,
    PRIMARY KEY (sender, selector)
);

CREATE TABLE key_pool (
    id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    sealed BYTEA NOT NULL
);

CREATE TABLE checkups (
    domain_id TEXT PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    body TEXT NOT NULL
);

-- The checkups that events follow from; they outlive the domain, as its events do.
CREATE TABLE evidence (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE events (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    domain_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    evidence_id TEXT REFERENCES evidence
);

CREATE INDEX events_account ON events (account_id, id);

CREATE INDEX events_domain ON events (domain_id, id);

CREATE TABLE intents (
    id /*sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    domain_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    effect TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    lease_owner TEXT,
    attempts BIGINT NOT NULL,
    reason TEXT
);

CREATE INDEX intents_due ON intents (due_at);

CREATE INDEX intents_sender ON intents (sender, id);

CREATE TABLE idempotency (
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    key TEXT NOT NULL,
    digest BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE TABLE audit (
    id /*sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    account_id TEXT,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    address TEXT,
    tracking_id TEXT
);

CREATE TABLE vault (
    name TEXT PRIMARY KEY,
    blob BYTEA NOT NULL
);

/*sqlite
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*sqlite
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*postgresql
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$;
*/

/*postgresql
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
*/
