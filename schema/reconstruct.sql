-- How the derived relations (derived.sql) come from the raw ones.

-- name: call_stack_columns
-- What the stack rule gives: one row per poll.
CREATE TABLE call_stack (
    id INTEGER,              -- from 1 on, in the order of start_ns
    event_id INTEGER,        -- of the entry
    parent_id INTEGER,       -- the poll around this one; NULL: an executor polls it
    container_id INTEGER,    -- the nearest poll around it of a coroutine in whose memory
                             -- this future lies
    root_id INTEGER,         -- the outermost poll around it
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
    result TEXT,             -- ready or pending; NULL: not known
    unwound_ns INTEGER,      -- by this time it had been left without passing an exit
    running INTEGER          -- 1: it never ended
);

-- name: call_stack_input
-- The rows that the stack rule (report/call_stack.c) reads, in the order of time.
SELECT e.id, e.time_ns, e.pid, e.tid, e.address, e.sp, e.self, e.state, e.result,
    p.kind, p.entry_id, p.future_type_id, p.self_known, p.state_known, p.exits,
    p.result_is, p.result_value, p.tail_address, p.address, t.size_bytes,
    -- A worker thread of tokio runs its tasks inside the poll of a blocking task.
    t.name GLOB 'tokio::runtime::blocking::task::BlockingTask<*'
FROM event e JOIN probe p ON p.id = e.probe_id
JOIN future_type t ON t.id = p.future_type_id
UNION ALL
-- A thread id that is used again begins with an empty stack.
SELECT 0, time_ns, pid, tid, 0, 0, 0, 0, 0, 'start', 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0
FROM thread_event WHERE kind = 'start'
ORDER BY 2;

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

-- name: reconstruct_stacks
CREATE TEMP TABLE stack_poll AS SELECT * FROM call_stack;
CREATE UNIQUE INDEX temp.stack_poll_id ON stack_poll (id);

INSERT INTO chain (id, parent_id, future_type_id)
SELECT DISTINCT chain_id, parent_chain_id, future_type_id FROM stack_poll;

-- A poll that was left without passing an exit, all exits being probed, panicked;
-- unless its exit may be among what was lost.
UPDATE stack_poll SET result = 'panicked'
WHERE result IS NULL AND unwound_ns IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM lost l WHERE l.time_ns >= start_ns AND l.since_ns <= unwound_ns);

-- name: reconstruct_futures
-- Which polls are of the same future. A coroutine's state tells where a new one
-- begins at an old address.
CREATE TEMP TABLE coroutine_poll AS
WITH step AS (
    SELECT id, pid, self, future_type_id, state_before,
        lag(result, 1, 'first') OVER (
            PARTITION BY pid, self, future_type_id ORDER BY id) AS previous
    FROM stack_poll WHERE state_before IS NOT NULL AND self IS NOT NULL
)
SELECT id, max(CASE
        WHEN previous = 'first' OR state_before = 0 THEN id
        WHEN previous IN ('ready', 'panicked') AND state_before NOT IN (1, 2) THEN id
    END) OVER (PARTITION BY pid, self, future_type_id ORDER BY id) AS future_id
FROM step;
CREATE UNIQUE INDEX temp.coroutine_poll_id ON coroutine_poll (id);

-- Any other future ends when it is ready, and with the coroutine that holds it.
CREATE TEMP TABLE other_poll AS
WITH held AS (
    SELECT p.id, p.pid, p.self, p.future_type_id, p.result,
        coalesce(c.future_id, 0) AS container_future_id
    FROM stack_poll p LEFT JOIN coroutine_poll c ON c.id = p.container_id
    WHERE p.state_before IS NULL OR p.self IS NULL
), step AS (
    SELECT id, pid, self, future_type_id, container_future_id,
        lag(result, 1, 'first') OVER same AS previous,
        lag(container_future_id) OVER same AS previous_container
    FROM held WINDOW same AS (PARTITION BY pid, self, future_type_id ORDER BY id)
)
SELECT id, container_future_id, max(CASE
        WHEN previous IN ('first', 'ready', 'panicked')
            OR container_future_id <> previous_container THEN id
    END) OVER (PARTITION BY pid, self, future_type_id ORDER BY id) AS future_id
FROM step;

CREATE TEMP TABLE poll_future AS
SELECT id, future_id FROM coroutine_poll UNION ALL SELECT id, future_id FROM other_poll;
CREATE UNIQUE INDEX temp.poll_future_id ON poll_future (id, future_id);

CREATE TEMP TABLE root AS
SELECT f.future_id, row_number() OVER (ORDER BY f.future_id) AS task_id
FROM (SELECT DISTINCT f.future_id FROM stack_poll p JOIN poll_future f ON f.id = p.root_id) f;
CREATE UNIQUE INDEX temp.root_future_id ON root (future_id, task_id);

-- A coroutine that is polled again had returned Pending, whether or not its exit
-- was recorded.
INSERT INTO poll (id, future_id, parent_id, task_id, chain_id, tid, start_ns, end_ns,
    state_before, state_after, result, source, wait_ns, event_id)
