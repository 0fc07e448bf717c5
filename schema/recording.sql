-- What asyncrec writes while it records: the raw half of a recording.
-- Everything else in a recording is derived from these tables (derived.sql).
-- Times are CLOCK_MONOTONIC nanoseconds. Addresses and registers are the
-- 64 bits the processor held, stored as SQLite integers (so above 2^63 they
-- show negative).

-- name: recording_schema
CREATE TABLE meta (
    key TEXT PRIMARY KEY,   -- asyncrec_version, schema_version, program, arguments, level,
                            -- exits, start_ns; end_ns and exit_status only if the recorder
                            -- saw the end
    value ANY
) WITHOUT ROWID;

-- One row per probed file.
CREATE TABLE image (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    build_id TEXT           -- hexadecimal; NULL: the file has none
);

-- One row per type of future that the traced program can poll.
CREATE TABLE future_type (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image (id),
    name TEXT NOT NULL,     -- as its author would write it: app::db::lookup
    kind TEXT NOT NULL      -- async_fn, async_block, async_closure or future
        CHECK (kind IN ('async_fn', 'async_block', 'async_closure', 'future')),
    file TEXT,              -- where it is declared; NULL: not in the debug information
    line INTEGER,
    size_bytes INTEGER,     -- NULL: unknown
    inlined INTEGER NOT NULL, -- live inlined copies of its poll, which no probe sees
    left_out INTEGER NOT NULL, -- futures that may lie in its memory and that traps do not
                            -- read, for want of room
    complete INTEGER NOT NULL, -- 1: every physical copy of its poll is probed and none is inlined
    drops_traced INTEGER NOT NULL, -- 1: every drop of such a future is a trap; 0: its drop
                            -- glue is inlined somewhere, not probed, does nothing, or may
                            -- be that of another type, too
    stores_proven INTEGER   -- level exact, 1: some of its polls are inlined, and the stores of
                            -- state_store are proven to be hit once by each of them all;
                            -- NULL: not looked for
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
CREATE INDEX await_point_state ON await_point (future_type_id, state);

-- One row per armed probe point.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image (id),
    future_type_id INTEGER REFERENCES future_type (id), -- NULL: it tells of no poll
    runs_task INTEGER NOT NULL, -- 1: the function in which an executor runs a task; what it
                            -- polls is awaited by nobody; drop: or ends one
    blocks_on INTEGER NOT NULL, -- 1: then, it returns when the one future that it polls is ready
    kind TEXT NOT NULL      -- entry, exit (a return), tail (a jump to another function,
                            -- which returns in this one's place), store (see state_store)
                            -- or user (see user_probe); or, at the entry of other functions:
                            -- wake, of a waker; drop, of a future; spawn, of a task;
                            -- waker, a clone or drop of a waker
        CHECK (kind IN ('entry', 'exit', 'tail', 'store', 'user', 'wake', 'drop', 'spawn', 'waker')),
    entry_id INTEGER NOT NULL REFERENCES probe (id), -- the entry of the same function;
                            -- others: itself
    file_offset INTEGER NOT NULL, -- bytes into the probed file
    address INTEGER NOT NULL,     -- virtual address as linked
    function_address INTEGER NOT NULL, -- of the function's first instruction, likewise
    function_size INTEGER,        -- bytes of it; NULL: unknown
    symbol TEXT,                  -- linkage name; NULL: none
    state_known INTEGER NOT NULL, -- entry, drop: event.state holds the coroutine's state
    self_known INTEGER NOT NULL,  -- entry, drop: event.self tells the future's address
    self_offset INTEGER NOT NULL, -- entry, drop: which is that many bytes above event.self
    task_idle INTEGER NOT NULL,   -- entry, runs_task: bits of event.task_state; with one set
                                  -- the executor did not poll the future; drop: likewise,
    task_drops INTEGER NOT NULL,  -- and a future is dropped if of them just these are set
    waker_known INTEGER NOT NULL, -- entry: event.waker_data and waker_vtable are read
    exits INTEGER NOT NULL,       -- entry: 1 if every exit of the function is probed
    -- exit: event.result is the discriminant of the returned Poll<T>.
    -- It means Pending if equal to result_value (result_is = 'pending'),
    -- or Ready if equal to result_value (result_is = 'ready').
    -- result_is NULL: the result of this function is not known.
    result_is TEXT CHECK (result_is IN ('pending', 'ready')),
    result_value INTEGER,
    -- NULL: any other value means the other; else just this one does, and a third one that
    -- the function, whose result nobody uses, returns none.
    result_other INTEGER,
    stack_above INTEGER NOT NULL, -- exit: bytes popped between it and the return; event.sp
                                  -- is that much lower than at the entry
    -- tail: virtual address as linked of the jump's target; NULL: event.result has
    -- it, as the program's own address. entry: not NULL if the function is just
    -- this jump.
    tail_address INTEGER
);

-- One row per probe point that the user gave with --probe. A function that the program
-- has several copies of has one for each.
CREATE TABLE user_probe (
    probe_id INTEGER PRIMARY KEY REFERENCES probe (id),
    text TEXT NOT NULL,     -- as given
    symbol TEXT NOT NULL,   -- name of the function, demangled
    offset INTEGER NOT NULL, -- of the instruction in the function, bytes
    file TEXT,              -- source of the instruction; NULL: not in the debug information
    line INTEGER
);

-- What a probe of kind store tells: one row per coroutine whose state the instruction may
-- store. Each poll of a coroutine ends with one such store of something other than 0.
CREATE TABLE state_store (
    probe_id INTEGER NOT NULL REFERENCES probe (id),
    inlined_poll_id INTEGER REFERENCES inlined_poll (id), -- whose poll it ends; NULL: that
                            -- of the function it is in
    future_type_id INTEGER NOT NULL REFERENCES future_type (id),
    value INTEGER,          -- the new state: 1 ready, 2 panicked, else pending;
                            -- NULL: event.result has it, and if that is 0 no poll ends
    shift INTEGER NOT NULL, -- then: it is the byte that many bits from the low end
    is_reuse INTEGER NOT NULL, -- 1: something else takes the bytes of the coroutine, which
                            -- thus was ready
    shared INTEGER NOT NULL -- 1: it may be the store of another coroutine; what follows from
                            -- it is certain only if it is never hit
);
CREATE INDEX state_store_probe_id ON state_store (probe_id);

-- What a probe of kind wake or waker tells.
CREATE TABLE waker_function (
    probe_id INTEGER PRIMARY KEY REFERENCES probe (id),
    operation TEXT NOT NULL -- of the waker whose data pointer event.self is: wake consumes
                            -- it, wake_by_ref does not, either may be both of them
        CHECK (operation IN ('clone', 'wake', 'wake_by_ref', 'either', 'drop')),
    end_address INTEGER NOT NULL, -- first one behind the function, as linked
    may_be_inlined INTEGER NOT NULL -- 1: it may also run where it was inlined, unseen
);

-- One row per RawWakerVTable in a probed file.
CREATE TABLE waker_vtable (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image (id),
    address INTEGER NOT NULL, -- virtual address as linked
    clone_address INTEGER NOT NULL, -- likewise, of the functions in it
    wake_address INTEGER NOT NULL,
    wake_by_ref_address INTEGER NOT NULL,
    drop_address INTEGER NOT NULL,
    wakes INTEGER NOT NULL, -- 2: every wake through it traps; 1: some may be inlined and do
                            -- not; 0: no probe is on its wake or its wake_by_ref
    wakers INTEGER NOT NULL -- the same of its clones and drops
);

-- One row per trap.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    cpu INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    probe_id INTEGER NOT NULL REFERENCES probe (id),
    address INTEGER NOT NULL, -- of the trap, in the process (probe.address plus where
                            -- the image lies)
    sp INTEGER NOT NULL,    -- stack pointer; plus probe.stack_above it is equal for both
                            -- ends of one call, with the return address on top
    self INTEGER,           -- entry: address of the polled future, or of the task it is in;
                            -- wake, waker, drop: first argument of the function; spawn:
                            -- address of the task, or of the future that is to be one
    state INTEGER,          -- entry: the coroutine's state before this poll; drop: then;
                            -- spawn: size of the future at self, 0: that is the task
    task_state INTEGER,     -- entry, runs_task: lowest byte of the executor's state of the task;
                            -- drop: byte that tells if there is a future to drop
    return_address INTEGER, -- entry, wake, waker, drop: where the call came from
    waker_data INTEGER,     -- entry: the two words of the RawWaker in the Context
    waker_vtable INTEGER,
    snapshot BLOB,          -- entry, drop: words of the future's memory, eight bytes each in the
                            -- processor's order, for snapshot_node; NULL: none
    result INTEGER          -- exit: discriminant of the returned Poll; tail: the target;
                            -- store: what the register holds; NULL: none is stored
);

