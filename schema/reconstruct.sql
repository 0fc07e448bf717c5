-- How the derived relations (derived.sql) come from the raw ones.

-- name: replay_columns
-- What the events say when they are replayed (report/replay.c): one row per poll, and one
-- per hit of a probe of the user's own: event_id, and of the poll it was in parent_id,
-- future_id and task_id (NULL: in none). A spawn or wake is like a hit; between the polls of
-- a task its executor wakes others in that task's name. An executor has the future_id of a
-- future of its own, in whose polls it runs tasks. And one row per drop of a future that was
-- not done: an id from 1 on, event_id, the poll it was in as parent_id, state_before,
-- start_ns, and in ordinal the id of the drop of the future that held it; future_id and
-- task_id are of the future dropped (NULL: it was never polled). What else they have has no
-- meaning.
CREATE TABLE replay (
    row TEXT,                -- poll, hit, spawn, wake, executor or drop
    id INTEGER,              -- poll: from 1 on
    event_id INTEGER,        -- of the entry
    future_id INTEGER,       -- from 1 on, in the order of the first poll
    container_id INTEGER,    -- the future of the nearest coroutine around it in whose memory
                             -- this future lies
    parent_id INTEGER,       -- the poll around this one; NULL: an executor polls it
    task_id INTEGER,
    chain_id INTEGER,        -- the types on the stack, interned
    parent_chain_id INTEGER,
    ordinal INTEGER,         -- of the polls that the parent made: 1 is the first
    future_type_id INTEGER,
    pid INTEGER,
    tid INTEGER,
    self INTEGER,
    start_ns INTEGER,
    end_ns INTEGER,          -- NULL: no exit seen
    state_before INTEGER,
    state_after INTEGER,
    result TEXT,             -- ready, pending or panicked; NULL: not known
    self_ns INTEGER,         -- its time less that of the polls inside it
    wait_ns INTEGER,         -- pending: until the next poll of the future
    child_pending INTEGER,   -- 1: a future that it polled returned Pending
    is_last INTEGER,         -- 1: no other poll of the future follows
    dropped INTEGER,         -- 1: pending, and then another future had its address
    running INTEGER,         -- 1: it never ended
    finished INTEGER,        -- 1: the future is known to have been ready after it
    source TEXT,             -- probe or snapshot
    certain INTEGER,         -- 0: likely, but not sure to have happened
    runner_event_id INTEGER, -- entry of the executor's function that runs the task whose root
                             -- this polls; NULL: unknown, or it is no root
    dropper TEXT             -- drop: poll, abort, executor or outside
);

-- name: replay_losses
SELECT since_ns, time_ns FROM lost;

-- name: replay_final
-- What the memory of futures held at the end.
SELECT f.time_ns, f.pid, p.future_type_id, f.self + p.self_offset, f.address - p.address, f.snapshot
FROM final_snapshot f JOIN probe p ON p.id = f.probe_id;

-- name: replay_input
-- What is replayed, in the order of time.
SELECT e.id, e.time_ns, e.pid, e.tid, e.address - p.address + p.function_address,
    e.sp + p.stack_above, e.self + p.self_offset, e.state, e.result,
    p.kind, p.entry_id, p.future_type_id, p.self_known, p.state_known, p.exits,
    p.result_is, p.result_value, p.tail_address, p.function_address, t.size_bytes,
    p.runs_task, (e.task_state & p.task_idle) <> p.task_drops, p.image_id,
    e.return_address - (e.address - p.address), e.address - p.address, e.snapshot, p.blocks_on,
    p.function_size, p.result_other, p.kind = 'drop' AND EXISTS (SELECT 1 FROM await_point a
        WHERE a.future_type_id = p.future_type_id AND a.state = e.state)
FROM event e JOIN probe p ON p.id = e.probe_id
LEFT JOIN future_type t ON t.id = p.future_type_id
UNION ALL
-- A thread id that is used again begins with an empty stack.
SELECT 0, time_ns, pid, tid, 0, 0, 0, 0, 0, 'start', 0, 0, 0, 0, 0, NULL, 0, NULL, 0, 0, 0, 0, 0, 0,
    0, NULL, 0, 0, NULL, 0
FROM thread_event WHERE kind = 'start'
ORDER BY 2;

-- name: shared_glue
-- The optimiser lets types whose drop glue is the same code share it: that of a coroutine
-- which is probed may be another one's, which then has none of its own.
WITH probed AS (SELECT DISTINCT future_type_id AS id FROM probe WHERE kind = 'drop')
SELECT t.id, o.id FROM future_type t JOIN future_type o
    ON o.image_id = t.image_id AND o.size_bytes = t.size_bytes AND o.id <> t.id
