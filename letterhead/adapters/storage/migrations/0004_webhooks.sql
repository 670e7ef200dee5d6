ALTER TABLE events ADD COLUMN changed TEXT;

-- `events` is a list of kinds between blanks, ` * ` for all. `failing` says that the last attempt failed.
CREATE TABLE webhooks (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    old_sealed BYTEA,
    old_until BIGINT,
    failing SMALLINT NOT NULL DEFAULT 0,
    disabled_at BIGINT,
    disabled_why TEXT
);

CREATE INDEX webhooks_account ON webhooks (account_id, id);

-- The outbox: written with the event, whose id is the delivery's. `life` is the domain as the event left it.
CREATE TABLE deliveries (
    webhook_id TEXT NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    id TEXT /*postgresql COLLATE "C" */ NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    changed TEXT,
    life TEXT,
    fate TEXT NOT NULL,
    failures BIGINT NOT NULL,
    due_at BIGINT,
    lease_until BIGINT,
    lease_owner TEXT,
    PRIMARY KEY (webhook_id, id)
);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX deliveries_of_webhook ON deliveries (webhook_id, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX deliveries_leased ON deliveries (webhook_id) WHERE lease_owner IS NOT NULL;

CREATE TABLE attempts (
    id /*sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    webhook_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    status BIGINT,
    said TEXT NOT NULL,
    FOREIGN KEY (webhook_id, delivery_id) REFERENCES deliveries ON DELETE CASCADE
);

CREATE INDEX attempts_delivery ON attempts (webhook_id, delivery_id, id);
