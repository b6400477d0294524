/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows measured with separate processes: what an operation costs when others take part.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/os.h"
#include "bench.h"

enum { READERS = 8, IDLE = 64 };

/* Beside the segment: how far everybody is. Each count in a line of its own. */
struct progress {
    _Alignas(64) struct sv_atomic64 read;
    _Alignas(64) struct sv_atomic64 resets;
    _Alignas(64) struct sv_atomic64 sum;
};

struct shared {
    _Alignas(64) struct sv_atomic32 there;
    _Alignas(64) struct sv_atomic32 stop;
    _Alignas(64) struct sv_atomic64 sent;
    struct progress readers[READERS];
    _Alignas(64) struct sv_atomic32 next;
    uint64_t samples[4096]; /* ns, or ticks */
    struct sv_atomic32 sample_count;
};

static const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = 1};

static uint64_t total(const struct sv_segment *segment, enum sv_stat stat)
{
    uint64_t counters[SV_STAT_COUNT];
    sv_stat_total(segment, counters);
    return counters[stat];
}

static void wait_there(struct shared *shared, uint32_t count)
{
    while (sv_load_acquire32(&shared->there) < count) {
        const struct timespec tick = {.tv_nsec = 100000};
        (void)nanosleep(&tick, NULL);
    }
}

static void insert_for(struct sv_backend *self, const struct sv_message *messages, uint32_t batch,
                       uint64_t count)
{
    for (uint64_t i = 0; i < count; i += batch) {
        sv_queue_insert(self, messages, batch);
    }
}

/* ---- two writers ------------------------------------------------------------------------- */

static void write_until_stopped(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self = bench_attach(segment, NULL);
    (void)sv_fetch_add_seq32(&shared->there, 1);
    while (sv_load_relaxed32(&shared->stop) == 0) {
        insert_for(self, &message, 1, 100);
    }
    sv_backend_detach(self);
}

static double two_writers(uint32_t argument)
{
    (void)argument;
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct shared *shared = bench_share(sizeof(*shared));
    const pid_t children[] = {bench_fork(write_until_stopped, segment, shared),
                              bench_fork(write_until_stopped, segment, shared)};
    wait_there(shared, 2);
    const uint64_t before = total(segment, SV_STAT_inserted);
    const double start = bench_now_s();
    const struct timespec span = {.tv_nsec = 300000000};
    (void)nanosleep(&span, NULL);
    const double seconds = bench_now_s() - start;
    const uint64_t count = total(segment, SV_STAT_inserted) - before;
    sv_store_release32(&shared->stop, 1);
    bench_kill(children[0]);
    bench_kill(children[1]);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    return seconds * 1e9 / (double)count;
}

/* ---- one writer, eight readers ----------------------------------------------------------- */

static void read_until_killed(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self = bench_attach(segment, NULL);
    struct progress *mine = &shared->readers[sv_fetch_add_seq32(&shared->there, 1)];
    static struct sv_message out[512];
    for (;;) {
        uint32_t count = 0;
        if (sv_queue_read(self, out, 512, &count) == SV_RESET) {
            sv_count64(&mine->resets, 1);
        } else if (count == 0) {
            (void)sched_yield();
        }
        sv_count64(&mine->read, count);
    }
}

static uint64_t least_read(const struct shared *shared)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < READERS; i++) {
        const uint64_t read = sv_load_acquire64(&shared->readers[i].read);
        least = read < least ? read : least;
    }
    return least;
}

static uint64_t all_read(const struct shared *shared, bool resets)
{
    uint64_t sum = 0;
    for (int i = 0; i < READERS; i++) {
        sum += sv_load_acquire64(resets ? &shared->readers[i].resets : &shared->readers[i].read);
    }
    return sum;
}

struct delivery {
    double delivered_per_s;
    double resets_per_s;
    double resets_per_million; /* messages inserted, however fast that was */
};

/* Insert for 0.4 s; who has nothing to do yields. With waits the writer stays within the ring. */
static struct delivery deliver(uint32_t batch, bool waits)
{
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *self =
        bench_attach(segment, &(struct sv_backend_options){.send_only = true});
    struct shared *shared = bench_share(sizeof(*shared));
    pid_t children[READERS];
    for (int i = 0; i < READERS; i++) {
        children[i] = bench_fork(read_until_killed, segment, shared);
    }
    wait_there(shared, READERS);
    struct sv_message messages[64];
    for (uint32_t i = 0; i < batch; i++) {
        messages[i] = message;
    }
    const double start = bench_now_s();
    uint64_t sent = 0;
    while (bench_now_s() - start < 0.4) {
        for (int i = 0; i < 64; i++) {
            while (waits && sent + batch - least_read(shared) > 4096) {
                (void)sched_yield();
            }
            sv_queue_insert(self, messages, batch);
            sent += batch;
        }
    }
    const double seconds = bench_now_s() - start;
    const struct delivery delivery = {(double)all_read(shared, false) / seconds,
                                      (double)all_read(shared, true) / seconds,
                                      (double)all_read(shared, true) * 1e6 / (double)sent};
    for (int i = 0; i < READERS; i++) {
        bench_kill(children[i]);
    }
    sv_backend_detach(self);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    return delivery;
}

static double delivered_waiting(uint32_t argument)
{
    return deliver(argument, true).delivered_per_s / 1e6;
}

static double delivered_never_waiting(uint32_t argument)
{
    return deliver(argument, false).delivered_per_s / 1e6;
}

static double resets_never_waiting(uint32_t argument)
{
    return deliver(argument, false).resets_per_s;
}