WHERE t.kind <> 'future' AND o.kind <> 'future'
    AND t.id IN (SELECT id FROM probed) AND o.id NOT IN (SELECT id FROM probed)
ORDER BY t.id;

-- name: store_ends
-- Every coroutine whose poll may end at a store, once for each poll inlined around it,
-- outermost first. The copy of the function itself has the number 0.
WITH RECURSIVE up(id, around_id, depth) AS (
    SELECT id, parent_id, 0 FROM inlined_poll
    UNION ALL
    SELECT u.id, i.parent_id, u.depth + 1 FROM up u JOIN inlined_poll i ON i.id = u.around_id
)
SELECT s.probe_id, s.future_type_id, coalesce(s.inlined_poll_id, 0), s.value, s.shift,
    i.future_type_id
FROM state_store s LEFT JOIN up u ON u.id = s.inlined_poll_id
LEFT JOIN inlined_poll i ON i.id = u.around_id
ORDER BY 1, 3, u.depth DESC;

-- name: store_awaitees
-- What coroutines await whose polls stores tell: hand-written futures no poll of which traps.
SELECT a.future_type_id, a.state, max(t.id)
FROM await_point a JOIN future_type c ON c.id = a.future_type_id AND c.stores_proven
JOIN future_type t ON t.name = a.awaitee AND t.image_id = c.image_id
WHERE t.kind = 'future' AND t.inlined
    AND t.id NOT IN (SELECT future_type_id FROM probe WHERE kind = 'entry' AND future_type_id)
GROUP BY 1, 2
HAVING count(*) = 1
ORDER BY 1, 2;

-- name: snapshot_types
SELECT id, size_bytes, kind <> 'future', complete, coalesce(stores_proven, 0) FROM future_type;

-- name: snapshot_nodes
SELECT id, polled_type_id, parent_id, future_type_id, awaited, base_word, byte_offset,
    vtable_word, word, shift, width, excluded
FROM snapshot_node ORDER BY id;

-- name: snapshot_values
SELECT n.polled_type_id, n.id, v.value FROM snapshot_value v JOIN snapshot_node n ON n.id = v.node_id;

-- name: snapshot_vtables
SELECT address, future_type_id FROM future_vtable;

-- name: inlining
-- Every range of inlined code, those of an outer poll before those inside it.
WITH RECURSIVE nested(id, image_id, function_address, future_type_id, depth) AS (
    SELECT id, image_id, function_address, future_type_id, 0 FROM inlined_poll
    WHERE parent_id IS NULL
    UNION ALL
    SELECT i.id, i.image_id, i.function_address, i.future_type_id, n.depth + 1
    FROM nested n JOIN inlined_poll i ON i.parent_id = n.id
)
SELECT n.image_id, n.function_address, r.start_address, r.end_address, n.depth, n.future_type_id
FROM nested n JOIN inlined_range r ON r.inlined_poll_id = n.id
ORDER BY n.image_id, n.function_address, n.depth;

-- name: reconstruct_threads
INSERT INTO thread (pid, tid, name, start_ns, end_ns)
WITH life AS (
    SELECT *, sum(kind = 'start') OVER (PARTITION BY tid ORDER BY time_ns) AS number
    FROM thread_event
)
SELECT pid, tid,
    (SELECT n.name FROM life n WHERE n.tid = life.tid AND n.number = life.number
        AND n.kind = 'name' ORDER BY n.time_ns DESC LIMIT 1),
    min(CASE kind WHEN 'start' THEN time_ns END), max(CASE kind WHEN 'end' THEN time_ns END)
FROM life GROUP BY tid, number ORDER BY min(time_ns);

-- A thread that was given no name goes by its maker's.
UPDATE thread SET name = (
    SELECT p.name FROM thread_event e JOIN thread p ON p.tid = e.parent_tid
    WHERE e.kind = 'start' AND e.tid = thread.tid AND e.time_ns = thread.start_ns
    ORDER BY p.start_ns DESC LIMIT 1)
WHERE name IS NULL;

-- name: reconstruct_polls
CREATE TEMP TABLE replayed AS SELECT * FROM replay;

