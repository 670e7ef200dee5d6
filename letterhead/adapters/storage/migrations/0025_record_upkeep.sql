-- Whether records that vanish from the zone are put back, when the zone is looked after next, and by whom it is now.
ALTER TABLE dns_credentials ADD COLUMN put_back SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE dns_credentials ADD COLUMN look_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE dns_credentials ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0;
CREATE INDEX /*postgresql CONCURRENTLY */ dns_credentials_due ON dns_credentials (look_at) WHERE refused_at IS NULL;
