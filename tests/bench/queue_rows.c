/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rows measured in one process: what an operation costs when nobody else wants anything.
 */
#include "bench.h"

enum { MESSAGES = 2000000 };

static const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = 1};

static double per(double seconds, double count)
{
    return seconds * 1e9 / count;
}

/* The machine's own yardstick, to compare runs with: its speed changes by two from hour to hour. */
static double machine(uint32_t argument)
{
    enum { CALLS = 10000000 };

    (void)argument;
    struct sv_atomic32 word = {0};
    const double start = bench_now_s();
    for (uint32_t i = 0; i < CALLS; i++) {
        uint32_t expected = 0;
        bench_keep(sv_compare_swap_seq32(&word, &expected, i));
        sv_store_release32(&word, 0);
    }
    return per(bench_now_s() - start, CALLS);
}

static double accept_nothing(uint32_t argument)
{
    enum { CALLS = 10000000 };

    (void)argument;
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *self = bench_attach(segment, NULL);
    struct sv_backend *other = bench_attach(segment, NULL);
    const double start = bench_now_s();
    for (int i = 0; i < CALLS; i++) {
        bench_keep((uint64_t)sv_accept_messages(self));
    }
    const double seconds = bench_now_s() - start;
    sv_backend_detach(other);
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return per(seconds, CALLS);
}

/* argument: backends * 256 + batch. The others are attached and never read. */
static double insert(uint32_t argument)
{
    enum { BACKENDS_MAX = 64 };

    const uint32_t backends = argument >> 8;
    const uint32_t batch = argument & 255;
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *self[BACKENDS_MAX];
    struct sv_message messages[64];
    for (uint32_t i = 0; i < backends; i++) {
        self[i] = bench_attach(segment, NULL);
    }
    for (uint32_t i = 0; i < batch; i++) {
        messages[i] = message;
    }
    const double start = bench_now_s();
    for (uint32_t sent = 0; sent < MESSAGES; sent += batch) {
        sv_queue_insert(self[0], messages, batch);
    }
    const double seconds = bench_now_s() - start;
    for (uint32_t i = 0; i < backends; i++) {
        sv_backend_detach(self[i]);
    }
    sv_segment_detach(segment);
    return per(seconds, MESSAGES);
}

/* argument: readers in turn. Only the reading is timed, 2,000 messages a round, 32 a call. */
static double read_messages(uint32_t argument)
{
    enum { READERS_MAX = 16, ROUNDS = 200, A_ROUND = 2000 };
    struct sv_segment *segment = bench_segment((struct sv_config){0});
    struct sv_backend *writer =
        bench_attach(segment, &(struct sv_backend_options){.send_only = true});
    struct sv_backend *readers[READERS_MAX];
    for (uint32_t i = 0; i < argument; i++) {
        readers[i] = bench_attach(segment, NULL);
    }
    double seconds = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < A_ROUND; i++) {
            sv_queue_insert(writer, &message, 1);
        }
        const double start = bench_now_s();
        for (uint32_t i = 0; i < argument; i++) {
            struct sv_message out[32];
            uint32_t count = 1;
            while (count > 0) {
                bench_keep((uint64_t)sv_queue_read(readers[i], out, 32, &count));
            }
        }
        seconds += bench_now_s() - start;
    }
    for (uint32_t i = 0; i < argument; i++) {
        sv_backend_detach(readers[i]);
    }
    sv_backend_detach(writer);
    sv_segment_detach(segment);
    return per(seconds, (double)ROUNDS * A_ROUND * argument);
}

#define BACKENDS(count, batch) ((count) << 8 | (batch))

const struct bench_row bench_queue_rows[] = {
    {"machine", "compare-and-swap and store: the machine itself", "ns/pair", false, 2.5, machine,
     0},
    {"accept-nothing", "accept, nothing pending", "ns/call", false, 6.7, accept_nothing, 0},
    {"insert-1-1", "insert, 1 backend attached, batches of 1", "ns/message", false, 17.9, insert,
     BACKENDS(1, 1)},
    {"insert-1-8", "insert, 1 backend attached, batches of 8", "ns/message", false, 3.2, insert,
     BACKENDS(1, 8)},
    {"insert-1-64", "insert, 1 backend attached, batches of 64", "ns/message", false, 1.3, insert,
     BACKENDS(1, 64)},
    {"insert-64-1", "insert, 64 backends attached, batches of 1", "ns/message", false, 67, insert,
     BACKENDS(64, 1)},
    {"insert-64-8", "insert, 64 backends attached, batches of 8", "ns/message", false, 5.8, insert,
     BACKENDS(64, 8)},
    {"insert-64-64", "insert, 64 backends attached, batches of 64", "ns/message", false, 1.6,
     insert, BACKENDS(64, 64)},
    {"read-1", "read, 1 backend", "ns/message", false, 1.9, read_messages, 1},
    {"read-16", "read, 16 backends in turn", "ns/message", false, 4.0, read_messages, 16},
    {0},
};