INSERT INTO probe_hit (event_id, probe_id, time_ns, pid, tid, poll_id, future_id, task_id)
SELECT e.id, e.probe_id, e.time_ns, e.pid, e.tid, r.parent_id, r.future_id, r.task_id
FROM replayed r JOIN event e ON e.id = r.event_id WHERE r.row = 'hit' ORDER BY e.time_ns;
CREATE TEMP TABLE spawn_place AS
SELECT event_id, parent_id AS poll_id, future_id, task_id FROM replayed WHERE row = 'spawn';
CREATE TEMP TABLE wake_place AS
SELECT event_id, parent_id AS poll_id, future_id, task_id FROM replayed
-- What an executor wakes itself, as for a timer, is woken from outside.
WHERE row = 'wake'
    AND coalesce(future_id, 0) NOT IN (SELECT future_id FROM replayed WHERE row = 'executor');
CREATE UNIQUE INDEX temp.wake_place_event_id ON wake_place (event_id);
CREATE TEMP TABLE dropped AS
SELECT id, event_id, future_id, task_id, future_type_id, tid, start_ns AS time_ns,
    state_before AS state, parent_id AS by_poll_id, ordinal AS outer_id, dropper AS how
FROM replayed WHERE row = 'drop';
DELETE FROM replayed WHERE row <> 'poll';

INSERT INTO chain (id, parent_id, future_type_id)
SELECT DISTINCT chain_id, parent_chain_id, future_type_id FROM replayed;

INSERT INTO poll (id, future_id, parent_id, task_id, chain_id, tid, start_ns, end_ns,
    state_before, state_after, result, source, certain, self_ns, wait_ns, child_pending, event_id)
SELECT id, future_id, parent_id, task_id, chain_id, tid, start_ns, end_ns,
    state_before, state_after, result, source, certain, self_ns, wait_ns, child_pending, event_id
FROM replayed ORDER BY id;

-- name: reconstruct_futures
-- Where the parent awaits a future: the state the parent was resumed from, if this
-- is the first it polls, or is suspended in, if both are pending.
CREATE TEMP TABLE awaited AS
SELECT c.future_id, max(CASE
        WHEN c.ordinal = 1 AND p.state_before >= 3 THEN p.state_before
        WHEN c.result = 'pending' AND p.state_after >= 3 THEN p.state_after
    END) AS state
FROM replayed c JOIN poll p ON p.id = c.parent_id
WHERE p.state_before IS NOT NULL
GROUP BY c.future_id;
CREATE UNIQUE INDEX temp.awaited_future_id ON awaited (future_id);

CREATE TEMP TABLE ended AS
SELECT r.future_id, r.start_ns, coalesce(r.end_ns, r.start_ns) AS end_ns, r.state_after, CASE
        WHEN r.finished THEN 'ready'
        -- It was gone later. Of one whose polls are not all seen, another may have come.
        WHEN r.dropped THEN CASE WHEN t.complete OR t.stores_proven THEN 'cancelled' END
        WHEN r.result = 'pending' OR r.running THEN 'live'
        ELSE r.result
    END AS outcome, r.dropped
FROM replayed r JOIN future_type t ON t.id = r.future_type_id WHERE r.is_last;
CREATE UNIQUE INDEX temp.ended_future_id ON ended (future_id);

INSERT INTO future (id, future_type_id, task_id, parent_id, container_id, await_point_id, pid,
    address, first_poll_ns, last_poll_ns, polls, busy_ns, outcome)
WITH summed AS (
    -- SQLite takes the other columns from the row that has the minimum.
    SELECT future_id, min(id), future_type_id, task_id, parent_id, container_id, pid, self,
        start_ns, count(*) AS polls, sum(end_ns - start_ns) AS busy_ns
    FROM replayed GROUP BY future_id
)
SELECT s.future_id, s.future_type_id, s.task_id, up.future_id, s.container_id,
    -- With the state not known, the awaited type tells, if it is awaited once.
    coalesce(
        (SELECT a.id FROM await_point a
            WHERE a.future_type_id = chain.future_type_id AND a.state = w.state),
        (SELECT max(a.id) FROM await_point a
            WHERE a.future_type_id = chain.future_type_id AND a.awaitee = t.name
            HAVING count(*) = 1)),
    s.pid, s.self, s.start_ns, e.start_ns, s.polls, s.busy_ns, e.outcome
FROM summed s JOIN ended e ON e.future_id = s.future_id
JOIN future_type t ON t.id = s.future_type_id
LEFT JOIN poll up ON up.id = s.parent_id
LEFT JOIN chain ON chain.id = up.chain_id
LEFT JOIN awaited w ON w.future_id = s.future_id
ORDER BY s.future_id;

