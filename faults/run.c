/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * One run, from an empty process to an empty process.
 *
 * The segment, the control area and the injector's records are anonymous mappings, so whatever
 * happens to the supervisor nothing of them outlasts the last backend; a database file lives in
 * the directory that the caller provides and removes.
 *
 * When something was wrong, the state is described before anyone is ended; what is then judged is
 * only what a good run leaves behind.
 */
#define _GNU_SOURCE
#include "faults/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faults/clock.h"
#include "faults/creator.h"
#include "faults/judge.h"
#include "faults/killer.h"
#include "faults/text.h"
#include "shm/segment.h"

#define SPARE_SLOTS 4
#define PRINTED_MAX 16384 /* bytes of what workers print that a failure carries */

/* Everything a run makes. */
struct stage {
    struct run_world world;
    struct injector injector;
    void *injector_shared;
    size_t injector_bytes;
    char database_path[4096];
    bool borrowed;                         /* the segment is the caller's */
    uint64_t events_before[SV_STAT_COUNT]; /* that it had counted when it was */
};

static void fail(struct run_result *result, const char *what, int error)
{
    result->outcome = RUN_ENVIRONMENT;
    (void)finding_set(&result->finding, ORACLE_NONE, "%s: %s", what, strerror(-error));
}

/* What app_0 guards: two words that are equal, see worker_use_lock. */
static void repair_app(void *argument)
{
    struct control_shared *shared = argument;

    sv_store_relaxed64(&shared->app[1], sv_load_relaxed64(&shared->app[0]));
}

struct sv_config run_config(const struct plan_world *plan)
{
    struct sv_config config = plan->config;

    config.backends_max = plan->backends + plan->backends / 8 + SPARE_SLOTS;
    if (config.backends_max > PLAN_BACKENDS_MAX) {
        config.backends_max = PLAN_BACKENDS_MAX;
    }
    if (plan->workload == WORKLOAD_TRANSACTIONS && plan->source == SOURCE_TABLE) {
        config.table_rows_max = plan->keys * 2 + 64;
    }
    return config;
}

/* Anonymous; or, where the plan has faults for creators, by such as may die over it. */
static int create_segment(struct stage *stage, const struct sv_config *config,
                          struct run_result *result)
{
    struct finding *finding = &result->finding;
    int error;

    if (creator_wanted(&stage->injector)) {
        error = creator_make(&stage->injector, config, &stage->world.segment, finding);
        if (error == -EBADMSG) {
            result->outcome = RUN_VIOLATED;
            return error;
        }
    } else {
        error = sv_segment_create(NULL, config, &stage->world.segment);
    }
    if (error != 0) {
        result->outcome = RUN_ENVIRONMENT;
        (void)finding_set(finding, ORACLE_NONE, "the segment: %s", sv_segment_error(error));
    }
    return error;
}

static int make_segment(struct stage *stage, const struct plan_world *plan,
                        struct run_result *result)
{
    struct sv_config config = run_config(plan);
    char message[PLAN_MESSAGE_MAX] = "";
    const int error = sv_config_complete(&config, message, sizeof(message));

    if (error != 0) {
        result->outcome = RUN_ENVIRONMENT;
        (void)finding_set(&result->finding, ORACLE_NONE, "the plan's world: %s", message);
        return error;
    }
    return create_segment(stage, &config, result);
}

/* One that was used before: what counts is what comes on top of what is there. */
static void borrow_segment(struct stage *stage, struct sv_segment *segment)
{
    stage->borrowed = true;
    stage->world.segment = segment;
    sv_stat_total(segment, stage->events_before);
}

static int make_control(struct stage *stage, const struct run_options *options,
                        struct run_result *result)
{
    struct sv_segment *segment = stage->world.segment;
    struct control *control = &stage->world.control;
    const uint32_t slots = sv_segment_config(segment)->backends_max;
    const int error =
        control_create_for(control, &options->plan->world, slots, options->births_max);

    if (error != 0) {
        fail(result, "the control area", error);
        return error;
    }
    for (uint32_t i = 0; i < slots; i++) { /* those drawn before must not be drawn again */
        sv_store_seq64(&control->slots[i].local_transaction_id,
                       sv_load_seq64(&segment->slots[i].local_transaction_id));
    }
    sv_lwlock_set_repair(segment, SV_LOCK_APP_0, repair_app, control->shared);
    return 0;
}

