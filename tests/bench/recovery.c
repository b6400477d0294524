/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * K1 measured: how long after a SIGKILL does each survivor insert and accept again?
 *
 * Backends insert one message, accept, and rest for a random time, so that all of them together
 * keep the machine about half busy: what is measured is the library, and not how long a process
 * waits for a processor. A trial is a kill, and the time from there until each survivor has
 * completed its next insert, and its next accept; the rest between two of them is part of that. So
 * a trial without a kill is measured in the same way: it is what the machine and the rests come to.
 *
 * To die with a lock, the victim inserts without a rest, and is killed at a random moment of that;
 * the trial counts if somebody had to take over a lock. Without a postmaster nobody looks after the
 * dead but the survivors; the benchmark waits for its child when all have been measured.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "bench.h"

enum { BACKENDS_MAX = 256, TRIES_PER_TRIAL = 20, BUSY_BATCH = 8 };

#define NS_PER_MS  UINT64_C(1000000)
#define HUNG_NS    (30000 * NS_PER_MS)
#define NOBODY     UINT32_MAX
#define REST_NS    UINT64_C(40000) /* for each backend that there is, on average */
#define PROMISE_MS 100.0

enum killed { KILLED_NOBODY, KILLED_AT_RANDOM, KILLED_WITH_LOCK, KILLED_COUNT };

static const char *const killed_names[] = {"nobody", "one", "one with a lock"};

/* One backend's, in a line of its own. */
struct survivor {
    _Alignas(64) struct sv_atomic32 ready;
    struct sv_atomic32 trial; /* that it has been measured in */
    struct sv_atomic64 insert_ns;
    struct sv_atomic64 accept_ns;
};

struct arena {
    _Alignas(64) struct sv_atomic64 since_ns; /* the trial's begin; 0: none goes on */
    struct sv_atomic32 trial;
    struct sv_atomic32 busy; /* who inserts without a rest */
    _Alignas(64) uint32_t backends;
    struct survivor survivors[BACKENDS_MAX];
};

/* What a process is given. */
struct place {
    struct arena *arena;
    uint32_t index;
};

struct stage {
    struct sv_segment *segment;
    struct arena *arena;
    struct sv_postmaster *postmaster; /* NULL: none */
    struct place places[BACKENDS_MAX];
    uint32_t children[BACKENDS_MAX];
    pid_t pids[BACKENDS_MAX];
    uint64_t random;
};

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void rest(uint64_t ns)
{
    const struct timespec span = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};
    (void)nanosleep(&span, NULL);
}

/* ---- a backend ----------------------------------------------------------------------------- */

/* The time since the trial began; 0: there is none, or it was measured. */
static uint64_t since_trial(const struct arena *arena, uint32_t measured)
{
    const uint64_t since_ns = sv_load_acquire64(&arena->since_ns);
    return since_ns == 0 || sv_load_acquire32(&arena->trial) == measured
               ? 0
               : sv_os_now_ns() - since_ns;
}

static void insert_busily(struct sv_backend *self, const struct arena *arena, uint32_t index)
{
    struct sv_message batch[BUSY_BATCH] = {0};
    for (int i = 0; i < BUSY_BATCH; i++) {
        batch[i] = (struct sv_message){.kind = SV_MESSAGE_APPLICATION, .payload = 1};
    }
    while (sv_load_relaxed32(&arena->busy) == index) {
        sv_queue_insert(self, batch, BUSY_BATCH);
    }
}

static int live(struct sv_segment *segment, void *argument)
{
    const struct place *place = argument;
    struct arena *arena = place->arena;
    struct survivor *mine = &arena->survivors[place->index];
    const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = 1};
    struct sv_backend *self = bench_attach(segment, NULL);
    uint64_t random = sv_os_now_ns() | 1;
    uint32_t measured = sv_load_acquire32(&arena->trial);

    sv_store_release32(&mine->ready, 1);
    for (;;) {
        rest(draw(&random) % (2 * REST_NS * arena->backends));
        insert_busily(self, arena, place->index);
        sv_queue_insert(self, &message, 1);
        const uint64_t insert_ns = since_trial(arena, measured);
        if (sv_accept_messages(self) != 0) {
            return 3;
        }
        const uint64_t accept_ns = since_trial(arena, measured);
        if (insert_ns != 0 && accept_ns != 0) {
            measured = sv_load_acquire32(&arena->trial);
            sv_store_relaxed64(&mine->insert_ns, insert_ns);
            sv_store_relaxed64(&mine->accept_ns, accept_ns);
            sv_store_release32(&mine->trial, measured);
        }
    }
}

static void live_alone(struct sv_segment *segment, void *argument)
{
    _exit(live(segment, argument));
}

