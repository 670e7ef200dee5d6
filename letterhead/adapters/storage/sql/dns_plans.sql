-- name: add_dns_plan(id, domain_id, created_at, body)
-- Add a plan of what to write in a domain's zone.
INSERT INTO dns_plans (id, domain_id, created_at, version, body) VALUES (:id, :domain_id, :created_at, 0, :body)
RETURNING id;

-- name: delete_oldest_dns_plans(domain_id, kept)
-- Delete a domain's plans but for the newest.
DELETE FROM dns_plans WHERE domain_id = :domain_id AND id NOT IN (
    SELECT id FROM dns_plans WHERE domain_id = :domain_id ORDER BY created_at DESC, id DESC LIMIT :kept
)
RETURNING id;

-- name: dns_plan(domain_id, id)
-- Return one plan of a domain.
SELECT version, body FROM dns_plans WHERE domain_id = :domain_id AND id = :id;

-- name: dns_plans(domain_id)
-- Return the plans of a domain, the newest first.
SELECT version, body FROM dns_plans WHERE domain_id = :domain_id ORDER BY created_at DESC, id DESC;

-- name: save_dns_plan(id, domain_id, read_version, body)
-- Save a plan, unless it has changed since it was read.
UPDATE dns_plans SET version = version + 1, body = :body
WHERE domain_id = :domain_id AND id = :id AND version = :read_version
RETURNING id;

-- name: prune_dns_plans(before, limit)
-- Delete some plans that were made before a time.
DELETE FROM dns_plans WHERE created_at < :before AND id IN (
    SELECT id FROM dns_plans WHERE created_at < :before ORDER BY created_at LIMIT :limit
)
RETURNING id;