UPDATE future SET outcome = 'cancelled' WHERE id IN (SELECT future_id FROM dropped);

-- What became of a future that was still pending when the coroutine that holds it ended. If
-- that was dropped, so was this one, and if all its polls are known. Else it may have had
-- another: what a coroutine awaits was ready, if the coroutine went on to its end.
CREATE TEMP TABLE held AS
SELECT f.id, f.container_id, t.complete OR coalesce(t.stores_proven, 0) AS all_seen,
    f.parent_id IS f.container_id AND a.awaitee IS t.name AS awaited
FROM future f JOIN future_type t ON t.id = f.future_type_id
JOIN ended e ON e.future_id = f.id LEFT JOIN await_point a ON a.id = f.await_point_id
WHERE (f.outcome = 'live' OR (f.outcome IS NULL AND e.dropped)) AND f.container_id IS NOT NULL;
CREATE INDEX temp.held_container_id ON held (container_id);
WITH RECURSIVE over(id, outcome) AS (
    SELECT id, outcome FROM future
    WHERE outcome IN ('ready', 'panicked', 'cancelled') AND id IN (SELECT container_id FROM held)
    UNION ALL
    SELECT h.id, CASE
            WHEN o.outcome = 'cancelled' OR h.all_seen THEN 'cancelled'
            WHEN o.outcome = 'ready' AND h.awaited THEN 'ready'
            ELSE 'unknown'
        END
    FROM over o JOIN held h ON h.container_id = o.id
)
UPDATE future SET outcome = nullif(o.outcome, 'unknown')
FROM over o WHERE o.id = future.id;

-- name: reconstruct_tasks
INSERT INTO task (id, root_future_id, name, first_poll_ns, last_poll_ns, polls, busy_ns, outcome)
SELECT f.task_id, f.id, t.name, f.first_poll_ns, f.last_poll_ns, f.polls, f.busy_ns, f.outcome
FROM future f JOIN future_type t ON t.id = f.future_type_id
-- A future that tasks polled before an executor did is the root of a later one.
WHERE f.parent_id IS NULL ORDER BY f.task_id;

-- name: reconstruct_spawns
-- A task is spawned before it is polled, and its address is not used again before it ends:
-- the last spawn at the address before the first poll there is that of the task.
CREATE TEMP TABLE spawned AS
WITH first AS (
    -- SQLite takes the other columns from the row that has the minimum.
    SELECT future_id, min(id), event_id, runner_event_id, start_ns FROM replayed
    WHERE parent_id IS NULL GROUP BY future_id
), seen AS (
    SELECT e.time_ns, e.pid, e.self AS address, e.id AS event_id, NULL AS task_id
    FROM spawn_place s JOIN event e ON e.id = s.event_id WHERE e.state = 0
    UNION ALL
    -- The executors that asyncrec knows pass the address of the task as its waker's data.
    SELECT f.start_ns, e.pid, coalesce(r.self, e.waker_data), NULL, k.id
    FROM first f JOIN task k ON k.root_future_id = f.future_id JOIN event e ON e.id = f.event_id
    LEFT JOIN event r ON r.id = f.runner_event_id
), next AS (
    SELECT event_id, lead(task_id) OVER (
        PARTITION BY pid, address ORDER BY time_ns, event_id IS NULL) AS task_id
    FROM seen
)
SELECT event_id, task_id FROM next WHERE task_id IS NOT NULL;

-- Where just the memory of the future is known, what is polled in it first is of the task.
CREATE TEMP TABLE boxed AS
SELECT e.id, e.pid, e.time_ns, e.self AS address, e.state AS size
FROM spawn_place s JOIN event e ON e.id = s.event_id WHERE e.state <> 0;
CREATE TEMP TABLE placed AS
SELECT address, pid, first_poll_ns, task_id FROM future WHERE EXISTS (SELECT 1 FROM boxed);
CREATE INDEX temp.placed_address ON placed (address);
INSERT INTO spawned (event_id, task_id)
SELECT id, task_id FROM (
    SELECT b.id, p.task_id, min(p.first_poll_ns)
    FROM boxed b JOIN placed p ON p.address BETWEEN b.address AND b.address + b.size - 1
        AND p.pid = b.pid AND p.first_poll_ns >= b.time_ns
    GROUP BY b.id);
CREATE INDEX temp.spawned_event_id ON spawned (event_id);

