-- The selectors that an account has used at a name: each once. Rows of `used_selectors`, where a selector was used once
-- by all accounts together, count on for the account that they name; new rows are written here alone.
CREATE TABLE account_selectors (
    account_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    selector TEXT NOT NULL,
    PRIMARY KEY (account_id, sender, selector)
);

-- The selectors of the accounts that have held a name: with one of these no other account can prove its claim.
-- `account_id` is NULL where an older version did not note it and no domain tells.
CREATE TABLE held_selectors (
    sender TEXT NOT NULL,
    selector TEXT NOT NULL,
    account_id TEXT,
    PRIMARY KEY (sender, selector)
);

-- Until now a selector was used up for all, held or not. Counted as held: where the account holds the name now, or has
-- an event that it did; and where the account is unknown, since that can't be told any more.
INSERT INTO held_selectors (sender, selector, account_id)
SELECT u.sender, u.selector, COALESCE(u.account_id, (
    SELECT MIN(d.account_id) FROM domains AS d
    WHERE d.sender = u.sender /*postgresql COLLATE "default" */ AND (
        /*sqlite json_extract(d.life, '$.selector') */ /*postgresql CAST(d.life AS JSON) ->> 'selector' */ = u.selector
        OR EXISTS (SELECT 1 FROM spare_keys AS s WHERE s.domain_id = d.id AND s.selector = u.selector)
    )
))
FROM used_selectors AS u
WHERE u.account_id IS NULL
    OR EXISTS (
        SELECT 1 FROM domains AS d
        WHERE d.account_id = u.account_id AND d.sender = u.sender /*postgresql COLLATE "default" */ AND d.held = 1
    )
    OR (u.account_id, u.sender) IN (SELECT e.account_id, e.sender FROM events AS e WHERE e.kind = 'domain.verified');
