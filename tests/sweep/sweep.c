/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sweeping one operation.
 *
 * The path is recorded, then for each k there is a world, a victim stepped k instructions into
 * run(), a death. k = 0 is before the first instruction, the last k after the last one.
 *
 * Who finds the dead? For even k the newcomer, who attaches at once and meets the dead slot on the
 * way; for odd k the survivors, while they wait for what the dead held or accept. Between two
 * accesses to the segment there are mostly several instructions, so most states meet both.
 */
#include "tests/sweep/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/sweep/database.h"
#include "tests/sweep/image.h"

#define RECHECK_NS UINT64_C(80000000)

enum { TRIES = 3, SHORT_KILLS = 50, LONG_PATH = 10000 };

int sweep_give_up(struct sweep *sweep, const char *what, int result)
{
    (void)snprintf(sweep->result->message, sizeof(sweep->result->message), "%s: %s", what,
                   strerror(result < 0 ? -result : EIO));
    return result < 0 ? result : -EIO;
}

static int open_world(struct sweep *sweep, bool repairer)
{
    struct world *world = &sweep->world;
    *world = (struct world){
        .canary = sweep->options->canary, .repairer = repairer, .stops = sweep->options->stops};
    int result = world_open(world, sweep->operation, sweep->shared);
    if (result != 0) {
        return sweep_give_up(sweep, "making a world", result);
    }
    result = world_people(world);
    return result != 0 ? sweep_give_up(sweep, "starting survivors", result) : 0;
}

/* ---- what is found ------------------------------------------------------------------------- */

void sweep_tell_failure(struct sweep *sweep, const struct finding *finding, int64_t at,
                        int64_t then)
{
    char line[sizeof(sweep->result->failure)];
    char first[48] = "";
    char second[48] = "";
    if (at >= 0) {
        (void)snprintf(first, sizeof(first), " --at %lld%s", (long long)at,
                       sweep->inside ? " --inside" : "");
    }
    if (then >= 0) {
        (void)snprintf(second, sizeof(second), " --then %lld", (long long)then);
    }
    (void)snprintf(line, sizeof(line), "%s: %s: %s\nsinval sweep %s%s%s%s", sweep->operation->name,
                   oracle_name(finding->oracle), finding->message, sweep->operation->name,
                   sweep->options->stops ? " --stop" : "", first, second);
    (void)fprintf(stderr, "%s\n", line);
    if (sweep->result->failures++ == 0) {
        memcpy(sweep->result->failure, line, sizeof(line));
    }
}

int sweep_judge(struct sweep *sweep, int64_t at, int64_t then, bool *fine)
{
    struct finding finding;
    const int result = world_go(&sweep->world, at < 0 || ((then >= 0 ? then : at) & 1) == 0);
    if (result != 0) {
        return sweep_give_up(sweep, "starting the newcomer", result);
    }
    *fine = world_judge(&sweep->world, &finding);
    if (!*fine) {
        sweep_tell_failure(sweep, &finding, at, then);
    }
    for (uint32_t cause = 0; cause < 4; cause++) {
        sweep->result->resets[cause] += sweep->world.resets[cause];
    }
    return 0;
}

/* ---- begin and end ------------------------------------------------------------------------- */

int sweep_record_part(const struct sweep *sweep, enum part part, struct trace *trace)
{
    const struct world *world = &sweep->world;
    struct trace_region regions[TRACE_REGIONS] = {{0}};
    regions[0].first = (uint64_t)(uintptr_t)world->segment->base;
    regions[0].end = regions[0].first + world->segment->size_bytes;
    if (sweep->operation->sqlite) {
        regions[1] = database_index(world->pids[part]);
    }
    return trace_record(world->pids[part], regions, trace);
}