static double resets_per_million(uint32_t argument)
{
    return deliver(argument, false).resets_per_million;
}

/* ---- idle backends ----------------------------------------------------------------------- */

static void idle_until_killed(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self =
        bench_attach(segment, &(struct sv_backend_options){.signal_number = SIGUSR1});
    (void)sv_fetch_add_seq32(&shared->there, 1);
    for (;;) {
        sv_latch_reset(self);
        struct sv_latch_wait wait = {.timeout_ms = -1};
        if (sv_latch_wait(self, &wait) != 0) {
            abort();
        }
    }
}

/* argument: messages a second. */
static double idle_resets(uint32_t argument)
{
    struct sv_segment *segment = bench_segment((struct sv_config){.backends_max = IDLE + 1});
    struct sv_backend *self =
        bench_attach(segment, &(struct sv_backend_options){.send_only = true});
    struct shared *shared = bench_share(sizeof(*shared));
    pid_t children[IDLE];
    for (int i = 0; i < IDLE; i++) {
        children[i] = bench_fork(idle_until_killed, segment, shared);
    }
    wait_there(shared, IDLE);
    const double start = bench_now_s();
    double now = start;
    uint64_t sent = 0;
    while (now - start < 0.5) {
        const uint64_t due = (uint64_t)((now - start) * argument);
        for (; sent < due; sent++) {
            sv_queue_insert(self, &message, 1);
        }
        now = bench_now_s();
    }
    const double resets = (double)total(segment, SV_STAT_resets_overflow) / (now - start);
    for (int i = 0; i < IDLE; i++) {
        bench_kill(children[i]);
    }
    sv_backend_detach(self);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    return resets;
}

/* ---- latencies --------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median(struct shared *shared, uint32_t count)
{
    const uint32_t middle = count / 2;
    qsort(shared->samples, count, sizeof(shared->samples[0]), compare);
    return (double)shared->samples[middle];
}

/* Each message carries the time at which it was about to be inserted. */
static void spin_and_sample(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_backend *self = bench_attach(segment, NULL);
    (void)sv_fetch_add_seq32(&shared->there, 1);
    for (;;) {
        while (sv_queue_empty(self)) {
        }
        const uint64_t now = bench_ticks();
        struct sv_message out;
        uint32_t count = 0;
        if (sv_queue_read(self, &out, 1, &count) == 0 && count == 1) {
            const uint32_t n = sv_load_relaxed32(&shared->sample_count);
            shared->samples[n % 4096] = now - out.payload;
            sv_store_release32(&shared->sample_count, n + 1);
        }
    }
}

static double insert_to_visible(uint32_t argument)
{
    (void)argument;
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *self =
        bench_attach(segment, &(struct sv_backend_options){.send_only = true});
    struct shared *shared = bench_share(sizeof(*shared));
    const pid_t child = bench_fork(spin_and_sample, segment, shared);
    wait_there(shared, 1);
    for (uint32_t i = 0; i < 4000; i++) {
        const struct sv_message timed = {.kind = SV_MESSAGE_APPLICATION, .payload = bench_ticks()};
        sv_queue_insert(self, &timed, 1);
        while (sv_load_acquire32(&shared->sample_count) <= i) {
        }
    }
    const double figure = median(shared, 4000) * bench_ns_per_tick();
    bench_kill(child);
    sv_backend_detach(self);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    return figure;
}

/* An idle backend in a latch wait; 2,200 messages, then the cleanup that signals it. */
static double catchup(uint32_t argument)
{
    enum { ROUNDS = 200 };

    (void)argument;
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *self =
        bench_attach(segment, &(struct sv_backend_options){.send_only = true});
    struct shared *shared = bench_share(sizeof(*shared));
    const pid_t child = bench_fork(idle_until_killed, segment, shared);
    wait_there(shared, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct sv_slot_state state;
        do {
            sv_slot_look(segment, 1, &state);
        } while (!state.sleeping);
        insert_for(self, &message, 1, 2048);
        const uint64_t start = sv_os_now_ns();
        insert_for(self, &message, 1, 2);
        sv_queue_cleanup(self, 0);
        do {
            sv_slot_look(segment, 1, &state);
        } while (state.behind > 0);
        shared->samples[round] = sv_os_now_ns() - start;
    }
    const double figure = median(shared, ROUNDS) / 1e3;
    bench_kill(child);
    sv_backend_detach(self);
    (void)sv_backend_settle_dead(segment);
    sv_segment_detach(segment);
    return figure;
}

const struct bench_row bench_process_rows[] = {
    {"two-writers", "insert, 2 writers at once, batch 1", "ns/message", false, 122, two_writers, 0},
    {"deliver-waiting", "1 writer, 8 readers, batch 8, waits when full: delivered", "M/s", true, 89,
     delivered_waiting, 8},
    {"deliver-never", "1 writer, 8 readers, batch 1, never waits: delivered", "M/s", true, 41,
     delivered_never_waiting, 1},
    {"deliver-resets", "1 writer, 8 readers, batch 1, never waits: resets", "1/s", false, 2754,
     resets_never_waiting, 1},
    {"resets-per-million", "the same, for each million messages inserted", "1/M", false, 140,
     resets_per_million, 1},
    {"idle-resets", "64 idle backends, 1 M messages/s: resets of healthy ones", "1/s", false, 64,
     idle_resets, 1000000},
    {"visible", "insert to visible in a spinning reader", "ns", false, 183, insert_to_visible, 0},
    {"catchup", "catchup signal to caught up, idle backend", "us", false, 154, catchup, 0},
    {0},
};
