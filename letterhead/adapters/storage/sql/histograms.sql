-- name: add_to_histogram(name, at, step, number)
-- Add to the count of one bucket of a histogram.
INSERT INTO tallies (name, at, step, number) VALUES (:name, :at, :step, :number)
ON CONFLICT (name, at, step) DO UPDATE SET number = tallies.number + excluded.number
RETURNING name;

-- name: histogram(name, since)
-- Return the counts of a histogram since a time, the oldest first.
SELECT at, step, number FROM tallies WHERE name = :name AND at >= :since ORDER BY at, step;

-- name: prune_histograms(before)
-- Delete the histograms' counts from before a time.
DELETE FROM tallies WHERE at < :before RETURNING name;

-- name: shared_rates(since)
-- Return the rates that all processes share, with how many slots were taken since a time.
SELECT t.name, t.next_at, t.every,
    COALESCE((SELECT sum(number) FROM tallies WHERE name = 'turn ' || t.name AND at >= :since), 0) AS taken
FROM turns AS t ORDER BY t.name;

-- name: save_provider_health(provider, at, body)
-- Store the health of a provider's account in place of the one before.
INSERT INTO conditions (provider, at, body) VALUES (:provider, :at, :body)
ON CONFLICT (provider) DO UPDATE SET at = excluded.at, body = excluded.body
RETURNING provider;

-- name: provider_health(provider)
-- Return the health of a provider's account that was stored last.
SELECT at, body FROM conditions WHERE provider = :provider;

-- name: add_account_work(at, account_id, kind, number, milliseconds, octets)
-- Add to what the service did for an account in an hour.
INSERT INTO account_work (at, account_id, kind, number, milliseconds, octets)
VALUES (:at, :account_id, :kind, :number, :milliseconds, :octets)
ON CONFLICT (at, account_id, kind) DO UPDATE
SET number = account_work.number + excluded.number, milliseconds = account_work.milliseconds + excluded.milliseconds,
    octets = account_work.octets + excluded.octets
RETURNING kind;

-- name: account_work(since)
-- Return what the service did for each account since a time, with the account's name where it is still there.
SELECT w.account_id, (SELECT a.name FROM accounts AS a WHERE a.id = w.account_id) AS name,
    w.kind, w.number, w.milliseconds, w.octets
FROM (
    SELECT account_id, kind, sum(number) AS number, sum(milliseconds) AS milliseconds, sum(octets) AS octets
    FROM account_work WHERE at >= :since GROUP BY account_id, kind
) AS w;

-- name: prune_account_work(before)
-- Delete what was counted of accounts before a time.
DELETE FROM account_work WHERE at < :before RETURNING kind;
