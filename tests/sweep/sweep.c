/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Sweeping one operation.
 *
 * The path is recorded, then for each k there is a world, a victim stepped k instructions into run(),
 * a death. k = 0 is before the first instruction, the last k after the last one.
 *
 * Who finds the dead? For even k the newcomer, who attaches at once and meets the dead slot on the
 * way; for odd k the survivors, while they wait for what the dead held or accept. Between two
 * accesses to the segment there are mostly several instructions, so most states meet both.
 *
 * The second level. Repair depends on what is in the segment, so deaths that leave the same there
 * (image.c) are one to it. Of each state one death is repaired by a survivor that is being recorded;
 * two that take the same set of instructions go the same way. Each way is swept once: the repairer
 * is killed at every k, and the other survivor and the newcomer finish what it was doing. The way's
 * end is its last k, too: a repair that was complete.
 */
#include "tests/sweep/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "faults/judge.h"
#include "sync/procsignal.h"
#include "tests/sweep/database.h"
#include "tests/sweep/image.h"

#define RECHECK_NS   UINT64_C(80000000)
#define PAUSE_MAX_NS UINT64_C(100000000) /* K1 */

enum { TRIES = 3, TRIES_IN_TIME = 5, SHORT_KILLS = 50, LARGE_KEYS = 64 };

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

static void tell_failure(struct sweep *sweep, const struct finding *finding, int64_t at,
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

/* After the death, the longest time of anybody until his first insert and accept. */
static uint64_t recovery_ns(const struct sweep *sweep)
{
    uint64_t longest_ns = 0;
    for (uint32_t part = 0; part < PARTS; part++) {
        const uint64_t ns = sv_load_seq64(&sweep->shared->recovered_ns[part]);
        longest_ns = ns > longest_ns ? ns : longest_ns;
    }
    return longest_ns;
}

int sweep_judge(struct sweep *sweep, int64_t at, int64_t then, bool *fine)
{
    struct finding finding;
    const int result = world_go(&sweep->world, ((then >= 0 ? then : at) & 1) == 0);
    if (result != 0) {
        return sweep_give_up(sweep, "starting the newcomer", result);
    }
    *fine = world_judge(&sweep->world, &finding);
    if (!*fine) {
        tell_failure(sweep, &finding, at, then);
    }
    for (uint32_t cause = 0; cause < 4; cause++) {
        sweep->result->resets[cause] += sweep->world.resets[cause];
    }
    return 0;
}

/* ---- begin and end ------------------------------------------------------------------------- */

/* Step a part until it is over, on whatever path it takes. */
static int record_part(const struct sweep *sweep, enum part part, struct trace *trace)
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
        result = record_part(sweep, PART_VICTIM, trace);
    }
    if (result != 0) {
        return sweep_give_up(sweep, "recording the victim", result);
    }
    *took_ns = sv_os_now_ns() - began_ns;
    trace_let_go(world->pids[PART_VICTIM]);
    result = sweep_judge(sweep, -1, -1, &fine);
    return result == 0 && !fine ? sweep_give_up(sweep, "unharmed, it is wrong already", -EPROTO)
                                : result;
}

/*
 * Recording is slow, and who takes long looks for the dead on the way (each 100 ms), which those
 * that come after will not. So a slow one is tried again, and the shortest path taken.
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
        if (took_ns < RECHECK_NS || try == TRIES) {
            return 0;
        }
    }
}

int sweep_open(struct sweep *sweep)
{
    sweep->shared = world_share();
    sweep->images = images_create();
    if (sweep->shared == NULL || sweep->images == NULL) {
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
    trace_free(&sweep->trace);
    trace_free(&sweep->repair);
    sweep->result->complete = result == 0;
    sweep->result->seconds = (double)sv_os_now_ns() * 1e-9 - sweep->result->seconds;
}

/* ---- level one ----------------------------------------------------------------------------- */

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

/* ---- deaths -------------------------------------------------------------------------------- */

/* Kill the repairer, too. Returns: 0; -errno. */
static int kill_repairer(struct sweep *sweep, uint32_t then)
{
    struct world *world = &sweep->world;
    const enum stepped stepped =
        trace_advance(world->pids[PART_READER], &sweep->repair, then, false);
    if (stepped == STEPPED_LOST) {
        return sweep_give_up(sweep, "stepping the repairer", -EPROTO);
    }
    if (stepped == STEPPED_OVER) {
        world_left(world, PART_READER);
    }
    sweep->result->elsewhere += stepped != STEPPED_THERE;
    world_died(world, PART_READER);
    return 0;
}

/* One world with its death, or with both. then: -1, or the repairer's. Returns: 0 and *fine; -errno. */
static int die(struct sweep *sweep, uint32_t at, int64_t then, bool *fine)
{
    int result = sweep_stop_at(sweep, at, then >= 0);
    if (result == 0) {
        sweep->asleep = sweep->inside && trace_enter(sweep->world.pids[PART_VICTIM]);
        world_died(&sweep->world, PART_VICTIM);
        sweep->image = image_hash(sweep->world.segment);
        if (then >= 0) {
            result = kill_repairer(sweep, (uint32_t)then);
        }
        if (result == 0) {
            result = sweep_judge(sweep, at, then, fine);
        }
    }
    world_close(&sweep->world);
    return result;
}

/*
 * The same, until recovery took no longer than K1 allows: the machine may have been doing other
 * things, but not five times in a row.
 */
