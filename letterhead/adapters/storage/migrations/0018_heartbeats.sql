-- The processes of the service, and when each was last seen.
CREATE TABLE heartbeats (
    process TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    version TEXT NOT NULL,
    since BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- Since when a piece of work is owed; NULL where an older version wrote it.
ALTER TABLE intents ADD COLUMN since BIGINT;

-- The codes of the findings of the last check, for the log of one that finds the same; NULL where an older version wrote it.
ALTER TABLE checkups ADD COLUMN codes TEXT;
