-- name: webhooks(account_id)
-- Return an account's webhook endpoints, the oldest first.
SELECT id, account_id, url, events, bound_events, binding, created_at, sealed, old_sealed, old_until, disabled_at,
    disabled_why
FROM webhooks WHERE account_id = :account_id ORDER BY id;

-- name: webhook(account_id, id)
-- Return one of an account's webhook endpoints.
SELECT id, account_id, url, events, bound_events, binding, created_at, sealed, old_sealed, old_until, disabled_at,
    disabled_why
FROM webhooks WHERE id = :id AND account_id = :account_id;

-- name: add_webhook(id, account_id, url, events, bound_events, binding, created_at, sealed)
-- Add a webhook endpoint.
INSERT INTO webhooks (id, account_id, url, events, bound_events, binding, created_at, sealed)
VALUES (:id, :account_id, :url, :events, :bound_events, :binding, :created_at, :sealed)
RETURNING id;

-- name: change_webhook(id, account_id, url, events, bound_events, binding)
-- Update a webhook endpoint's URL, events and domains, and enable it: what has changed is tried again.
UPDATE webhooks SET url = :url, events = :events, bound_events = :bound_events, binding = :binding, failing = 0,
    disabled_at = NULL, disabled_why = NULL
WHERE id = :id AND account_id = :account_id
RETURNING id;

-- name: drop_deliveries_beyond(webhook_id, names, below)
-- Delete an endpoint's deliveries of other domains than these and, where `below` is 1, those below them; tests stay.
DELETE FROM deliveries WHERE webhook_id = :webhook_id AND life IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT value AS name, json_extract(deliveries.life, '$.sender') AS sender FROM json_each(:names)) AS n
    WHERE n.sender = n.name OR (:below = 1 AND substr(n.sender, -length(n.name) - 1) = '.' || n.name) */
        /*postgresql (
            SELECT json_array_elements_text(CAST(:names AS JSON)) AS name, CAST(deliveries.life AS JSON) ->> 'sender' AS sender
        ) AS n
    WHERE n.sender = n.name OR (:below = 1 AND right(n.sender, length(n.name) + 1) = '.' || n.name) */
)
RETURNING id;

-- name: rotate_secret(id, account_id, sealed, old_until)
-- Set a webhook endpoint's new secret, and keep the old one until a time.
UPDATE webhooks SET old_sealed = sealed, old_until = :old_until, sealed = :sealed
WHERE id = :id AND account_id = :account_id
RETURNING id;

-- name: delete_webhook(id, account_id)
-- Delete a webhook endpoint; its deliveries go with it.
DELETE FROM webhooks WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: add_deliveries(account_id, sender, id, kind, marked, at, detail, changed, life, traceparent)
-- Add a delivery of an event for each enabled endpoint of the account that subscribes to it and is for its domain.
-- Due at once, whatever the clock says. An endpoint with a `binding` has no kind in `events`.
INSERT INTO deliveries (webhook_id, id, kind, at, detail, changed, life, traceparent, fate, failures, due_at)
SELECT w.id, :id, :kind, CAST(:at AS BIGINT), :detail, CAST(:changed AS TEXT), CAST(:life AS TEXT),
    CAST(:traceparent AS TEXT), 'pending', 0, 0
FROM webhooks AS w
WHERE w.account_id = :account_id AND w.disabled_at IS NULL
  AND (w.events = ' * ' OR replace(w.events, :marked, '') <> w.events OR (
    w.binding IS NOT NULL AND (w.bound_events = ' * ' OR replace(w.bound_events, :marked, '') <> w.bound_events)
    AND EXISTS (
        SELECT 1 FROM
            /*sqlite json_each(w.binding, '$.names')
        WHERE json_each.value = :sender OR (
            json_extract(w.binding, '$.covers_below') = 1 AND substr(:sender, -length(json_each.value) - 1) = '.' || json_each.value
        ) */
            /*postgresql json_array_elements_text(CAST(w.binding AS JSON) -> 'names') AS json_each (value)
        WHERE json_each.value = CAST(:sender AS TEXT) OR (
            CAST(w.binding AS JSON) ->> 'covers_below' = 'true'
            AND right(CAST(:sender AS TEXT), length(json_each.value) + 1) = '.' || json_each.value
        ) */
    )
  ));

