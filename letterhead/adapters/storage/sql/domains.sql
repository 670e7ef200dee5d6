-- name: domains(account_id, after, status, not_status, contains, problem, limit)
-- Return a page of an account's domains in the order of their names; a filter that is NULL does not apply.
-- `problem` is a piece of the last check's JSON, `"code":"…"`. No text in it can contain that: its quotes are escaped.
SELECT life FROM domains
WHERE account_id = :account_id AND sender > :after
  AND (CAST(:status AS TEXT) IS NULL OR status = :status)
  AND (CAST(:not_status AS TEXT) IS NULL OR status <> :not_status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(sender, :contains, '') <> sender)
  AND (CAST(:problem AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM checkups WHERE domain_id = domains.id
      AND /*sqlite instr(body, :problem) */ /*postgresql strpos(body, :problem) */ > 0
  ))
ORDER BY sender
LIMIT :limit;

-- name: domains_within(account_id, names, below, after, status, not_status, contains, problem, labels, limit)
-- Return a page as `domains` does of those that have one of these names or, where `below` is 1, lie below one.
-- Those below are found in a pass over the account's names; those named by the index, and where `below` is 0 alone.
SELECT life FROM domains
WHERE id IN (
    SELECT id FROM domains WHERE account_id = :account_id AND sender > :after AND sender
        /*sqlite IN (SELECT value FROM json_each(:names)) */
        /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:names AS JSON)))) */
    UNION ALL
    SELECT d.id FROM domains AS d WHERE :below = 1 AND d.account_id = :account_id AND d.sender > :after AND EXISTS (
        SELECT 1 FROM
            /*sqlite (SELECT '.' || value AS ending FROM json_each(:names)) AS n
        WHERE substr(d.sender, -length(n.ending)) = n.ending */
            /*postgresql (SELECT '.' || json_array_elements_text(CAST(:names AS JSON)) AS ending) AS n
        WHERE right(d.sender, length(n.ending)) = n.ending */
    )
)
  AND (CAST(:status AS TEXT) IS NULL OR status = :status)
  AND (CAST(:not_status AS TEXT) IS NULL OR status <> :not_status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(sender, :contains, '') <> sender)
  AND (CAST(:problem AS TEXT) IS NULL OR EXISTS (
    SELECT 1 FROM checkups WHERE domain_id = domains.id
      AND /*sqlite instr(body, :problem) */ /*postgresql strpos(body, :problem) */ > 0
  ))
  AND NOT EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT value FROM json_each(:labels)) AS wanted */
        /*postgresql (SELECT json_array_elements_text(CAST(:labels AS JSON)) AS value) AS wanted */
    WHERE NOT EXISTS (SELECT 1 FROM domain_labels AS l WHERE l.domain_id = domains.id AND l.label = wanted.value)
  )
ORDER BY sender
LIMIT :limit;

-- name: domain_versions_within(account_id, names, below, after)
-- Return the version of each domain as `domain_versions` does, of those that `domains_within` lists.
SELECT id, version FROM domains
WHERE id IN (
    SELECT id FROM domains WHERE account_id = :account_id AND sender > :after AND sender
        /*sqlite IN (SELECT value FROM json_each(:names)) */
        /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:names AS JSON)))) */
    UNION ALL
    SELECT d.id FROM domains AS d WHERE :below = 1 AND d.account_id = :account_id AND d.sender > :after AND EXISTS (
        SELECT 1 FROM
            /*sqlite (SELECT '.' || value AS ending FROM json_each(:names)) AS n
        WHERE substr(d.sender, -length(n.ending)) = n.ending */
            /*postgresql (SELECT '.' || json_array_elements_text(CAST(:names AS JSON)) AS ending) AS n
        WHERE right(d.sender, length(n.ending)) = n.ending */
    )
)
ORDER BY sender;

-- name: domain_versions(account_id)
-- Return the version of each domain of an account: the same rows as `domains`, without their content.
SELECT id, version FROM domains WHERE account_id = :account_id ORDER BY sender;

-- name: count_domains(account_id)
-- Count an account's domains.
SELECT count(*) AS used FROM domains WHERE account_id = :account_id;

