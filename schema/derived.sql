-- What a recording says: relations derived from the raw half (recording.sql) by
-- the statements in reconstruct.sql, when asyncrec ends. NULL means "not known"
-- unless a column says otherwise. Times are CLOCK_MONOTONIC nanoseconds.

-- name: derived_drop
DROP TABLE IF EXISTS cancel;
DROP TABLE IF EXISTS pending_chain;
DROP TABLE IF EXISTS probe_hit;
DROP TABLE IF EXISTS await_chain;
DROP TABLE IF EXISTS await_edge;
DROP TABLE IF EXISTS poll_count;
DROP TABLE IF EXISTS spawn;
DROP TABLE IF EXISTS unknown_waker;
DROP TABLE IF EXISTS wake;
DROP TABLE IF EXISTS task;
DROP TABLE IF EXISTS future;
DROP TABLE IF EXISTS poll;
DROP TABLE IF EXISTS chain;
DROP TABLE IF EXISTS thread;

-- name: derived_schema

-- One row per thread that lived while recording.
CREATE TABLE thread (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    name TEXT,
    start_ns INTEGER,       -- NULL: ran before the recording began
    end_ns INTEGER          -- NULL: still ran when the recording ended
);

-- One row per await chain: a future type and the chain that polled it.
CREATE TABLE chain (
    id INTEGER PRIMARY KEY,
    parent_id INTEGER REFERENCES chain (id), -- NULL: polled by an executor
    future_type_id INTEGER NOT NULL REFERENCES future_type (id)
);

-- One row per poll.
CREATE TABLE poll (
    id INTEGER PRIMARY KEY,
    future_id INTEGER NOT NULL REFERENCES future (id),
    parent_id INTEGER REFERENCES poll (id), -- the poll that made this one; NULL: an executor did
    task_id INTEGER NOT NULL REFERENCES task (id),
    chain_id INTEGER NOT NULL REFERENCES chain (id),
    tid INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER,           -- NULL: no exit was recorded (a panic, or exits not probed)
    state_before INTEGER,     -- the coroutine's state at entry; NULL: no coroutine
    state_after INTEGER,      -- 1 ready, 2 panicked, else the state of the next poll
    result TEXT CHECK (result IN ('ready', 'pending', 'panicked')),
    source TEXT NOT NULL      -- probe: a trap at this poll's entry; snapshot: inferred from
        CHECK (source IN ('probe', 'snapshot', 'store')), -- the traps of the poll around
                              -- it, whose start_ns it has; it has no end_ns; store: a trap
                              -- where its end is stored, with the start_ns of that around it
    certain INTEGER NOT NULL, -- 0: likely but not sure to have happened, and not counted
    self_ns INTEGER,          -- its time less that of the polls inside it
    wait_ns INTEGER,          -- pending: until the next poll of the same future
    child_pending INTEGER NOT NULL, -- 1: a future it polled was pending too: that one waited
    event_id INTEGER NOT NULL REFERENCES event (id) -- the entry
);

-- One row per future: one instance of a future type.
CREATE TABLE future (
    id INTEGER PRIMARY KEY,   -- in the order of first_poll_ns
    future_type_id INTEGER NOT NULL REFERENCES future_type (id),
    task_id INTEGER NOT NULL REFERENCES task (id),
    parent_id INTEGER REFERENCES future (id), -- the future that polled it first; NULL: an executor
    container_id INTEGER REFERENCES future (id), -- the coroutine in whose memory it lies
    await_point_id INTEGER REFERENCES await_point (id), -- where the parent awaits it
    pid INTEGER NOT NULL,
    address INTEGER,          -- NULL: not read by the probe; futures that the same parent
                              -- polls may then be merged
    first_poll_ns INTEGER NOT NULL,
    last_poll_ns INTEGER NOT NULL, -- start of the last poll
    polls INTEGER NOT NULL,
    busy_ns INTEGER,          -- inside its polls; NULL: no exit was recorded
    outcome TEXT              -- NULL: the result of its last poll is not known
        CHECK (outcome IN ('ready', 'cancelled', 'panicked', 'live'))
);

-- One row per trap at a probe point of the user's own (--probe).
CREATE TABLE probe_hit (
    id INTEGER PRIMARY KEY,   -- in the order of time_ns
    event_id INTEGER NOT NULL REFERENCES event (id),
    probe_id INTEGER NOT NULL REFERENCES user_probe (probe_id),
    time_ns INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    poll_id INTEGER REFERENCES poll (id), -- the innermost poll it was in; NULL: it was in none
    future_id INTEGER REFERENCES future (id), -- of that poll
    task_id INTEGER REFERENCES task (id)  -- of that poll
);

