-- name: save_heartbeat(process, role, host, pid, version/*sqlite , now */)
-- Note that a process was seen now: by the clock of the PostgreSQL server, since those of two machines may differ by more
-- than a process may be silent.
INSERT INTO heartbeats (process, role, host, pid, version, since, at)
SELECT CAST(:process AS TEXT), CAST(:role AS TEXT), CAST(:host AS TEXT), CAST(:pid AS BIGINT), CAST(:version AS TEXT),
    clock.now, clock.now
FROM (SELECT /*sqlite :now */ /*postgresql CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) */ AS now) AS clock
WHERE true
ON CONFLICT (process) DO UPDATE SET at = excluded.at
RETURNING process;

-- name: end_heartbeat(process)
-- Forget a process that stops.
DELETE FROM heartbeats WHERE process = :process RETURNING process;

-- name: heartbeats(/*sqlite now */)
-- Return the processes that were seen, the latest first, each with the milliseconds since then.
SELECT h.process, h.role, h.host, h.pid, h.version, h.since, h.at, clock.now - h.at AS silent
FROM heartbeats AS h,
    (SELECT /*sqlite :now */ /*postgresql CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) */ AS now) AS clock
ORDER BY h.at DESC, h.process;

-- name: prune_heartbeats(before)
-- Forget the processes that were last seen before a time.
DELETE FROM heartbeats WHERE at < :before RETURNING process;

-- name: end_all_heartbeats()
-- Forget all processes.
DELETE FROM heartbeats RETURNING process;
