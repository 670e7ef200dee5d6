-- name: alert_channels(account_id)
-- Return an account's alert channels, the oldest first, without their addresses.
SELECT id, account_id, name, scheme, created_at, used_at, failing_since, failure
FROM alert_channels WHERE account_id = :account_id ORDER BY created_at, id;

-- name: alert_channel(account_id, id)
-- Return one of an account's alert channels.
SELECT id, account_id, name, scheme, created_at, used_at, failing_since, failure, sealed
FROM alert_channels WHERE id = :id AND account_id = :account_id;

-- name: add_alert_channel(id, account_id, name, scheme, created_at, sealed)
-- Add an alert channel.
INSERT INTO alert_channels (id, account_id, name, scheme, created_at, sealed)
VALUES (:id, :account_id, :name, :scheme, :created_at, :sealed)
RETURNING id;

-- name: delete_alert_channel(id, account_id)
-- Delete an alert channel, and the alerts that are due to it.
DELETE FROM alert_channels WHERE id = :id AND account_id = :account_id RETURNING id;

-- name: failing_alert_channels(limit)
-- Return the alert channels of all accounts that no alert gets through to, those that have failed longest first.
SELECT id, account_id, name, scheme, created_at, used_at, failing_since, failure
FROM alert_channels WHERE failing_since IS NOT NULL ORDER BY failing_since, id LIMIT :limit;

-- name: note_alert_channel(id, used_at, failure)
-- Note whether an alert got through to a channel; `failing_since` stays the time of the first that did not.
UPDATE alert_channels
SET used_at = :used_at, failure = :failure,
    failing_since = CASE WHEN CAST(:failure AS TEXT) IS NULL THEN NULL ELSE COALESCE(failing_since, :used_at) END
WHERE id = :id
RETURNING id;

-- name: queue_alerts(reminder_id, account_id, due_at)
-- Make a reminder due to each channel of its account; to each once for ever.
INSERT INTO alerts (reminder_id, channel_id, account_id, due_at, attempts)
SELECT CAST(:reminder_id AS BIGINT), id, account_id, CAST(:due_at AS BIGINT), 0
FROM alert_channels WHERE account_id = :account_id
ON CONFLICT (reminder_id, channel_id) DO NOTHING
RETURNING id;

-- name: claim_alerts(now, until, owner, limit, quarter, held, served)
-- Lease due alerts that were neither handed over nor settled, by the rule of `core.schedule.shares`.
WITH RECURSIVE accounts_due (account_id) AS (
    SELECT min(account_id) FROM alerts WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL
    UNION ALL
    SELECT (
        SELECT min(r.account_id) FROM alerts AS r
        WHERE r.account_id > a.account_id AND r.due_at <= :now AND r.handed_at IS NULL AND r.outcome IS NULL
    )
    FROM accounts_due AS a WHERE a.account_id IS NOT NULL
), waiting AS MATERIALIZED (
    SELECT r.id, r.account_id, r.due_at FROM accounts_due AS a JOIN alerts AS r ON r.id IN (
        SELECT d.id FROM alerts AS d
        WHERE d.account_id = a.account_id AND d.due_at <= :now AND d.handed_at IS NULL AND d.outcome IS NULL
          AND (d.lease_until IS NULL OR d.lease_until <= :now)
        ORDER BY d.due_at
        LIMIT :limit
    )
), ranked AS (
    SELECT w.id, w.due_at, COALESCE(CAST(s.value AS BIGINT), 0) AS served, COALESCE(CAST(h.value AS BIGINT), 0) + ROW_NUMBER() OVER (
        PARTITION BY w.account_id ORDER BY w.due_at
    ) - 1 AS rank
    FROM waiting AS w
    LEFT JOIN /*sqlite json_each(:held) */ /*postgresql json_each_text(CAST(:held AS JSON)) */ AS h
        ON h.key = w.account_id
    LEFT JOIN /*sqlite json_each(:served) */ /*postgresql json_each_text(CAST(:served AS JSON)) */ AS s
        ON s.key = w.account_id
), turns AS (
    SELECT id, rank, ROW_NUMBER() OVER (ORDER BY rank, served, due_at) AS turn FROM ranked
), due AS MATERIALIZED (
    SELECT id FROM alerts
    WHERE id IN (
        SELECT id FROM turns
        WHERE turn <= CAST(:limit AS BIGINT)
          AND (rank < CAST(:quarter AS BIGINT) OR turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
    ) AND handed_at IS NULL AND outcome IS NULL AND (lease_until IS NULL OR lease_until <= :now)
    /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE alerts SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, reminder_id, channel_id, account_id, attempts;

-- name: reminders_of_alerts(ids)
-- Return the reminders that alerts are of.
SELECT id, domain_id, kind, step, spell, due_at FROM reminders
WHERE id
    /*sqlite IN (SELECT value FROM json_each(:ids)) */
    /*postgresql = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(:ids AS JSON)) AS BIGINT))) */;

-- name: mark_alert_handed_over(id, owner, now)
-- Mark an alert as handed over, where its lease is still this owner's.
UPDATE alerts SET handed_at = :now
WHERE id = :id AND lease_owner = :owner AND handed_at IS NULL AND outcome IS NULL
RETURNING id;

-- name: settle_alert(id, outcome, detail)
-- Close an alert and end its lease.
UPDATE alerts SET outcome = :outcome, detail = :detail, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING id;

-- name: postpone_alert(id, due_at, detail)
-- Make an alert due again at a later time, count an attempt and end its lease.
UPDATE alerts
SET due_at = :due_at, detail = :detail, attempts = attempts + 1, handed_at = NULL, lease_until = NULL,
    lease_owner = NULL
WHERE id = :id AND outcome IS NULL
RETURNING id;

-- name: release_alerts(owner)
-- End the leases of an owner that stops; what was handed over stays so.
UPDATE alerts SET lease_until = NULL, lease_owner = NULL WHERE lease_owner = :owner RETURNING id;

-- name: release_all_alerts()
-- End all leases of alerts.
UPDATE alerts SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: settle_alerts_of_the_past(now)
-- Close alerts that are due: in a database that was restored they may have been sent since.
UPDATE alerts SET outcome = 'restored', detail = 'may have been sent before the database was restored'
WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL
RETURNING id;