-- name: count_unproven(account_id)
-- Count an account's domains that were never verified.
SELECT count(*) AS used FROM domains
WHERE account_id = :account_id AND held = 0 AND status IN ('PENDING', 'NOT_STARTED');

-- name: unproven_crowds(accounts)
-- Return, of each of these accounts, how many domains were never verified, and the id of the fiftieth newest of them.
SELECT a.account_id,
    (SELECT count(*) FROM domains AS d
     WHERE d.account_id = a.account_id AND d.held = 0 AND d.status IN ('PENDING', 'NOT_STARTED')) AS unproven,
    (SELECT d.id FROM domains AS d
     WHERE d.account_id = a.account_id AND d.held = 0 AND d.status IN ('PENDING', 'NOT_STARTED')
     ORDER BY d.id DESC LIMIT 1 OFFSET 49) AS fiftieth
FROM
    /*sqlite (SELECT value AS account_id FROM json_each(:accounts)) AS a */
    /*postgresql (SELECT json_array_elements_text(CAST(:accounts AS JSON)) AS account_id) AS a */;

-- name: unproven_below(account_id, low, high, limit)
-- Return an account's domains at and below a name that were never verified, up to a limit; `low` is the name's path.
SELECT id FROM domains
WHERE account_id = :account_id AND held = 0 AND status IN ('PENDING', 'NOT_STARTED') AND path >= :low AND path < :high
LIMIT :limit;

-- name: own_held_above(account_id, senders)
-- Return those of an account's domains among these names that hold their names.
SELECT id FROM domains
WHERE account_id = :account_id AND held = 1 AND sender
    /*sqlite IN (SELECT value FROM json_each(:senders)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:senders AS JSON)))) */;

-- name: domain(account_id, sender)
-- Return one of an account's domains by its name.
SELECT life FROM domains WHERE account_id = :account_id AND sender = :sender;

-- name: domain_by_id(id)
-- Return a domain by its id.
SELECT life FROM domains WHERE id = :id;

-- name: holder(sender)
-- Return the domain that holds a name.
SELECT id FROM domains WHERE sender = :sender AND held = 1;

-- name: held_domains(after, limit)
-- Return a page of the domains of all accounts that hold their names, in the order of the names.
SELECT id, life FROM domains WHERE held = 1 AND sender > :after ORDER BY sender LIMIT :limit;

-- name: held_above(senders, account_id)
-- Return the domains of other accounts that hold one of these names, which lie above a domain in DNS.
SELECT life FROM domains
WHERE held = 1 AND account_id <> :account_id AND sender
    /*sqlite IN (SELECT value FROM json_each(:senders)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:senders AS JSON)))) */;

-- name: held_below(low, high, account_id, limit)
-- Return the first domains of other accounts that hold a name below a name in DNS.
-- `path` is the name from the right, so the names below one name are a range.
SELECT life FROM domains
WHERE held = 1 AND path >= :low AND path < :high AND account_id <> :account_id
ORDER BY path LIMIT :limit;

-- name: add_domain(id, account_id, sender, status, held, path, queue, next_check_at, version, failing_since, refused, cut, life, covers, covers_unless_set)
-- Add a domain; whether it covers the names below it follows from the request, else from the account, else by setting.
INSERT INTO domains
    (id, account_id, sender, status, held, path, queue, next_check_at, version, failing_since, refused, cut, life,
     covers)
VALUES (
    :id, :account_id, :sender, :status, :held, :path, :queue, :next_check_at, :version, :failing_since, :refused, :cut,
    :life, COALESCE(
        CAST(:covers AS SMALLINT), (SELECT a.covers FROM accounts AS a WHERE a.id = :account_id), :covers_unless_set
    )
)
RETURNING id;

-- name: save_domain(id, read_version, status, held, path, queue, next_check_at, version, failing_since, refused, cut, life)
-- Write a domain and end its lease, unless its version is no longer the one that was read.
UPDATE domains
SET status = :status, held = :held, path = :path, queue = :queue, next_check_at = :next_check_at,
    version = :version, life = :life, failing_since = :failing_since, refused = :refused, cut = :cut,
    lease_until = NULL, lease_owner = NULL