-- One row per task: a future that no other future polls.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    root_future_id INTEGER NOT NULL REFERENCES future (id),
    name TEXT NOT NULL,       -- of the root future's type
    first_poll_ns INTEGER NOT NULL,
    last_poll_ns INTEGER NOT NULL,
    polls INTEGER NOT NULL,   -- of the root future
    busy_ns INTEGER,
    outcome TEXT,
    spawned_ns INTEGER,       -- NULL: its spawn was not seen, as of what is blocked on, or its
                              -- executor is not known
    spawn_file TEXT,          -- where the user's code spawned it; NULL: not known
    spawn_line INTEGER,
    spawned_by_task_id INTEGER REFERENCES task (id), -- the task that did; NULL: not known, or
                              -- it was from outside
    wakes INTEGER,            -- calls that woke it, of its own waker; NULL: its waker is not
                              -- known, is that of several tasks, or wakes were not recorded
    self_wakes INTEGER,       -- of those, by itself
    sched_ns INTEGER,         -- sum of wake.sched_ns of those: how long it waited for its turn
    wakes_exact INTEGER,      -- 1: certainly every wake was recorded; 0: wakes is a lower bound
    waker_lost INTEGER        -- 1: it was pending at the end and no clone of its waker was
                              -- left, so nothing can wake it any more; 0: it was not so; NULL:
                              -- not all clones and drops of its waker are known
);

-- One row per spawn of a task.
CREATE TABLE spawn (
    id INTEGER PRIMARY KEY,   -- in the order of time_ns
    event_id INTEGER NOT NULL REFERENCES event (id),
    time_ns INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    task_id INTEGER REFERENCES task (id), -- NULL: no poll of it was recorded
    by_poll_id INTEGER REFERENCES poll (id), -- the innermost poll it was in; NULL: it was in
                              -- none, or in one that is not known
    by_future_id INTEGER REFERENCES future (id), -- of that poll
    by_task_id INTEGER REFERENCES task (id), -- of that poll
    stack_id INTEGER REFERENCES stack (id) -- where; NULL: not known
);

-- One row per wake: a call of a waker.
CREATE TABLE wake (
    id INTEGER PRIMARY KEY,   -- in the order of time_ns
    event_id INTEGER NOT NULL REFERENCES event (id),
    time_ns INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,     -- the thread that called
    task_id INTEGER REFERENCES task (id), -- the task that was woken; NULL: none was polled
                              -- with that waker, or several were by turns
    future_id INTEGER REFERENCES future (id), -- its root, or of a nested waker the future that
                              -- is polled with it
    by_task_id INTEGER REFERENCES task (id), -- the task in whose poll, or after it in whose
                              -- name, the thread called; NULL: none, it was from outside
    by_future_id INTEGER REFERENCES future (id), -- of the innermost poll it was in
    by_poll_id INTEGER REFERENCES poll (id), -- that poll; NULL: it was in none
    poll_id INTEGER REFERENCES poll (id), -- the poll of future_id that followed because of it
    sched_ns INTEGER,         -- from then, or from the end of the poll during which it came, to
                              -- the start of that poll; NULL: none followed because of it
    effect TEXT               -- scheduled: that poll followed; running: it came during a poll,
        CHECK (effect IN ('scheduled', 'running', 'already', 'finished', 'unpolled')),
                              -- after which that poll followed; already: it had been woken
                              -- before and not polled since; finished: it had ended, or did
                              -- with that poll; unpolled: it was woken, but never polled again
    nested INTEGER,           -- 1: the waker is not the task's own but one that a future made,
                              -- as FuturesUnordered does for each that it polls
    by_value INTEGER          -- 1: the waker was consumed (`wake`); 0: it was not
                              -- (`wake_by_ref`); NULL: one function does both
);

-- One row per vtable of wakers that polls got and that is in no probed file, as those of a
-- shared library: wakes through it were not recorded.
CREATE TABLE unknown_waker (
    pid INTEGER NOT NULL,
    address INTEGER NOT NULL, -- in the process
    polls INTEGER NOT NULL    -- that trapped and got such a waker
);

