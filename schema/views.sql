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
    (SELECT count(*) FROM poll) AS polls,
    (SELECT count(*) FROM future) AS futures,
    (SELECT count(*) FROM task) AS tasks,
    (SELECT coalesce(sum(count), 0) FROM lost) AS lost,
    (SELECT count(*) FROM user_probe) AS probes

-- name: summary_counts
SELECT polls, ready, pending, cancelled AS cancel, panicked AS panic,
    busy_ns, wait_ns, CASE exact WHEN 1 THEN 'yes' ELSE 'no' END AS exact, name AS future
FROM poll_count WHERE polls > 0
ORDER BY polls DESC, name

-- name: view_tree
-- The chains as a tree, a chain's children below it, most polled first. wait_ns is
-- the time between the polls of the futures there; file and line are those of the
-- `.await` in the line above.
WITH RECURSIVE place AS (
    SELECT p.chain_id, a.file, a.line, count(*) AS polls
    FROM poll p JOIN future f ON f.id = p.future_id JOIN await_point a ON a.id = f.await_point_id
    GROUP BY p.chain_id, a.file, a.line
), summed AS (
    SELECT chain_id, count(*) AS polls, sum(end_ns - start_ns) AS busy_ns, sum(wait_ns) AS wait_ns,
        (SELECT group_concat(DISTINCT line) FROM place WHERE place.chain_id = poll.chain_id)
            AS line,
        (SELECT file FROM place WHERE place.chain_id = poll.chain_id ORDER BY polls DESC LIMIT 1)
            AS file
    FROM poll GROUP BY chain_id
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
SELECT k.id, k.polls, k.busy_ns, f.last_poll_ns - f.first_poll_ns AS lifetime_ns, k.outcome,
    k.name, t.file, t.line
FROM task k JOIN future f ON f.id = k.root_future_id JOIN future_type t ON t.id = f.future_type_id
ORDER BY k.id

-- name: view_chains
SELECT polls, busy_ns, wait_ns, depth, chain FROM await_chain ORDER BY wait_ns DESC, polls DESC

-- name: view_waits
SELECT wait_ns, polls, parent, file, line, child FROM await_edge ORDER BY wait_ns DESC, polls DESC

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
ORDER BY p.id

-- name: is_derived
SELECT count(*) FROM sqlite_schema WHERE name = 'await_chain'

-- name: read_schema_version
SELECT value FROM meta WHERE key = 'schema_version'
