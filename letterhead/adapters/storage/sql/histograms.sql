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