/* What the run has counted so far. */
static void count_events(const struct stage *stage, struct run_result *result)
{
    sv_stat_total(stage->world.segment, result->events);
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        result->events[stat] -= stage->events_before[stat];
    }
}

static int make_injector(struct stage *stage, const struct run_options *options,
                         struct run_result *result)
{
    stage->injector_bytes = injector_shared_bytes(options->plan->world.backends);
    stage->injector_shared = mmap(NULL, stage->injector_bytes, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stage->injector_shared == MAP_FAILED) {
        stage->injector_shared = NULL;
        fail(result, "the injector's records", -ENOMEM);
        return -ENOMEM;
    }
    injector_start(&stage->injector, options->plan, options->seed, stage->injector_shared);
    carrier_leave_out(options->carrier, &stage->injector);
    stage->world.injector = &stage->injector;
    stage->world.stderr_fd = memfd_create("sinval-run-stderr", MFD_CLOEXEC);
    return 0;
}

/* The database file and what SQLite keeps beside it. */
static void remove_database(const struct stage *stage)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char path[sizeof(stage->database_path) + 16];

    for (size_t i = 0; stage->world.database_path != NULL && i < 4; i++) {
        (void)snprintf(path, sizeof(path), "%s%s", stage->database_path, suffixes[i]);
        (void)unlink(path);
    }
}

static int make_stage(struct stage *stage, const struct run_options *options,
                      struct run_result *result)
{
    stage->world.plan = options->plan;
    stage->world.seed = options->seed;
    stage->world.rest_us = options->rest_us;
    stage->world.stderr_fd = -1;
    if (options->plan->world.source == SOURCE_SQLITE && options->directory != NULL) {
        (void)snprintf(stage->database_path, sizeof(stage->database_path), "%s/run-%d.db",
                       options->directory, (int)getpid());
        stage->world.database_path = stage->database_path;
        remove_database(stage);
    }
    int error = make_injector(stage, options, result);
    if (error == 0 && options->segment != NULL) {
        borrow_segment(stage, options->segment);
    } else if (error == 0) {
        error = make_segment(stage, &options->plan->world, result);
    }
    return error != 0 ? error : make_control(stage, options, result);
}

/*
 * What the workers printed goes on to our own standard error; of a failure, to the head of the
 * details, where nothing cuts it off: a report of a sanitizer says more than all that follows.
 */
static void take_stderr(const struct stage *stage, const struct run_result *result,
                        struct text *details)
{
    char printed[PRINTED_MAX];
    const int fd = stage->world.stderr_fd;
    ssize_t got = 0;

    if (fd < 0) {
        return;
    }
    for (off_t at = 0; (got = pread(fd, printed, sizeof(printed) - 1, at)) > 0; at += got) {
        printed[got] = '\0';
        if (result->outcome == RUN_VIOLATED) {
            text_put_first(details, printed);
            break;
        }
        (void)fputs(printed, stderr);
    }
    (void)close(fd);
}

static void unmake_stage(struct stage *stage)
{
    if (stage->injector_shared != NULL) {
        (void)munmap(stage->injector_shared, stage->injector_bytes);
    }
    control_destroy(&stage->world.control);
    if (stage->world.segment != NULL && !stage->borrowed) {
        sv_segment_detach(stage->world.segment);
    }
    remove_database(stage);
}

/*
 * Resets at most: see judge_resets. A death may hide what its victim had inserted and not counted.
 */
static struct reset_facts reset_facts(const struct stage *stage, const struct run_result *result)
{
    const struct sv_config *config = sv_segment_config(stage->world.segment);

    return (struct reset_facts){
        .overflow = result->events[SV_STAT_resets_overflow],
        .requested = result->events[SV_STAT_resets_requested],
        .repair = result->events[SV_STAT_resets_repair],
        .asked = control_resets_asked(&stage->world.control),
        .inserted_max =
            result->events[SV_STAT_inserted] + (uint64_t)result->deaths * config->write_quantum,
        .capacity = config->capacity,
        .quantum = config->write_quantum,
    };
}

