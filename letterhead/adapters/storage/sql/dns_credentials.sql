-- name: dns_credentials(account_id)
-- Return an account's kept credentials of DNS hosts, by zone, without their values.
SELECT id, account_id, zone, host, fields, created_at, put_back, used_at, refused_at, refused_code
FROM dns_credentials WHERE account_id = :account_id ORDER BY zone;

-- name: dns_credential(account_id, id)
-- Return one of an account's kept credentials.
SELECT id, account_id, zone, host, fields, created_at, put_back, used_at, refused_at, refused_code, sealed
FROM dns_credentials WHERE id = :id AND account_id = :account_id;

-- name: keep_dns_credential(id, account_id, zone, host, fields, created_at, put_back, sealed)
-- Keep a credential of a DNS host.
INSERT INTO dns_credentials (id, account_id, zone, host, fields, created_at, put_back, sealed)
VALUES (:id, :account_id, :zone, :host, :fields, :created_at, :put_back, :sealed)
RETURNING id;

-- name: delete_dns_credential(id, account_id)
-- Delete a kept credential.
DELETE FROM dns_credentials WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: delete_dns_credential_of_zone(account_id, zone)
-- Delete the credential that is kept for a zone, before another takes its place.
DELETE FROM dns_credentials WHERE account_id = :account_id AND zone = :zone RETURNING id;

-- name: note_dns_credential_taken(id, used_at)
-- Note that the DNS host took a credential.
UPDATE dns_credentials SET used_at = :used_at, refused_at = NULL, refused_code = NULL WHERE id = :id RETURNING id;

-- name: note_dns_credential_refused(id, used_at, refused_code)
-- Note that the DNS host does not take a credential; a row only where it took it before.
UPDATE dns_credentials SET used_at = :used_at, refused_at = :used_at, refused_code = :refused_code
WHERE id = :id AND refused_at IS NULL
RETURNING id;

-- name: change_dns_credential(id, account_id, put_back)
-- Set whether records that vanish from the zone are put back.
UPDATE dns_credentials SET put_back = :put_back, look_at = 0 WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: claim_dns_credentials(now, until, look_at, limit, quarter, held, served)
-- Lease due credentials by the rule of `core.schedule.shares`: first those whose account has the fewest places, then those
-- whose account was served longest ago, then the longest waiting. One that its host does not take is never due.
-- `held` and `served` are JSON by account: places, and the number of the last claim.
WITH ranked AS (
    SELECT c.id, c.look_at, COALESCE(CAST(s.value AS BIGINT), 0) AS served,
        COALESCE(CAST(h.value AS BIGINT), 0) + ROW_NUMBER() OVER (PARTITION BY c.account_id ORDER BY c.look_at, c.id) - 1
        AS rank
    FROM (
        SELECT id, account_id, look_at FROM dns_credentials
        WHERE refused_at IS NULL AND look_at <= :now AND lease_until <= :now
        ORDER BY look_at LIMIT 1000
    ) AS c
    LEFT JOIN /*sqlite json_each(:held) */ /*postgresql json_each_text(CAST(:held AS JSON)) */ AS h
        ON h.key = c.account_id
    LEFT JOIN /*sqlite json_each(:served) */ /*postgresql json_each_text(CAST(:served AS JSON)) */ AS s
        ON s.key = c.account_id
), turns AS (
    SELECT id, rank, ROW_NUMBER() OVER (ORDER BY rank, served, look_at, id) AS turn FROM ranked
), due AS MATERIALIZED (
    SELECT id FROM dns_credentials
    WHERE id IN (
        SELECT id FROM turns
        WHERE turn <= CAST(:limit AS BIGINT)
          AND (rank < CAST(:quarter AS BIGINT) OR turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
    ) AND lease_until <= :now
    /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE dns_credentials SET lease_until = :until, look_at = :look_at
WHERE id IN (SELECT id FROM due)
RETURNING id, account_id, zone, host, fields, created_at, put_back, used_at, refused_at, refused_code, sealed,
    lease_until;

-- name: renew_dns_credential(id, held, until)
-- Renew a lease of a credential by whoever has it: the time until which it is held tells.
UPDATE dns_credentials SET lease_until = :until WHERE id = :id AND lease_until = :held RETURNING id;

-- name: release_dns_credential(id, held, look_at)
-- End a lease of a credential by whoever has it, and plan the next look where a time is given.
UPDATE dns_credentials SET lease_until = 0, look_at = COALESCE(CAST(:look_at AS BIGINT), look_at)
WHERE id = :id AND lease_until = :held
RETURNING id;

-- name: held_in_zone(low, high, account_id, limit)
-- Return the first domains that an account holds at and below a zone's name; `low` is the path to begin at.
SELECT life FROM domains
WHERE held = 1 AND path >= :low AND path < :high AND account_id = :account_id
ORDER BY path LIMIT :limit;

-- name: release_all_dns_credentials()
-- End all leases of kept credentials.
UPDATE dns_credentials SET lease_until = 0 WHERE lease_until > 0 RETURNING id;