WHERE id = :id AND version = :read_version
RETURNING id;

-- name: delete_domain(id, version)
-- Delete a domain, unless its version is no longer the one that was read; its keys and last check go with it.
DELETE FROM domains WHERE id = :id AND version = :version RETURNING id;

-- name: add_sealed_key(domain_id, selector, sealed)
-- Add the private key that signs for a domain.
-- In older rows the selector is NULL: it is then the domain's own.
INSERT INTO domain_keys (domain_id, selector, sealed) VALUES (:domain_id, :selector, :sealed) RETURNING domain_id;

-- name: sealed_key(domain_id, selector)
-- Return a domain's private key at one of its selectors, whether it signs or is a spare one.
SELECT sealed FROM spare_keys WHERE domain_id = :domain_id AND selector = :selector
UNION ALL
SELECT k.sealed FROM domain_keys AS k JOIN domains AS d ON d.id = k.domain_id
WHERE k.domain_id = :domain_id
  AND COALESCE(k.selector,
    /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */) = :selector;

-- name: sealed_keys(account_id, first, last)
-- Return all private keys of an account's domains from name `first` to name `last`, both included.
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

-- name: domains_with_sealed_keys(account_id, limit)
-- Return an account's first domains in the order of their names, once for each private key and at least once.
WITH listed AS (
    SELECT id, sender, life FROM domains WHERE account_id = :account_id ORDER BY sender LIMIT :limit
)
SELECT d.id, d.sender, d.life,
    COALESCE(k.selector,
    /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */) AS selector,
    k.sealed
FROM listed AS d LEFT JOIN domain_keys AS k ON k.domain_id = d.id
UNION ALL
SELECT d.id, d.sender, d.life, s.selector, s.sealed
FROM listed AS d JOIN spare_keys AS s ON s.domain_id = d.id
ORDER BY 2;

-- name: sealed_keys_of(domain_ids)
-- Return all private keys of some domains.
SELECT k.domain_id,
    COALESCE(k.selector,
    /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */) AS selector,
    k.sealed
FROM domain_keys AS k JOIN domains AS d ON d.id = k.domain_id
WHERE k.domain_id /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */
UNION ALL
SELECT s.domain_id, s.selector, s.sealed FROM spare_keys AS s
WHERE s.domain_id /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */;

-- name: add_spare_key(domain_id, selector, sealed)
-- Add a private key of a domain that does not sign: the next one, the previous one or the Ed25519 key.
INSERT INTO spare_keys (domain_id, selector, sealed) VALUES (:domain_id, :selector, :sealed) RETURNING domain_id;

-- name: add_previous_key(domain_id, selector)
-- Copy the key that signs into the spare keys: a receiver that has just read its selector may still ask for it.
INSERT INTO spare_keys (domain_id, selector, sealed)
SELECT domain_id, :selector, sealed FROM domain_keys WHERE domain_id = :domain_id
RETURNING domain_id;

-- name: set_signing_key(domain_id, selector)
-- Make a spare key the key that signs for a domain.
UPDATE domain_keys
SET selector = :selector,
    sealed = (SELECT s.sealed FROM spare_keys AS s WHERE s.domain_id = :domain_id AND s.selector = :selector)
WHERE domain_id = :domain_id
RETURNING domain_id;

-- name: delete_spare_key(domain_id, selector)
-- Delete a spare key of a domain.
DELETE FROM spare_keys WHERE domain_id = :domain_id AND selector = :selector RETURNING selector;

-- name: use_selector(sender, selector, account_id)
-- Record that an account uses a selector at a name; return nothing where it did before.
-- Rows stay for ever: neither deleting a domain nor its account frees a selector.
INSERT INTO account_selectors (account_id, sender, selector)
SELECT CAST(:account_id AS TEXT), CAST(:sender AS TEXT), CAST(:selector AS TEXT)
WHERE NOT EXISTS (
    SELECT 1 FROM used_selectors WHERE sender = :sender AND selector = :selector AND account_id = :account_id
)
ON CONFLICT (account_id, sender, selector) DO NOTHING
RETURNING selector;