/* Everybody has left: what have they left behind? */
static bool judge_remains(struct stage *stage, const struct run_options *options,
                          struct run_result *result)
{
    struct sv_segment *segment = stage->world.segment;
    struct finding *finding = &result->finding;

    (void)sv_backend_settle_dead(segment); /* who died while leaving */
    count_events(stage, result);
    const struct reset_facts facts = reset_facts(stage, result);
    return judge_slots(segment, finding) && judge_locks(segment, finding) &&
           judge_queue(segment, finding) &&
           judge_catchup(segment, result->events, control_birth_count(&stage->world.control),
                         finding) &&
           judge_ids(segment, &stage->world.control, finding) && judge_resets(&facts, finding) &&
           judge_pause(result->pause_ns, (uint64_t)options->timeout_ms * 1000000, finding);
}

static void count_points(const struct stage *stage, struct run_result *result)
{
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        result->reached[point] = (uint32_t)injector_reached(&stage->injector, point);
        for (enum action action = 0; action < ACTION_COUNT; action++) {
            const uint64_t fired = injector_fired(&stage->injector, point, action);
            result->fired[point] += (uint32_t)fired;
            result->injected[action] += fired;
        }
    }
    result->births = control_birth_count(&stage->world.control);
    for (uint32_t i = 0; i < stage->world.control.seat_count; i++) {
        result->reads += sv_load_relaxed64(&stage->world.control.seats[i].reads);
    }
}

/* Everybody has left, and so has what carried them: how? */
static void judge_close(int status, struct run_result *result)
{
    if (result->outcome == RUN_PASSED && status != 0) {
        result->outcome = RUN_VIOLATED;
        (void)finding_set(&result->finding, ORACLE_O7,
                          status < 0 ? "what carried the backends was ended by signal %d"
                                     : "what carried the backends ended with status %d; what it "
                                       "printed says why",
                          abs(status));
    }
}

static void play(struct stage *stage, const struct run_options *options, struct run_result *result,
                 struct text *details)
{
    struct supervisor supervisor = {
        .options = options,
        .world = &stage->world,
        .result = result,
        .watch = calloc(options->plan->world.backends, sizeof(*supervisor.watch)),
    };
    const int error = supervisor.watch == NULL
                          ? -ENOMEM
                          : carrier_open(&supervisor.carrier, options->carrier, &stage->world);

    if (error != 0) {
        fail(result, "the carrier", error);
        free(supervisor.watch);
        return;
    }
    if (!supervise(&supervisor) && result->outcome == RUN_VIOLATED) {
        describe_segment(stage->world.segment, details);
    }
    if (options->carrier->events != NULL) {
        result->trace = options->carrier->events(&supervisor.carrier);
    }
    judge_close(carrier_close(&supervisor.carrier), result);
    if (options->killer != NULL) {
        killer_end(options->killer);
    }
    free(supervisor.watch);
    if (result->outcome == RUN_PASSED && !judge_remains(stage, options, result)) {
        result->outcome = RUN_VIOLATED;
        describe_segment(stage->world.segment, details);
    }
    count_events(stage, result);
    count_points(stage, result);
    if (result->outcome == RUN_VIOLATED) {
        describe_traces(&stage->world, details);
    }
}

void run_execute(const struct run_options *options, struct run_result *result)
{
    const uint64_t start_ns = clock_now_ns();
    struct stage stage = {.world.stderr_fd = -1};
    struct holdings before;
    struct holdings after;

    *result = (struct run_result){.outcome = RUN_PASSED};
    struct text details = {.data = result->details, .size = sizeof(result->details)};
    const int prepared =
        options->carrier->prepare != NULL ? options->carrier->prepare(options->plan) : 0;
    holdings_count(&before);
    if (prepared != 0) {
        fail(result, "the carrier", prepared);
    } else if (make_stage(&stage, options, result) == 0) {
        play(&stage, options, result, &details);
    }
    take_stderr(&stage, result, &details);
    unmake_stage(&stage);
    holdings_count(&after);
    if (result->outcome == RUN_PASSED && !judge_holdings(&before, &after, &result->finding)) {
        result->outcome = RUN_VIOLATED;
    }
    result->details_bytes = (uint32_t)details.used;
    result->seconds = (double)(clock_now_ns() - start_ns) / 1e9;
}
