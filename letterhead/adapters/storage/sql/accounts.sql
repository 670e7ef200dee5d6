-- name: add_account(id, name, email, domains, requests, pending, reminders, covers, created_at)
-- Add an account.
INSERT INTO accounts (id, name, email, domains_limit, requests_limit, pending_limit, reminders, covers, created_at)
VALUES (:id, :name, :email, :domains, :requests, :pending, :reminders, :covers, :created_at)
RETURNING id;

-- name: accounts()
-- Return all accounts, the oldest first.
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, covers, created_at
FROM accounts ORDER BY created_at, id;

-- name: account(id)
-- Return one account.
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, covers, created_at
FROM accounts WHERE id = :id;

-- name: lock_account(id)
-- Lock an account until the transaction ends, and tell whether it exists.
-- Additions to one account wait for each other here, so that counting its domains means something; so do transactions
-- that add events to it, so that its events become readable in the order of their ids.
SELECT id FROM accounts WHERE id = :id /*postgresql FOR NO KEY UPDATE */;

-- name: change_account(id, name, email, domains, requests, pending, reminders, covers)
-- Update what can change of an account.
UPDATE accounts
SET name = :name, email = :email, domains_limit = :domains, requests_limit = :requests, pending_limit = :pending,
    reminders = :reminders, covers = :covers
WHERE id = :id
RETURNING id;

-- name: delete_account(id)
-- Delete an account; what belongs to it goes with it by foreign key.
DELETE FROM accounts WHERE id = :id RETURNING id;

-- name: delete_usage(account_id)
-- Delete an account's request counts.
DELETE FROM usage WHERE account_id = :account_id RETURNING month;

-- name: count_account_rows(account_id)
-- Count what goes with an account and its domains by foreign key, by table.
SELECT 'domains' AS name, count(*) AS number FROM domains WHERE account_id = :account_id
UNION ALL SELECT 'domain_keys', count(*) FROM domain_keys AS k JOIN domains AS d ON d.id = k.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'spare_keys', count(*) FROM spare_keys AS k JOIN domains AS d ON d.id = k.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'checkups', count(*) FROM checkups AS c JOIN domains AS d ON d.id = c.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'setup_links', count(*) FROM setup_links AS l JOIN domains AS d ON d.id = l.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'dns_plans', count(*) FROM dns_plans AS p JOIN domains AS d ON d.id = p.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'domain_profiles', count(*) FROM domain_profiles AS p JOIN domains AS d ON d.id = p.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'domain_labels', count(*) FROM domain_labels WHERE account_id = :account_id
UNION ALL SELECT 'reminders', count(*) FROM reminders AS r JOIN domains AS d ON d.id = r.domain_id
    WHERE d.account_id = :account_id
UNION ALL SELECT 'api_keys', count(*) FROM api_keys WHERE account_id = :account_id
UNION ALL SELECT 'sessions', count(*) FROM sessions WHERE account_id = :account_id
UNION ALL SELECT 'members', count(*) FROM members WHERE account_id = :account_id
UNION ALL SELECT 'invitations', count(*) FROM invitations WHERE account_id = :account_id
UNION ALL SELECT 'sign_in_rules', count(*) FROM sign_in_rules WHERE account_id = :account_id
UNION ALL SELECT 'dns_credentials', count(*) FROM dns_credentials WHERE account_id = :account_id
UNION ALL SELECT 'alert_channels', count(*) FROM alert_channels WHERE account_id = :account_id
UNION ALL SELECT 'webhooks', count(*) FROM webhooks WHERE account_id = :account_id
UNION ALL SELECT 'deliveries', count(*) FROM deliveries AS d JOIN webhooks AS w ON w.id = d.webhook_id
    WHERE w.account_id = :account_id;

-- name: delete_events_of_account(account_id)
-- Delete the events of an account, and return the checks that they follow from.
DELETE FROM events WHERE account_id = :account_id RETURNING evidence_id;

-- name: delete_checks_without_event(ids)
-- Delete those of some stored checks that no event refers to any more.
DELETE FROM evidence
WHERE id /*sqlite IN (SELECT value FROM json_each(:ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:ids AS JSON)))) */
    AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.evidence_id = evidence.id)
RETURNING id;

-- name: delete_account_work(account_id)
-- Delete what was counted of an account.
DELETE FROM account_work WHERE account_id = :account_id RETURNING kind;

-- name: delete_rates_of_account(account_id)
-- Delete the shared rates of an account, which name it, as in `set-up links of acc_…`.
DELETE FROM turns WHERE name LIKE '% of ' || CAST(:account_id AS TEXT) RETURNING name;

-- name: delete_counts_of_account(account_id)
-- Delete the counts of an account's shared rates.
DELETE FROM tallies WHERE name LIKE 'turn % of ' || CAST(:account_id AS TEXT) RETURNING name;

-- name: delete_account_selectors(account_id)
-- Delete the selectors that an account has used.
DELETE FROM account_selectors WHERE account_id = :account_id RETURNING selector;

-- name: delete_used_selectors(account_id)
-- Delete the selectors that an account used under older versions.
DELETE FROM used_selectors WHERE account_id = :account_id RETURNING selector;

-- name: forget_holder(account_id)
-- Forget whose the selectors at names that an account held were: they prove nothing for anybody, for ever.
UPDATE held_selectors SET account_id = NULL WHERE account_id = :account_id RETURNING selector;

-- name: caller(digest, restricted)
-- Return the owner, scope and limits of the API key with this digest; a restricted key is stored under the other one.
SELECT k.account_id, k.id, k.scope, k.ends_at, k.binding, k.networks, a.domains_limit, a.requests_limit, a.pending_limit
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.digest IN (:digest, :restricted);

