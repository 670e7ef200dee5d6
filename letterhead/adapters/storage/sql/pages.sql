-- name: add_setup_link(id, domain_id, account_id, digest, created_at, ends_at)
-- Add a set-up link.
INSERT INTO setup_links (id, domain_id, account_id, digest, created_at, ends_at)
VALUES (:id, :domain_id, :account_id, :digest, :created_at, :ends_at)
RETURNING id;

-- name: end_unused_setup_links(domain_id, at, kept)
-- End the set-up links of a domain that live, but for those that were opened or made last.
UPDATE setup_links SET ends_at = :at WHERE domain_id = :domain_id AND ends_at > :at AND id NOT IN (
    SELECT id FROM setup_links WHERE domain_id = :domain_id AND ends_at > :at
    ORDER BY COALESCE(opened_at, created_at) DESC, id DESC LIMIT :kept
)
RETURNING id;

-- name: setup_links(domain_id, now)
-- Return a domain's set-up links that live, the oldest first.
SELECT id, domain_id, account_id, created_at, ends_at, opened_at FROM setup_links
WHERE domain_id = :domain_id AND ends_at > :now ORDER BY created_at, id;

-- name: setup_link(digest)
-- Return a set-up link by the digest of its token, ended or not.
SELECT id, domain_id, account_id, created_at, ends_at, opened_at FROM setup_links WHERE digest = :digest;

-- name: end_setup_link(domain_id, id, at)
-- End a set-up link at a time, unless it ended before.
UPDATE setup_links SET ends_at = CASE WHEN ends_at < :at THEN ends_at ELSE :at END
WHERE domain_id = :domain_id AND id = :id
RETURNING id;

-- name: open_setup_link(id, at)
-- Set when a set-up link was last opened.
UPDATE setup_links SET opened_at = :at WHERE id = :id RETURNING id;

-- name: set_watched_until(domain_id, until)
-- Set until when somebody has the set-up page of a domain open.
-- Nothing where the domain has been deleted meanwhile.
INSERT INTO watched (domain_id, until) SELECT id, CAST(:until AS BIGINT) FROM domains WHERE id = :domain_id
ON CONFLICT (domain_id) DO UPDATE SET until = excluded.until
RETURNING domain_id;

-- name: add_session(digest, account_id, key_id, mark, scope, member_id, person, created_at, ends_at)
-- Add a session.
INSERT INTO sessions (digest, account_id, key_id, mark, scope, member_id, person, created_at, ends_at)
VALUES (:digest, :account_id, :key_id, :mark, :scope, :member_id, :person, :created_at, :ends_at)
RETURNING digest;

-- name: delete_ended_sessions(before)
-- Delete the sessions that ended before a time.
DELETE FROM sessions WHERE ends_at < :before RETURNING digest;

-- name: session(digest, restricted)
-- Return a session by the digest of its token, with its key and its account's limits as they are now.
-- The session of a restricted key is stored under the other digest.
SELECT s.account_id, s.key_id AS id, s.mark, s.scope AS own_scope, s.member_id, s.person, s.created_at,
    s.ends_at AS session_ends_at, k.scope, k.ends_at, k.binding, k.networks,
    a.domains_limit, a.requests_limit, a.pending_limit
FROM sessions AS s LEFT JOIN api_keys AS k ON k.id = s.key_id LEFT JOIN accounts AS a ON a.id = s.account_id
WHERE s.digest IN (:digest, :restricted);

-- name: end_session(digest, restricted)
-- Delete one session.
DELETE FROM sessions WHERE digest IN (:digest, :restricted) RETURNING digest;

-- name: end_sessions(account_id)
-- Delete all sessions of an account.
DELETE FROM sessions WHERE account_id = :account_id RETURNING digest;

-- name: end_keys_sessions(account_id, key_id)
-- Delete all sessions of an API key.
DELETE FROM sessions WHERE account_id = :account_id AND key_id = :key_id RETURNING digest;

-- name: end_persons_sessions(account_id, mark)
-- Delete all sessions of a person who signed in with OpenID Connect.
DELETE FROM sessions WHERE account_id = :account_id AND key_id IS NULL AND mark = :mark RETURNING digest;

-- name: end_operator_sessions()
-- Delete all sessions of the operator.
DELETE FROM sessions WHERE account_id IS NULL RETURNING digest;

-- name: count_statuses(account_id)
-- Count an account's domains by their status in the API.
SELECT status, count(*) AS number FROM domains WHERE account_id = :account_id GROUP BY status;

-- name: count_all_statuses()
-- Count the domains of all accounts by their status in the API, each part by an index alone.
SELECT status, count(*) AS number FROM domains WHERE status <> 'SUCCESS' GROUP BY status
UNION ALL
SELECT 'SUCCESS', (SELECT count(*) FROM domains) - (SELECT count(*) FROM domains WHERE status <> 'SUCCESS');

