-- How many there were of what, by five minutes: checks by how late they began, turns of a budget that were taken.
CREATE TABLE tallies (
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    step BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (name, at, step)
);

-- What the provider's account allowed and had used when it was last asked.
CREATE TABLE conditions (
    provider TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- How far apart a budget's turns are.
ALTER TABLE turns ADD COLUMN every BIGINT;

-- What somebody may do who was signed in elsewhere; a key's owner may do what the key may.
ALTER TABLE sessions ADD COLUMN scope TEXT;
