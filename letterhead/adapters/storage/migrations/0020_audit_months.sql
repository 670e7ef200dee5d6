-- Repeated entries of the audit are one row with a count; a closed month can be moved out, which stays recorded.
-- The audit stays append-only: of a row only the count may grow, and rows go only after their month was recorded here.
ALTER TABLE audit ADD COLUMN repeats BIGINT NOT NULL DEFAULT 0;

ALTER TABLE audit ADD COLUMN last_at BIGINT;

CREATE TABLE audit_detached (
    month TEXT PRIMARY KEY,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    at BIGINT NOT NULL,
    CHECK (ends_at > starts_at AND ends_at - starts_at <= 2678400000 AND ends_at <= at)
);

/*sqlite
DROP TRIGGER audit_keeps_rows;
*/

/*sqlite
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_detached WHERE OLD.at >= starts_at AND OLD.at < ends_at)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*sqlite
DROP TRIGGER audit_keeps_words;
*/

/*sqlite
CREATE TRIGGER audit_keeps_words BEFORE UPDATE ON audit
WHEN NEW.repeats <= OLD.repeats OR NEW.last_at < COALESCE(OLD.last_at, OLD.at)
    OR NEW.id IS NOT OLD.id OR NEW.at IS NOT OLD.at OR NEW.actor IS NOT OLD.actor
    OR NEW.account_id IS NOT OLD.account_id OR NEW.action IS NOT OLD.action OR NEW.subject IS NOT OLD.subject
    OR NEW.address IS NOT OLD.address OR NEW.tracking_id IS NOT OLD.tracking_id
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*sqlite
CREATE TRIGGER audit_detached_keeps_rows BEFORE DELETE ON audit_detached
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*sqlite
CREATE TRIGGER audit_detached_keeps_words BEFORE UPDATE ON audit_detached
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*sqlite
CREATE TRIGGER audit_detached_keeps_months BEFORE INSERT ON audit_detached
WHEN EXISTS (SELECT 1 FROM audit_detached WHERE month = NEW.month OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
*/

/*postgresql
DROP TRIGGER audit_is_append_only ON audit;
*/

/*postgresql
CREATE TRIGGER audit_is_append_only BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
*/

/*postgresql
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT 1 FROM audit_detached WHERE OLD.at >= starts_at AND OLD.at < ends_at) THEN
            RETURN OLD;
        END IF;
    ELSIF NEW.repeats > OLD.repeats AND NEW.last_at >= COALESCE(OLD.last_at, OLD.at)
        AND ROW (NEW.id, NEW.at, NEW.actor, NEW.account_id, NEW.action, NEW.subject, NEW.address, NEW.tracking_id)
            IS NOT DISTINCT FROM
            ROW (OLD.id, OLD.at, OLD.actor, OLD.account_id, OLD.action, OLD.subject, OLD.address, OLD.tracking_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit is append-only';
END $$;
*/

/*postgresql
CREATE TRIGGER audit_keeps_rows BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
*/

/*postgresql
CREATE TRIGGER audit_detached_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_detached
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
*/
