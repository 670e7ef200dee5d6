ALTER TABLE accounts ADD COLUMN pending_limit BIGINT;

CREATE INDEX domains_unproven ON domains (account_id) WHERE held = 0 AND status IN ('PENDING', 'NOT_STARTED');

-- Which record an event of `record.changed` tells of: the last one of each is kept.
ALTER TABLE events ADD COLUMN record TEXT;

CREATE INDEX events_evidence ON events (evidence_id) WHERE evidence_id IS NOT NULL;

CREATE INDEX deliveries_done ON deliveries (id) WHERE due_at IS NULL;

CREATE INDEX audit_account ON audit (account_id, id);
