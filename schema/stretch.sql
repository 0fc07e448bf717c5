-- How --from and --to narrow a recording: temporary relations take the place of the
-- derived ones, for SQLite looks for a name in temp first, so that every view and
-- query reads them instead.

-- name: stretch_bounds
-- ?1 and ?2 are nanoseconds since the start of the recording, or NULL.
CREATE TEMP TABLE stretch AS
SELECT coalesce(value + ?1, 0) AS from_ns, coalesce(value + ?2, 9223372036854775807) AS to_ns
FROM meta WHERE key = 'start_ns';

-- name: stretch_polls
-- A poll goes with the one around it: those belong to the stretch that an executor
-- made in it, and all inside them. So no child is parted from its parent, and
-- stretches that adjoin have, together, each poll once.
CREATE TEMP TABLE enclosed AS
SELECT parent_id, id FROM main.poll, stretch WHERE parent_id IS NOT NULL AND start_ns >= from_ns;
CREATE INDEX temp.enclosed_parent_id ON enclosed (parent_id, id);

CREATE TEMP TABLE poll AS
WITH RECURSIVE chosen(id) AS (
    SELECT id FROM main.poll, stretch
    WHERE parent_id IS NULL AND start_ns >= from_ns AND start_ns < to_ns
    UNION ALL
    SELECT e.id FROM chosen c JOIN enclosed e ON e.parent_id = c.id
)
SELECT * FROM main.poll WHERE id IN (SELECT id FROM chosen);
CREATE UNIQUE INDEX temp.poll_id ON poll (id);

-- name: stretch_futures
-- A future that is polled again later is live when the stretch ends.
CREATE TEMP TABLE future AS
WITH summed AS (
    SELECT future_id, min(start_ns) AS first_poll_ns, max(start_ns) AS last_poll_ns,
        count(*) AS polls, sum(end_ns - start_ns) AS busy_ns
    FROM poll GROUP BY future_id
)
SELECT f.id, f.future_type_id, f.task_id, f.parent_id, f.container_id, f.await_point_id, f.pid,
    f.address, s.first_poll_ns, s.last_poll_ns, s.polls, s.busy_ns,
    CASE WHEN s.last_poll_ns < f.last_poll_ns THEN 'live' ELSE f.outcome END AS outcome
FROM summed s JOIN main.future f ON f.id = s.future_id;
CREATE UNIQUE INDEX temp.future_id ON future (id);

CREATE TEMP TABLE wake AS SELECT w.* FROM main.wake w, stretch s
WHERE w.time_ns >= s.from_ns AND w.time_ns < s.to_ns;
-- A cancellation goes with the last poll of its future; if there was none, by its time.
CREATE TEMP TABLE cancel AS
SELECT * FROM main.cancel c
WHERE c.future_id IN (SELECT id FROM future WHERE outcome = 'cancelled') OR (c.future_id IS NULL
    AND EXISTS (SELECT 1 FROM stretch s WHERE c.time_ns >= s.from_ns AND c.time_ns < s.to_ns));

-- Empty, to be filled as those of the whole recording are (reconstruct.sql).
CREATE TEMP TABLE task AS SELECT * FROM main.task WHERE 0;
CREATE TEMP TABLE poll_count AS SELECT * FROM main.poll_count WHERE 0;
CREATE TEMP TABLE await_edge AS SELECT * FROM main.await_edge WHERE 0;
CREATE TEMP TABLE await_chain AS SELECT * FROM main.await_chain WHERE 0;

-- name: stretch_spawns
-- Of a task that was polled before the stretch, too, the wait for its first poll is over.
UPDATE temp.task SET
    spawned_ns = CASE WHEN m.first_poll_ns = task.first_poll_ns THEN m.spawned_ns END,
    spawn_file = m.spawn_file, spawn_line = m.spawn_line,
    spawned_by_task_id = m.spawned_by_task_id
FROM main.task m WHERE m.id = task.id;

-- name: stretch_wakes
UPDATE task SET wakes_exact = m.wakes_exact, waker_lost = m.waker_lost
FROM main.task m WHERE m.id = task.id;
