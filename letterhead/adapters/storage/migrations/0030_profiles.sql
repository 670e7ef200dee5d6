-- What accounts keep about their domains. A domain without a row has none of it; versions before this one leave it alone.
CREATE TABLE domain_profiles (
    domain_id TEXT PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    note TEXT NOT NULL,
    copy_account SMALLINT NOT NULL,
    contact TEXT,
    contact_asked_at BIGINT,
    contact_confirmed_at BIGINT,
    contact_reminders SMALLINT NOT NULL
);

-- One row for each label, `key:value`, in the order in which the domains of one label are listed.
CREATE TABLE domain_labels (
    account_id TEXT NOT NULL,
    label TEXT /*postgresql COLLATE "C" */ NOT NULL,
    sender TEXT /*postgresql COLLATE "C" */ NOT NULL,
    domain_id TEXT NOT NULL REFERENCES domains ON DELETE CASCADE,
    PRIMARY KEY (label, account_id, sender)
);
CREATE INDEX domain_labels_of_domain ON domain_labels (domain_id);