-- name: hold_selectors(sender, account_id)
-- Record that all selectors of an account at a name are those of a holder of the name.
INSERT INTO held_selectors (sender, selector, account_id)
SELECT sender, selector, account_id FROM account_selectors WHERE sender = :sender AND account_id = :account_id
UNION
SELECT sender, selector, account_id FROM used_selectors WHERE sender = :sender AND account_id = :account_id
ON CONFLICT (sender, selector) DO NOTHING
RETURNING selector;

-- name: selector_of_others(sender, selector, account_id)
-- Return a selector that another account had while it held the name, or that nobody knows whose it was.
SELECT selector FROM held_selectors
WHERE sender = :sender AND selector = :selector AND (account_id IS NULL OR account_id <> :account_id);

-- name: check_contexts(domain_ids)
-- Return what the checks of these domains need in addition to the domain itself.
-- A fingerprint counts only where the domain's version is still that of its last check. Each table of selectors is read
-- by its index: a condition on the union of both would read both whole, for each check.
SELECT d.id, w.until, CASE WHEN c.version = d.version THEN c.basis END AS basis, c.codes, (
    SELECT /*sqlite json_group_array(of_both.selector) */
        /*postgresql CAST(json_agg(of_both.selector ORDER BY of_both.selector) AS TEXT) */
    FROM (
        SELECT o.selector FROM used_selectors AS o
        WHERE o.sender = d.sender /*postgresql COLLATE "default" */ AND o.account_id = d.account_id
        UNION
        SELECT a.selector FROM account_selectors AS a
        WHERE a.sender = d.sender /*postgresql COLLATE "default" */ AND a.account_id = d.account_id
    ) AS of_both
) AS used
FROM domains AS d LEFT JOIN watched AS w ON w.domain_id = d.id LEFT JOIN checkups AS c ON c.domain_id = d.id
WHERE d.id
    /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */;

-- name: idempotency_key(account_id, key)
-- Return the digest of the request for which an account used an Idempotency-Key.
SELECT digest FROM idempotency WHERE account_id = :account_id AND key = :key;

-- name: add_idempotency_key(account_id, key, digest, at)
-- Store an Idempotency-Key with the digest of its request, unless it is stored already.
INSERT INTO idempotency (account_id, key, digest, at) VALUES (:account_id, :key, :digest, :at)
ON CONFLICT (account_id, key) DO NOTHING
RETURNING key;

-- name: delete_idempotency_keys(account_id, before)
-- Delete an account's Idempotency-Keys from before a time.
DELETE FROM idempotency WHERE account_id = :account_id AND at < :before RETURNING key;

-- name: last_checks(domain_ids)
-- Return the last checks of domains.
-- `IN (SELECT …)` would make PostgreSQL read the whole table, since it can't know how few ids there are.
SELECT domain_id, body, heard_at FROM checkups
WHERE domain_id
    /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */;

-- name: save_check(domain_id, zone, heard_at, silent_since, version, basis, codes, body)
-- Store the last check of a domain in place of the one before.
-- `silent_since` stays the time of the first unanswered check; `heard_at` that of the last one that was answered.
INSERT INTO checkups (domain_id, zone, heard_at, silent_since, version, basis, codes, body)
VALUES (:domain_id, :zone, :heard_at, :silent_since, :version, :basis, :codes, :body)
ON CONFLICT (domain_id) DO UPDATE
SET zone = excluded.zone, version = excluded.version, basis = excluded.basis, codes = excluded.codes,
    body = excluded.body,
    heard_at = COALESCE(excluded.heard_at, checkups.heard_at),
    silent_since = CASE WHEN excluded.silent_since IS NULL THEN NULL
                        ELSE COALESCE(checkups.silent_since, excluded.silent_since) END
RETURNING domain_id;

-- name: confirm_domains(domains)
-- Write the next version of domains whose checks found nothing new, and end their leases.
-- Checks that end at the same moment share a statement: `domains` is a list of their rows.
UPDATE domains
SET queue = told.queue, next_check_at = told.due, version = told.version, life = told.life,
    failing_since = told.failing, refused = told.refused, lease_until = NULL, lease_owner = NULL