INSERT INTO spawn (event_id, time_ns, pid, tid, task_id, by_poll_id, by_future_id, by_task_id,
    stack_id)
SELECT e.id, e.time_ns, e.pid, e.tid, p.task_id, s.poll_id, s.future_id, s.task_id, x.stack_id
FROM spawn_place s JOIN event e ON e.id = s.event_id
LEFT JOIN spawned p ON p.event_id = e.id LEFT JOIN event_stack x ON x.event_id = e.id
ORDER BY e.time_ns;

UPDATE task SET spawned_ns = s.time_ns, spawn_file = s.file, spawn_line = s.line,
    spawned_by_task_id = s.by_task_id
FROM (SELECT s.task_id, s.time_ns, x.file, x.line, s.by_task_id
    FROM spawn s LEFT JOIN stack x ON x.id = s.stack_id) s
WHERE s.task_id = task.id;
DROP TABLE temp.spawn_place;
DROP TABLE temp.spawned;
DROP TABLE temp.boxed;
DROP TABLE temp.placed;

-- name: wake_prepare
-- Where the vtables of wakers are in each process.
CREATE TEMP TABLE loaded_vtable AS
WITH loaded AS (
    SELECT DISTINCT e.pid, p.image_id, e.address - p.address AS bias
    FROM event e JOIN probe p ON p.id = e.probe_id
    WHERE EXISTS (SELECT 1 FROM waker_function)
)
SELECT l.pid, v.address + l.bias AS address, v.id
FROM loaded l JOIN waker_vtable v ON v.image_id = l.image_id;
CREATE INDEX temp.loaded_vtable_address ON loaded_vtable (address, pid);

CREATE TEMP TABLE waked_task (task_id INTEGER NOT NULL, exact INTEGER, lost INTEGER, shared INTEGER);

-- name: wake_input
-- Polls with the wakers that they got, and calls of the functions of wakers, in the order of
-- time. The executors that asyncrec knows pass the address of the task as its waker's data.
SELECT p.start_ns, 0, p.id,
    -- A root that did not trap is known by the poll that did in it, with the same waker.
    CASE WHEN p.source <> 'probe' AND p.parent_id IS NOT NULL THEN NULL
        WHEN b.runs_task AND p.source = 'probe' THEN e.self
        WHEN v.id IS NOT NULL THEN e.waker_data END,
    v.id, e.pid, p.tid, p.parent_id, p.future_id, p.task_id, p.end_ns,
    -- One that is live though it did not return Pending runs still.
    CASE WHEN p.result IS NULL AND p.start_ns = f.last_poll_ns AND f.outcome <> 'live'
        THEN f.outcome ELSE p.result END,
    f.last_poll_ns,
    -- Attached, it may be one that was polled before.
    coalesce(p.state_before = 0, 0) OR EXISTS (SELECT 1 FROM meta WHERE key = 'exit_status'),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM poll p JOIN future f ON f.id = p.future_id JOIN event e ON e.id = p.event_id
JOIN probe b ON b.id = e.probe_id
LEFT JOIN loaded_vtable v ON v.address = e.waker_vtable AND v.pid = e.pid
WHERE EXISTS (SELECT 1 FROM waker_function)
UNION ALL
SELECT e.time_ns, 1, e.id, e.self,
    (SELECT min(v.id) FROM waker_vtable v WHERE v.image_id = b.image_id
        AND b.function_address IN (v.clone_address, v.wake_address, v.wake_by_ref_address,
            v.drop_address)),
    e.pid, e.tid, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    w.operation, b.function_address, w.end_address, e.return_address - (e.address - b.address),
    e.sp, l.task_id, l.future_id, l.poll_id
FROM waker_function w JOIN probe b ON b.id = w.probe_id JOIN event e ON e.probe_id = b.id
LEFT JOIN wake_place l ON l.event_id = e.id
ORDER BY 1, 2, 3;

-- name: waker_vtables
SELECT id, wakes, wakers FROM waker_vtable ORDER BY id;

-- name: insert_wake
INSERT INTO wake (id, event_id, time_ns, pid, tid, task_id, future_id, by_task_id, by_future_id,
    by_poll_id, poll_id, sched_ns, effect, nested, by_value)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_waked_task
INSERT INTO waked_task (task_id, exact, lost, shared) VALUES (?, ?, ?, ?);

-- name: reconstruct_wakes
UPDATE task SET
    wakes_exact = w.exact AND NOT EXISTS (SELECT 1 FROM lost),
    waker_lost = CASE WHEN NOT EXISTS (SELECT 1 FROM lost) THEN w.lost END
