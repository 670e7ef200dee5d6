-- People of accounts, by what the OpenID provider calls them; invitations, whose tokens are kept as keyed digests alone;
-- and the rules by which people of a mail domain or a group may sign in.
CREATE TABLE members (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    invited_by TEXT NOT NULL,
    signed_in_at BIGINT,
    UNIQUE (account_id, issuer, subject)
);
CREATE INDEX members_person ON members (issuer, subject);

CREATE TABLE invitations (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    invited_by TEXT NOT NULL
);
CREATE INDEX invitations_account ON invitations (account_id);
CREATE INDEX invitations_ended ON invitations (ends_at);

CREATE TABLE sign_in_rules (
    kind TEXT /*postgresql COLLATE "C" */ NOT NULL,
    value TEXT /*postgresql COLLATE "C" */ NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (kind, value, account_id)
);
CREATE INDEX sign_in_rules_account ON sign_in_rules (account_id);

-- Which membership a session is of, and who the person is whom a provider signed in. No foreign key: the rows of a backup
-- come back in the order of the tables, and sessions is the older one.
ALTER TABLE sessions ADD COLUMN member_id TEXT;
ALTER TABLE sessions ADD COLUMN person TEXT;
