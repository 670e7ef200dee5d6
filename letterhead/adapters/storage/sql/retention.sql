-- name: prune_events(before, limit)
-- Delete some events before an id that explain no present state.
-- An event may go when its domain is deleted, or when a later event entered the present state; one about a record, only
-- when a later one is about the same record.
DELETE FROM events WHERE id IN (
    SELECT e.id FROM events AS e
    WHERE e.id < :before
      AND (NOT EXISTS (SELECT 1 FROM domains AS d WHERE d.id = e.domain_id)
           OR (EXISTS (SELECT 1 FROM events AS l WHERE l.domain_id = e.domain_id AND l.id > e.id AND l.kind IN
                       ('domain.pending', 'domain.verified', 'domain.at_risk', 'domain.restored', 'domain.lost',
                        'domain.failed', 'claim.transferred'))
               AND (e.kind <> 'record.changed'
                    OR EXISTS (SELECT 1 FROM events AS l WHERE l.domain_id = e.domain_id AND l.id > e.id
                               AND l.record = e.record))))
    ORDER BY e.id LIMIT :limit
)
RETURNING id;

-- name: detach_checks(before, limit)
-- Detach some events, by the same conditions, from the checks that they follow from: a check is kept for less long.
UPDATE events SET evidence_id = NULL WHERE id IN (
    SELECT e.id FROM events AS e
    WHERE e.id < :before AND e.evidence_id IS NOT NULL
      AND (NOT EXISTS (SELECT 1 FROM domains AS d WHERE d.id = e.domain_id)
           OR (EXISTS (SELECT 1 FROM events AS l WHERE l.domain_id = e.domain_id AND l.id > e.id AND l.kind IN
                       ('domain.pending', 'domain.verified', 'domain.at_risk', 'domain.restored', 'domain.lost',
                        'domain.failed', 'claim.transferred'))
               AND (e.kind <> 'record.changed'
                    OR EXISTS (SELECT 1 FROM events AS l WHERE l.domain_id = e.domain_id AND l.id > e.id
                               AND l.record = e.record))))
    ORDER BY e.id LIMIT :limit
)
RETURNING id;

-- name: prune_checks(before, limit)
-- Delete some stored checks that no event refers to.
DELETE FROM evidence WHERE id IN (
    SELECT v.id FROM evidence AS v
    WHERE v.id < :before AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.evidence_id = v.id)
    ORDER BY v.id LIMIT :limit
)
RETURNING id;

-- name: prune_deliveries(before, limit)
-- Delete some deliveries before an id that are not pending; their attempts go with them.
DELETE FROM deliveries WHERE due_at IS NULL AND id < :before AND id IN (
    SELECT id FROM deliveries WHERE due_at IS NULL AND id < :before ORDER BY id LIMIT :limit
)
RETURNING id;

-- name: prune_setup_links(first, before, limit)
-- Delete some set-up links that ended before a time; `first` is an id that a link made at that time would have.
DELETE FROM setup_links WHERE id IN (
    SELECT id FROM setup_links WHERE id < :first AND ends_at < :before ORDER BY id LIMIT :limit
)
RETURNING id;

-- name: prune_invitations(before, limit)
-- Delete some invitations that ended before a time.
DELETE FROM invitations WHERE id IN (
    SELECT id FROM invitations WHERE ends_at < :before ORDER BY ends_at LIMIT :limit
)
RETURNING id;

-- name: prune_rate_slots(before, limit)
-- Delete some shared rates whose next slot lies before a time, which is as if nobody had taken a slot.
DELETE FROM turns WHERE next_at < :before AND name IN (
    SELECT name FROM turns WHERE next_at < :before ORDER BY name LIMIT :limit
)
RETURNING name;
