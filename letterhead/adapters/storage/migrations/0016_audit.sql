-- REPLACE deletes the row in its way without a trigger, unless recursive_triggers is set: it is refused before.
/*sqlite
CREATE TRIGGER audit_keeps_ids BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/