static int die_in_time(struct sweep *sweep, uint32_t at, int64_t then, bool *fine)
{
    const bool rests = sweep->operation->rest != REST_OUTSIDE; /* wakes by itself at worst */
    const uint64_t limit_ns = PAUSE_MAX_NS + (rests ? SV_RECHECK_NS : 0);
    uint64_t least_ns = UINT64_MAX;
    struct finding finding;
    for (int try = 0; try < TRIES_IN_TIME; try++) {
        const int result = die(sweep, at, then, fine);
        if (result != 0 || !*fine) {
            return result;
        }
        const uint64_t ns = recovery_ns(sweep);
        least_ns = ns < least_ns ? ns : least_ns;
        if (ns <= limit_ns) {
            break;
        }
        sweep->result->repeated++;
    }
    if (least_ns > sweep->result->recovery_max_ns) {
        sweep->result->recovery_max_ns = least_ns;
    }
    *fine = judge_pause(least_ns, limit_ns, &finding);
    if (!*fine) {
        tell_failure(sweep, &finding, at, then);
    }
    return 0;
}

static int kill_victim_at(struct sweep *sweep, uint32_t k, bool *is_new)
{
    struct sweep_result *result = sweep->result;
    bool fine = false;
    const int status = die_in_time(sweep, k, -1, &fine);
    if (status == 0) {
        *is_new = images_add(sweep->images, sweep->image);
        result->states += *is_new;
        result->kills++;
        result->boundaries += k > sweep->options->every_up_to;
        result->survived += fine;
    }
    return status;
}

/* It stands before a system call: one that sleeps is also killed inside. */
static int kill_victim_inside(struct sweep *sweep, uint32_t k)
{
    bool fine = false;
    sweep->inside = true;
    const int status = die_in_time(sweep, k, -1, &fine);
    sweep->inside = false;
    if (status == 0 && sweep->asleep) {
        sweep->result->asleep++;
        sweep->result->kills++;
        sweep->result->survived += fine;
    }
    return status;
}

static int kill_repairer_at(struct sweep *sweep, uint32_t at, uint32_t then)
{
    bool fine = false;
    const int status = die_in_time(sweep, at, then, &fine);
    if (status == 0) {
        sweep->result->repairer_kills++;
        sweep->result->repairers_survived += fine;
    }
    return status;
}

/* ---- ways of repair ------------------------------------------------------------------------ */

/* Record how the reader repairs after a death at k; the world goes on to its end. */
static int record_repair(struct sweep *sweep, uint32_t k)
{
    struct world *world = &sweep->world;
    bool fine = false;
    int result = sweep_stop_at(sweep, k, true);
    if (result == 0) {
        world_died(world, PART_VICTIM);
        result = record_part(sweep, PART_READER, &sweep->repair);
        if (result != 0) {
            result = sweep_give_up(sweep, "recording the repairer", result);
        } else {
            trace_let_go(world->pids[PART_READER]);
            result = sweep_judge(sweep, k, INT64_MAX, &fine);
        }
    }
    world_close(world);
    return result;
}

static int note_way(struct sweep *sweep, uint32_t k)
{
    struct sweep_result *result = sweep->result;
    const int status = record_repair(sweep, k);
    if (status != 0) {
        return status;
    }
    const uint64_t hash = image_of_path(&sweep->repair);
    for (uint32_t i = 0; i < result->way_count; i++) {
        if (result->ways[i].hash == hash) {
            return 0;
        }
    }
    if (result->way_count == WAYS_MAX) {
        return sweep_give_up(sweep, "more ways of repair than there is room for", -E2BIG);
    }
    result->ways[result->way_count++] = (struct way){.hash = hash, .at = k};
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

/*
 * A reader that rests in its latch cannot be the one who repairs, too; and a latch leaves nothing.
 * What is left by transactions of hundreds of rows is repaired by what repairs those of twenty.
 */
static bool has_repairers(const struct sweep *sweep)
{
    return sweep->options->repairers && sweep->operation->rest == REST_OUTSIDE &&
           sweep->operation->keys <= LARGE_KEYS;
}

static int every_victim(struct sweep *sweep)
{
    const bool repairers = has_repairers(sweep);
    int status = 0;
    for (uint32_t k = 0; k <= sweep->trace.count && status == 0; k++) {
        bool is_new = false;
        if (sweep_takes(&sweep->trace, sweep->options, k)) {
            status = kill_victim_at(sweep, k, &is_new);
            status = status == 0 && is_new && repairers ? note_way(sweep, k) : status;
            if (status == 0 && (sweep->trace.touches[k] & TOUCH_KERNEL) != 0) {
                status = kill_victim_inside(sweep, k);
            }
        }
    }
    return status;
}

void sweep_victims(const struct operation *operation, const struct sweep_options *options,
                   struct sweep_result *result)
{
    struct sweep sweep = {.operation = operation, .options = options, .result = result};
    bool is_new;
    int status = sweep_open(&sweep);
    if (status == 0) {
        sweep.inside = options->inside;
        status = options->at >= 0 ? kill_victim_at(&sweep, (uint32_t)options->at, &is_new)
                                  : every_victim(&sweep);
    }
    sweep_close(&sweep, status);
}

void sweep_repairers(const struct operation *operation, const struct sweep_options *options,
                     uint32_t at, struct sweep_result *result)
{
    struct sweep sweep = {.operation = operation, .options = options, .result = result};
    int status = sweep_open(&sweep);
    status = status == 0 ? record_repair(&sweep, at) : status;
    if (status == 0 && options->then >= 0) {
        status = kill_repairer_at(&sweep, at, (uint32_t)options->then);
    } else {
        for (uint32_t k = 0; status == 0 && k <= sweep.repair.count; k++) {
            if (sweep_takes(&sweep.repair, options, k)) {
                status = kill_repairer_at(&sweep, at, k);
            }
        }
    }
    sweep_close(&sweep, status);
}
