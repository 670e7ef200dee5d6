-- An event may go when the domain is gone, or when a later one entered the present state; and where it tells of a record,
-- only when a later one tells of the same record. So what explains a present state stays.

-- name: prune_events(before, limit)
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

-- name: part_evidence(before, limit)
-- The same events lose their snapshots, sooner.
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

-- name: prune_evidence(before, limit)
DELETE FROM evidence WHERE id IN (
    SELECT v.id FROM evidence AS v
    WHERE v.id < :before AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.evidence_id = v.id)
    ORDER BY v.id LIMIT :limit
)
RETURNING id;

-- name: prune_deliveries(before, limit)
DELETE FROM deliveries WHERE due_at IS NULL AND id < :before AND id IN (
    SELECT id FROM deliveries WHERE due_at IS NULL AND id < :before ORDER BY id LIMIT :limit
)
RETURNING id;

-- name: prune_turns(before, limit)
DELETE FROM turns WHERE next_at < :before AND name IN (
    SELECT name FROM turns WHERE next_at < :before ORDER BY name LIMIT :limit
)
RETURNING name;
