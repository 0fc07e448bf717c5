-- What asyncrec writes while it records: the raw half of a recording.
-- Everything else in a recording is derived from these tables (derived.sql).
-- Times are CLOCK_MONOTONIC nanoseconds. Addresses and registers are the
-- 64 bits the processor held, stored as SQLite integers (so above 2^63 they
-- show negative).

CREATE TABLE meta (
    key TEXT PRIMARY KEY,   -- schema_version, asyncrec_version, program, arguments,
                            -- build_id, start_ns, end_ns, exit_status, level, exits
    value ANY
) WITHOUT ROWID;

-- One row per type of future that the traced program can poll.
CREATE TABLE future_type (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,     -- as its author would write it: app::db::lookup
    kind TEXT NOT NULL      -- async_fn, async_block, async_closure or future
        CHECK (kind IN ('async_fn', 'async_block', 'async_closure', 'future')),
    file TEXT,              -- where it is declared; NULL: not in the debug information
    line INTEGER,
    size_bytes INTEGER,     -- NULL: unknown
    inlined INTEGER NOT NULL, -- live inlined copies of its poll, which no probe sees
    complete INTEGER NOT NULL -- 1: every physical copy of its poll is probed and none is inlined
);

-- One row per suspend point of a coroutine.
CREATE TABLE await_point (
    id INTEGER PRIMARY KEY,
    future_type_id INTEGER NOT NULL REFERENCES future_type (id),
    state INTEGER NOT NULL, -- value of the state field while suspended there (3 and up)
    file TEXT,              -- of the `.await`
    line INTEGER,
    awaitee TEXT            -- name of the awaited type; NULL: unknown
);

-- One row per armed probe point.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY,
    future_type_id INTEGER NOT NULL REFERENCES future_type (id),
    kind TEXT NOT NULL CHECK (kind IN ('entry', 'exit')),
    file_offset INTEGER NOT NULL, -- bytes into the probed file
    address INTEGER NOT NULL,     -- virtual address as linked
    symbol TEXT,                  -- linkage name; NULL: none
    state_known INTEGER NOT NULL, -- entry: event.state holds the coroutine's state
    self_known INTEGER NOT NULL,  -- entry: event.self holds the future's address
    exits INTEGER NOT NULL,       -- entry: 1 if every exit of the function is probed
    -- exit: event.result is the discriminant of the returned Poll<T>.
    -- It means Pending if equal to result_value (result_is = 'pending'),
    -- or Ready if equal to result_value (result_is = 'ready').
    -- result_is NULL: the result of this function is not known.
    result_is TEXT CHECK (result_is IN ('pending', 'ready')),
    result_value INTEGER
);

-- One row per trap.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    probe_id INTEGER NOT NULL REFERENCES probe (id),
    sp INTEGER NOT NULL,    -- stack pointer, as it was (entry) or will be (exit) with the
                            -- return address on top: equal for both ends of one call
    self INTEGER,           -- entry: address of the polled future
    state INTEGER,          -- entry: the coroutine's state before this poll
    return_address INTEGER, -- entry: where the call came from
    waker_data INTEGER,     -- entry: the two words of the RawWaker in the Context
    waker_vtable INTEGER,
    result INTEGER          -- exit: raw discriminant of the returned Poll
);

-- Threads seen while recording.
CREATE TABLE thread (
    id INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    name TEXT,
    start_ns INTEGER,       -- NULL: ran before the recording began
    end_ns INTEGER          -- NULL: still ran when the recording ended
);

-- Samples the kernel dropped because a ring buffer was full.
CREATE TABLE lost (
    time_ns INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    count INTEGER NOT NULL
);
