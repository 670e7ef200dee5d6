-- The name from the right, `dev.acme.` for acme.dev, as octets: all names below one lie side by side. Written with each
-- save, so that a row of an older version has it after its next check.
ALTER TABLE domains ADD COLUMN path BYTEA;

CREATE INDEX domains_held_path ON domains (path) WHERE held = 1;
