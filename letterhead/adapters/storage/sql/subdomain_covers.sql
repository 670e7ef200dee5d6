-- name: cover_claims(names, account_id)
-- Return the verified claims at some names, and those of the names that are zones in which other accounts have one.
-- `life` is of the account's own claims alone.
SELECT d.sender, d.covers, CASE WHEN d.account_id = :account_id THEN d.life END AS life, 0 AS is_zone
FROM domains AS d
WHERE d.held = 1 AND d.sender
    /*sqlite IN (SELECT value FROM json_each(:names)) */
    /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:names AS JSON)))) */
UNION ALL
SELECT json_each.value, 0, NULL, 1
FROM /*sqlite json_each(:names) */ /*postgresql json_array_elements_text(CAST(:names AS JSON)) AS json_each (value) */
WHERE EXISTS (SELECT 1 FROM domains AS o WHERE o.held = 1 AND o.cut = json_each.value AND o.account_id <> :account_id);

-- name: covers_subdomains(id)
-- Return whether a domain covers the names below it.
SELECT covers FROM domains WHERE id = :id;

-- name: set_covers(id, covers)
-- Set whether a domain covers the names below it.
UPDATE domains SET covers = :covers WHERE id = :id RETURNING id;

-- name: covering_domains(account_id, after, limit)
-- Return a page of an account's verified domains that cover the names below them, in the order of their names.
SELECT sender FROM domains
WHERE account_id = :account_id AND held = 1 AND covers = 1 AND sender > :after
ORDER BY sender LIMIT :limit;

-- name: covering_domains_within(account_id, names, after, limit)
-- Return a page as `covering_domains` does of those that have one of these names or lie below one.
SELECT d.sender FROM domains AS d
WHERE d.account_id = :account_id AND d.held = 1 AND d.covers = 1 AND d.sender > :after AND EXISTS (
    SELECT 1 FROM
        /*sqlite (SELECT '.' || value AS ending FROM json_each(:names)) AS n
    WHERE substr('.' || d.sender, -length(n.ending)) = n.ending */
        /*postgresql (SELECT '.' || json_array_elements_text(CAST(:names AS JSON)) AS ending) AS n
    WHERE right('.' || d.sender, length(n.ending)) = n.ending */
)
ORDER BY d.sender LIMIT :limit;

-- name: taken_out(account_id, senders, limit)
-- Return the verified claims of other accounts below some domains of an account, up to a limit below each of these.
-- `path` is the name from the right, so the names below one name are a range.
SELECT t.covering, t.sender, t.cut FROM (
    SELECT d.sender AS covering, o.sender, o.cut, row_number() OVER (PARTITION BY d.id ORDER BY o.path) AS place
    FROM domains AS d JOIN domains AS o
        ON o.held = 1 AND o.account_id <> d.account_id AND o.path > d.path
        AND o.path < /*sqlite CAST(substr(d.path, 1, length(d.path) - 1) || '/' AS BLOB) */
            /*postgresql (substring(d.path FROM 1 FOR length(d.path) - 1) || CAST('/' AS BYTEA)) */
    WHERE d.account_id = :account_id AND d.sender
        /*sqlite IN (SELECT value FROM json_each(:senders)) */
        /*postgresql = ANY (ARRAY(SELECT json_array_elements_text(CAST(:senders AS JSON)))) */
) AS t
WHERE t.place <= :limit
ORDER BY t.covering, t.sender;
