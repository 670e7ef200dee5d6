-- Plans of what to write in a domain's zone at its DNS host; never a credential.
CREATE TABLE dns_plans (
    id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX dns_plans_of_domain ON dns_plans (domain_id, created_at);
CREATE INDEX dns_plans_by_age ON dns_plans (created_at);
