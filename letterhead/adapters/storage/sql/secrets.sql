-- name: sealed_in_domain_keys(after, limit)
-- Return a page of the keys that sign, for wrapping them again.
SELECT domain_id AS key, sealed FROM domain_keys WHERE domain_id > :after ORDER BY domain_id LIMIT :limit;

-- name: reseal_domain_keys(key, before, sealed)
-- Replace a key that signs, unless it has changed since it was read.
UPDATE domain_keys SET sealed = :sealed WHERE domain_id = :key AND sealed = :before RETURNING domain_id;

-- name: sealed_in_key_pool(after, limit)
-- Return a page of the keys made ahead, for wrapping them again.
SELECT id AS key, sealed FROM key_pool WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_key_pool(key, before, sealed)
-- Replace a key made ahead, unless it has changed since it was read.
UPDATE key_pool SET sealed = :sealed WHERE id = :key AND sealed = :before RETURNING id;

-- name: sealed_in_spare_keys(after, limit)
-- Return a page of the keys that do not sign, for wrapping them again.
-- Few rows, since most of them exist only during a rotation; so their order needs no index.
SELECT domain_id || ' ' || selector AS key, sealed FROM spare_keys
WHERE domain_id || ' ' || selector > :after ORDER BY 1 LIMIT :limit;

-- name: reseal_spare_keys(key, before, sealed)
-- Replace a key that does not sign, unless it has changed since it was read.
UPDATE spare_keys SET sealed = :sealed
WHERE domain_id || ' ' || selector = :key AND sealed = :before
RETURNING domain_id;

-- name: sealed_in_vault(after, limit)
-- Return a page of the installation's secrets, for wrapping them again.
-- Without the installation's name, which is no secret, and what AWS KMS has encrypted, which is not ours to wrap.
SELECT name AS key, blob AS sealed FROM vault
WHERE name > :after AND name <> 'installation' AND substr(name, 1, 4) <> 'kek|'
ORDER BY name LIMIT :limit;

-- name: reseal_vault(key, before, sealed)
-- Replace a secret of the installation, unless it has changed since it was read.
UPDATE vault SET blob = :sealed WHERE name = :key AND blob = :before RETURNING name;

-- name: sealed_in_webhooks(after, limit)
-- Return a page of the webhooks' secrets, for wrapping them again.
SELECT id AS key, sealed FROM webhooks WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_webhooks(key, before, sealed)
-- Replace a webhook's secret, unless it has changed since it was read.
UPDATE webhooks SET sealed = :sealed WHERE id = :key AND sealed = :before RETURNING id;

-- name: sealed_in_webhooks_before(after, limit)
-- Return a page of the webhooks' previous secrets, for wrapping them again.
SELECT id AS key, old_sealed AS sealed FROM webhooks
WHERE id > :after AND old_sealed IS NOT NULL ORDER BY id LIMIT :limit;

-- name: reseal_webhooks_before(key, before, sealed)
-- Replace a webhook's previous secret, unless it has changed since it was read.
UPDATE webhooks SET old_sealed = :sealed WHERE id = :key AND old_sealed = :before RETURNING id;

-- name: sealed_in_dns_credentials(after, limit)
-- Return a page of the kept credentials of DNS hosts, for wrapping them again.
SELECT id AS key, sealed FROM dns_credentials WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_dns_credentials(key, before, sealed)
-- Replace a kept credential, unless it has changed since it was read.
UPDATE dns_credentials SET sealed = :sealed WHERE id = :key AND sealed = :before RETURNING id;

-- name: sealed_in_alert_channels(after, limit)
-- Return a page of the addresses of alert channels, for wrapping them again.
SELECT id AS key, sealed FROM alert_channels WHERE id > :after ORDER BY id LIMIT :limit;

-- name: reseal_alert_channels(key, before, sealed)
-- Replace the address of an alert channel, unless it has changed since it was read.
UPDATE alert_channels SET sealed = :sealed WHERE id = :key AND sealed = :before RETURNING id;
