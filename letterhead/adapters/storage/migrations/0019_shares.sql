-- What a domain waits among for its next check: 0 those that are being set up, 1 those that are watched, 2 those whose
-- zone was slow. Each save writes it; rows of an older version wait among the watched ones until then.
ALTER TABLE domains ADD COLUMN queue SMALLINT NOT NULL DEFAULT 1;

CREATE INDEX /*postgresql CONCURRENTLY */ domains_queue ON domains (queue, next_check_at) WHERE next_check_at IS NOT NULL;

DROP INDEX /*postgresql CONCURRENTLY */ domains_due;

-- Domains without proof in the order of their age, so that the newest of an account are told from the many.
CREATE INDEX /*postgresql CONCURRENTLY */ domains_unproven_age ON domains (account_id, id)
WHERE held = 0 AND status IN ('PENDING', 'NOT_STARTED');

DROP INDEX /*postgresql CONCURRENTLY */ domains_unproven;

-- Work is claimed by account: these find the accounts that have any due, and the first of each.
CREATE INDEX /*postgresql CONCURRENTLY */ intents_account ON intents (account_id, due_at);

CREATE INDEX /*postgresql CONCURRENTLY */ reminders_account ON reminders (account_id, due_at)
WHERE handed_at IS NULL AND outcome IS NULL;

-- How many milliseconds an endpoint's last attempt took: slow ones wait among the slow.
ALTER TABLE webhooks ADD COLUMN pace BIGINT;

-- What the service did for each account, by the hour: how often, how long places were taken by it, how many octets.
-- An empty account is all those that are not among the ones who took most.
CREATE TABLE account_work (
    at BIGINT NOT NULL,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    number BIGINT NOT NULL,
    milliseconds BIGINT NOT NULL,
    octets BIGINT NOT NULL,
    PRIMARY KEY (at, account_id, kind)
);
