/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The two levels of deaths.
 *
 * The second level. Repair depends on what is in the segment, so deaths that leave the same there
 * (image.c) are one to it. Of each state one death is repaired by a survivor that is being
 * recorded. A repair that goes from one instruction to another in a way that no earlier one of this
 * operation did is a way of its own; two operations whose ways are of the same instructions share
 * it. So every step of repair, and every branch, is in a way. Each way is swept once: the repairer
 * is killed at every k, and the other survivor and the newcomer finish what it was doing. The way's
 * end is its last k, too: a repair that was complete.
 */
#include <errno.h>

#include "faults/judge.h"
#include "sync/procsignal.h"
#include "tests/sweep/image.h"
#include "tests/sweep/sweep.h"

#define PAUSE_MAX_NS UINT64_C(100000000) /* K1 */

enum { TRIES_IN_TIME = 20, LARGE_KEYS = 64 };

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

/*
 * One world with its death, or with both. then: -1, or the repairer's. Returns: 0 and *fine;
 * -errno.
 */
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
 * things, but not twenty times in a row.
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
        sweep_tell_failure(sweep, &finding, at, then);
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
        result = sweep_record_part(sweep, PART_READER, &sweep->repair);
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
    if (!images_add_path(sweep->steps, &sweep->repair)) {
        return 0;
    }
    const uint64_t hash = image_of_path(&sweep->repair);
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