FROM (SELECT task_id, min(exact) AS exact, max(lost) AS lost FROM waked_task
    GROUP BY task_id HAVING NOT max(shared)) w
WHERE w.task_id = task.id;
CREATE INDEX wake_task_id ON wake (task_id);

INSERT INTO unknown_waker (pid, address, polls)
SELECT * FROM (
    SELECT e.pid, e.waker_vtable AS address, count(*)
    FROM event e JOIN probe p ON p.id = e.probe_id
    WHERE p.waker_known AND e.waker_vtable <> 0
        -- Else wakes were not to be recorded.
        AND (EXISTS (SELECT 1 FROM waker_function) OR NOT EXISTS (SELECT 1 FROM waker_vtable))
    GROUP BY e.pid, e.waker_vtable) got
WHERE NOT EXISTS (SELECT 1 FROM loaded_vtable v
    WHERE v.address = got.address AND v.pid = got.pid);
DROP TABLE temp.wake_place;
DROP TABLE temp.loaded_vtable;
DROP TABLE temp.waked_task;

-- name: reconstruct_wake_sums
UPDATE task SET wakes = w.wakes, self_wakes = w.self_wakes, sched_ns = w.sched_ns
FROM (SELECT t.id, count(w.id) AS wakes, coalesce(sum(w.by_task_id = w.task_id), 0) AS self_wakes,
        coalesce(sum(w.sched_ns), 0) AS sched_ns
    FROM main.task t LEFT JOIN wake w ON w.task_id = t.id AND NOT w.nested
    WHERE t.wakes_exact IS NOT NULL GROUP BY t.id) w
WHERE w.id = task.id;

-- name: reconstruct_cancels
INSERT INTO cancel (id, future_id, task_id, future_type_id, polled, event_id, time_ns, since_ns,
    exact, state, await_point_id, outer_id, tid, how, by_poll_id, by_future_id, by_task_id, ran_ns)
SELECT d.id, d.future_id, f.task_id, d.future_type_id, d.state IS NOT 0, d.event_id, d.time_ns,
    d.time_ns, 1, d.state, a.id, d.outer_id, d.tid, d.how, d.by_poll_id, p.future_id, p.task_id,
    d.time_ns - f.first_poll_ns
FROM dropped d LEFT JOIN future f ON f.id = d.future_id LEFT JOIN poll p ON p.id = d.by_poll_id
LEFT JOIN await_point a ON a.future_type_id = d.future_type_id AND a.state = d.state;

-- Futures of whose drop no trap tells.
CREATE TEMP TABLE unseen AS
SELECT f.id, f.task_id, f.future_type_id, f.container_id, f.first_poll_ns, f.last_poll_ns,
    e.end_ns, e.state_after AS state, a.id AS await_point_id, up.state AS parent_state
FROM future f JOIN ended e ON e.future_id = f.id
LEFT JOIN await_point a ON a.future_type_id = f.future_type_id AND a.state = e.state_after
LEFT JOIN await_point up ON up.id = f.await_point_id
WHERE f.outcome = 'cancelled'
    AND f.id NOT IN (SELECT future_id FROM dropped WHERE future_id IS NOT NULL);
CREATE INDEX temp.unseen_container_id ON unseen (container_id);

-- By when a future had ended: what is inferred ends with the poll around it.
CREATE TEMP TABLE until AS
WITH RECURSIVE around(future_id, parent_id, end_ns) AS (
    SELECT future_id, parent_id, end_ns FROM replayed
    WHERE is_last AND future_id IN (SELECT container_id FROM unseen)
    UNION ALL
    SELECT a.future_id, p.parent_id, p.end_ns FROM around a JOIN poll p ON p.id = a.parent_id
    WHERE a.end_ns IS NULL
)
SELECT future_id, end_ns FROM around WHERE end_ns IS NOT NULL;
CREATE INDEX temp.until_future_id ON until (future_id);

-- Those that were suspended where the future was that held them: they were dropped with it.
INSERT INTO cancel (future_id, task_id, future_type_id, polled, time_ns, since_ns, exact, state,
    await_point_id, outer_id, tid, how, by_poll_id, by_future_id, by_task_id, ran_ns)
