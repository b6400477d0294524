/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Storms.
 *
 * Why rounds: who judges delivery keeps a number for each birth there was, and births have 14 bits
 * in a message. A round has room for the births that its kills make necessary, and ends early when
 * that is used up. At its end everybody has read everything and compares cache with source (O1,
 * O2), everybody leaves, and what is left is judged (O3, O5, O6, O7); in between all that is judged
 * at once goes on being so.
 *
 * From round to round the segment stays: numbers go on, wrap around, local transaction ids go on
 * from slot to slot (K3, judged across rounds), counters add up. The rows of a round name births
 * that the next one does not know, so they are deleted in between, by an ordinary backend in
 * ordinary transactions.
 */
#include "faults/storm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "faults/reads.h"
#include "faults/scratch.h"
#include "shm/segment.h"

#define NS_PER_S        UINT64_C(1000000000)
#define DELETED_AT_ONCE 16 /* rows */

struct stage {
    struct storm *storm;
    struct killer killer;
    struct scratch scratch;
    uint64_t deaths_before; /* this round */
    sigset_t mask_before;
};

uint64_t storm_resets(const struct storm *storm)
{
    return storm->events[SV_STAT_resets_overflow] + storm->events[SV_STAT_resets_requested] +
           storm->events[SV_STAT_resets_repair];
}

static void fail(struct storm *storm, const char *what, int error)
{
    storm->outcome = RUN_ENVIRONMENT;
    (void)finding_set(&storm->result->finding, ORACLE_NONE, "%s: %s", what,
                      sv_segment_error(error));
}

/* ---- the segment --------------------------------------------------------------------------- */

static int make_segment(struct storm *storm)
{
    struct plan_world world = storm->options->world;
    char message[PLAN_MESSAGE_MAX] = "";

    world.workload = WORKLOAD_TRANSACTIONS; /* the one that wants most of it */
    struct sv_config config = run_config(&world);
    int error = sv_config_complete(&config, message, sizeof(message));
    if (error == 0) {
        error = sv_segment_create(NULL, &config, &storm->segment);
    }
    if (error != 0) {
        fail(storm, message[0] != '\0' ? message : "the segment", error);
    }
    return error;
}

static int delete_some(struct sv_backend *self, struct sv_source *source, uint32_t first,
                       uint32_t end)
{
    struct row_keys keys;
    int result = sv_transaction_begin(self, NULL);

    for (uint32_t key = first; result == 0 && key < end && key < first + DELETED_AT_ONCE; key++) {
        row_keys_set(&keys, key);
        result = sv_source_write(self, source, ROW_RELATION, &keys.keys, NULL);
    }
    return result == 0 ? sv_transaction_commit(self) : result;
}

/* Nobody is there: delete all rows of the table. Returns: 0; what was not expected. */
static int delete_rows(const struct storm *storm)
{
    const struct plan_world *world = &storm->options->world;
    struct sv_backend *self = NULL;
    struct sv_source *source = NULL;

    if (world->source != SOURCE_TABLE) {
        return 0; /* each round has a database of its own */
    }
    int result = sv_backend_attach(storm->segment, NULL, &self);
    if (result != 0) {
        return result;
    }
    result = sv_table_open(self, &source);
    for (uint32_t key = 0; result == 0 && key < world->keys; key += DELETED_AT_ONCE) {
        result = delete_some(self, source, key, world->keys);
    }
    sv_backend_detach(self);
    if (source != NULL) {
        source->close(source);
    }
    return result;
}

/* ---- rounds -------------------------------------------------------------------------------- */

/* The workload of a round: they take turns. */
static enum plan_workload workload_at(uint32_t workloads, uint32_t round)
{
    uint32_t turn = round % (uint32_t)__builtin_popcount(workloads);
    enum plan_workload workload = WORKLOAD_TRANSACTIONS;

    while ((workloads >> workload & 1) == 0 || turn-- > 0) {
        workload++;
    }
    return workload;
}

/* For twice the deaths that are to be expected in a round. */
static uint32_t births_for(const struct storm_options *options)
{
    const uint32_t births =
        options->world.backends * 4 + 256 + options->kills_per_s * options->round_s * 2;

    return births < CONTROL_BIRTHS_MAX ? births : CONTROL_BIRTHS_MAX;
}

/*
 * Resets hide what else would be seen to be lost, so there are to be few: backends rest between
 * their steps, and keep the machine busy in part. But who is pre-empted with a lock is met most
 * often where nobody rests, so every few turns nobody does.
 */
static uint32_t rest_us(const struct storm_options *options, uint32_t round)
{
    const uint32_t turn = round / (uint32_t)__builtin_popcount(options->workloads);

    return turn % STORM_RUSH_EVERY == STORM_RUSH_EVERY - 1
               ? 0
               : STORM_REST_US * options->world.backends;
}