-- name: add_key(id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at, binding, networks)
-- Add an API key to an account.
INSERT INTO api_keys (id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at,
                      ends_at, binding, networks)
VALUES (:id, :account_id, :digest, :name, :key_type, :scope, :masked, :environment_id, :created_at, :last_used_at,
        :ends_at, :binding, :networks)
RETURNING id;

-- name: keys(account_id)
-- Return an account's API keys, the oldest first, ended ones too.
SELECT id, account_id, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at, binding, networks
FROM api_keys WHERE account_id = :account_id ORDER BY created_at, id;

-- name: end_key(account_id, id, at)
-- End an API key at a time, unless it ends before.
UPDATE api_keys SET ends_at = CASE WHEN ends_at < :at THEN ends_at ELSE :at END
WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: set_key_last_used(id, at)
-- Set when an API key was last used.
UPDATE api_keys SET last_used_at = :at WHERE id = :id RETURNING id;

-- name: count_requests(account_id, month, made)
-- Add to an account's requests of a month, and return the new total.
-- An account that has been deleted meanwhile is not counted.
INSERT INTO usage (account_id, month, requests)
SELECT id, :month, CAST(:made AS BIGINT) FROM accounts WHERE id = :account_id
ON CONFLICT (account_id, month) DO UPDATE SET requests = usage.requests + excluded.requests
RETURNING requests;

-- name: append_audit(at, actor, account_id, action, subject, address, tracking_id)
-- Append one row to the audit log.
INSERT INTO audit (at, actor, account_id, action, subject, address, tracking_id)
VALUES (:at, :actor, :account_id, :action, :subject, :address, :tracking_id)
RETURNING id;

-- name: append_audits(audits)
-- Append the rows of several requests to the audit log in one statement: each alone would wait for the disk.
INSERT INTO audit (at, actor, account_id, action, subject, address, tracking_id)
SELECT CAST(value ->> 'at' AS BIGINT), value ->> 'actor', value ->> 'account_id', value ->> 'action',
    value ->> 'subject', value ->> 'address', value ->> 'tracking_id'
FROM /*sqlite json_each(:audits) */ /*postgresql json_array_elements(CAST(:audits AS JSON)) AS each (value) */
RETURNING id, actor, account_id, action, subject, address;

-- name: repeat_audits(repeats)
-- Count entries that repeat a row of the audit log, each by the row's id: one row for an hour of the same reads.
UPDATE audit SET repeats = audit.repeats + CAST(each.value ->> 'repeats' AS BIGINT),
    last_at = CASE
        WHEN CAST(each.value ->> 'last_at' AS BIGINT) > COALESCE(audit.last_at, audit.at)
        THEN CAST(each.value ->> 'last_at' AS BIGINT) ELSE COALESCE(audit.last_at, audit.at) END
FROM /*sqlite json_each(:repeats) AS each */
    /*postgresql json_array_elements(CAST(:repeats AS JSON)) AS each (value) */
WHERE audit.id = CAST(each.value ->> 'id' AS BIGINT)
RETURNING audit.id;

-- name: audit_month(starts_at, ends_at, after, limit)
-- Return the rows of a month of the audit log, the oldest first.
SELECT id, at, actor, account_id, action, subject, address, tracking_id, repeats, last_at FROM audit
WHERE id > :after AND at >= :starts_at AND at < :ends_at
ORDER BY id LIMIT :limit;

-- name: detached_month(month)
-- Return what was recorded of a month of the audit log when it was moved out.
SELECT month, starts_at, ends_at, entries, sha256, at FROM audit_detached WHERE month = :month;

-- name: detach_month(month, starts_at, ends_at, entries, sha256, at)
-- Record that a month of the audit log was moved out: from now on its rows may be deleted.
INSERT INTO audit_detached (month, starts_at, ends_at, entries, sha256, at)
VALUES (:month, :starts_at, :ends_at, :entries, :sha256, :at)
RETURNING month;

-- name: delete_detached(starts_at, ends_at, limit)
-- Delete some rows of a month of the audit log that was moved out.
DELETE FROM audit WHERE id IN (
    SELECT id FROM audit WHERE at >= :starts_at AND at < :ends_at ORDER BY id LIMIT :limit
)
RETURNING id;

-- name: audit_rows(account_id, before, limit)
-- Return an account's rows of the audit log, the newest first.
SELECT id, at, actor, account_id, action, subject, address, tracking_id, repeats, last_at FROM audit
WHERE account_id = :account_id AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: all_audit_rows(before, limit)
-- Return the rows of the audit log of all accounts, the newest first.
SELECT id, at, actor, account_id, action, subject, address, tracking_id, repeats, last_at FROM audit
WHERE id < :before
ORDER BY id DESC LIMIT :limit;

-- name: installation_secret(name)
-- Return a sealed secret of the installation by its name.
SELECT blob FROM vault WHERE name = :name;

-- name: add_installation_secret(name, blob)
-- Add a sealed secret of the installation, unless there is one with this name.
INSERT INTO vault (name, blob) VALUES (:name, :blob) ON CONFLICT (name) DO NOTHING RETURNING name;

-- name: installation_secret_names(prefix, length)
-- Return the names of the installation's secrets that begin with a prefix; they are few.
SELECT name FROM vault WHERE substr(name, 1, :length) = :prefix;

-- name: delete_installation_secret(name)
-- Delete a secret of the installation.
DELETE FROM vault WHERE name = :name RETURNING name;