WITH RECURSIVE inside(id, outer_id, state, last_poll_ns) AS (
    SELECT future_id, id, state, (SELECT last_poll_ns FROM future f WHERE f.id = future_id)
    FROM cancel WHERE future_id IS NOT NULL
    UNION ALL
    SELECT u.id, i.outer_id, u.state, u.last_poll_ns
    FROM inside i JOIN unseen u ON u.container_id = i.id
    WHERE u.last_poll_ns >= i.last_poll_ns
        AND coalesce(u.parent_state = i.state, 1)
)
SELECT u.id, u.task_id, u.future_type_id, 1, c.time_ns, c.time_ns, 1, u.state, u.await_point_id,
    c.id, c.tid, c.how, c.by_poll_id, c.by_future_id, c.by_task_id, c.time_ns - u.first_poll_ns
FROM inside i JOIN unseen u ON u.id = i.id JOIN cancel c ON c.id = i.outer_id;
DELETE FROM unseen WHERE id IN (SELECT future_id FROM cancel);

-- The others were gone when their memory was used again, or with what held them.
INSERT INTO cancel (future_id, task_id, future_type_id, polled, time_ns, since_ns, exact, state,
    await_point_id, how, by_future_id, by_task_id, ran_ns)
WITH RECURSIVE reused AS (
    SELECT id, lead(first_poll_ns) OVER (
        PARTITION BY pid, address, future_type_id ORDER BY id) AS by_ns
    FROM future WHERE address IS NOT NULL
), gone(id, time_ns) AS (
    SELECT u.id, coalesce(min(r.by_ns, c.time_ns), r.by_ns, c.time_ns,
        CASE WHEN h.outcome IN ('ready', 'panicked') THEN e.end_ns END)
    FROM unseen u LEFT JOIN reused r ON r.id = u.id
    LEFT JOIN future h ON h.id = u.container_id LEFT JOIN until e ON e.future_id = h.id
    LEFT JOIN cancel c ON c.future_id = h.id
    WHERE NOT EXISTS (SELECT 1 FROM unseen o WHERE o.id = u.container_id)
    UNION ALL
    SELECT u.id, coalesce(min(r.by_ns, g.time_ns), r.by_ns, g.time_ns)
    FROM gone g JOIN unseen u ON u.container_id = g.id LEFT JOIN reused r ON r.id = u.id
)
SELECT u.id, u.task_id, u.future_type_id, 1, g.time_ns, u.end_ns, 0, u.state, u.await_point_id,
    CASE WHEN h.id IS NOT NULL THEN 'poll' END, h.id, h.task_id, g.time_ns - u.first_poll_ns
FROM unseen u JOIN gone g ON g.id = u.id
-- What held it goes on, or went on for a while, without it.
LEFT JOIN future h ON h.id = u.container_id AND h.outcome IS NOT 'cancelled'
ORDER BY u.id;

-- name: reconstruct_counts
CREATE TEMP TABLE chain_sum AS
SELECT chain_id, sum(certain) AS polls, sum(result IS 'ready' AND certain) AS ready,
    sum(result IS 'pending' AND certain) AS pending, sum(result IS 'panicked') AS panicked,
    sum(source = 'snapshot') AS snapshots, sum(source = 'store') AS stores, count(*) AS rows,
    coalesce(sum(end_ns - start_ns), 0) AS busy_ns, coalesce(sum(self_ns), 0) AS self_ns,
    coalesce(sum(wait_ns), 0) AS wait_ns,
    coalesce(sum(CASE WHEN NOT child_pending THEN wait_ns END), 0) AS leaf_wait_ns
FROM poll GROUP BY chain_id;

INSERT INTO poll_count (name, kind, futures, polls, ready, pending, cancelled, cancelled_exact,
    panicked, busy_ns, self_ns, wait_ns, source, exact, future_type_id)