WITH step AS (
    SELECT p.id, f.future_id, p.parent_id, r.task_id, p.chain_id, p.tid, p.start_ns, p.end_ns,
        p.state_before, p.event_id, p.self,
        lead(p.start_ns) OVER same AS next_ns,
        lead(p.state_before) OVER same AS next_state,
        p.result
    FROM stack_poll p JOIN poll_future f ON f.id = p.id
    JOIN poll_future g ON g.id = p.root_id
    JOIN root r ON r.future_id = g.future_id
    WINDOW same AS (PARTITION BY f.future_id ORDER BY p.id)
), known AS (
    SELECT *, coalesce(result, CASE WHEN next_state >= 3 THEN 'pending' END) AS seen FROM step
)
SELECT id, future_id, parent_id, task_id, chain_id, tid, start_ns, end_ns, state_before,
    CASE WHEN state_before IS NULL THEN NULL
        WHEN seen = 'ready' THEN 1
        WHEN seen = 'panicked' THEN 2
        ELSE next_state END,
    seen, 'probe',
    -- Futures whose address is not known may be several.
    CASE WHEN seen = 'pending' AND self IS NOT NULL THEN next_ns - end_ns END,
    event_id
FROM known ORDER BY id;

-- Where the parent awaits a future: the state the parent was resumed from, if this
-- is the first it polls, or is suspended in, if both are pending.
CREATE TEMP TABLE awaited AS
SELECT c.future_id, max(CASE
        WHEN s.ordinal = 1 AND p.state_before >= 3 THEN p.state_before
        WHEN c.result = 'pending' AND p.state_after >= 3 THEN p.state_after
    END) AS state
FROM poll c JOIN poll p ON p.id = c.parent_id JOIN stack_poll s ON s.id = c.id
GROUP BY c.future_id;
CREATE UNIQUE INDEX temp.awaited_future_id ON awaited (future_id);

INSERT INTO future (id, future_type_id, task_id, parent_id, await_point_id, pid, address,
    first_poll_ns, last_poll_ns, polls, busy_ns, outcome)
WITH summed AS (
    SELECT future_id, max(id) AS last_id, max(start_ns) AS last_ns, count(*) AS polls,
        sum(end_ns - start_ns) AS busy_ns
    FROM poll GROUP BY future_id
)
SELECT s.future_id, first.future_type_id, p.task_id, parent.future_id,
    -- With the state not known, the awaited type tells, if it is awaited once.
    coalesce(
        (SELECT a.id FROM await_point a
            WHERE a.future_type_id = parent_stack.future_type_id AND a.state = w.state),
        (SELECT max(a.id) FROM await_point a
            WHERE a.future_type_id = parent_stack.future_type_id AND a.awaitee = t.name
            HAVING count(*) = 1)),
    first.pid, first.self, first.start_ns, s.last_ns, s.polls, s.busy_ns,
    CASE last.result WHEN 'pending' THEN 'live' ELSE last.result END
FROM summed s JOIN stack_poll first ON first.id = s.future_id
JOIN future_type t ON t.id = first.future_type_id
JOIN poll p ON p.id = s.future_id
JOIN poll last ON last.id = s.last_id
LEFT JOIN poll parent ON parent.id = first.parent_id
LEFT JOIN stack_poll parent_stack ON parent_stack.id = first.parent_id
LEFT JOIN awaited w ON w.future_id = s.future_id
ORDER BY s.future_id;

-- A poll that never ended is still going on.
UPDATE future SET outcome = 'live' WHERE outcome IS NULL AND EXISTS (
    SELECT 1 FROM stack_poll s JOIN poll p ON p.id = s.id
    WHERE p.future_id = future.id AND p.start_ns = last_poll_ns AND s.running);

-- A pending future whose address a younger one of its type has was dropped.
UPDATE future SET outcome = 'cancelled' WHERE outcome = 'live' AND id IN (
    SELECT older FROM (
        SELECT id AS older, lead(id) OVER (
            PARTITION BY pid, address, future_type_id ORDER BY id) AS younger
        FROM future WHERE address IS NOT NULL)
    WHERE younger IS NOT NULL);

-- So was one that is still pending when the coroutine that holds it has ended.
CREATE TEMP TABLE held AS
SELECT DISTINCT f.future_id AS id, g.future_id AS container_id
FROM stack_poll p JOIN poll_future f ON f.id = p.id JOIN poll_future g ON g.id = p.container_id
WHERE p.id = f.future_id;
CREATE INDEX temp.held_container_id ON held (container_id);
WITH RECURSIVE dropped(id) AS (
    SELECT h.id FROM held h JOIN future c ON c.id = h.container_id
    WHERE c.outcome IN ('ready', 'panicked', 'cancelled')
    UNION
    SELECT h.id FROM dropped d JOIN held h ON h.container_id = d.id
)
UPDATE future SET outcome = 'cancelled' WHERE outcome = 'live' AND id IN (SELECT id FROM dropped);