-- Where the call stacks of events came from. Each different one is one row.
CREATE TABLE stack (
    id INTEGER PRIMARY KEY,
    function TEXT,          -- of the innermost call that the user's code made: the program's
                            -- own, else that of a crate which is no executor; NULL: not known
    file TEXT,              -- of that call
    line INTEGER,
    frames TEXT NOT NULL    -- all functions, innermost first, as `function (file:line)`, one
                            -- a line
);

-- The stacks of spawns. An event without a row has a stack that could not be told.
CREATE TABLE event_stack (
    event_id INTEGER PRIMARY KEY REFERENCES event (id),
    stack_id INTEGER NOT NULL REFERENCES stack (id)
);

-- How the memory of a polled future tells of the futures inside it: one row per future,
-- or enum that holds futures, that may lie there. event.snapshot has the words.
CREATE TABLE snapshot_node (
    id INTEGER PRIMARY KEY,
    polled_type_id INTEGER NOT NULL REFERENCES future_type (id), -- in whose memory it lies
    parent_id INTEGER REFERENCES snapshot_node (id), -- what it lies in; NULL: it is the
                            -- polled future itself
    future_type_id INTEGER REFERENCES future_type (id), -- NULL: an enum, a future that was
                            -- not chosen, or one behind `dyn`
    awaited INTEGER NOT NULL, -- 1: the coroutine it lies in awaits it, or what holds it
    base_word INTEGER,      -- word with the address that byte_offset counts from; NULL: the
                            -- polled future's
    byte_offset INTEGER NOT NULL, -- from there to it
    vtable_word INTEGER,    -- word with the address of its vtable; NULL: its type is known
    word INTEGER,           -- its discriminant, of a coroutine the state, is in this word;
                            -- NULL: it has none
    shift INTEGER NOT NULL, -- bits from the low end of the word
    width INTEGER NOT NULL, -- bits
    excluded INTEGER NOT NULL -- it lives while the parent's discriminant is 0: one of its
                            -- rows in snapshot_value, 1: none of them
);

