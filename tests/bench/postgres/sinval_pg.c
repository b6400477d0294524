/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the rows share, and how SQL calls them.
 *
 *     sinval_pg_prepare()      forget what the last run left in shared memory
 *     sinval_pg_run(text)      one run of a row; gives its figure
 *     sinval_pg_role(text)     what a helping session does until the row is over
 *     sinval_pg_slots()        up to which slot an insert goes: each session has one, the lowest
 *     free
 */
#include "sinval_pg.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include <time.h>

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

struct pg_queue *pg_queue;
struct shared *pg_shared;

const SharedInvalidationMessage pg_message = {
    .sn = {.id = SHAREDINVALSNAPSHOT_ID, .dbId = 4000000000, .relId = 1}};

/* ---- finding the structures -------------------------------------------------------------- */

static shmem_request_hook_type request_before;
static shmem_startup_hook_type startup_before;

static void request(void)
{
    if (request_before != NULL) {
        request_before();
    }
    RequestAddinShmemSpace(sizeof(struct shared));
}

static void start_up(void)
{
    bool found = false;
    if (startup_before != NULL) {
        startup_before();
    }
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    pg_shared = ShmemInitStruct("sinval_pg", sizeof(struct shared), &found);
    if (!found) {
        memset(pg_shared, 0, sizeof(*pg_shared));
    }
    pg_queue = ShmemInitStruct("shmInvalBuffer", SInvalShmemSize(), &found);
    LWLockRelease(AddinShmemInitLock);
    const Size expected =
        offsetof(struct pg_queue, slots) + (Size)MaxBackends * sizeof(struct pg_slot);
    if (!found || SInvalShmemSize() != expected || pg_queue->max_backends != MaxBackends) {
        elog(FATAL, "this is not the queue of PostgreSQL 15: %zu bytes, expected %zu",
             SInvalShmemSize(), expected);
    }
}

void _PG_init(void)
{
    if (!process_shared_preload_libraries_in_progress) {
        elog(ERROR, "sinval_pg belongs into shared_preload_libraries");
    }
    request_before = shmem_request_hook;
    shmem_request_hook = request;
    startup_before = shmem_startup_hook;
    shmem_startup_hook = start_up;
}

struct pg_slot *pg_my_slot(void)
{
    struct pg_slot *slot = &pg_queue->slots[MyBackendId - 1];
    if (slot->pid != MyProcPid || slot->proc != MyProc || slot->send_only) {
        elog(FATAL, "slot %d is not this backend's", MyBackendId);
    }
    return slot;
}

void pg_send_only(bool send_only)
{
    struct pg_slot *slot = &pg_queue->slots[MyBackendId - 1];
    LWLockAcquire(SInvalWriteLock, LW_EXCLUSIVE);
    LWLockAcquire(SInvalReadLock, LW_EXCLUSIVE);
    slot->send_only = send_only;
    slot->reset = !send_only;
    slot->has_messages = true;
    slot->signaled = false;
    LWLockRelease(SInvalReadLock);
    LWLockRelease(SInvalWriteLock);
}

/* ---- tools ------------------------------------------------------------------------------- */

void pg_insert_for(int batch, uint64 count)
{
    SharedInvalidationMessage messages[64];
    for (int i = 0; i < batch; i++) {
        messages[i] = pg_message;
    }
    for (uint64 i = 0; i < count; i += batch) {
        SIInsertDataEntries(messages, batch);
    }
}

double pg_now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

uint64 pg_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return (uint64)(pg_now_s() * 1e9);
#endif
}

double pg_ns_per_tick(void)
{
    const double start_s = pg_now_s();
    const uint64 start = pg_ticks();
    while (pg_now_s() - start_s < 0.02) {
    }
    return (pg_now_s() - start_s) * 1e9 / (double)(pg_ticks() - start);
}

static int compare(const void *a, const void *b)
{
    const uint64 x = *(const uint64 *)a;
    const uint64 y = *(const uint64 *)b;
    return (x > y) - (x < y);
}

double pg_median(uint32 count)
{
    qsort(pg_shared->samples, count, sizeof(pg_shared->samples[0]), compare);
    return (double)pg_shared->samples[count / 2];
}

/* ---- for SQL ----------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(sinval_pg_prepare);
PG_FUNCTION_INFO_V1(sinval_pg_run);
PG_FUNCTION_INFO_V1(sinval_pg_role);
PG_FUNCTION_INFO_V1(sinval_pg_slots);

Datum sinval_pg_prepare(PG_FUNCTION_ARGS)
{
    pg_atomic_init_u32(&pg_shared->there, 0);
    pg_atomic_init_u32(&pg_shared->stop, 0);
    pg_atomic_init_u32(&pg_shared->sample_count, 0);
    for (int i = 0; i < HELPERS_MAX; i++) {
        pg_atomic_init_u64(&pg_shared->progress[i].done, 0);
        pg_atomic_init_u64(&pg_shared->progress[i].resets, 0);
    }
    pg_memory_barrier();
    PG_RETURN_VOID();
}

Datum sinval_pg_run(PG_FUNCTION_ARGS)
{
    static const struct row *const tables[] = {pg_queue_rows, pg_process_rows};
    const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    (void)pg_my_slot();
    for (int t = 0; t < 2; t++) {
        for (const struct row *row = tables[t]; row->name != NULL; row++) {
            if (strcmp(row->name, name) == 0) {
                PG_RETURN_FLOAT8(row->run(row->argument));
            }
        }
    }
    elog(ERROR, "there is no row %s", name);
}

Datum sinval_pg_role(PG_FUNCTION_ARGS)
{
    const char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    for (const struct role *role = pg_roles; role->name != NULL; role++) {
        if (strcmp(role->name, name) == 0) {
            role->run();
            PG_RETURN_VOID();
        }
    }
    elog(ERROR, "there is no role %s", name);
}

Datum sinval_pg_slots(PG_FUNCTION_ARGS)
{
    LWLockAcquire(SInvalWriteLock, LW_SHARED);
    const int slots = pg_queue->last_backend;
    LWLockRelease(SInvalWriteLock);
    PG_RETURN_INT32(slots);
}
