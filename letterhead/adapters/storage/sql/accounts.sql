-- name: add_account(id, name, email, domains, requests, pending, reminders, created_at)
INSERT INTO accounts (id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at)
VALUES (:id, :name, :email, :domains, :requests, :pending, :reminders, :created_at)
RETURNING id;

-- name: accounts()
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at
FROM accounts ORDER BY created_at, id;

-- name: account(id)
SELECT id, name, email, domains_limit, requests_limit, pending_limit, reminders, created_at
FROM accounts WHERE id = :id;

-- name: lock_account(id)
-- Claims of one account wait for each other here, so that counting its domains means something; so does whoever tells
-- it something, so that its events become readable in the order of their ids.
SELECT id FROM accounts WHERE id = :id /*postgresql FOR NO KEY UPDATE */;

-- name: change_account(id, name, email, domains, requests, pending, reminders)
UPDATE accounts
SET name = :name, email = :email, domains_limit = :domains, requests_limit = :requests, pending_limit = :pending,
    reminders = :reminders
WHERE id = :id
RETURNING id;

-- name: delete_account(id)
DELETE FROM accounts WHERE id = :id RETURNING id;

-- name: delete_usage(account_id)
DELETE FROM usage WHERE account_id = :account_id RETURNING month;

-- name: caller(digest)
SELECT k.account_id, k.id, k.scope, k.ends_at, a.domains_limit, a.requests_limit, a.pending_limit
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id
WHERE k.digest = :digest;

-- name: add_key(id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at)
INSERT INTO api_keys (id, account_id, digest, name, key_type, scope, masked, environment_id, created_at, last_used_at,
                      ends_at)
VALUES (:id, :account_id, :digest, :name, :key_type, :scope, :masked, :environment_id, :created_at, :last_used_at,
        :ends_at)
RETURNING id;

-- name: keys(account_id)
SELECT id, account_id, name, key_type, scope, masked, environment_id, created_at, last_used_at, ends_at
FROM api_keys WHERE account_id = :account_id ORDER BY created_at, id;

-- name: end_key(account_id, id, at)
UPDATE api_keys SET ends_at = :at WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: use_key(id, at)
UPDATE api_keys SET last_used_at = :at WHERE id = :id RETURNING id;

-- name: count_requests(account_id, month, made)
-- An account that is gone by now is counted no more.
INSERT INTO usage (account_id, month, requests)
SELECT id, :month, CAST(:made AS BIGINT) FROM accounts WHERE id = :account_id
ON CONFLICT (account_id, month) DO UPDATE SET requests = usage.requests + excluded.requests
RETURNING requests;

-- name: append_audit(at, actor, account_id, action, subject, address, tracking_id)
INSERT INTO audit (at, actor, account_id, action, subject, address, tracking_id)
VALUES (:at, :actor, :account_id, :action, :subject, :address, :tracking_id)
RETURNING id;

-- name: append_audits(audits)
-- Those of several requests in one statement: each alone would wait for the disk.
INSERT INTO audit (at, actor, account_id, action, subject, address, tracking_id)
SELECT CAST(value ->> 'at' AS BIGINT), value ->> 'actor', value ->> 'account_id', value ->> 'action',
    value ->> 'subject', value ->> 'address', value ->> 'tracking_id'
FROM /*sqlite json_each(:audits) */ /*postgresql json_array_elements(CAST(:audits AS JSON)) AS each (value) */
RETURNING id;

-- name: audit_rows(account_id, before, limit)
SELECT id, at, actor, account_id, action, subject, address, tracking_id FROM audit
WHERE account_id = :account_id AND id < :before
ORDER BY id DESC LIMIT :limit;

-- name: all_audit_rows(before, limit)
SELECT id, at, actor, account_id, action, subject, address, tracking_id FROM audit
WHERE id < :before
ORDER BY id DESC LIMIT :limit;

-- name: vault(name)
SELECT blob FROM vault WHERE name = :name;

-- name: keep_in_vault(name, blob)
INSERT INTO vault (name, blob) VALUES (:name, :blob) ON CONFLICT (name) DO NOTHING RETURNING name;