/* The path of a victim that is not harmed. Returns: 0, and *took_ns; -errno. */
static int record_once(struct sweep *sweep, struct trace *trace, uint64_t *took_ns)
{
    struct world *world = &sweep->world;
    bool fine = false;
    int result = open_world(sweep, false);
    if (result != 0) {
        return result;
    }
    const uint64_t began_ns = sv_os_now_ns();
    result = world_victim(world);
    if (result == 0) {
        result = sweep_record_part(sweep, PART_VICTIM, trace);
    }
    if (result != 0) {
        return sweep_give_up(sweep, "recording the victim", result);
    }
    *took_ns = sv_os_now_ns() - began_ns;
    trace_let_go(world->pids[PART_VICTIM]);
    if (!world->stops) {
        world_ends(world, PART_VICTIM); /* an open transaction's messages are sent by its end */
    }
    result = sweep_judge(sweep, -1, -1, &fine);
    return result == 0 && !fine ? sweep_give_up(sweep, "unharmed, it is wrong already", -EPROTO)
                                : result;
}

/*
 * Recording is slow, and who takes long looks for the dead on the way (each 100 ms), which those
 * that come after will not. So a slow one is tried again, and the shortest path taken; but for
 * paths so long that each takes that long.
 */
static int record(struct sweep *sweep)
{
    for (int try = 1;; try++) {
        struct trace trace = {0};
        uint64_t took_ns = 0;
        const int result = record_once(sweep, &trace, &took_ns);
        world_close(&sweep->world);
        if (result != 0) {
            trace_free(&trace);
            return result;
        }
        if (try == 1 || trace.count < sweep->trace.count) {
            trace_free(&sweep->trace);
            sweep->trace = trace;
            sweep->result->instructions = trace.count;
        } else {
            trace_free(&trace);
        }
        if (took_ns < RECHECK_NS || sweep->trace.count > LONG_PATH || try == TRIES) {
            return 0;
        }
    }
}

int sweep_open(struct sweep *sweep)
{
    sweep->shared = world_share();
    sweep->images = images_create();
    sweep->steps = images_create();
    if (sweep->shared == NULL || sweep->images == NULL || sweep->steps == NULL) {
        return sweep_give_up(sweep, "beginning", -ENOMEM);
    }
    const uint64_t began_ns = sv_os_now_ns();
    const int result = record(sweep);
    sweep->result->seconds = (double)began_ns * 1e-9;
    return result;
}

void sweep_close(struct sweep *sweep, int result)
{
    images_destroy(sweep->images);
    images_destroy(sweep->steps);
    trace_free(&sweep->trace);
    trace_free(&sweep->repair);
    sweep->result->complete = result == 0;
    sweep->result->seconds = (double)sv_os_now_ns() * 1e-9 - sweep->result->seconds;
}

/* ---- getting there ------------------------------------------------------------------------- */

int sweep_stop_at(struct sweep *sweep, uint32_t k, bool repairer)
{
    struct world *world = &sweep->world;
    for (int try = 1;; try++) {
        int result = open_world(sweep, repairer);
        if (result == 0) {
            result = world_victim(world);
        }
        if (result != 0) {
            return sweep_give_up(sweep, "starting the victim", result);
        }
        const bool last = try == TRIES;
        const enum stepped stepped =
            trace_advance(world->pids[PART_VICTIM], &sweep->trace, k, last);
        if (stepped == STEPPED_LOST) {
            return sweep_give_up(sweep, "stepping the victim", -EPROTO);
        }
        if (stepped == STEPPED_OVER) {
            world_left(world, PART_VICTIM);
        }
        if (stepped == STEPPED_THERE || last) {
            sweep->result->elsewhere += stepped != STEPPED_THERE;
            return 0;
        }
        world_close(world);
    }
}

uint32_t sweep_stride(const struct sweep_options *options, uint32_t instructions)
{
    return options->stride != 0 ? options->stride : instructions / SHORT_KILLS + 1;
}

bool sweep_takes(const struct trace *trace, const struct sweep_options *options, uint32_t k)
{
    if (k > options->every_up_to && k < trace->count && trace->touches[k] == 0 &&
        trace->touches[k - 1] == 0) {
        return false;
    }
    return k % sweep_stride(options, trace->count) == 0 || k == trace->count;
}