-- Discriminants of the parent with which a snapshot_node lives, or does not; of a parent
-- behind `dyn` addresses of vtables, as linked.
CREATE TABLE snapshot_value (
    node_id INTEGER NOT NULL REFERENCES snapshot_node (id),
    value INTEGER NOT NULL
);

-- What the memory of polled futures held when the recording ended, if the process still
-- ran: one row per future that had trapped, be it still there or not.
CREATE TABLE final_snapshot (
    time_ns INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    probe_id INTEGER NOT NULL REFERENCES probe (id), -- the entry at which it trapped
    address INTEGER NOT NULL, -- as event.address
    self INTEGER NOT NULL,  -- as event.self
    snapshot BLOB NOT NULL  -- as event.snapshot
);

-- Where the vtables of `dyn Future` are.
CREATE TABLE future_vtable (
    image_id INTEGER NOT NULL REFERENCES image (id),
    address INTEGER NOT NULL, -- virtual address as linked
    future_type_id INTEGER NOT NULL REFERENCES future_type (id)
);

-- One row per copy of a poll function that was inlined into another function.
CREATE TABLE inlined_poll (
    id INTEGER PRIMARY KEY,
    image_id INTEGER NOT NULL REFERENCES image (id),
    parent_id INTEGER REFERENCES inlined_poll (id), -- the copy around it; NULL: none
    future_type_id INTEGER REFERENCES future_type (id), -- NULL: its name does not match
    function_address INTEGER NOT NULL, -- of the function in whose code it lies, as linked
    line INTEGER            -- of the call that was inlined; NULL: unknown
);

-- The code of each inlined poll, with what is inlined into it.
CREATE TABLE inlined_range (
    inlined_poll_id INTEGER NOT NULL REFERENCES inlined_poll (id),
    start_address INTEGER NOT NULL, -- virtual address as linked
    end_address INTEGER NOT NULL    -- first one behind it
);