/* ---- the stage ----------------------------------------------------------------------------- */

static _Noreturn void give_up(const char *what, int error)
{
    (void)fprintf(stderr, "sinval bench: recovery: %s: %s\n", what, strerror(error));
    exit(3);
}

static void start(struct stage *stage, uint32_t index)
{
    struct place *place = &stage->places[index];
    *place = (struct place){.arena = stage->arena, .index = index};
    if (stage->postmaster == NULL) {
        stage->pids[index] = bench_fork(live_alone, stage->segment, place);
        return;
    }
    const struct sv_child child = {.run = live, .argument = place, .restart = true};
    const int result = sv_postmaster_start(stage->postmaster, &child, &stage->children[index]);
    if (result != 0) {
        give_up("starting a backend", -result);
    }
}

/* Let time pass; a postmaster does its work meanwhile. */
static void pass(struct stage *stage)
{
    struct sv_child_exit exit;
    if (stage->postmaster == NULL) {
        rest(100000);
        return;
    }
    const int result = sv_postmaster_wait(stage->postmaster, 1, &exit);
    if (result < 0) {
        give_up("waiting for backends", -result);
    }
}

/* Until everybody but one, or all, are ready, or measured in that trial (0: ready is enough). */
static void await(struct stage *stage, uint32_t trial, uint32_t but)
{
    const uint64_t start_ns = sv_os_now_ns();
    for (uint32_t i = 0; i < stage->arena->backends; i++) {
        const struct survivor *one = &stage->arena->survivors[i];
        while (i != but && (sv_load_acquire32(&one->ready) == 0 ||
                            (trial != 0 && sv_load_acquire32(&one->trial) != trial))) {
            pass(stage);
            if (sv_os_now_ns() - start_ns > HUNG_NS) {
                give_up("a survivor has not gone on for 30 s", ETIMEDOUT);
            }
        }
    }
}

static void enter(struct stage *stage, uint32_t backends, bool postmaster)
{
    const struct sv_config config = {.backends_max = backends + backends / 8 + 8};
    *stage = (struct stage){.segment = bench_segment(config),
                            .arena = bench_share(sizeof(struct arena)),
                            .random = sv_os_now_ns() | 1};
    stage->arena->backends = backends;
    sv_store_release32(&stage->arena->busy, NOBODY);
    const int result = postmaster ? sv_postmaster_create(stage->segment, &stage->postmaster) : 0;
    if (result != 0) {
        give_up("a postmaster", -result);
    }
    for (uint32_t i = 0; i < backends; i++) {
        start(stage, i);
    }
    await(stage, 0, NOBODY);
}

static void leave(struct stage *stage)
{
    if (stage->postmaster != NULL) {
        sv_postmaster_stop(stage->postmaster, 0);
    }
    for (uint32_t i = 0; stage->postmaster == NULL && i < stage->arena->backends; i++) {
        bench_kill(stage->pids[i]);
    }
    (void)sv_backend_settle_dead(stage->segment);
    sv_segment_detach(stage->segment);
    (void)munmap(stage->arena, sizeof(*stage->arena));
}

/* ---- a trial ------------------------------------------------------------------------------- */

static uint64_t locks_taken_over(const struct stage *stage)
{
    uint64_t counters[SV_STAT_COUNT];
    sv_stat_total(stage->segment, counters);
    return counters[SV_STAT_locks_taken_over];
}

static pid_t pid_of(const struct stage *stage, uint32_t index)
{
    return stage->postmaster == NULL ? stage->pids[index]
                                     : sv_postmaster_pid(stage->postmaster, stage->children[index]);
}

/* The one who was killed has a successor. */
static void replace(struct stage *stage, uint32_t victim)
{
    if (stage->postmaster == NULL) {
        while (waitpid(stage->pids[victim], NULL, 0) < 0 && errno == EINTR) {
        }
        start(stage, victim);
    }
    await(stage, 0, NOBODY);
}

/* Returns: the victim, or NOBODY; all survivors have been measured in the trial. */
static uint32_t kill_one(struct stage *stage, enum killed killed, uint32_t trial)
{
    struct arena *arena = stage->arena;
    const uint32_t victim =
        killed == KILLED_NOBODY ? NOBODY : (uint32_t)(draw(&stage->random) % arena->backends);

    sv_store_release32(&arena->busy, killed == KILLED_WITH_LOCK ? victim : NOBODY);
    rest(draw(&stage->random) % (2 * REST_NS * arena->backends) +
         (killed == KILLED_WITH_LOCK ? 2 * REST_NS * arena->backends : 0));
    if (victim != NOBODY) { /* it is not ready again before somebody has its place */
        sv_store_release32(&arena->survivors[victim].ready, 0);
    }
    sv_store_release32(&arena->trial, trial);
    const uint64_t since_ns = sv_os_now_ns();
    if (victim != NOBODY) {
        (void)kill(pid_of(stage, victim), SIGKILL);
    }
    sv_store_release64(&arena->since_ns, since_ns);
    sv_store_release32(&arena->busy, NOBODY);
    await(stage, trial, victim);
    sv_store_release64(&arena->since_ns, 0);
    return victim;
}