-- One row per future type that was probed.
CREATE TABLE poll_count (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    futures INTEGER NOT NULL,
    polls INTEGER NOT NULL,
    ready INTEGER NOT NULL,   -- polls that returned Ready
    pending INTEGER NOT NULL, -- polls that returned Pending
    cancelled INTEGER NOT NULL, -- futures dropped while pending
    cancelled_exact INTEGER NOT NULL, -- 1: certainly every one; 0: cancelled is a lower bound
    panicked INTEGER NOT NULL, -- polls that ended in a panic
    busy_ns INTEGER NOT NULL, -- inside its polls
    self_ns INTEGER NOT NULL, -- the same less the polls inside them
    wait_ns INTEGER NOT NULL, -- from a Pending to the next poll
    source TEXT NOT NULL,     -- store if some of its polls were told by their stores; else
                              -- probe if some trapped at their entry; else snapshot
    exact INTEGER NOT NULL,   -- 1: certainly every poll was recorded; 0: polls is a lower bound.
                              -- A poll whose result could not be told is neither ready,
                              -- pending nor panicked.
    future_type_id INTEGER NOT NULL REFERENCES future_type (id)
);

-- One row per pair of future types and place where the first awaits the second.
CREATE TABLE await_edge (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    file TEXT,                -- of the `.await`; NULL: the parent has no await points
    line INTEGER,
    polls INTEGER NOT NULL,   -- of the child
    wait_ns INTEGER NOT NULL, -- the parent was suspended there with the child pending
    parent_type_id INTEGER NOT NULL REFERENCES future_type (id),
    child_type_id INTEGER NOT NULL REFERENCES future_type (id)
);

-- One row per await chain, from the task's root future to each future below it.
CREATE TABLE await_chain (
    chain TEXT NOT NULL,      -- names joined by ` > `
    depth INTEGER NOT NULL,   -- number of names
    polls INTEGER NOT NULL,   -- of the last future in it
    wait_ns INTEGER NOT NULL, -- tasks were suspended with just this chain pending
    busy_ns INTEGER NOT NULL, -- inside the polls of its last future
    self_ns INTEGER NOT NULL, -- the same less the polls inside them
    id INTEGER PRIMARY KEY REFERENCES chain (id)
);

-- One row per future that was still pending when the recording ended and that awaited no
-- other: what the tasks that had not ended waited for.
CREATE TABLE pending_chain (
    task_id INTEGER NOT NULL REFERENCES task (id),
    future_id INTEGER NOT NULL REFERENCES future (id),
    chain_id INTEGER NOT NULL REFERENCES await_chain (id),
    since_ns INTEGER NOT NULL, -- of its last poll
    waited_ns INTEGER NOT NULL -- from then to the end of the recording
);

-- One row per future that was dropped before it was done.
CREATE TABLE cancel (
    id INTEGER PRIMARY KEY,
    future_id INTEGER REFERENCES future (id), -- NULL: it was never polled, or none of its
                              -- polls was seen
    task_id INTEGER REFERENCES task (id), -- that it was part of; NULL: likewise
    future_type_id INTEGER NOT NULL REFERENCES future_type (id),
    polled INTEGER NOT NULL,  -- 0: it was dropped before its first poll
    event_id INTEGER REFERENCES event (id), -- trap that tells of it; NULL: what follows is
                              -- concluded from later traps
    time_ns INTEGER,          -- when; exact 0: by this time; NULL: nobody knows
    since_ns INTEGER NOT NULL, -- exact 0: not before this time, else the same
    exact INTEGER NOT NULL,   -- 1: at time_ns; 0: its drop glue was inlined, so that only
                              -- bounds are known
    state INTEGER,            -- of the coroutine as it was dropped; NULL: no coroutine
    await_point_id INTEGER REFERENCES await_point (id), -- where it was suspended
    outer_id INTEGER REFERENCES cancel (id), -- it lay in this future, and was dropped with it
    tid INTEGER,              -- of the thread; NULL: not known
    how TEXT                  -- who dropped it: poll (by_poll_id), abort (an executor, which
        CHECK (how IN ('poll', 'abort', 'executor', 'outside')), -- ran its cancelled task),
                              -- executor (otherwise, as when the runtime ends), outside (a
                              -- thread in no poll); NULL: not known
    by_poll_id INTEGER REFERENCES poll (id), -- the innermost poll it was dropped in; NULL:
                              -- in none, or not known
    by_future_id INTEGER REFERENCES future (id), -- of that poll; or which had it in its memory
    by_task_id INTEGER REFERENCES task (id), -- of that future
    ran_ns INTEGER            -- from its first poll to time_ns; NULL: not known
);
