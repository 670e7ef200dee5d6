-- name: domains(account_id, after, status, contains, problem, limit)
-- `problem` is a piece of the last checkup's JSON, `"code":"…"`. No text in it can hold that: its quotes are escaped.
SELECT life FROM domains
WHERE account_id = :account_id AND sender > :after
  AND (CAST(:status AS TEXT) IS NULL OR status = :status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(sender, :contains, '') <> sender)
  AND (CAST(:problem AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM checkups WHERE domain_id = domains.id
      AND /*sqlite instr(body, :problem) */ /*postgresql strpos(body, :problem) */ > 0
  ))
ORDER BY sender
LIMIT :limit;

-- name: marks(account_id)
-- The same rows as `domains`, without what they hold.
SELECT id, version FROM domains WHERE account_id = :account_id ORDER BY sender;

-- name: count_domains(account_id)
SELECT count(*) AS used FROM domains WHERE account_id = :account_id;

-- name: count_unproven(account_id)
SELECT count(*) AS used FROM domains
WHERE account_id = :account_id AND held = 0 AND status IN ('PENDING', 'NOT_STARTED');

-- name: domain(account_id, sender)
SELECT life FROM domains WHERE account_id = :account_id AND sender = :sender;

-- name: domain_by_id(id)
SELECT life FROM domains WHERE id = :id;

-- name: holder(sender)
SELECT id FROM domains WHERE sender = :sender AND held = 1;

-- name: held_domains(after, limit)
SELECT id, life FROM domains WHERE held = 1 AND sender > :after ORDER BY sender LIMIT :limit;

-- name: held_above(senders, account_id)
SELECT life FROM domains
WHERE held = 1 AND account_id <> :account_id AND sender
    /*sqlite IN (SELECT value FROM json_each(:senders)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:senders AS JSON)))) */;

-- name: held_below(low, high, account_id, limit)
SELECT life FROM domains
WHERE held = 1 AND path >= :low AND path < :high AND account_id <> :account_id
ORDER BY path LIMIT :limit;

-- name: add_domain(id, account_id, sender, status, held, path, next_check_at, version, life)
INSERT INTO domains (id, account_id, sender, status, held, path, next_check_at, version, life)
VALUES (:id, :account_id, :sender, :status, :held, :path, :next_check_at, :version, :life)
RETURNING id;

-- name: save_domain(id, read_version, status, held, path, next_check_at, version, life)
UPDATE domains
SET status = :status, held = :held, path = :path, next_check_at = :next_check_at, version = :version, life = :life,
    lease_until = NULL, lease_owner = NULL
WHERE id = :id AND version = :read_version
RETURNING id;

-- name: delete_domain(id, version)
DELETE FROM domains WHERE id = :id AND version = :version RETURNING id;

-- name: add_sealed_key(domain_id, selector, sealed)
-- A row of domain_keys is the key that signs; without a selector (an older version wrote it) it is the domain's own.
INSERT INTO domain_keys (domain_id, selector, sealed) VALUES (:domain_id, :selector, :sealed) RETURNING domain_id;

-- name: sealed_key(domain_id, selector)
SELECT sealed FROM spare_keys WHERE domain_id = :domain_id AND selector = :selector
UNION ALL
SELECT k.sealed FROM domain_keys AS k JOIN domains AS d ON d.id = k.domain_id
WHERE k.domain_id = :domain_id
  AND COALESCE(k.selector,
    /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */) = :selector;

-- name: sealed_keys(account_id, first, last)
-- Of the domains whose names lie between `first` and `last`, both included.
SELECT k.domain_id,
    COALESCE(k.selector,
    /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */) AS selector,
    k.sealed
FROM domains AS d JOIN domain_keys AS k ON k.domain_id = d.id
WHERE d.account_id = :account_id AND d.sender >= :first AND (CAST(:last AS TEXT) IS NULL OR d.sender <= :last)
UNION ALL
SELECT k.domain_id, k.selector, k.sealed
FROM domains AS d JOIN spare_keys AS k ON k.domain_id = d.id
WHERE d.account_id = :account_id AND d.sender >= :first AND (CAST(:last AS TEXT) IS NULL OR d.sender <= :last);

