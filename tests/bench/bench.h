/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's rows, and what they share.
 *
 * A row is measured RUNS times, each time in a fresh segment; its figure is the median, with the
 * minimum and maximum beside it. These machines are shared and noisy: compare within one run.
 */
#ifndef SINVAL_TESTS_BENCH_H
#define SINVAL_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/atomic.h"
#include "sinval/sinval.h"

enum { BENCH_RUNS = 9 };

struct bench_row {
    const char *name; /* one word, for the command line */
    const char *text;
    const char *unit;
    bool higher_is_better;
    double postgres; /* 15.18 on a machine of this kind; below 0: no figure */
    double (*run)(uint32_t argument);
    uint32_t argument;
};

extern const struct bench_row bench_queue_rows[];
extern const struct bench_row bench_process_rows[];
extern const struct bench_row bench_cache_rows[];
extern const struct bench_row bench_explorer_rows[]; /* each ends with a row without a name */

/*
 * K1: how long after a SIGKILL each survivor inserts and accepts again, a table of its own with
 * the name `recovery`, or recovery-N for N backends alone.
 */
struct bench_spread {
    double median;
    double p99;
    double max;
    uint32_t over; /* samples of more than the 100 ms that are promised */
};

struct bench_recovery {
    uint32_t backends;
    bool postmaster;
    const char *killed;
    uint32_t trials;
    uint32_t samples; /* of each kind: survivors of all trials */
    struct bench_spread insert_ms;
    struct bench_spread accept_ms;
};

bool bench_recovery_named(const char *name);

/* Measure, and tell each row when it is there. trials: 0: 400 down to 100, the more backends. */
void bench_recovery_run(const char *name, uint32_t trials,
                        void (*tell)(const struct bench_recovery *, void *), void *argument);

/* Everything below ends the process with exit status 3 when the environment fails. */

struct sv_segment *bench_segment(struct sv_config config);
struct sv_backend *bench_attach(struct sv_segment *segment, const struct sv_backend_options *o);
void *bench_share(size_t size_bytes);

/* Fork a process that dies with this one. */
pid_t bench_fork(void (*run)(struct sv_segment *segment, void *argument),
                 struct sv_segment *segment, void *argument);

/* SIGKILL and reap. */
void bench_kill(pid_t pid);

double bench_now_s(void);

/*
 * The processor's own clock, the same on all processors (invariant TSC), read in some nanoseconds:
 * a system clock costs as much as what is measured. Elsewhere nanoseconds.
 */
uint64_t bench_ticks(void);
double bench_ns_per_tick(void);

/* A number the optimiser cannot see through: keep what was computed. */
void bench_keep(uint64_t value);

#endif
