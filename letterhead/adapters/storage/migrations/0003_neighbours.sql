-- The name from the right, `dev.acme.` for acme.dev, as octets: all names below one lie side by side. Written with each
-- save, so that a row of an older version has it after its next check.
ALTER TABLE domains ADD COLUMN path BYTEA;

CREATE INDEX domains_held_path ON domains (path) WHERE held = 1;

-- Whose selector it was: nobody is told of what other accounts left in DNS. Unknown of rows of an older version.
ALTER TABLE used_selectors ADD COLUMN account_id TEXT;