-- name: state_changes(account_id, limit)
-- Return the changes of state of an account's domains, the newest first.
SELECT domain_id, kind, at FROM events
WHERE account_id = :account_id AND kind LIKE 'domain.%'
ORDER BY id DESC LIMIT :limit;

-- name: count_overdue(now)
-- Count the due checks by how long they have been due, cumulatively: under 1 s, 10 s, 1 min, 5 min, and all.
SELECT count(*) AS due,
    COALESCE(sum(CASE WHEN :now - next_check_at < 1000 THEN 1 ELSE 0 END), 0) AS within_second,
    COALESCE(sum(CASE WHEN :now - next_check_at < 10000 THEN 1 ELSE 0 END), 0) AS within_ten,
    COALESCE(sum(CASE WHEN :now - next_check_at < 60000 THEN 1 ELSE 0 END), 0) AS within_minute,
    COALESCE(sum(CASE WHEN :now - next_check_at < 300000 THEN 1 ELSE 0 END), 0) AS within_five
FROM domains WHERE next_check_at <= :now;

-- name: all_domains(after_account, after_sender, status, contains, limit)
-- Return a page of the domains of all accounts, by account and name; a filter that is NULL does not apply.
-- `contains` is a piece of the domain's name, or of its account's name or address; `refusal` says why work at the
-- provider that is owed was not done.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domains AS d
WHERE (d.account_id, d.sender) > (:after_account, :after_sender)
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
ORDER BY d.account_id, d.sender
LIMIT :limit;

-- name: account_domains(account_id, after_sender, status, contains, limit)
-- Return a page of those of `all_domains` that one account has.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domains AS d
WHERE d.account_id = :account_id AND d.sender > :after_sender
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
ORDER BY d.sender
LIMIT :limit;

-- name: unverified_domains(after_account, after_sender, status, contains, limit)
-- Return a page of those of `all_domains` that are not verified, by their status.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domains AS d
WHERE (d.account_id, d.sender) > (:after_account, :after_sender)
  AND d.status <> 'SUCCESS' AND d.status = :status
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
ORDER BY d.account_id, d.sender
LIMIT :limit;

-- name: failing_domains(after_account, after_sender, account_id, status, before, contains, limit)
-- Return a page of those of `all_domains` that have failed since a time or longer.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domains AS d
WHERE (d.account_id, d.sender) > (:after_account, :after_sender)
  AND d.failing_since IS NOT NULL AND d.failing_since <= :before
  AND (CAST(:account_id AS TEXT) IS NULL OR d.account_id = :account_id)
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
ORDER BY d.account_id, d.sender
LIMIT :limit;

-- name: refused_domains(after_account, after_sender, account_id, status, contains, limit)
-- Return a page of those of `all_domains` that the provider refuses, or for which it refused work that is still owed.
SELECT d.life, (SELECT name FROM accounts WHERE id = d.account_id) AS account_name,
    (SELECT min(reason) FROM intents
     WHERE account_id = d.account_id AND sender = d.sender AND domain_id = d.id AND attempts > 0 AND effect <> 'publish'
    ) AS refusal
FROM domains AS d
WHERE (d.account_id, d.sender) > (:after_account, :after_sender)
  AND (CAST(:account_id AS TEXT) IS NULL OR d.account_id = :account_id)
  AND (CAST(:status AS TEXT) IS NULL OR d.status = :status)
  AND (CAST(:contains AS TEXT) IS NULL OR replace(d.sender, :contains, '') <> d.sender OR (
    SELECT replace(lower(name || ' ' || email), :contains, '') <> lower(name || ' ' || email)
    FROM accounts WHERE id = d.account_id
  ))
  AND d.id IN (
    SELECT id FROM domains
    WHERE refused = 1 AND (account_id, sender) > (:after_account, :after_sender)
    UNION
    SELECT domain_id FROM intents
    WHERE attempts > 0 AND effect <> 'publish' AND account_id >= :after_account
  )
ORDER BY d.account_id, d.sender
LIMIT :limit;

-- name: count_conditions(before)
-- Count the domains of all accounts that are at risk, that have failed since a time or longer, and that are refused.
SELECT
    (SELECT count(*) FROM domains WHERE status <> 'SUCCESS' AND status = 'TEMPORARY_FAILURE') AS at_risk,
    (SELECT count(*) FROM domains WHERE failing_since IS NOT NULL AND failing_since <= :before) AS failing,
    (SELECT count(*) FROM (
        SELECT id FROM domains WHERE refused = 1
        UNION
        SELECT domain_id FROM intents WHERE attempts > 0 AND effect <> 'publish'
     ) AS refused_ones) AS refused;

-- name: delete_all_sessions()
-- Sign everybody out.
DELETE FROM sessions RETURNING digest;
