-- name: add_reminder(domain_id, account_id, kind, step, spell, due_at)
-- Add a reminder that is due.
-- The same step of the same spell is added once for ever, however often it follows from the state.
INSERT INTO reminders (domain_id, account_id, kind, step, spell, due_at, attempts)
VALUES (:domain_id, :account_id, :kind, :step, :spell, :due_at, 0)
ON CONFLICT (domain_id, kind, step, spell) DO NOTHING
RETURNING id;

-- name: claim_reminders(now, until, owner, limit, quarter, held, served)
-- Lease due reminders that were neither handed over nor settled, by the rule of `core.schedule.shares`.
WITH RECURSIVE accounts_due (account_id) AS (
    SELECT min(account_id) FROM reminders WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL
    UNION ALL
    SELECT (
        SELECT min(r.account_id) FROM reminders AS r
        WHERE r.account_id > a.account_id AND r.due_at <= :now AND r.handed_at IS NULL AND r.outcome IS NULL
    )
    FROM accounts_due AS a WHERE a.account_id IS NOT NULL
), waiting AS MATERIALIZED (
    SELECT r.id, r.account_id, r.due_at FROM accounts_due AS a JOIN reminders AS r ON r.id IN (
        SELECT d.id FROM reminders AS d
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
    SELECT id FROM reminders
    WHERE id IN (
        SELECT id FROM turns
        WHERE turn <= CAST(:limit AS BIGINT)
          AND (rank < CAST(:quarter AS BIGINT) OR turn <= CAST(:limit AS BIGINT) - CAST(:quarter AS BIGINT))
    ) AND handed_at IS NULL AND outcome IS NULL AND (lease_until IS NULL OR lease_until <= :now)
    /*postgresql FOR UPDATE SKIP LOCKED */
)
UPDATE reminders SET lease_until = :until, lease_owner = :owner
WHERE id IN (SELECT id FROM due)
RETURNING id, domain_id, account_id, kind, step, spell, due_at, attempts;

-- name: mark_handed_over(id, owner, now)
-- Mark a reminder as handed over, where its lease is still this owner's.
UPDATE reminders SET handed_at = :now
WHERE id = :id AND lease_owner = :owner AND handed_at IS NULL AND outcome IS NULL
RETURNING id;

-- name: settle_reminder(id, outcome, detail)
-- Close a reminder and end its lease.
UPDATE reminders SET outcome = :outcome, detail = :detail, lease_until = NULL, lease_owner = NULL
WHERE id = :id
RETURNING domain_id;

-- name: postpone_reminder(id, due_at, detail)
-- Make a reminder due again at a later time, count an attempt and end its lease.
UPDATE reminders
SET due_at = :due_at, detail = :detail, attempts = attempts + 1, handed_at = NULL, lease_until = NULL,
    lease_owner = NULL
WHERE id = :id AND outcome IS NULL
RETURNING id;

-- name: set_reminder_sent(id, version, life)
-- Write a domain after a reminder was sent: only `reminder_sent_at` and its version differ.
UPDATE domains SET version = :version, life = :life WHERE id = :id RETURNING id;

-- name: release_reminders(owner)
-- End the leases of an owner that stops; what was handed over stays so.
UPDATE reminders SET lease_until = NULL, lease_owner = NULL WHERE lease_owner = :owner RETURNING id;

-- name: release_all_reminders()
-- End all leases of reminders.
UPDATE reminders SET lease_until = NULL, lease_owner = NULL WHERE lease_owner IS NOT NULL RETURNING id;

-- name: resolver_outage()
-- Count the zones that stopped answering since the last check that was answered, and return since when.
-- Bounded, since each unanswered check asks: in an outage no domain is answered, and a few zones are enough to know it.
SELECT count(DISTINCT zone) AS zones, min(silent_since) AS since
FROM (
    SELECT zone, silent_since FROM checkups
    WHERE silent_since > COALESCE((SELECT max(heard_at) FROM checkups WHERE heard_at IS NOT NULL), 0)
    ORDER BY silent_since
    LIMIT 300
) AS fell_silent;

-- name: settle_reminders_of_the_past(now)
-- Close reminders that are due: in a database that was restored they may have been sent since.
UPDATE reminders SET outcome = 'restored', detail = 'may have been sent before the database was restored'
WHERE due_at <= :now AND handed_at IS NULL AND outcome IS NULL
RETURNING id;