/* ---- figures ------------------------------------------------------------------------------- */

struct samples {
    double *ms;
    uint32_t count;
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The least that `part` of all samples, which are sorted, do not exceed. */
static double quantile(const struct samples *samples, double part)
{
    const uint32_t at = (uint32_t)(part * samples->count);
    return samples->count == 0 ? 0 : samples->ms[at < samples->count ? at : samples->count - 1];
}

static struct bench_spread spread(struct samples *samples)
{
    qsort(samples->ms, samples->count, sizeof(samples->ms[0]), compare);
    struct bench_spread spread = {.median = quantile(samples, 0.5),
                                  .p99 = quantile(samples, 0.99),
                                  .max = quantile(samples, 1)};
    for (uint32_t i = 0; i < samples->count; i++) {
        spread.over += samples->ms[i] > PROMISE_MS;
    }
    return spread;
}

static void take(const struct stage *stage, uint32_t victim, struct samples *inserts,
                 struct samples *accepts)
{
    for (uint32_t i = 0; i < stage->arena->backends; i++) {
        const struct survivor *one = &stage->arena->survivors[i];
        if (i != victim) {
            inserts->ms[inserts->count++] = (double)sv_load_relaxed64(&one->insert_ns) / 1e6;
            accepts->ms[accepts->count++] = (double)sv_load_relaxed64(&one->accept_ns) / 1e6;
        }
    }
}

static struct bench_recovery measure(uint32_t backends, bool postmaster, enum killed killed,
                                     uint32_t wanted)
{
    struct samples inserts = {.ms = calloc((size_t)wanted * backends, sizeof(double))};
    struct samples accepts = {.ms = calloc((size_t)wanted * backends, sizeof(double))};
    struct bench_recovery row = {
        .backends = backends, .postmaster = postmaster, .killed = killed_names[killed]};
    struct stage stage;

    if (inserts.ms == NULL || accepts.ms == NULL) {
        give_up("no memory", ENOMEM);
    }
    enter(&stage, backends, postmaster);
    for (uint32_t trial = 1; row.trials < wanted && trial <= wanted * TRIES_PER_TRIAL; trial++) {
        const uint64_t taken = locks_taken_over(&stage);
        const uint32_t victim = kill_one(&stage, killed, trial);
        if (killed != KILLED_WITH_LOCK || locks_taken_over(&stage) > taken) {
            take(&stage, victim, &inserts, &accepts);
            row.trials++;
        }
        if (victim != NOBODY) {
            replace(&stage, victim);
        }
    }
    leave(&stage);
    row.samples = inserts.count;
    row.insert_ms = spread(&inserts);
    row.accept_ms = spread(&accepts);
    free(inserts.ms);
    free(accepts.ms);
    return row;
}

/* ---- the table ----------------------------------------------------------------------------- */

static const struct {
    uint32_t backends;
    uint32_t trials;
} sizes[] = {{2, 400}, {16, 400}, {64, 200}, {256, 100}};

bool bench_recovery_named(const char *name)
{
    char known[32];
    if (strcmp(name, "recovery") == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(known, sizeof(known), "recovery-%u", sizes[i].backends);
        if (strcmp(name, known) == 0) {
            return true;
        }
    }
    return false;
}

static void measure_size(uint32_t backends, uint32_t trials,
                         void (*tell)(const struct bench_recovery *, void *), void *argument)
{
    for (int postmaster = 0; postmaster < 2; postmaster++) {
        for (enum killed killed = 0; killed < KILLED_COUNT; killed++) {
            const struct bench_recovery row = measure(backends, postmaster != 0, killed, trials);
            tell(&row, argument);
        }
    }
}

void bench_recovery_run(const char *name, uint32_t trials,
                        void (*tell)(const struct bench_recovery *, void *), void *argument)
{
    const uint32_t only =
        strcmp(name, "recovery") == 0 ? 0 : (uint32_t)strtoul(strchr(name, '-') + 1, NULL, 10);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (only == 0 || only == sizes[i].backends) {
            measure_size(sizes[i].backends, trials != 0 ? trials : sizes[i].trials, tell, argument);
        }
    }
}
