/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Threads of a test as fibers of the explorer's machine: a suite that is linked with this, and its
 * calls renamed to those here (ci/fibers.cmake), is interleaved at every access to the segment, as
 * the seed in SV_FIBER_SEED says, and nothing of the suite knows.
 *
 * The test itself is the first of them, from the moment it makes a segment until it detaches from
 * it. All share their memory, as threads do. Who ends leaves its life locks to be found dead.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "faults/explore/session.h"
#include "shm/segment.h"

#define THREADS_MAX  (MACHINE_BACKENDS_MAX - 1)
#define STACK_BYTES  ((size_t)512 * 1024)
#define MEMORY_BYTES ((size_t)4096) /* of each alone: none */

/* The first is the test's own. */
struct thread {
    void *(*run)(void *argument);
    void *argument;
    void *result;
    bool taken;
    bool over;
};

static struct thread threads[MACHINE_BACKENDS_MAX];
static struct strategy strategy;

static const char *where(uint32_t offset, char *text, size_t size)
{
    (void)snprintf(text, size, "offset %u of the segment", offset);
    return text;
}

static _Noreturn void end_thread(uint32_t index, void *result)
{
    threads[index].result = result;
    threads[index].over = true;
    session_die();
}

static void run_thread(void *nothing, uint32_t index)
{
    (void)nothing;
    end_thread(index, threads[index].run(threads[index].argument));
}

static void begin(struct sv_segment *segment)
{
    const char *seed = getenv("SV_FIBER_SEED");
    const struct strategy_parameters parameters = {
        .agents = MACHINE_BACKENDS_MAX,
        .objects = 1,
        .steps_limit = UINT32_MAX,
        .seed = seed != NULL ? strtoull(seed, NULL, 10) : 1,
    };
    const int opened = strategy_open(&strategy, &strategy_random, &parameters);

    sv_assert(opened == 0 && strategy.kind->begin(&strategy, 0), "%d", opened);
    session_open(
        &(struct machine_settings){
            .base = segment->base,
            .size_bytes = segment->size_bytes,
            .backends = MACHINE_BACKENDS_MAX,
            .run = run_thread,
            .where = where,
        },
        &strategy);
    session_join();
}

/* ---- what the calls of a suite become -------------------------------------------------------- */

/* The compiler declares none of these where they are called. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

int fibers_segment_create(const char *name, const struct sv_config *config,
                          struct sv_segment **segment)
{
    machine_destroy();
    int result = machine_create(MACHINE_BACKENDS_MAX, STACK_BYTES, MEMORY_BYTES);

    if (result == 0) {
        result = sv_segment_create(name, config, segment);
    }
    if (result == 0) {
        begin(*segment);
    }
    return result;
}

void fibers_segment_detach(struct sv_segment *segment)
{
    session_over();
    strategy_close(&strategy);
    segment->holds = (struct sv_atomic64){0}; /* the dead have not let go of it */
    sv_segment_detach(segment);
}

int fibers_thread_create(pthread_t *thread, const pthread_attr_t *attributes,
                         void *(*run)(void *argument), void *argument)
{
    (void)attributes;
    for (uint32_t i = 1; i <= THREADS_MAX; i++) {
        if (!threads[i].taken) {
            threads[i] = (struct thread){.run = run, .argument = argument, .taken = true};
            session_start(i);
            *thread = i;
            return 0;
        }
    }
    return EAGAIN;
}

int fibers_thread_join(pthread_t thread, void **result)
{
    while (!threads[thread].over) {
        machine_yield();
    }
    if (result != NULL) {
        *result = threads[thread].result;
    }
    threads[thread].taken = false;
    return 0;
}

_Noreturn void fibers_thread_exit(void *result)
{
    end_thread(machine_self(), result);
}