INSERT INTO task (id, root_future_id, name, first_poll_ns, last_poll_ns, polls, busy_ns, outcome)
SELECT r.task_id, f.id, t.name, f.first_poll_ns, f.last_poll_ns, f.polls, f.busy_ns, f.outcome
FROM root r JOIN future f ON f.id = r.future_id JOIN future_type t ON t.id = f.future_type_id
ORDER BY r.task_id;

-- name: reconstruct_counts
INSERT INTO poll_count (name, kind, futures, polls, ready, pending, cancelled, panicked, busy_ns,
    self_ns, wait_ns, source, exact, future_type_id)
WITH inside AS (
    SELECT parent_id AS id, sum(end_ns - start_ns) AS busy_ns FROM poll
    WHERE parent_id IS NOT NULL GROUP BY parent_id
), polled AS (
    SELECT f.future_type_id, count(*) AS polls,
        sum(p.result IS 'ready') AS ready, sum(p.result IS 'pending') AS pending,
        sum(p.result IS 'panicked') AS panicked, sum(p.end_ns - p.start_ns) AS busy_ns,
        sum(CASE WHEN p.end_ns IS NOT NULL
            THEN p.end_ns - p.start_ns - coalesce(i.busy_ns, 0) END) AS self_ns,
        sum(p.wait_ns) AS wait_ns
    FROM poll p JOIN future f ON f.id = p.future_id LEFT JOIN inside i ON i.id = p.id
    GROUP BY f.future_type_id
), made AS (
    SELECT future_type_id, count(*) AS futures, sum(outcome IS 'cancelled') AS cancelled
    FROM future GROUP BY future_type_id
)
SELECT t.name, t.kind, coalesce(m.futures, 0), coalesce(p.polls, 0), coalesce(p.ready, 0),
    coalesce(p.pending, 0), coalesce(m.cancelled, 0), coalesce(p.panicked, 0),
    coalesce(p.busy_ns, 0), coalesce(p.self_ns, 0), coalesce(p.wait_ns, 0), 'probe',
    t.complete AND NOT EXISTS (SELECT 1 FROM lost)
        AND EXISTS (SELECT 1 FROM meta WHERE key = 'end_ns'), t.id
FROM future_type t LEFT JOIN polled p ON p.future_type_id = t.id
LEFT JOIN made m ON m.future_type_id = t.id
WHERE t.id IN (SELECT future_type_id FROM probe WHERE kind = 'entry');

INSERT INTO await_edge (parent, child, file, line, polls, wait_ns, parent_type_id, child_type_id)
WITH once AS (
    -- Each poll of a parent, once for each place and type it polled there.
    SELECT g.future_type_id AS parent_type_id, f.future_type_id AS child_type_id,
        f.await_point_id, count(*) AS polls,
        max(CASE WHEN c.result = 'pending' THEN p.wait_ns END) AS wait_ns
    FROM poll c JOIN poll p ON p.id = c.parent_id
    JOIN future f ON f.id = c.future_id JOIN future g ON g.id = p.future_id
    GROUP BY p.id, f.future_type_id, f.await_point_id
)
SELECT up.name, down.name, a.file, a.line, sum(o.polls), coalesce(sum(o.wait_ns), 0), up.id, down.id
FROM once o JOIN future_type up ON up.id = o.parent_type_id
JOIN future_type down ON down.id = o.child_type_id
LEFT JOIN await_point a ON a.id = o.await_point_id
GROUP BY up.id, down.id, a.file, a.line;

INSERT INTO await_chain (chain, depth, polls, wait_ns, busy_ns, id)
WITH RECURSIVE named(id, name, depth) AS (
    SELECT c.id, t.name, 1 FROM chain c JOIN future_type t ON t.id = c.future_type_id
    WHERE c.parent_id IS NULL
    UNION ALL
    SELECT c.id, n.name || ' > ' || t.name, n.depth + 1
    FROM named n JOIN chain c ON c.parent_id = n.id JOIN future_type t ON t.id = c.future_type_id
), waiting AS (
    SELECT DISTINCT parent_id AS id FROM poll WHERE result = 'pending' AND parent_id IS NOT NULL
), summed AS (
    SELECT p.chain_id, count(*) AS polls, sum(p.end_ns - p.start_ns) AS busy_ns,
        sum(CASE WHEN w.id IS NULL THEN p.wait_ns END) AS wait_ns
    FROM poll p LEFT JOIN waiting w ON w.id = p.id GROUP BY p.chain_id
)
SELECT n.name, n.depth, s.polls, coalesce(s.wait_ns, 0), coalesce(s.busy_ns, 0), n.id
FROM named n JOIN summed s ON s.chain_id = n.id;

-- name: reconstruct_finish
DROP TABLE temp.stack_poll;
DROP TABLE temp.coroutine_poll;
DROP TABLE temp.other_poll;
DROP TABLE temp.poll_future;
DROP TABLE temp.root;
DROP TABLE temp.awaited;
DROP TABLE temp.held;