FROM
    /*sqlite (
        SELECT json_extract(value, '$.whose') AS whose, json_extract(value, '$.was') AS was,
            json_extract(value, '$.version') AS version, json_extract(value, '$.queue') AS queue,
            json_extract(value, '$.due') AS due,
            json_extract(value, '$.failing') AS failing, json_extract(value, '$.refused') AS refused,
            json_extract(value, '$.life') AS life
        FROM json_each(:domains)
    ) AS told */
    /*postgresql json_to_recordset(CAST(:domains AS JSON))
        AS told (
            whose TEXT, was BIGINT, version BIGINT, queue SMALLINT, due BIGINT, failing BIGINT, refused SMALLINT,
            life TEXT
        ) */
WHERE domains.id = told.whose AND domains.version = told.was
RETURNING id;

-- name: confirm_checks(checkups)
-- Set the time and version of the last checks of domains whose checks found nothing new.
UPDATE checkups SET heard_at = told.at, silent_since = NULL, version = told.version
FROM
    /*sqlite (
        SELECT json_extract(value, '$.whose') AS whose, json_extract(value, '$.at') AS at,
            json_extract(value, '$.version') AS version
        FROM json_each(:checkups)
    ) AS told */
    /*postgresql json_to_recordset(CAST(:checkups AS JSON)) AS told (whose TEXT, at BIGINT, version BIGINT) */
WHERE checkups.domain_id = told.whose
    /*postgresql AND domain_id = ANY (ARRAY(SELECT json_array_elements(CAST(:checkups AS JSON)) ->> 'whose')) */
RETURNING domain_id;

-- name: add_check(id, body)
-- Store the check that events follow from.
INSERT INTO evidence (id, body) VALUES (:id, :body) RETURNING id;

-- name: add_event(id, domain_id, account_id, sender, kind, at, detail, changed, record, evidence_id)
-- Add an event of a domain.
INSERT INTO events (id, domain_id, account_id, sender, kind, at, detail, changed, record, evidence_id)
VALUES (:id, :domain_id, :account_id, :sender, :kind, :at, :detail, :changed, :record, :evidence_id)
RETURNING id;

-- name: last_event_id(account_id)
-- Return the id of an account's last event: always one row, NULL where there is none.
-- Behind a lock of the account it is the last id that any reader may have seen.
SELECT max(id) AS id FROM events WHERE account_id = :account_id;

-- name: events_of_account(account_id, sender, after, limit)
-- Return a page of the events of an account, or of one name in it, the oldest first.
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE account_id = :account_id AND id > :after AND (CAST(:sender AS TEXT) IS NULL OR sender = :sender)
ORDER BY id LIMIT :limit;

-- name: events_of_domain(account_id, domain_id, after, limit)
-- Return a page of the events of a domain, the oldest first.
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE domain_id = :domain_id AND account_id = :account_id AND id > :after ORDER BY id LIMIT :limit;

-- name: events_within(account_id, names, below, sender, after, limit)
-- Return a page as `events_of_account` does of the events of these names and, where `below` is 1, of those below them.
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE account_id = :account_id AND id > :after AND (CAST(:sender AS TEXT) IS NULL OR sender = :sender)
  AND EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT value AS name FROM json_each(:names)) AS n
    WHERE events.sender = n.name
       OR (:below = 1 AND substr(events.sender, -length(n.name) - 1) = '.' || n.name) */
        /*postgresql (SELECT json_array_elements_text(CAST(:names AS JSON)) AS name) AS n
    WHERE events.sender = n.name
       OR (:below = 1 AND right(events.sender, length(n.name) + 1) = '.' || n.name) */
  )
ORDER BY id LIMIT :limit;

-- name: event(account_id, id)
-- Return one of an account's events.
SELECT id, domain_id, account_id, sender, kind, at, detail, changed, evidence_id FROM events
WHERE id = :id AND account_id = :account_id;

-- name: check(id)
-- Return the check that events follow from.
SELECT body FROM evidence WHERE id = :id;