static void add_round(struct stage *stage)
{
    struct storm *storm = stage->storm;
    const struct run_result *result = storm->result;

    storm->rounds++;
    storm->started += result->started;
    storm->deaths = stage->deaths_before + result->deaths;
    storm->reads += result->reads;
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        storm->points += result->reached[point];
    }
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        storm->events[stat] += result->events[stat];
    }
    killer_tell(&stage->killer, storm->strikes, storm->longest_ns);
    storm->slots_used = sv_segment_slots_used(storm->segment);
    storm->outcome = result->outcome;
    storm->seconds = (double)(sv_os_now_ns() - storm->start_ns) / 1e9;
}

static void look(void *argument, const struct supervisor *supervisor)
{
    struct stage *stage = argument;
    struct storm *storm = stage->storm;

    storm->deaths = stage->deaths_before + supervisor->result->deaths;
    storm->seconds = (double)(sv_os_now_ns() - storm->start_ns) / 1e9;
    killer_tell(&stage->killer, storm->strikes, storm->longest_ns);
    if (storm->options->progress != NULL) {
        storm->options->progress(storm);
    }
}

static void play_round(struct stage *stage, uint64_t end_ns)
{
    struct storm *storm = stage->storm;
    const struct storm_options *options = storm->options;
    const uint64_t round_end_ns = sv_os_now_ns() + options->round_s * NS_PER_S;
    struct plan plan = {.name = "storm", .world = options->world};

    plan.world.workload = workload_at(options->workloads, storm->rounds);
    plan.world.transactions = UINT32_MAX;
    stage->deaths_before = storm->deaths;
    killer_begin(&stage->killer, round_end_ns < end_ns ? round_end_ns : end_ns);
    run_execute(
        &(struct run_options){
            .plan = &plan,
            .seed = random_hash(options->seed, storm->rounds),
            .carrier = carrier_find("process", options->world.postmaster),
            .timeout_ms = options->timeout_ms,
            .directory = stage->scratch.path,
            .killer = &stage->killer,
            .segment = storm->segment,
            .births_max = births_for(options),
            .rest_us = rest_us(options, storm->rounds),
        },
        storm->result);
    add_round(stage);
    if (storm->outcome == RUN_PASSED && plan.world.workload == WORKLOAD_TRANSACTIONS) {
        const int result = delete_rows(storm);
        if (result != 0) {
            fail(storm, "deleting the rows", result);
        }
    }
}

static void play_rounds(struct stage *stage)
{
    struct storm *storm = stage->storm;
    const uint64_t end_ns = storm->start_ns + storm->options->seconds * NS_PER_S;

    do {
        play_round(stage, end_ns);
    } while (storm->outcome == RUN_PASSED && !stage->killer.interrupted && sv_os_now_ns() < end_ns);
    storm->interrupted = stage->killer.interrupted;
}

/* ---- beginning and end --------------------------------------------------------------------- */

static void block_signals(struct stage *stage)
{
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &mask, &stage->mask_before);
}

static int make_stage(struct stage *stage)
{
    struct storm *storm = stage->storm;
    const struct storm_options *options = storm->options;
    int error = make_segment(storm);

    if (error != 0) {
        return error;
    }
    if (options->world.source == SOURCE_SQLITE) {
        error = scratch_make(&stage->scratch);
    }
    if (error == 0) {
        error = killer_init(&stage->killer, storm->segment, options->world.backends, options->seed);
    }
    if (error != 0) {
        fail(storm, "beginning", error);
        return error;
    }
    stage->killer.kills_per_s = options->kills_per_s;
    stage->killer.stops_per_s = options->stops_per_s;
    stage->killer.progress = look;
    stage->killer.argument = stage;
    return 0;
}

int storm_play(const struct storm_options *options, struct storm *storm)
{
    struct stage stage = {.storm = storm};

    *storm = (struct storm){
        .options = options,
        .start_ns = sv_os_now_ns(),
        .result = calloc(1, sizeof(*storm->result)),
    };
    if (storm->result == NULL || injector_init() != 0) {
        storm_free(storm);
        return -ENOMEM;
    }
    block_signals(&stage);
    if (make_stage(&stage) == 0) {
        play_rounds(&stage);
    }
    killer_free(&stage.killer);
    scratch_remove(&stage.scratch);
    if (storm->segment != NULL) {
        sv_segment_detach(storm->segment);
        storm->segment = NULL;
    }
    (void)sigprocmask(SIG_SETMASK, &stage.mask_before, NULL);
    return 0;
}

void storm_free(struct storm *storm)
{
    free(storm->result);
    *storm = (struct storm){0};
}
