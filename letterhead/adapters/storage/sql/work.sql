-- name: claim_due(now, until, owner, limit)
-- The CTE is materialized: a plain `IN (SELECT … LIMIT … SKIP LOCKED)` may be run again and pass its limit.
WITH due AS MATERIALIZED (
    SELECT id FROM domains
    WHERE next_check_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY next_check_at
    LIMIT :limit /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE domains SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, life;

-- name: lock_domain(id)
SELECT life FROM domains WHERE id = :id /*postgresql FOR NO KEY UPDATE */;

-- name: look_sooner(id, next_check_at, life)
UPDATE domains SET next_check_at = :next_check_at, life = :life WHERE id = :id RETURNING id;

-- name: back_off(id, next_check_at, life)
UPDATE domains SET next_check_at = :next_check_at, life = :life, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING id;

-- name: claim_intents(now, until, owner, limit)
-- Only the first of a name is given out; those behind it wait until it is finished. Work in our own zone and work at
-- the provider are two queues: where the one is out of reach, the other goes on.
WITH due AS MATERIALIZED (
    SELECT id FROM intents AS head
    WHERE due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
      AND NOT EXISTS (
        SELECT 1 FROM intents AS before
        WHERE before.sender = head.sender AND before.id < head.id
          AND (before.effect = 'publish') = (head.effect = 'publish')
      )
    ORDER BY id
    LIMIT :limit /*postgresql FOR UPDATE OF head SKIP LOCKED */
)
UPDATE intents SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, domain_id, account_id, sender, effect, attempts, slots;

-- name: add_intent(domain_id, account_id, sender, effect, slots)
-- Due at once, whatever the clock says. What is owed already is not owed twice; but what somebody works on may have
-- begun from an older state, so it does not count.
INSERT INTO intents (domain_id, account_id, sender, effect, slots, due_at, attempts)
SELECT :domain_id, :account_id, :sender, :effect, :slots, 0, 0
WHERE NOT EXISTS (
    SELECT 1 FROM intents
    WHERE sender = :sender AND domain_id = :domain_id AND effect = :effect AND lease_owner IS NULL
)
RETURNING id;

-- name: finish_intent(id)
DELETE FROM intents WHERE id = :id RETURNING id;

-- name: postpone_intent(id, due_at, reason)
UPDATE intents
SET due_at = :due_at, reason = :reason, attempts = attempts + 1, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING id;

-- name: hand_back_domains(owner, now)
-- PostgreSQL has no index by owner: with one, each claim would write a new version of a row into every index (no HOT).
-- Whatever is leased was due.
UPDATE domains SET lease_until = NULL, lease_owner = NULL
WHERE lease_owner = :owner AND next_check_at <= :now
RETURNING id;

-- name: hand_back_intents(owner)
UPDATE intents SET lease_until = NULL, lease_owner = NULL WHERE lease_owner = :owner RETURNING id;

-- name: forget_leases()
UPDATE domains SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: forget_intent_leases()
UPDATE intents SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: take_turn(name, now, every, latest)
-- One statement, so that no two callers get the same turn; nothing is given, nor taken, where the next is too late.
INSERT INTO turns (name, next_at, every)
VALUES (:name, CAST(:now AS BIGINT) + CAST(:every AS BIGINT), CAST(:every AS BIGINT))
ON CONFLICT (name) DO UPDATE
SET every = excluded.every, next_at = CAST(:every AS BIGINT)
    + CASE WHEN turns.next_at > CAST(:now AS BIGINT) THEN turns.next_at ELSE CAST(:now AS BIGINT) END
WHERE turns.next_at <= CAST(:latest AS BIGINT)
RETURNING next_at;

-- name: pool_key(id, public_key, sealed)
INSERT INTO key_pool (id, public_key, sealed) VALUES (:id, :public_key, :sealed) RETURNING id;

-- name: take_key()
WITH taken AS MATERIALIZED (
    SELECT id FROM key_pool LIMIT 1 /*postgresql FOR UPDATE SKIP LOCKED */
)
DELETE FROM key_pool WHERE id IN (SELECT id FROM taken)
RETURNING id, public_key, sealed;

-- name: backlog(now)
SELECT count(*) AS due, min(next_check_at) AS oldest,
    (SELECT count(*) FROM intents WHERE due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)) AS intents,
    (SELECT count(*) FROM key_pool) AS pooled,
    (SELECT count(*) FROM reminders
     WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL AND (lease_until IS NULL OR lease_until <= :now)
    ) AS reminders,
    (SELECT count(*) FROM deliveries
     WHERE due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)) AS deliveries
FROM domains
WHERE next_check_at <= :now AND (lease_until IS NULL OR lease_until <= :now);

-- name: revision()
SELECT version_num FROM alembic_version;