WITH polled AS (
    SELECT c.future_type_id, sum(polls) AS polls, sum(ready) AS ready, sum(pending) AS pending,
        sum(panicked) AS panicked, sum(busy_ns) AS busy_ns, sum(self_ns) AS self_ns,
        sum(wait_ns) AS wait_ns, sum(snapshots) AS snapshots, sum(stores) AS stores,
        sum(rows) AS rows
    FROM chain_sum s JOIN chain c ON c.id = s.chain_id GROUP BY c.future_type_id
), made AS (
    SELECT future_type_id, count(*) AS futures FROM future GROUP BY future_type_id
), gone AS (
    SELECT future_type_id, sum(polled) AS cancelled FROM cancel GROUP BY future_type_id
), doubtful AS (
    -- What ended at a store that may be another coroutine's.
    SELECT DISTINCT s.future_type_id AS id FROM state_store s JOIN event e ON e.probe_id = s.probe_id
    WHERE s.shared AND coalesce(s.value, e.result >> s.shift & 255) <> 0
)
-- A type that is in several files is one.
SELECT t.name, t.kind, coalesce(sum(m.futures), 0), coalesce(sum(p.polls), 0),
    coalesce(sum(p.ready), 0), coalesce(sum(p.pending), 0), coalesce(sum(g.cancelled), 0),
    min(t.drops_traced) AND NOT EXISTS (SELECT 1 FROM lost)
        AND EXISTS (SELECT 1 FROM meta WHERE key = 'end_ns'),
    coalesce(sum(p.panicked), 0), coalesce(sum(p.busy_ns), 0), coalesce(sum(p.self_ns), 0),
    coalesce(sum(p.wait_ns), 0),
    CASE WHEN sum(p.stores) > 0 THEN 'store' WHEN sum(p.snapshots) = sum(p.rows) THEN 'snapshot'
        ELSE 'probe' END,
    min(t.complete OR (coalesce(t.stores_proven, 0) AND t.id NOT IN (SELECT id FROM doubtful)))
        AND NOT EXISTS (SELECT 1 FROM lost)
        AND EXISTS (SELECT 1 FROM meta WHERE key = 'end_ns'), min(t.id)
FROM future_type t LEFT JOIN polled p ON p.future_type_id = t.id
LEFT JOIN made m ON m.future_type_id = t.id LEFT JOIN gone g ON g.future_type_id = t.id
WHERE p.rows > 0 OR t.stores_proven OR g.cancelled > 0
    OR t.id IN (SELECT future_type_id FROM probe WHERE kind = 'entry')
GROUP BY t.name, t.kind;

INSERT INTO await_edge (parent, child, file, line, polls, wait_ns, parent_type_id, child_type_id)
WITH once AS (
    -- Each poll of a parent, once for each place and type it polled there.
    SELECT p.chain_id, f.future_type_id, f.await_point_id, count(*) AS polls,
        max(CASE WHEN c.result = 'pending' THEN p.wait_ns END) AS wait_ns
    FROM poll c JOIN poll p ON p.id = c.parent_id JOIN future f ON f.id = c.future_id
    GROUP BY p.id, f.future_type_id, f.await_point_id
)
SELECT up.name, down.name, a.file, a.line, sum(o.polls), coalesce(sum(o.wait_ns), 0), up.id, down.id
FROM once o JOIN chain c ON c.id = o.chain_id
JOIN future_type up ON up.id = c.future_type_id
JOIN future_type down ON down.id = o.future_type_id
LEFT JOIN await_point a ON a.id = o.await_point_id
GROUP BY up.id, down.id, a.file, a.line;

INSERT INTO await_chain (chain, depth, polls, wait_ns, busy_ns, self_ns, id)
WITH RECURSIVE named(id, name, depth) AS (
    SELECT c.id, t.name, 1 FROM chain c JOIN future_type t ON t.id = c.future_type_id
    WHERE c.parent_id IS NULL
    UNION ALL
    SELECT c.id, n.name || ' > ' || t.name, n.depth + 1
    FROM named n JOIN chain c ON c.parent_id = n.id JOIN future_type t ON t.id = c.future_type_id
)
SELECT n.name, n.depth, s.polls, s.leaf_wait_ns, s.busy_ns, s.self_ns, n.id
FROM named n JOIN chain_sum s ON s.chain_id = n.id;

-- name: reconstruct_pending
-- A future that its container outlived is cancelled, so not live.
INSERT INTO pending_chain (task_id, future_id, chain_id, since_ns, waited_ns)
SELECT p.task_id, f.id, p.chain_id, coalesce(p.end_ns, p.start_ns),
    coalesce((SELECT value FROM meta WHERE key = 'end_ns'), (SELECT max(time_ns) FROM event))
        - coalesce(p.end_ns, p.start_ns)
FROM replayed r JOIN poll p ON p.id = r.id JOIN future f ON f.id = p.future_id
WHERE r.is_last AND f.outcome = 'live' AND p.result = 'pending' AND NOT p.child_pending;

-- name: reconstruct_finish
DROP TABLE temp.replayed;
DROP TABLE temp.awaited;
DROP TABLE temp.ended;
DROP TABLE temp.held;
DROP TABLE temp.dropped;
DROP TABLE temp.unseen;
DROP TABLE temp.until;
DROP TABLE temp.chain_sum;
