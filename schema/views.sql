-- What asyncreport shows. Each view is one SELECT without a final semicolon, so
-- that view_rows can put it inside another. Columns named *_ns are nanoseconds;
-- the text renderer prints them as times and `file`, `line` as one place.

-- How options narrow a view (sqlite3_mprintf fills in the view and the columns): ?1 is
-- a regular expression that a column must match, or NULL; numbers are sorted most
-- first, text from A on.

-- name: view_rows
SELECT * FROM (
%s
) WHERE ?1 IS NULL OR "%w" REGEXP ?1
ORDER BY CASE typeof("%w") WHEN 'text' THEN "%w" END, "%w" DESC
LIMIT ?2

-- name: view_rows_unsorted
SELECT * FROM (
%s
) WHERE ?1 IS NULL OR "%w" REGEXP ?1
LIMIT ?2

-- name: summary_head
SELECT (SELECT value FROM meta WHERE key = 'arguments') AS program,
    (SELECT group_concat(coalesce(build_id, '(none)'), ' ') FROM image) AS build_id,
    (SELECT max(time_ns) FROM event)
        - (SELECT value FROM meta WHERE key = 'start_ns') AS last_event_ns,
    (SELECT value FROM meta WHERE key = 'end_ns')
        - (SELECT value FROM meta WHERE key = 'start_ns') AS duration_ns,
    (SELECT value FROM meta WHERE key = 'exit_status') AS exit_status,
    (SELECT value FROM meta WHERE key = 'level') AS level,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM poll WHERE certain) AS polls,
    (SELECT count(*) FROM future) AS futures,
    (SELECT count(*) FROM task) AS tasks,
    (SELECT coalesce(sum(count), 0) FROM lost) AS lost,
    (SELECT count(*) FROM user_probe) AS probes

-- name: summary_counts
SELECT polls, ready, pending, cancelled AS cancel, panicked AS panic,
    busy_ns, wait_ns, CASE exact WHEN 1 THEN 'yes' ELSE 'no' END AS exact, name AS future
FROM poll_count WHERE polls > 0
ORDER BY polls DESC, name

-- name: view_relations
-- What several views read, there while the recording is open.
-- The stretch of time that is looked at: all, if the options give none (stretch.sql).
CREATE TEMP TABLE IF NOT EXISTS stretch AS
SELECT 0 AS from_ns, 9223372036854775807 AS to_ns;

-- Where a chain's last future is awaited: all the lines, and the file in which most of
-- its polls were.
CREATE TEMP VIEW chain_place AS
WITH place AS (
    SELECT p.chain_id, a.file, a.line, count(*) AS polls
    FROM poll p JOIN future f ON f.id = p.future_id JOIN await_point a ON a.id = f.await_point_id
    GROUP BY p.chain_id, a.file, a.line
)
-- SQLite takes file from the row that has the maximum.
SELECT chain_id, group_concat(DISTINCT line) AS line, file, max(polls) FROM place
GROUP BY chain_id;

