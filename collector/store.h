/* The recording on disk: a batched SQLite writer for schema/recording.sql. */
#ifndef STORE_H
#define STORE_H

#include <stdint.h>

struct sqlite3;
struct poll_sites;
struct probe_plan;
struct store;

/* One decoded trap; the columns of table event. */
struct trap {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t cpu;
	uint32_t pid;
	uint32_t tid;
	int64_t probe_id; /* row of table probe */
	bool is_exit;
	uint64_t sp;
	uint64_t self;           /* entry only, as all below but result */
	uint64_t state;
	uint64_t return_address;
	uint64_t waker_data;
	uint64_t waker_vtable;
	uint64_t result; /* exit only */
};

#endif
