-- name: tally(name, at, step, number)
INSERT INTO tallies (name, at, step, number) VALUES (:name, :at, :step, :number)
ON CONFLICT (name, at, step) DO UPDATE SET number = tallies.number + excluded.number
RETURNING name;

-- name: tallies(name, since)
SELECT at, step, number FROM tallies WHERE name = :name AND at >= :since ORDER BY at, step;

-- name: prune_tallies(before)
DELETE FROM tallies WHERE at < :before RETURNING name;

-- name: budgets(since)
SELECT t.name, t.next_at, t.every,
    COALESCE((SELECT sum(number) FROM tallies WHERE name = 'turn ' || t.name AND at >= :since), 0) AS taken
FROM turns AS t ORDER BY t.name;

-- name: keep_conditions(provider, at, body)
INSERT INTO conditions (provider, at, body) VALUES (:provider, :at, :body)
ON CONFLICT (provider) DO UPDATE SET at = excluded.at, body = excluded.body
RETURNING provider;

-- name: conditions(provider)
SELECT at, body FROM conditions WHERE provider = :provider;