-- name: add_delivery(webhook_id, id, kind, at, detail, traceparent)
-- Add one delivery that follows from no event; due at once.
INSERT INTO deliveries (webhook_id, id, kind, at, detail, traceparent, fate, failures, due_at)
VALUES (:webhook_id, :id, :kind, :at, :detail, CAST(:traceparent AS TEXT), 'pending', 0, 0)
RETURNING id;

-- name: any_due_delivery(now)
-- Return one due delivery, if there is any: it costs nothing while nothing is due, which is nearly always.
SELECT id FROM deliveries WHERE due_at <= :now AND (lease_until IS NULL OR lease_until <= :now) LIMIT 1;

-- name: due_webhooks(now, late, slow, places, limit, quarter, held, served)
-- Return endpoints with a due delivery and a free place by the rule of `core.schedule.shares`: first those whose account
-- has the fewest places, then those whose account was served longest ago, then the longest waiting.
-- `late` endpoints are those whose last attempt failed or took more than `slow` milliseconds; the others are not.
-- The lock lets one claim at a time count an endpoint's places.
WITH RECURSIVE with_due (id) AS (
    SELECT min(webhook_id) FROM deliveries WHERE due_at <= :now
    UNION ALL
    SELECT (SELECT min(d.webhook_id) FROM deliveries AS d WHERE d.webhook_id > w.id AND d.due_at <= :now)
    FROM with_due AS w WHERE w.id IS NOT NULL
), waiting AS MATERIALIZED (
    SELECT w.id, w.account_id,
        (SELECT min(d.due_at) FROM deliveries AS d WHERE d.webhook_id = w.id AND d.due_at IS NOT NULL) AS due_at,
        (SELECT count(*) FROM deliveries AS f
         WHERE f.webhook_id = w.id AND f.lease_owner IS NOT NULL AND f.lease_until > :now) AS busy
    FROM with_due AS o JOIN webhooks AS w ON w.id = o.id
    WHERE w.disabled_at IS NULL
      AND CASE WHEN w.failing = 1 OR w.pace > :slow THEN 1 ELSE 0 END = CAST(:late AS BIGINT)
      AND EXISTS (
        SELECT 1 FROM deliveries AS d
        WHERE d.webhook_id = w.id AND d.due_at <= :now AND (d.lease_until IS NULL OR d.lease_until <= :now)
      )
), ranked AS (
    SELECT w.id, w.busy, w.due_at, COALESCE(CAST(s.value AS BIGINT), 0) AS served, COALESCE(CAST(h.value AS BIGINT), 0) + ROW_NUMBER() OVER (
        PARTITION BY w.account_id ORDER BY w.busy, w.due_at, w.id
    ) - 1 AS rank
    FROM waiting AS w
    LEFT JOIN /*sqlite json_each(:held) */ /*postgresql json_each_text(CAST(:held AS JSON)) */ AS h
        ON h.key = w.account_id
    LEFT JOIN /*sqlite json_each(:served) */ /*postgresql json_each_text(CAST(:served AS JSON)) */ AS s
        ON s.key = w.account_id
    WHERE w.busy < :places
), turns AS (
    SELECT id, rank, ROW_NUMBER() OVER (ORDER BY rank, served, busy, due_at, id) AS turn FROM ranked
)
SELECT w.id FROM turns AS t JOIN webhooks AS w ON w.id = t.id
WHERE t.turn <= CAST(:limit AS BIGINT)
  AND (t.rank < CAST(:quarter AS BIGINT) OR t.turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
ORDER BY t.turn /*postgresql FOR UPDATE OF w SKIP LOCKED */;

-- name: leased_deliveries(webhook_id, now)
-- Count an endpoint's leased deliveries.
SELECT count(*) AS leased FROM deliveries
WHERE webhook_id = :webhook_id AND lease_owner IS NOT NULL AND lease_until > :now;

-- name: claim_deliveries(webhook_id, now, until, owner, limit)
-- Lease an endpoint's due deliveries, the longest due first.
WITH due AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE webhook_id = :webhook_id AND due_at <= :now AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY due_at, id
    LIMIT :limit /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE deliveries SET lease_until = :until, lease_owner = :owner
WHERE webhook_id = :webhook_id AND id IN (SELECT id FROM due)
RETURNING id, kind, at, detail, changed, life, failures, traceparent;

-- name: recall_deliveries(now, distant, stale)
-- Make due now the deliveries that a clock postponed which was ahead, and end the leases that it took.
UPDATE deliveries SET due_at = :now, lease_until = NULL, lease_owner = NULL
WHERE due_at > :distant OR (due_at <= :now AND lease_until > :stale)
RETURNING id;

-- name: webhook_by_id(id)
-- Return a webhook endpoint by its id.
SELECT id, account_id, url, events, bound_events, binding, created_at, sealed, old_sealed, old_until, disabled_at,
    disabled_why
FROM webhooks WHERE id = :id;

-- name: add_attempt(webhook_id, delivery_id, at, milliseconds, status, said)
-- Record an attempt of a delivery; nothing where the endpoint has been deleted meanwhile.
INSERT INTO attempts (webhook_id, delivery_id, at, milliseconds, status, said)
SELECT webhook_id, id, CAST(:at AS BIGINT), CAST(:milliseconds AS BIGINT), CAST(:status AS BIGINT), :said
FROM deliveries WHERE webhook_id = :webhook_id AND id = :delivery_id
RETURNING id;

-- name: settle_delivery(webhook_id, id, owner, fate, failed, due_at)
-- Write the state of a delivery after an attempt, and end its lease.
-- A lease that ran out meanwhile may be another owner's, whose attempt counts; but a delivered message stays delivered.
UPDATE deliveries
SET fate = :fate, due_at = :due_at, failures = failures + :failed, lease_until = NULL, lease_owner = NULL
WHERE webhook_id = :webhook_id AND id = :id AND (lease_owner = :owner OR :fate = 'delivered')
RETURNING id;

-- name: set_webhook_pace(id, failing, pace)
-- Set whether an endpoint's last attempt failed, and how long it took; about the same again is not written.
UPDATE webhooks SET failing = :failing, pace = CAST(:pace AS BIGINT)
WHERE id = :id AND (failing <> :failing OR pace IS NULL OR abs(pace - CAST(:pace AS BIGINT)) > 500)
RETURNING id;

-- name: pending_test(webhook_id, kind)
-- Return the test of an endpoint that is under way.
SELECT id FROM deliveries
WHERE webhook_id = :webhook_id AND due_at IS NOT NULL AND kind = :kind AND fate = 'pending' LIMIT 1;

-- name: disable_webhook(id, at, why)
-- Disable an endpoint at a time, with the reason.
UPDATE webhooks SET disabled_at = :at, disabled_why = :why WHERE id = :id AND disabled_at IS NULL RETURNING id;

-- name: end_deliveries(webhook_id)
-- Fail an endpoint's pending deliveries.
UPDATE deliveries SET fate = 'failed', due_at = NULL, lease_until = NULL, lease_owner = NULL
WHERE webhook_id = :webhook_id AND fate = 'pending'
RETURNING id;

-- name: deliveries(webhook_id, before, limit)
-- Return a page of an endpoint's deliveries, the newest first.
SELECT id, kind, at, detail, fate, due_at FROM deliveries
WHERE webhook_id = :webhook_id AND id < :before ORDER BY id DESC LIMIT :limit;

-- name: delivery(webhook_id, id)
-- Return one of an endpoint's deliveries.
SELECT id, kind, at, detail, fate, due_at FROM deliveries WHERE webhook_id = :webhook_id AND id = :id;

-- name: attempts(webhook_id, first, last)
-- Return the attempts of an endpoint's deliveries from one id to another, in the order of time.
SELECT delivery_id, at, milliseconds, status, said FROM attempts
WHERE webhook_id = :webhook_id AND delivery_id >= :first AND delivery_id <= :last ORDER BY id;

-- name: redeliver(webhook_id, id)
-- Make a delivery due again at once; a lease stays with its owner.
UPDATE deliveries SET fate = 'pending', failures = 0, due_at = 0
WHERE webhook_id = :webhook_id AND id = :id
RETURNING id;

-- name: release_deliveries(owner)
-- End the leases of an owner that stops.
UPDATE deliveries SET lease_until = NULL, lease_owner = NULL WHERE lease_owner = :owner RETURNING id;

-- name: release_all_deliveries()
-- End all leases of deliveries.
UPDATE deliveries SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;
