/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's half of ../process_rows.c: what an operation costs when other sessions take part.
 */
#include "sinval_pg.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include <sched.h>
#include <time.h>

enum { READERS = 8, IDLE = 64 };

static void sleep_ns(long ns)
{
    const struct timespec span = {.tv_nsec = ns};
    (void)nanosleep(&span, NULL);
}

static void wait_there(uint32 count)
{
    while (pg_atomic_read_u32(&pg_shared->there) < count) {
        CHECK_FOR_INTERRUPTS();
        sleep_ns(100000);
    }
}

static bool stopped(void)
{
    return pg_atomic_read_u32(&pg_shared->stop) != 0;
}

static void stop(void)
{
    pg_write_barrier();
    pg_atomic_write_u32(&pg_shared->stop, 1);
}

/* The only one who writes to a count adds to it. */
static void count(pg_atomic_uint64 *word, uint64 by)
{
    pg_atomic_write_u64(word, pg_atomic_read_u64(word) + by);
}

static struct progress *enter(void)
{
    return &pg_shared->progress[pg_atomic_fetch_add_u32(&pg_shared->there, 1)];
}

static uint64 all(uint32 helpers, bool resets)
{
    uint64 sum = 0;
    for (uint32 i = 0; i < helpers; i++) {
        struct progress *progress = &pg_shared->progress[i];
        sum += pg_atomic_read_u64(resets ? &progress->resets : &progress->done);
    }
    return sum;
}

/* ---- two writers ------------------------------------------------------------------------- */

static void write_until_stopped(void)
{
    struct progress *mine = enter();
    while (!stopped()) {
        for (int i = 0; i < 100; i++) {
            SIInsertDataEntries(&pg_message, 1);
            count(&mine->done, 1);
        }
    }
}

static double two_writers(int argument)
{
    wait_there(2);
    const uint64 before = all(2, false);
    const double start = pg_now_s();
    sleep_ns(300000000);
    const double seconds = pg_now_s() - start;
    const uint64 inserted = all(2, false) - before;
    stop();
    return seconds * 1e9 / (double)inserted;
}

/* ---- one writer, eight readers ----------------------------------------------------------- */

static void read_until_stopped(void)
{
    static SharedInvalidationMessage out[512];
    AcceptInvalidationMessages();
    struct progress *mine = enter();
    while (!stopped()) {
        const int result = SIGetDataEntries(out, 512);
        if (result < 0) {
            count(&mine->resets, 1);
        } else if (result == 0) {
            (void)sched_yield();
        } else {
            count(&mine->done, (uint64)result);
        }
    }
}

static uint64 least_read(void)
{
    uint64 least = UINT64_MAX;
    for (int i = 0; i < READERS; i++) {
        least = Min(least, pg_atomic_read_u64(&pg_shared->progress[i].done));
    }
    return least;
}

struct delivery {
    double delivered_per_s;
    double resets_per_s;
    double resets_per_million; /* messages inserted, however fast that was */
};

static struct delivery deliver(int batch, bool waits)
{
    SharedInvalidationMessage messages[64];
    for (int i = 0; i < batch; i++) {
        messages[i] = pg_message;
    }
    wait_there(READERS);
    pg_send_only(true);
    const double start = pg_now_s();
    uint64 sent = 0;
    while (pg_now_s() - start < 0.4) {
        for (int i = 0; i < 64; i++) {
            while (waits && sent + (uint64)batch > PG_CAPACITY + least_read()) {
                (void)sched_yield();
            }
            SIInsertDataEntries(messages, batch);
            sent += (uint64)batch;
        }
    }
    const double seconds = pg_now_s() - start;
    const struct delivery delivery = {(double)all(READERS, false) / seconds,
                                      (double)all(READERS, true) / seconds,
                                      (double)all(READERS, true) * 1e6 / (double)sent};
    stop();
    pg_send_only(false);
    return delivery;
}

static double delivered_waiting(int argument)
{
    return deliver(argument, true).delivered_per_s / 1e6;
}

static double delivered_never_waiting(int argument)
{
    return deliver(argument, false).delivered_per_s / 1e6;
}

static double resets_never_waiting(int argument)
{
    return deliver(argument, false).resets_per_s;
}

static double resets_per_million(int argument)
{
    return deliver(argument, false).resets_per_million;
}

/* ---- idle backends ----------------------------------------------------------------------- */

static struct progress *counted_in;

/* A reset calls every callback with 0. */
static void count_reset(Datum argument, int cache, uint32 hash)
{
    if (hash == 0) {
        count(&counted_in->resets, 1);
    }
}

/* The role itself ends at once: what is measured is the idle session. */
static void idle(void)
{
    if (counted_in == NULL) {
        CacheRegisterSyscacheCallback(RELOID, count_reset, (Datum)0);
    }
    counted_in = enter();
}

