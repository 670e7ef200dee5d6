-- name: add_account(id, name, email, domains, requests, pending, reminders, created_at)
-- Add an account.
INSERT INTO accounts (id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at)
VALUES (:id, :name, :email, :domains, :requests, :pending, :reminders, :created_at)
RETURNING id;

-- name: accounts()
-- Return all accounts, the oldest first.
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at
FROM accounts ORDER BY created_at, id;

-- name: account(id)
-- Return one account.
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at
FROM accounts WHERE id = :id;

-- name: lock_account(id)
-- Lock an account until the transaction ends, and tell whether it exists.
-- Additions to one account wait for each other here, so that counting its domains means something; so do transactions
-- that add events to it, so that its events become readable in the order of their ids.
SELECT id FROM accounts WHERE id = :id /*postgresql FOR NO KEY UPDATE */;

-- name: change_account(id, name, email, domains, requests, pending, reminders)
-- Update what can change of an account.
UPDATE accounts
SET name = :name, email = :email, domains_limit = :domains, requests_limit = :requests, pending_limit = :pending,
    reminders = :reminders
WHERE id = :id
RETURNING id;

-- name: delete_account(id)
-- Delete an account; what belongs to it goes with it by foreign key.
DELETE FROM accounts WHERE id = :id RETURNING id;

-- name: delete_usage(account_id)
-- Delete an account's request counts.
DELETE FROM usage WHERE account_id = :account_id RETURNING month;

-- name: caller(digest)
-- Return the owner, scope and limits of the API key with this digest.
SELECT k.account_id, k.id, k.scope, k.ends_at, a.domains_limit, a.requests_limit, a.pending_limit
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.digest = :digest;

-- name: add_key(id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at)
-- Add an API key to an account.
INSERT INTO api_keys (id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at,
                      ends_at)
VALUES (:id, :account_id, :digest, :name, :key_type, :scope, :masked, :environment_id, :created_at, :last_used_at,
        :ends_at)
RETURNING id;

-- name: keys(account_id)
-- Return an account's API keys, the oldest first, ended ones too.
SELECT id, account_id, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at
FROM api_keys WHERE account_id = :account_id ORDER BY created_at, id;

-- name: end_key(account_id, id, at)
-- End an API key at a time.
UPDATE api_keys SET ends_at = :at WHERE id = :id AND account_id = :account_id RETURNING id;

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
RETURNING id;

-- name: audit_rows(account_id, before, limit)
-- Return an account's rows of the audit log, the newest first.
SELECT id, at, actor, account_id, action, subject, address, tracking_id FROM audit
WHERE account_id = :account_id AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: all_audit_rows(before, limit)
-- Return the rows of the audit log of all accounts, the newest first.
SELECT id, at, actor, account_id, action, subject, address, tracking_id FROM audit
WHERE id < :before
ORDER BY id DESC LIMIT :limit;

-- name: installation_secret(name)
-- Return a sealed secret of the installation by its name.
SELECT blob FROM vault WHERE name = :name;

-- name: add_installation_secret(name, blob)
-- Add a sealed secret of the installation, unless there is one with this name.
INSERT INTO vault (name, blob) VALUES (:name, :blob) ON CONFLICT (name) DO NOTHING RETURNING name;