-- name: add_spare_key(domain_id, selector, sealed)
INSERT INTO spare_keys (domain_id, selector, sealed) VALUES (:domain_id, :selector, :sealed) RETURNING domain_id;

-- name: set_aside(domain_id, selector)
-- The key that signed so far, which those who have just read its selector may still ask for.
INSERT INTO spare_keys (domain_id, selector, sealed)
SELECT domain_id, :selector, sealed FROM domain_keys WHERE domain_id = :domain_id
RETURNING domain_id;

-- name: sign_with(domain_id, selector)
UPDATE domain_keys
SET selector = :selector,
    sealed = (SELECT s.sealed FROM spare_keys AS s WHERE s.domain_id = :domain_id AND s.selector = :selector)
WHERE domain_id = :domain_id
RETURNING domain_id;

-- name: shed_key(domain_id, selector)
DELETE FROM spare_keys WHERE domain_id = :domain_id AND selector = :selector RETURNING selector;

-- name: use_selector(sender, selector, account_id)
-- Rows stay for ever: neither deleting a domain nor its account gives a selector free.
INSERT INTO used_selectors (sender, selector, account_id) VALUES (:sender, :selector, :account_id)
ON CONFLICT (sender, selector) DO NOTHING
RETURNING selector;

-- name: used_selectors(sender, account_id)
SELECT selector FROM used_selectors WHERE sender = :sender AND account_id = :account_id ORDER BY selector;

-- name: idempotency(account_id, key)
SELECT digest FROM idempotency WHERE account_id = :account_id AND key = :key;

-- name: remember_idempotency(account_id, key, digest, at)
INSERT INTO idempotency (account_id, key, digest, at) VALUES (:account_id, :key, :digest, :at)
ON CONFLICT (account_id, key) DO NOTHING
RETURNING key;

-- name: forget_idempotency(account_id, before)
DELETE FROM idempotency WHERE account_id = :account_id AND at < :before RETURNING key;

-- name: checkups(domain_ids)
-- `IN (SELECT …)` would make PostgreSQL read the whole table, since it can't know how few ids there are.
SELECT domain_id, body FROM checkups
WHERE domain_id
    /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */;

-- name: keep_checkup(domain_id, zone, heard_at, silent_since, body)
-- A silence began with the first of its checks, and who is silent was heard when it was.
INSERT INTO checkups (domain_id, zone, heard_at, silent_since, body)
VALUES (:domain_id, :zone, :heard_at, :silent_since, :body)
ON CONFLICT (domain_id) DO UPDATE
SET zone = excluded.zone, body = excluded.body, heard_at = COALESCE(excluded.heard_at, checkups.heard_at),
    silent_since = CASE WHEN excluded.silent_since IS NULL THEN NULL
                        ELSE COALESCE(checkups.silent_since, excluded.silent_since) END
RETURNING domain_id;

-- name: keep_evidence(id, body)
INSERT INTO evidence (id, body) VALUES (:id, :body) RETURNING id;

-- name: add_event(id, domain_id, account_id, sender, kind, at, detail, changed, record, evidence_id)
INSERT INTO events (id, domain_id, account_id, sender, kind, at, detail, changed, record, evidence_id)
VALUES (:id, :domain_id, :account_id, :sender, :kind, :at, :detail, :changed, :record, :evidence_id)
RETURNING id;

-- name: last_event(account_id)
-- One row always; behind a lock of the account it is what any reader may have seen.
SELECT max(id) AS id FROM events WHERE account_id = :account_id;

-- name: events_of_account(account_id, sender, after, limit)
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE account_id = :account_id AND id > :after AND (CAST(:sender AS TEXT) IS NULL OR sender = :sender)
ORDER BY id LIMIT :limit;

-- name: events_of_domain(account_id, domain_id, after, limit)
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE domain_id = :domain_id AND account_id = :account_id AND id > :after ORDER BY id LIMIT :limit;

-- name: event(account_id, id)
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE id = :id AND account_id = :account_id;

-- name: evidence(id)
SELECT body FROM evidence WHERE id = :id;