-- What became of threads while recording.
CREATE TABLE thread_event (
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('start', 'name', 'end')),
    pid INTEGER NOT NULL,
    tid INTEGER NOT NULL,
    parent_tid INTEGER,     -- start: the thread that made it
    name TEXT               -- name: its name from then on
);

-- Samples the kernel dropped because a ring buffer was full.
CREATE TABLE lost (
    time_ns INTEGER NOT NULL,  -- by this time; the end of the recording for losses found then
    since_ns INTEGER NOT NULL, -- after this time
    cpu INTEGER NOT NULL,
    count INTEGER NOT NULL
);

-- name: recording_open
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536; -- KiB

-- name: recording_create
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA page_size = 8192;

-- name: recording_close
PRAGMA journal_mode = DELETE;

-- name: begin
BEGIN;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: insert_meta
INSERT INTO meta (key, value) VALUES (?, ?);

-- name: insert_image
INSERT INTO image (id, path, build_id) VALUES (?, ?, ?);

-- name: insert_future_type
INSERT INTO future_type (id, image_id, name, kind, file, line, size_bytes, inlined, complete,
    left_out, stores_proven, drops_traced)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_await_point
INSERT INTO await_point (future_type_id, state, file, line, awaitee) VALUES (?, ?, ?, ?, ?);

-- name: insert_probe
INSERT INTO probe (id, image_id, future_type_id, kind, entry_id, file_offset, address, symbol,
    state_known, self_known, waker_known, exits, result_is, result_value, tail_address,
    function_address, stack_above, runs_task, self_offset, task_idle, blocks_on,
    function_size, task_drops, result_other)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_snapshot_node
INSERT INTO snapshot_node (id, polled_type_id, parent_id, future_type_id, awaited, base_word,
    byte_offset, vtable_word, word, shift, width, excluded)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_snapshot_value
INSERT INTO snapshot_value (node_id, value) VALUES (?, ?);

-- name: insert_future_vtable
INSERT INTO future_vtable (image_id, address, future_type_id) VALUES (?, ?, ?);

-- name: insert_inlined_poll
INSERT INTO inlined_poll (id, image_id, parent_id, future_type_id, function_address, line)
VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_inlined_range
INSERT INTO inlined_range (inlined_poll_id, start_address, end_address) VALUES (?, ?, ?);

-- name: insert_user_probe
INSERT INTO user_probe (probe_id, text, symbol, offset, file, line) VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_state_store
INSERT INTO state_store (probe_id, inlined_poll_id, future_type_id, value, shift, is_reuse, shared)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_waker_function
INSERT INTO waker_function (probe_id, operation, end_address, may_be_inlined) VALUES (?, ?, ?, ?);

-- name: insert_waker_vtable
INSERT INTO waker_vtable (image_id, address, clone_address, wake_address, wake_by_ref_address,
    drop_address, wakes, wakers)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_event
INSERT INTO event (time_ns, cpu, pid, tid, probe_id, address, sp, self, state, return_address,
    waker_data, waker_vtable, result, task_state, snapshot)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_stack
INSERT INTO stack (id, function, file, line, frames) VALUES (?, ?, ?, ?, ?);

-- name: insert_event_stack
INSERT INTO event_stack (event_id, stack_id) VALUES (?, ?);

-- name: insert_final_snapshot
INSERT INTO final_snapshot (time_ns, pid, probe_id, address, self, snapshot)
VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_thread_event
INSERT INTO thread_event (time_ns, kind, pid, tid, parent_tid, name) VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_lost
INSERT INTO lost (time_ns, since_ns, cpu, count) VALUES (?, ?, ?, ?);

-- name: count_polls
SELECT count(*) FROM poll WHERE certain;

-- name: count_unknown_wakers
SELECT coalesce(sum(polls), 0) FROM unknown_waker;

-- name: mark_recording
PRAGMA application_id = 0x61726563; -- RECORDING_APPLICATION_ID: "arec"
PRAGMA user_version = 1;            -- RECORDING_SCHEMA_VERSION

-- name: read_application_id
PRAGMA application_id;

-- name: read_user_version
PRAGMA user_version;
