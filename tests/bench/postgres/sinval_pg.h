/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's rows as PostgreSQL does them: loops around its own functions, run in its own
 * backends, the same loops as in ../queue_rows.c, ../process_rows.c and ../cache_rows.c.
 *
 * Three things they need that no function of PostgreSQL gives:
 *   - the queue's shared structure, private to sinvaladt.c. It is found by its name; the copy of
 *     its declaration here is checked against its size and against what this backend must find in
 *     it.
 *   - a writer that does not read. A session always reads, so its slot is made send-only while a
 *     row runs, as SharedInvalBackendInit(true) would have made it.
 *   - several backends in one process (read-1, read-16): MyBackendId names the slot that
 *     SIGetDataEntries reads for; the slots' own sessions sleep meanwhile.
 *
 * The messages are snapshot invalidations of a database that does not exist: who receives one looks
 * at the number and is done.
 */
#ifndef SINVAL_TESTS_BENCH_POSTGRES_H
#define SINVAL_TESTS_BENCH_POSTGRES_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/proc.h"
#include "storage/sinvaladt.h"
#include "storage/spin.h"

/* sinvaladt.c of PostgreSQL 15. */

enum { PG_CAPACITY = 4096, PG_WRAPAROUND = PG_CAPACITY * 262144 };

struct pg_slot {
    pid_t pid; /* 0: free */
    PGPROC *proc;
    int next_number;
    bool reset;
    bool signaled;
    bool has_messages;
    bool send_only;
    LocalTransactionId next_lxid;
};

struct pg_queue {
    int min_number;
    int max_number;
    int next_threshold;
    int last_backend;
    int max_backends;
    slock_t max_number_lock;
    SharedInvalidationMessage buffer[PG_CAPACITY];
    struct pg_slot slots[FLEXIBLE_ARRAY_MEMBER];
};

/* Beside it: how far everybody is. Each count in lines of its own. */

enum { HELPERS_MAX = 64, SAMPLES_MAX = 4096 };

struct progress {
    pg_attribute_aligned(PG_CACHE_LINE_SIZE) pg_atomic_uint64 done;
    pg_attribute_aligned(PG_CACHE_LINE_SIZE) pg_atomic_uint64 resets;
};

struct shared {
    pg_attribute_aligned(PG_CACHE_LINE_SIZE) pg_atomic_uint32 there;
    pg_attribute_aligned(PG_CACHE_LINE_SIZE) pg_atomic_uint32 stop;
    struct progress progress[HELPERS_MAX];
    pg_attribute_aligned(PG_CACHE_LINE_SIZE) pg_atomic_uint32 sample_count;
    uint64 samples[SAMPLES_MAX]; /* ns, or ticks */
};

struct row {
    const char *name;
    double (*run)(int argument);
    int argument;
};

extern const struct row pg_queue_rows[];
extern const struct row pg_process_rows[]; /* each ends with a row without a name */

/* What other sessions do while a row runs, until shared->stop. */
struct role {
    const char *name;
    void (*run)(void);
};

extern const struct role pg_roles[];

extern struct pg_queue *pg_queue;
extern struct shared *pg_shared;
extern const SharedInvalidationMessage pg_message;

/* While it is, this session holds nothing back; afterwards it is reset, as it has read nothing. */
void pg_send_only(bool send_only);

struct pg_slot *pg_my_slot(void);
void pg_insert_for(int batch, uint64 count); /* batch <= 64 */
double pg_now_s(void);
uint64 pg_ticks(void);
double pg_ns_per_tick(void);
double pg_median(uint32 count); /* of pg_shared->samples, which it sorts */

#endif
