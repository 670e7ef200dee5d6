-- name: claim_due(queue, now, until, owner, limit, quarter, held, window, since, look)
-- Lease due domains of one queue by the rule of `core.schedule.shares`: first those whose account has the fewest places,
-- then the longest due; an account with a quarter of the places takes another only while more than a quarter is free.
-- `held` are the places of each account as JSON. Ranked are the first `window` due domains, and `look` more that have
-- been due since `since` or later, for what stands behind many of one account.
-- `+ 0` keeps PostgreSQL from reading the index of all that is due where it knows the ids.
-- The CTEs are materialized: a plain `IN (SELECT … LIMIT … SKIP LOCKED)` may be run again and exceed its limit.
WITH first_due AS MATERIALIZED (
    SELECT id, account_id, next_check_at FROM domains
    WHERE queue = :queue AND next_check_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY next_check_at
    LIMIT :window
), further_due AS MATERIALIZED (
    SELECT id, account_id, next_check_at FROM domains
    WHERE queue = :queue AND next_check_at >= :since AND next_check_at <= :now
      AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY next_check_at
    LIMIT :look
), ranked AS (
    SELECT w.id, w.next_check_at, COALESCE(CAST(h.value AS BIGINT), 0) + ROW_NUMBER() OVER (
        PARTITION BY w.account_id ORDER BY w.next_check_at
    ) - 1 AS rank
    FROM (SELECT * FROM first_due UNION SELECT * FROM further_due) AS w
    LEFT JOIN /*sqlite json_each(:held) */ /*postgresql json_each_text(CAST(:held AS JSON)) */ AS h
        ON h.key = w.account_id
), turns AS (
    SELECT id, rank, ROW_NUMBER() OVER (ORDER BY rank, next_check_at) AS turn FROM ranked
), due AS MATERIALIZED (
    SELECT id FROM domains
    WHERE id
        /*sqlite IN (SELECT id */ /*postgresql = ANY (ARRAY(SELECT id */
        FROM turns
        WHERE turn <= CAST(:limit AS BIGINT)
          AND (rank < CAST(:quarter AS BIGINT) OR turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
        ) /*postgresql ) */
      AND next_check_at + 0 <= :now AND (lease_until IS NULL OR lease_until <= :now)
    /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE domains SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, life;

-- name: due_position(queue, now, since, skip)
-- Return since when the domain is due that stands behind so many due ones of a queue, if one does.
SELECT next_check_at FROM domains
WHERE queue = :queue AND next_check_at >= :since AND next_check_at <= :now
ORDER BY next_check_at LIMIT 1 OFFSET :skip;

-- name: lock_domain(id)
-- Lock a domain until the transaction ends, and return it.
SELECT life FROM domains WHERE id = :id /*postgresql FOR NO KEY UPDATE */;

-- name: check_sooner(id, next_check_at, life)
-- Bring a domain's next check forward; its lease stays.
UPDATE domains SET next_check_at = :next_check_at, life = :life WHERE id = :id RETURNING id;

-- name: back_off(id, next_check_at, life)
-- Postpone a domain's next check, and end its lease.
UPDATE domains SET next_check_at = :next_check_at, life = :life, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING id;

-- name: misdated_domains(now, future, distant, stale, limit)
-- Return domains that a clock wrote which was ahead: planned beyond the longest interval, last checked in the future, or
-- due with a lease that nobody could have taken now.
SELECT id FROM domains /*sqlite INDEXED BY domains_queue */
WHERE queue IN (0, 1, 2) AND next_check_at > :distant
UNION SELECT id FROM domains /*sqlite INDEXED BY domains_queue */
WHERE queue IN (0, 1, 2) AND next_check_at <= :now AND lease_until > :stale
UNION SELECT domain_id AS id FROM checkups WHERE heard_at > :future
UNION SELECT domain_id AS id FROM checkups WHERE silent_since > :future
LIMIT :limit;

-- name: recall_domains(domain_ids, now)
-- Make domains due now and end their leases; those that are checked on request alone stay so.
UPDATE domains
SET next_check_at = CASE WHEN next_check_at IS NOT NULL THEN CAST(:now AS BIGINT) END,
    lease_until = NULL, lease_owner = NULL
WHERE id
    /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */
RETURNING id;

-- name: recall_checks(domain_ids, future)
-- Forget when domains were last answered, or fell silent, where that lies in the future: outages are told by these.
UPDATE checkups
SET heard_at = CASE WHEN heard_at <= :future THEN heard_at END,
    silent_since = CASE WHEN silent_since <= :future THEN silent_since END
WHERE domain_id
    /*sqlite IN (SELECT value FROM json_each(:domain_ids)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:domain_ids AS JSON)))) */
RETURNING domain_id;

-- name: recall_intents(now, distant, stale)
-- Make due now the intents that a clock postponed which was ahead, and end the leases that it took.
UPDATE intents SET due_at = :now, lease_until = NULL, lease_owner = NULL
WHERE due_at > :distant OR lease_until > :stale
RETURNING id;

-- name: recall_rates(distant)
-- Delete the shared rates whose next slot a clock took which was ahead: nobody could take one before.
DELETE FROM turns WHERE next_at > :distant RETURNING name;

-- name: claim_intents(now, until, owner, limit, quarter, held, served, provider, zone)
-- Lease due intents by the rule of `core.schedule.shares`: first those whose account has the fewest places, then those
-- whose account was served longest ago, then the oldest. Of each name only the first one; those behind it wait.
-- Work in our own zone and work at the provider are two queues: where one is out of reach, the other goes on.
-- `held` and `served` are JSON by account: places, and the number of the last claim; `provider` and `zone` are 0 or 1.
WITH RECURSIVE accounts_due (account_id) AS (
    SELECT min(account_id) FROM intents WHERE due_at <= :now
    UNION ALL
    SELECT (SELECT min(i.account_id) FROM intents AS i WHERE i.account_id > a.account_id AND i.due_at <= :now)
    FROM accounts_due AS a WHERE a.account_id IS NOT NULL
), waiting AS MATERIALIZED (
    SELECT i.id, i.account_id FROM accounts_due AS a JOIN intents AS i ON i.id IN (
        SELECT head.id FROM intents AS head
        WHERE head.account_id = a.account_id AND head.due_at <= :now
          AND (head.lease_until IS NULL OR head.lease_until <= :now)
          AND CASE WHEN head.effect = 'publish' THEN CAST(:zone AS BIGINT) ELSE CAST(:provider AS BIGINT) END = 1
          AND NOT EXISTS (
            SELECT 1 FROM intents AS before
            WHERE before.sender = head.sender AND before.id < head.id
              AND (before.effect = 'publish') = (head.effect = 'publish')
          )
        ORDER BY head.due_at, head.id
        LIMIT :limit
    )
), ranked AS (
    SELECT w.id, COALESCE(CAST(s.value AS BIGINT), 0) AS served, COALESCE(CAST(h.value AS BIGINT), 0) + ROW_NUMBER() OVER (
        PARTITION BY w.account_id ORDER BY w.id
    ) - 1 AS rank
    FROM waiting AS w
    LEFT JOIN /*sqlite json_each(:held) */ /*postgresql json_each_text(CAST(:held AS JSON)) */ AS h
        ON h.key = w.account_id
    LEFT JOIN /*sqlite json_each(:served) */ /*postgresql json_each_text(CAST(:served AS JSON)) */ AS s
        ON s.key = w.account_id
), turns AS (
    SELECT id, rank, ROW_NUMBER() OVER (ORDER BY rank, served, id) AS turn FROM ranked
), due AS MATERIALIZED (
    SELECT id FROM intents
    WHERE id IN (
        SELECT id FROM turns
        WHERE turn <= CAST(:limit AS BIGINT)
          AND (rank < CAST(:quarter AS BIGINT) OR turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
    ) AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
    /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE intents SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, domain_id, account_id, sender, effect, attempts, slots, traceparent;

-- name: add_intent(domain_id, account_id, sender, effect, slots, since, traceparent)
-- Add an intent that is due at once, whatever the clock says, unless the same one waits already.
-- One that is leased does not count: its owner may have begun from an older state.
INSERT INTO intents (domain_id, account_id, sender, effect, slots, due_at, attempts, since, traceparent)
SELECT :domain_id, :account_id, :sender, :effect, :slots, 0, 0, CAST(:since AS BIGINT), CAST(:traceparent AS TEXT)
WHERE NOT EXISTS (
    SELECT 1 FROM intents
    WHERE sender = :sender AND domain_id = :domain_id AND effect = :effect AND lease_owner IS NULL
)
RETURNING id;

-- name: finish_intent(id)
-- Delete an intent that is done.
DELETE FROM intents WHERE id = :id RETURNING id;

-- name: postpone_intent(id, due_at, reason)
-- Make an intent due again at a later time, count an attempt and end its lease.
UPDATE intents
SET due_at = :due_at, reason = :reason, attempts = attempts + 1, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING id;

-- name: release_domains(owner, now)
-- End the leases of an owner that stops.
-- PostgreSQL has no index by owner: with one, each claim would write a new version of a row into every index (no HOT).
-- Whatever is leased was due.
UPDATE domains SET lease_until = NULL, lease_owner = NULL
WHERE lease_owner = :owner AND queue IN (0, 1, 2) AND next_check_at <= :now
RETURNING id;

-- name: release_intents(owner)
-- End the leases of an owner that stops.
UPDATE intents SET lease_until = NULL, lease_owner = NULL WHERE lease_owner = :owner RETURNING id;

-- name: release_all_domains()
-- End all leases of domains.
UPDATE domains SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: release_all_intents()
-- End all leases of intents.
UPDATE intents SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: take_rate_slot(name, now, every, latest)
-- Reserve the next slot of a rate that all processes share, unless it lies after `latest`.
-- One statement, so that no two callers get the same slot.
INSERT INTO turns (name, next_at, every)
VALUES (:name, CAST(:now AS BIGINT) + CAST(:every AS BIGINT), CAST(:every AS BIGINT))
ON CONFLICT (name) DO UPDATE
SET every = excluded.every, next_at = CAST(:every AS BIGINT)
    + CASE WHEN turns.next_at > CAST(:now AS BIGINT) THEN turns.next_at ELSE CAST(:now AS BIGINT) END
WHERE turns.next_at <= CAST(:latest AS BIGINT)
RETURNING next_at;

-- name: pool_key(id, public_key, sealed)
-- Add a key to the pool of keys made ahead.
INSERT INTO key_pool (id, public_key, sealed) VALUES (:id, :public_key, :sealed) RETURNING id;

-- name: take_key()
-- Take a key out of the pool of keys made ahead.
WITH taken AS MATERIALIZED (
    SELECT id FROM key_pool LIMIT 1 /*postgresql FOR UPDATE SKIP LOCKED */
)
DELETE FROM key_pool WHERE id IN (SELECT id FROM taken)
RETURNING id, public_key, sealed;

-- name: backlog(now, future, distant)
-- Count due work that nobody has leased, and return since when the oldest check is due; `intents` are all that are owed,
-- with the time since when the oldest is; `misdated` are the checks that
-- a clock planned or made which was ahead.
SELECT count(*) AS due, min(next_check_at) AS oldest,
    (SELECT count(*) FROM intents) AS intents, (SELECT min(since) FROM intents) AS owed_since,
    (SELECT count(*) FROM key_pool) AS pooled,
    (SELECT count(*) FROM reminders
     WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL AND (lease_until IS NULL OR lease_until <= :now)
    ) AS reminders,
    (SELECT count(*) FROM deliveries
     WHERE due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)) AS deliveries,
    (SELECT count(*) FROM alerts
     WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL AND (lease_until IS NULL OR lease_until <= :now)
    ) AS alerts,
    (SELECT count(*) FROM domains /*sqlite INDEXED BY domains_queue */
     WHERE queue IN (0, 1, 2) AND next_check_at > :distant)
    + (SELECT count(*) FROM checkups WHERE heard_at > :future) AS misdated
FROM domains /*sqlite INDEXED BY domains_queue */
WHERE queue IN (0, 1, 2) AND next_check_at <= :now AND (lease_until IS NULL OR lease_until <= :now);

-- name: revision()
-- Return the revision of the schema.
SELECT version_num FROM alembic_version;
