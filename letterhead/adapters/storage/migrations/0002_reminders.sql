ALTER TABLE accounts ADD COLUMN reminders SMALLINT NOT NULL DEFAULT 1;

-- Each row is one step of one spell, for ever: `handed_at` is written before the message goes out, and such a row is
-- never claimed again. `outcome` closes it.
CREATE TABLE reminders (
    id /*sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    domain_id TEXT NOT NULL REFERENCES domains ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    step TEXT NOT NULL,
    spell TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    lease_owner TEXT,
    attempts BIGINT NOT NULL,
    handed_at BIGINT,
    outcome TEXT,
    detail TEXT,
    UNIQUE (domain_id, kind, step, spell)
);

CREATE INDEX reminders_due ON reminders (due_at) WHERE handed_at IS NULL AND outcome IS NULL;

-- What tells an outage of our own from one zone's: who was heard last, and who fell silent since.
ALTER TABLE checkups ADD COLUMN zone TEXT;

ALTER TABLE checkups ADD COLUMN heard_at BIGINT;

ALTER TABLE checkups ADD COLUMN silent_since BIGINT;

CREATE INDEX checkups_heard ON checkups (heard_at) WHERE heard_at IS NOT NULL;

CREATE INDEX checkups_silent ON checkups (silent_since, zone) WHERE silent_since IS NOT NULL;
