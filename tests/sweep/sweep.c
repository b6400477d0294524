/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sweeping one operation.
 *
 * Level one: record the path, then for each k a world, a victim stepped k instructions into run(),
 * a death. The last k is after the last instruction; then comes one that is not killed at all.
 */
#include "tests/sweep/sweep.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TRIES = 3 };

/* A sweep under way. */
struct sweep {
    const struct operation *operation;
    const struct sweep_options *options;
    struct sweep_result *result;
    struct world_shared *shared;
    struct world world;
    struct trace trace;
};

static int give_up(struct sweep *sweep, const char *what, int result)
{
    (void)snprintf(sweep->result->message, sizeof(sweep->result->message), "%s: %s", what,
                   strerror(result < 0 ? -result : EIO));
    return result < 0 ? result : -EIO;
}

static int open_world(struct sweep *sweep, bool repairer)
{
    struct world *world = &sweep->world;
    *world = (struct world){.canary = sweep->options->canary, .repairer = repairer};
    int result = world_open(world, sweep->operation, sweep->shared);
    if (result != 0) {
        return give_up(sweep, "making a world", result);
    }
    result = world_people(world);
    return result != 0 ? give_up(sweep, "starting survivors", result) : 0;
}

/* ---- what is found ------------------------------------------------------------------------- */

static void tell_failure(struct sweep *sweep, const struct finding *finding, int64_t at,
                         int64_t then)
{
    char line[sizeof(sweep->result->failure)];
    char second[48] = "";
    if (then >= 0) {
        (void)snprintf(second, sizeof(second), " --then %lld", (long long)then);
    }
    (void)snprintf(line, sizeof(line), "%s: %s: %s\nsinval sweep %s --at %lld%s",
                   sweep->operation->name, oracle_name(finding->oracle), finding->message,
                   sweep->operation->name, (long long)at, second);
    (void)fprintf(stderr, "%s\n", line);
    if (sweep->result->failure[0] == '\0') {
        memcpy(sweep->result->failure, line, sizeof(line));
    }
}

static void note_recovery(struct sweep *sweep)
{
    for (uint32_t part = 0; part < PARTS; part++) {
        const uint64_t ns = sv_load_seq64(&sweep->shared->recovered_ns[part]);
        if (ns > sweep->result->recovery_max_ns) {
            sweep->result->recovery_max_ns = ns;
        }
    }
}

/* The survivors work; then all is judged. Returns: 0 and *fine; -errno. */
static int see_what_comes(struct sweep *sweep, int64_t at, int64_t then, bool *fine)
{
    struct finding finding;
    const int result = world_go(&sweep->world);
    if (result != 0) {
        return give_up(sweep, "starting the newcomer", result);
    }
    *fine = world_judge(&sweep->world, &finding);
    if (!*fine) {
        tell_failure(sweep, &finding, at, then);
    }
    for (uint32_t cause = 0; cause < 4; cause++) {
        sweep->result->resets[cause] += sweep->world.resets[cause];
    }
    if (at >= 0) {
        note_recovery(sweep);
    }
    return 0;
}

/* ---- level one ----------------------------------------------------------------------------- */

/* The path of a victim that is not harmed. */
static int record(struct sweep *sweep)
{
    struct world *world = &sweep->world;
    bool fine = false;
    int result = open_world(sweep, false);
    if (result == 0) {
        result = world_victim(world);
        result = result == 0 ? trace_record(world->pids[PART_VICTIM], world->segment->base,
                                            world->segment->size_bytes, &sweep->trace)
                             : result;
        if (result != 0) {
            (void)give_up(sweep, "recording the victim", result);
        } else {
            trace_let_go(world->pids[PART_VICTIM]);
            result = see_what_comes(sweep, -1, -1, &fine);
        }
    }
    if (result == 0 && !fine) {
        result = give_up(sweep, "unharmed, the operation is wrong already", -EPROTO);
    }
    world_close(world);
    sweep->result->instructions = sweep->trace.count;
    return result;
}

/* A world whose victim is dead after k instructions. Returns: 0; -errno. */
static int kill_at(struct sweep *sweep, uint32_t k, bool repairer)
{
    struct world *world = &sweep->world;
    for (int try = 1;; try++) {
        int result = open_world(sweep, repairer);
        if (result != 0) {
            return result;
        }
        result = world_victim(world);
        if (result != 0) {
            return give_up(sweep, "starting the victim", result);
        }
        const bool last = try == TRIES;
        const enum stepped stepped =
            trace_advance(world->pids[PART_VICTIM], &sweep->trace, k, last);
        if (stepped == STEPPED_LOST || (last && stepped == STEPPED_OVER)) {
            return give_up(sweep, "stepping the victim", -EPROTO);
        }
        if (stepped == STEPPED_THERE || last) {
            sweep->result->elsewhere += stepped != STEPPED_THERE;
            world_died(world, PART_VICTIM);
            return 0;
        }
        world_close(world);
    }
}

bool sweep_takes(const struct trace *trace, const struct sweep_options *options, uint32_t k)
{
    if (k > options->every_up_to && k < trace->count && trace->touches[k] == 0 &&
        trace->touches[k - 1] == 0) {
        return false;
    }
    return options->stride < 2 || k % options->stride == 0 || k == trace->count;
}

static int sweep_victims(struct sweep *sweep)
{
    for (uint32_t k = 0; k <= sweep->trace.count; k++) {
        bool fine = false;
        if (!sweep_takes(&sweep->trace, sweep->options, k)) {
            continue;
        }
        int result = kill_at(sweep, k, false);
        if (result == 0) {
            sweep->result->kills++;
            sweep->result->boundaries += k > sweep->options->every_up_to;
            result = see_what_comes(sweep, k, -1, &fine);
            sweep->result->survived += fine;
        }
        world_close(&sweep->world);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int sweep_one(struct sweep *sweep)
{
    bool fine = false;
    int result = kill_at(sweep, (uint32_t)sweep->options->at, false);
    if (result == 0) {
        sweep->result->kills++;
        result = see_what_comes(sweep, sweep->options->at, -1, &fine);
        sweep->result->survived += fine;
    }
    world_close(&sweep->world);
    return result;
}

/* ---- all ----------------------------------------------------------------------------------- */

void sweep_operation(const struct operation *operation, const struct sweep_options *options,
                     struct sweep_result *result)
{
    struct sweep sweep = {
        .operation = operation, .options = options, .result = result, .shared = world_share()};
    const uint64_t began_ns = sv_os_now_ns();
    if (sweep.shared == NULL) {
        (void)give_up(&sweep, "sharing memory", -ENOMEM);
        return;
    }
    int status = record(&sweep);
    if (status == 0) {
        status = options->at >= 0 ? sweep_one(&sweep) : sweep_victims(&sweep);
    }
    trace_free(&sweep.trace);
    result->complete = status == 0;
    result->seconds = (double)(sv_os_now_ns() - began_ns) * 1e-9;
}
