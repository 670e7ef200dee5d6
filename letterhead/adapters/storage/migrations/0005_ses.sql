-- Whose turn is next: one row for each budget that all processes share (calls to a provider's account, a daily round).
CREATE TABLE turns (
    name TEXT PRIMARY KEY,
    next_at BIGINT NOT NULL
);
