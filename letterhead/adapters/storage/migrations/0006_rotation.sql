-- Whose key a row is; none is the domain's own. Versions before this one go on writing and reading such rows.
ALTER TABLE domain_keys ADD COLUMN selector TEXT;

-- Keys that do not sign: one that is to take over, and those before until nothing is under way with them.
CREATE TABLE spare_keys (
    domain_id TEXT NOT NULL REFERENCES domains ON DELETE CASCADE,
    selector TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (domain_id, selector)
);
