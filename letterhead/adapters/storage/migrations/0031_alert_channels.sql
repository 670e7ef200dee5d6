-- Chats and on-call services that accounts hear of their domains by. `sealed` is the whole address.
CREATE TABLE alert_channels (
    id TEXT /*postgresql COLLATE "C" */ PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL,
    scheme TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    failing_since BIGINT,
    failure TEXT,
    sealed BYTEA NOT NULL
);

CREATE INDEX alert_channels_account ON alert_channels (account_id);

-- Each row is one reminder to one channel, for ever: `handed_at` is written before the request goes out.
CREATE TABLE alerts (
    id /*sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    reminder_id BIGINT NOT NULL REFERENCES reminders ON DELETE CASCADE,
    channel_id TEXT NOT NULL REFERENCES alert_channels ON DELETE CASCADE,
    account_id TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    lease_until BIGINT,
    lease_owner TEXT,
    attempts BIGINT NOT NULL,
    handed_at BIGINT,
    outcome TEXT,
    detail TEXT,
    UNIQUE (reminder_id, channel_id)
);

CREATE INDEX alerts_account ON alerts (account_id, due_at) WHERE handed_at IS NULL AND outcome IS NULL;

CREATE INDEX alerts_channel ON alerts (channel_id);