-- One row per caller, callee and place of the `.await`: each future as a call, from its
-- first poll to its last. It is made for those who ask; recordings do without.
CREATE TEMP VIEW async_call (
    caller, -- the future that polled it first; NULL: an executor
    callee,
    file, -- of the `.await`; NULL: the caller has no await points
    line,
    calls, -- futures: the sum of the next five
    ready,
    cancelled,
    panicked,
    live,
    unknown, -- the result of the last poll is not known
    total_ns, -- from the first poll's begin to the last one's end, suspended or not
    max_ns, -- the longest
    self_ns -- total_ns less the time in which futures that the call polled were live: each
            -- from its first poll in the call to its last, what overlaps taken off once
) AS
WITH RECURSIVE around(id, end_ns, parent_id) AS (
    -- A poll whose end was not recorded ends by that of the one around it.
    SELECT c.id, p.end_ns, p.parent_id FROM poll c JOIN poll p ON p.id = c.parent_id
    WHERE c.end_ns IS NULL
    UNION ALL
    SELECT a.id, p.end_ns, p.parent_id FROM around a JOIN poll p ON p.id = a.parent_id
    WHERE a.end_ns IS NULL
), span AS (
    -- When a future was live, for each of those that polled it. Where no end is known,
    -- after a panic, the begin of the poll is the last that is.
    SELECT c.future_id, p.future_id AS caller_id, min(c.start_ns) AS start_ns,
        max(coalesce(c.end_ns, a.end_ns, c.start_ns)) AS end_ns, max(c.certain) AS certain
    FROM poll c LEFT JOIN poll p ON p.id = c.parent_id
    LEFT JOIN around a ON a.id = c.id AND a.end_ns IS NOT NULL
    GROUP BY c.future_id, p.future_id
), life AS (
    SELECT future_id AS id, min(start_ns) AS start_ns, max(end_ns) AS end_ns,
        max(certain) AS certain
    FROM span GROUP BY future_id
), awaited AS (
    SELECT s.future_id, s.caller_id, s.start_ns, min(s.end_ns, l.end_ns) AS end_ns
    FROM span s JOIN life l ON l.id = s.caller_id
), added AS (
    -- What each adds to the time that those which began before it take.
    SELECT caller_id, end_ns - max(start_ns, coalesce(max(end_ns) OVER (
        PARTITION BY caller_id ORDER BY start_ns, future_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS ns
    FROM awaited
), inside AS (
    SELECT caller_id AS id, sum(ns) AS ns FROM added WHERE ns > 0 GROUP BY caller_id
), call AS (
    SELECT f.future_type_id, up.future_type_id AS caller_type_id, f.await_point_id, f.outcome,
        l.certain, l.end_ns - l.start_ns AS total_ns,
        l.end_ns - l.start_ns - coalesce(i.ns, 0) AS self_ns
    FROM life l JOIN future f ON f.id = l.id LEFT JOIN future up ON up.id = f.parent_id
    LEFT JOIN inside i ON i.id = l.id
)
SELECT up.name, down.name, a.file, a.line, count(*), sum(c.outcome IS 'ready'),
    sum(c.outcome IS 'cancelled'), sum(c.outcome IS 'panicked'), sum(c.outcome IS 'live'),
    sum(c.outcome IS NULL), sum(c.total_ns), max(c.total_ns), sum(c.self_ns)
FROM call c JOIN future_type down ON down.id = c.future_type_id
JOIN poll_count k ON k.name = down.name AND k.kind = down.kind
LEFT JOIN future_type up ON up.id = c.caller_type_id
LEFT JOIN await_point a ON a.id = c.await_point_id
-- Where certainly every poll was seen, what merely seemed likely was none.
WHERE c.certain OR NOT k.exact
GROUP BY up.name, down.name, a.file, a.line;

-- name: view_tree
-- The chains as a tree, a chain's children below it, most polled first. wait_ns is
-- the time between the polls of the futures there; file and line are those of the
-- `.await` in the line above.
WITH RECURSIVE summed AS (
    SELECT p.chain_id, count(*) AS polls, sum(end_ns - start_ns) AS busy_ns,
        sum(wait_ns) AS wait_ns, l.file, l.line
    FROM poll p LEFT JOIN chain_place l ON l.chain_id = p.chain_id GROUP BY p.chain_id
), tree AS (
    SELECT c.id, 0 AS depth, c.future_type_id, s.*
    FROM chain c JOIN summed s ON s.chain_id = c.id WHERE c.parent_id IS NULL
    UNION ALL
    SELECT c.id, t.depth + 1, c.future_type_id, s.*
    FROM tree t JOIN chain c ON c.parent_id = t.id JOIN summed s ON s.chain_id = c.id
    ORDER BY 2 DESC, polls DESC
)
SELECT polls, busy_ns, wait_ns, depth,
    (SELECT name FROM future_type WHERE id = tree.future_type_id) AS future, file, line
FROM tree

-- name: view_futures
SELECT f.futures, f.polls, f.ready, f.pending, f.cancelled, f.panicked, f.busy_ns, f.self_ns,
    f.wait_ns, f.exact, f.source, f.kind, f.name, t.file, t.line
FROM poll_count f JOIN future_type t ON t.id = f.future_type_id
WHERE f.polls > 0
ORDER BY f.polls DESC, f.name

-- name: view_tasks
-- Where and when each task was spawned and what became of its time, the longest first. A
-- task is scheduled from its spawn to its first poll, and from each wake to the poll that
-- follows. One that is idle for want of a waker is lost.
WITH ended AS (
    SELECT min(to_ns, coalesce((SELECT value FROM meta WHERE key = 'end_ns'),
        (SELECT max(time_ns) FROM event))) AS ns
    FROM stretch
), life AS (
    SELECT k.id, k.polls, k.busy_ns, k.name, k.spawn_file, k.spawn_line, k.wakes, k.self_wakes,
        coalesce(k.spawned_ns, k.first_poll_ns) AS begin_ns,
        CASE k.outcome WHEN 'live' THEN (SELECT ns FROM ended)
            ELSE max(coalesce(p.end_ns, p.start_ns)) END AS end_ns,
        coalesce(k.first_poll_ns - k.spawned_ns, 0) + coalesce(k.sched_ns, 0) AS scheduled_ns,
        -- A poll that has no result had not come to its end.
        CASE WHEN k.outcome IS NOT 'live' THEN coalesce(k.outcome, 'unknown')
            WHEN sum(p.result IS NULL AND p.start_ns = k.last_poll_ns) THEN 'running'
            WHEN k.waker_lost THEN 'lost' ELSE 'idle' END AS state
    FROM task k JOIN poll p ON p.future_id = k.root_future_id
    GROUP BY k.id
)
SELECT id, state, end_ns - begin_ns AS total_ns, busy_ns, scheduled_ns,
    end_ns - begin_ns - scheduled_ns - busy_ns AS idle_ns, polls, wakes,
    self_wakes AS "self", spawn_file AS file, spawn_line AS line, name
FROM life ORDER BY total_ns DESC, id

-- name: view_chains
SELECT polls, busy_ns, wait_ns, depth, chain FROM await_chain ORDER BY wait_ns DESC, polls DESC

-- name: view_waits
SELECT wait_ns, polls, parent, file, line, child FROM await_edge ORDER BY wait_ns DESC, polls DESC

-- name: view_calls
SELECT calls, ready, cancelled AS cancel, panicked AS panic, live, unknown, total_ns,
    total_ns / calls AS avg_ns, max_ns, self_ns, caller, file, line, callee
FROM async_call ORDER BY total_ns DESC, calls DESC, callee

-- name: view_wakes
-- Who wakes whom, and from where: where the future that did is awaited, or, if it is the
-- task's own, where it was resumed. Nested wakers are of the future that is polled with them.
SELECT count(*) AS wakes, sum(w.effect IS 'scheduled') AS scheduled,
    sum(w.effect IS 'running') AS running, sum(w.effect IS 'already') AS already,
    sum(w.effect IS 'finished') AS finished, sum(w.effect IS 'unpolled') AS unpolled,
    sum(w.effect IS NULL) AS unknown, sum(w.sched_ns) / count(w.sched_ns) AS avg_ns, max(w.sched_ns) AS max_ns,
    coalesce(b.name, 'task ' || k.name, 'thread ' || h.name, 'outside') AS by,
    coalesce(a.file, r.file) AS file, coalesce(a.line, r.line) AS line,
    t.name AS woken
FROM wake w LEFT JOIN future f ON f.id = w.future_id LEFT JOIN future_type t ON t.id = f.future_type_id
LEFT JOIN future g ON g.id = w.by_future_id LEFT JOIN future_type b ON b.id = g.future_type_id
LEFT JOIN await_point a ON a.id = g.await_point_id
LEFT JOIN poll p ON p.id = w.by_poll_id
LEFT JOIN await_point r ON r.future_type_id = g.future_type_id AND r.state = p.state_before
LEFT JOIN task k ON k.id = w.by_task_id AND w.by_future_id IS NULL
LEFT JOIN (SELECT tid, name, max(start_ns) FROM thread GROUP BY tid) h
    ON h.tid = w.tid AND w.by_task_id IS NULL
GROUP BY 10, 11, 12, 13 ORDER BY wakes DESC, by, woken
-- name: view_cancels
-- What was dropped before it was done: file and line are of the `.await` it was suspended
-- at, or of its declaration if it was never polled. by is what dropped it: a future and
-- where that had been resumed, or what did if no future.
SELECT count(*) AS cancels, sum(c.exact) AS exact,
    CAST(avg(c.ran_ns) AS INTEGER) AS avg_ran_ns, max(c.ran_ns) AS max_ran_ns,
    CASE c.polled WHEN 0 THEN 'never polled' ELSE 'suspended' END AS "when", t.name AS future,
    CASE c.polled WHEN 0 THEN t.file ELSE a.file END AS file,
    CASE c.polled WHEN 0 THEN t.line ELSE a.line END AS line,
    CASE WHEN c.outer_id IS NOT NULL THEN 'with ' || coalesce(o.name, '')
        WHEN p.result IS 'panicked' THEN 'panic in ' || b.name
        WHEN c.how = 'poll' AND b.name IS NOT NULL
            THEN b.name || coalesce(':' || bp.line, '')
        ELSE c.how END AS by
FROM cancel c JOIN future_type t ON t.id = c.future_type_id
LEFT JOIN await_point a ON a.id = c.await_point_id
LEFT JOIN cancel oc ON oc.id = c.outer_id LEFT JOIN future_type o ON o.id = oc.future_type_id
LEFT JOIN future bf ON bf.id = c.by_future_id LEFT JOIN future_type b ON b.id = bf.future_type_id
LEFT JOIN poll p ON p.id = c.by_poll_id
LEFT JOIN await_point bp ON bp.future_type_id = bf.future_type_id AND bp.state = p.state_before
GROUP BY 5, 6, 7, 8, 9 ORDER BY cancels DESC, future, line, by

-- name: view_panics
-- Where polls panicked that made no other poll which did, with the chain they were in: file
-- and line are of the `.await` they had been resumed from; NULL: in the first poll.
SELECT count(*) AS panics, count(DISTINCT p.task_id) AS tasks, a.file, a.line, c.chain
FROM poll p JOIN await_chain c ON c.id = p.chain_id JOIN future f ON f.id = p.future_id
LEFT JOIN await_point a ON a.future_type_id = f.future_type_id AND a.state = p.state_before
WHERE p.result = 'panicked' AND p.id NOT IN (
    SELECT parent_id FROM poll WHERE result = 'panicked' AND parent_id IS NOT NULL)
GROUP BY c.id, a.file, a.line ORDER BY panics DESC, c.chain, a.line

-- name: view_pending
SELECT p.waited_ns, p.task_id AS task, c.chain, a.file, a.line
FROM pending_chain p JOIN await_chain c ON c.id = p.chain_id JOIN future f ON f.id = p.future_id
LEFT JOIN await_point a ON a.id = f.await_point_id
ORDER BY p.waited_ns DESC, p.task_id

-- name: view_probes
-- Per probe point of the user's own, how often it was hit in which futures.
SELECT count(h.id) AS hits, count(DISTINCT h.future_id) AS futures, t.name AS future,
    u.symbol || CASE WHEN u.offset THEN printf('+0x%x', u.offset) ELSE '' END AS probe,
    u.file, u.line
FROM user_probe u LEFT JOIN probe_hit h ON h.probe_id = u.probe_id
LEFT JOIN future f ON f.id = h.future_id LEFT JOIN future_type t ON t.id = f.future_type_id
GROUP BY u.symbol, u.offset, t.id ORDER BY hits DESC, probe, future

-- name: view_polls
SELECT p.start_ns - (SELECT value FROM meta WHERE key = 'start_ns') AS at_ns, p.tid,
    p.task_id AS task, p.end_ns - p.start_ns AS busy_ns, p.state_before AS state,
    p.result, p.wait_ns, t.name AS future
FROM poll p JOIN future f ON f.id = p.future_id JOIN future_type t ON t.id = f.future_type_id
ORDER BY p.start_ns, p.id

-- name: is_derived
SELECT count(*) FROM sqlite_schema WHERE name = 'await_chain'

-- name: read_schema_version
SELECT value FROM meta WHERE key = 'schema_version'

-- name: frames
-- The await chains as a flame graph has them: each behind the one that polls it, the
-- heaviest first, all below one root. own is what ?2 ('wait', 'busy' or 'polls') makes
-- of the chain itself, if it matches ?1 (NULL: it does); total is with those below.
WITH RECURSIVE weighed AS (
    SELECT c.id, c.parent_id, c.future_type_id, f.name,
        p.file || coalesce(':' || p.line, '') AS place,
        f.file || coalesce(':' || f.line, '') AS declared,
        CASE
            WHEN ?1 IS NOT NULL AND NOT a.chain REGEXP ?1 THEN 0
            WHEN ?2 = 'wait' THEN a.wait_ns
            WHEN ?2 = 'busy' THEN a.self_ns
            ELSE a.polls
        END AS own
    FROM await_chain a JOIN chain c ON c.id = a.id JOIN future_type f ON f.id = c.future_type_id
    LEFT JOIN chain_place p ON p.chain_id = c.id
), above(id, own) AS (
    SELECT id, own FROM weighed WHERE own > 0
    UNION ALL
    SELECT c.parent_id, a.own FROM above a JOIN chain c ON c.id = a.id
), summed AS (
    SELECT id, sum(own) AS total FROM above GROUP BY id
), tree AS (
    SELECT 0 AS depth, coalesce((SELECT total FROM summed WHERE id IS NULL), 0) AS total,
        0 AS own, NULL AS name, NULL AS place, NULL AS declared, NULL AS future_type_id, NULL AS id
    UNION ALL
    SELECT t.depth + 1, s.total, w.own, w.name, w.place, w.declared, w.future_type_id, w.id
    FROM tree t JOIN weighed w ON w.parent_id IS t.id JOIN summed s ON s.id = w.id
    ORDER BY 1 DESC, 2 DESC
)
-- A join here would lose the order.
SELECT depth, total, own, name, place, declared, future_type_id FROM tree

-- name: frames_of
-- What the chains are of.
SELECT value FROM meta WHERE key = 'arguments'

-- name: frame_types
SELECT id, name, file, line FROM future_type
WHERE id IN (SELECT future_type_id FROM chain) ORDER BY id

-- name: timeline
-- The polls of each thread as they began, for those that have a chain that matches ?1.
SELECT p.tid, h.name AS thread, p.id, p.parent_id, c.future_type_id,
    p.start_ns - m.value AS start_ns, p.end_ns - m.value AS end_ns
FROM poll p JOIN chain c ON c.id = p.chain_id JOIN meta m ON m.key = 'start_ns'
-- An id that was used again goes by its last thread.
LEFT JOIN (SELECT tid, name, max(start_ns) FROM thread GROUP BY tid) h ON h.tid = p.tid
WHERE ?1 IS NULL OR c.id IN (SELECT id FROM await_chain WHERE chain REGEXP ?1)
ORDER BY p.tid, p.id