/* Marked, but not yet known to the session itself. */
static uint64 marked(void)
{
    uint64 sum = 0;
    for (int i = 0; i < pg_queue->last_backend; i++) {
        sum += pg_queue->slots[i].pid != 0 && pg_queue->slots[i].reset;
    }
    return sum;
}

/* argument: messages a second. */
static double idle_resets(int argument)
{
    wait_there(IDLE);
    pg_send_only(true);
    const uint64 before = all(IDLE, true) + marked();
    const double start = pg_now_s();
    double now = start;
    uint64 sent = 0;
    while (now - start < 0.5) {
        const uint64 due = (uint64)((now - start) * argument);
        for (; sent < due; sent++) {
            SIInsertDataEntries(&pg_message, 1);
        }
        now = pg_now_s();
    }
    const double resets = (double)(all(IDLE, true) + marked() - before) / (now - start);
    pg_send_only(false);
    return resets;
}

/* ---- latencies --------------------------------------------------------------------------- */

/* In a snapshot message only id, dbId and relId mean something; the time goes where relId is. */
static SharedInvalidationMessage timed(uint64 ticks)
{
    SharedInvalidationMessage message = pg_message;
    memcpy((char *)&message + 8, &ticks, sizeof(ticks));
    return message;
}

static uint64 time_of(const SharedInvalidationMessage *message)
{
    uint64 ticks = 0;
    memcpy(&ticks, (const char *)message + 8, sizeof(ticks));
    return ticks;
}

static void note_sample(uint64 ticks)
{
    const uint32 n = pg_atomic_read_u32(&pg_shared->sample_count);
    pg_shared->samples[n % SAMPLES_MAX] = ticks;
    pg_write_barrier();
    pg_atomic_write_u32(&pg_shared->sample_count, n + 1);
}

/* The moment when the flag says that there is something, which is what `visible` means there. */
static void spin_and_sample(void)
{
    volatile bool *has_messages = &pg_my_slot()->has_messages;
    AcceptInvalidationMessages();
    (void)enter();
    while (!stopped()) {
        while (!*has_messages && !stopped()) {
        }
        const uint64 now = pg_ticks();
        SharedInvalidationMessage out;
        if (SIGetDataEntries(&out, 1) == 1) {
            note_sample(now - time_of(&out));
        }
    }
}

static double insert_to_visible(int argument)
{
    enum { SAMPLES = 4000 };

    wait_there(1);
    pg_send_only(true);
    for (uint32 i = 0; i < SAMPLES; i++) {
        const SharedInvalidationMessage message = timed(pg_ticks());
        SIInsertDataEntries(&message, 1);
        while (pg_atomic_read_u32(&pg_shared->sample_count) <= i) {
        }
    }
    stop();
    pg_send_only(false);
    return pg_median(SAMPLES) * pg_ns_per_tick();
}

static struct pg_slot *only_other(void)
{
    for (int i = 0; i < pg_queue->last_backend; i++) {
        if (pg_queue->slots[i].pid != 0 && i + 1 != MyBackendId) {
            return &pg_queue->slots[i];
        }
    }
    elog(ERROR, "nobody else is there");
}

/* An idle session in its latch wait; 2,200 messages, then the cleanup that signals it. */
static double catchup(int argument)
{
    enum { ROUNDS = 200 };

    wait_there(1);
    struct pg_slot *volatile slot = only_other();
    pg_send_only(true);
    for (int round = 0; round < ROUNDS; round++) {
        const volatile Latch *latch = &slot->proc->procLatch;
        while (!latch->maybe_sleeping) {
        }
        pg_insert_for(1, 2048);
        const double start = pg_now_s();
        pg_insert_for(1, 2);
        SICleanupQueue(false, 0);
        const volatile int *next = &slot->next_number;
        while (*next != pg_queue->max_number) {
        }
        pg_shared->samples[round] = (uint64)((pg_now_s() - start) * 1e9);
    }
    pg_send_only(false);
    return pg_median(ROUNDS) / 1e3;
}

const struct role pg_roles[] = {
    {"write", write_until_stopped},
    {"read", read_until_stopped},
    {"idle", idle},
    {"spin", spin_and_sample},
    {0},
};

const struct row pg_process_rows[] = {
    {"two-writers", two_writers, 0},
    {"deliver-waiting", delivered_waiting, 8},
    {"deliver-never", delivered_never_waiting, 1},
    {"deliver-resets", resets_never_waiting, 1},
    {"resets-per-million", resets_per_million, 1},
    {"idle-resets", idle_resets, 1000000},
    {"visible", insert_to_visible, 0},
    {"catchup", catchup, 0},
    {0},
};
