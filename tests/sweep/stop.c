/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Stopping one operation's victim, everywhere.
 *
 * While it stands still, it is asked of each of the others
 *     - has it come to the end of its work? Then the victim was in nobody's way.
 *     - or does it wait for a lock? Then the lock must say who holds it: the victim, or a dead one
 *       whose life lock says that the victim is settling him, or somebody who waits in his turn;
 *       its slot must say since when; and it must sleep, not turn round.
 *     - or neither, for as long as we have patience? Then it waits for the victim in another way
 *       (to finish settling somebody; for SQLite's lock). These are counted.
 * And who finds what it wants in its own cache, and has nothing to accept, has got it: a hit needs
 * no lock.
 *
 * The victim is stopped by its tracer, which is to the others as SIGSTOP is.
 */
#include "tests/sweep/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/segment.h"
#include "tests/sweep/operations.h"

#define NS_PER_MS UINT64_C(1000000)

enum {
    SHORT_STOPS = 25,        /* about so many, when it is to be short */
    SLOTS_MAX = 64,          /* more than any operation's segment has */
    PATIENCE_MS = 400,       /* until the others have come as far as they can */
    PATIENCE_SQLITE_MS = 60, /* where SQLite's lock is waited for, it comes to that */
    WATCHED_MS = 25, /* how long who waits is watched: two of its looks whether the holder lives */
    WATCHED_MAX = 8, /* so many stops of an operation: it takes its time */
    AWAKE_NS_MAX = 3000000,
    SLEEP_LOOKS = 3,
};

static void let_pass(uint64_t ns)
{
    struct sv_atomic32 nobody = {0};
    const uint64_t end_ns = sv_os_now_ns() + ns;
    for (uint64_t now_ns; (now_ns = sv_os_now_ns()) < end_ns;) {
        (void)sv_os_wait(&nobody, 0, end_ns - now_ns);
    }
}

/* ---- how far they have come ---------------------------------------------------------------- */

/* Who waits for which lock: by slot, SV_SLOT_NONE for none. */
struct waiters {
    uint32_t locks[SLOTS_MAX];
    uint32_t slot_count;
    uint32_t count;
    bool
        in_motion; /* somebody waits for a dead one, or has not noticed yet that it need not wait */
    struct sv_slot_state states[SLOTS_MAX];
};

/* Does it wait for what the next moments will bring, whatever the victim does? */
static bool is_in_motion(const struct world *world, const struct waiters *waiters, uint32_t slot)
{
    uint32_t shared_count = 0;
    const uint32_t owner =
        sv_lwlock_owner(world->segment, (enum sv_lock)waiters->locks[slot], &shared_count);
    if (owner >= waiters->slot_count) {
        return shared_count == 0;
    }
    return waiters->states[owner].in_use && !waiters->states[owner].alive;
}

static void look_at_waiters(const struct world *world, struct waiters *waiters)
{
    const uint32_t slots = sv_segment_config(world->segment)->backends_max;
    waiters->slot_count = slots < SLOTS_MAX ? slots : SLOTS_MAX;
    waiters->count = 0;
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        sv_slot_look(world->segment, i, &waiters->states[i]);
        const bool waits = waiters->states[i].in_use && i != slot_of(PART_VICTIM) &&
                           waiters->states[i].waits_for_lock < SV_LOCK_COUNT;
        waiters->locks[i] = waits ? waiters->states[i].waits_for_lock : SV_SLOT_NONE;
        waiters->count += waits;
    }
    waiters->in_motion = false;
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        waiters->in_motion |= waiters->locks[i] != SV_SLOT_NONE && is_in_motion(world, waiters, i);
    }
}

/*
 * Wait until each of the others is done or waits, twice in a row. Returns: whether it came to that.
 */
static bool come_as_far_as_they_can(const struct world *world, struct waiters *waiters)
{
    const uint64_t patience_ms = world->operation->sqlite ? PATIENCE_SQLITE_MS : PATIENCE_MS;
    const uint64_t until_ns = sv_os_now_ns() + patience_ms * NS_PER_MS;
    const uint32_t others = sv_load_seq32(&world->shared->survivors) - 1; /* but the victim */
    uint32_t calm = 0;
    while (calm < 2) {
        const uint32_t done = sv_load_seq32(&world->shared->done);
        look_at_waiters(world, waiters);
        calm = done + waiters->count >= others && !waiters->in_motion ? calm + 1 : 0;
        if (done >= others) {
            return true;
        }
        if (sv_os_now_ns() > until_ns) {
            return false;
        }
        let_pass(calm != 0 ? NS_PER_MS : NS_PER_MS / 4);
    }
    return true;
}

/* ---- what is judged ------------------------------------------------------------------------ */

/* Is it the victim's, or that of a dead one for whom the victim is acting, as its settler? */
static bool is_victims(const struct world *world, uint32_t slot)
{
    const pid_t victim = world->pids[PART_VICTIM];
    return slot == slot_of(PART_VICTIM) ||
           (slot != SV_SLOT_NONE &&
            sv_os_life_holder(&world->segment->slots[slot].life) == (uint32_t)victim);
}

/* Can its holder be named, and is that the victim, or somebody who waits as well? */
static bool judge_waiter(const struct world *world, const struct waiters *waiters, uint32_t slot,
                         struct finding *finding)
{
    const enum sv_lock lock = (enum sv_lock)waiters->locks[slot];
    uint32_t shared_count = 0;
    const uint32_t owner = sv_lwlock_owner(world->segment, lock, &shared_count);
    if (waiters->states[slot].waits_since_ns == 0) {
        return finding_set(finding, ORACLE_O6, "slot %u waits for %s, and nothing says since when",
                           slot, sv_lwlock_name(lock));
    }
    if (is_victims(world, owner) || (owner == SV_SLOT_NONE && shared_count > 0) ||
        (owner < waiters->slot_count && waiters->locks[owner] != SV_SLOT_NONE)) {
        return true;
    }
    return finding_set(finding, ORACLE_O4, "slot %u waits for %s, which %s has", slot,
                       sv_lwlock_name(lock),
                       owner == SV_SLOT_NONE ? "nobody" : "one who could go on");
}

/* How long it has been running; 0 if nobody can say. */
static uint64_t running_ns(int32_t pid)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(text, "re");
    const bool is_told = file != NULL && fgets(text, sizeof(text), file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_told ? strtoull(text, NULL, 10) : 0;
}

/* Do they sleep while they wait, as far as one look can tell? */
static bool look_at_sleep(const struct waiters *waiters, struct finding *finding)
{
    uint64_t before_ns[SLOTS_MAX] = {0};
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        if (waiters->locks[i] != SV_SLOT_NONE) {
            before_ns[i] = running_ns(waiters->states[i].pid);
        }
    }
    let_pass(WATCHED_MS * NS_PER_MS);
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        if (waiters->locks[i] != SV_SLOT_NONE &&
            running_ns(waiters->states[i].pid) - before_ns[i] > AWAKE_NS_MAX) {
            return finding_set(finding, ORACLE_O4, "slot %u does not sleep while it waits for %s",
                               i, sv_lwlock_name((enum sv_lock)waiters->locks[i]));
        }
    }
    return true;
}

/* Who has just begun to wait, on a busy machine, may still have been running in one look. */
static bool judge_sleep(const struct waiters *waiters, struct finding *finding)
{
    for (int look = 0; look < SLEEP_LOOKS; look++) {
        if (look_at_sleep(waiters, finding)) {
            return true;
        }
    }
    return false;
}

static bool judge_waiters(const struct world *world, const struct waiters *waiters, bool watch,
                          struct finding *finding)
{
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        if (waiters->locks[i] != SV_SLOT_NONE && !judge_waiter(world, waiters, i, finding)) {
            return false;
        }
    }
    if (sv_load_seq32(&world->shared->hits) == 0) {
        return finding_set(finding, ORACLE_O4, "who has everything cached does not get on");
    }
    return !watch || judge_sleep(waiters, finding);
}

/* Count what they wait for. Returns: whether they wait for anything. */
static bool count_waits(struct sweep_result *result, const struct waiters *waiters, bool calm)
{
    bool counted[SV_LOCK_COUNT] = {false};
    for (uint32_t i = 0; i < waiters->slot_count; i++) {
        if (waiters->locks[i] != SV_SLOT_NONE && !counted[waiters->locks[i]]) {
            counted[waiters->locks[i]] = true;
            result->waited[waiters->locks[i]]++;
        }
    }
    result->restless += !calm;
    return calm && waiters->count > 0;
}

/* ---- one stop, all stops ------------------------------------------------------------------- */

/* What the others do while the victim stands still. Wrong is what is accused. */
static void look_on(struct sweep *sweep)
{
    struct world *world = &sweep->world;
    struct waiters waiters;
    struct finding finding;
    const bool calm = come_as_far_as_they_can(world, &waiters);
    const bool wait = count_waits(sweep->result, &waiters, calm);
    const bool watch = wait && sweep->result->watched < WATCHED_MAX;
    sweep->result->watched += watch;
    if (calm && !judge_waiters(world, &waiters, watch, &finding)) {
        control_accuse(&world->control, PART_VICTIM, &finding);
    }
}

static int stop_at(struct sweep *sweep, uint32_t k)
{
    bool fine = false;
    int status = sweep_stop_at(sweep, k, false);
    if (status == 0) {
        sweep->result->kills++;
        sv_store_seq64(&sweep->shared->died_ns, sv_os_now_ns());
        status = world_release(&sweep->world, true);
    }
    if (status == 0) {
        look_on(sweep);
        trace_let_go(sweep->world.pids[PART_VICTIM]);
        status = sweep_judge(sweep, k, -1, &fine);
        sweep->result->survived += fine;
    }
    world_close(&sweep->world);
    return status;
}

/*
 * Is it a place where a stop can make a difference? Of an instruction that repeats itself (a copy),
 * its first step and its last.
 */
static bool can_matter(const struct trace *trace, uint32_t k)
{
    if (k == 0 || k == trace->count) {
        return true;
    }
    const bool in_the_middle =
        k > 1 && trace->at[k] == trace->at[k - 1] && trace->at[k - 1] == trace->at[k - 2];
    return trace->touches[k - 1] != 0 && !in_the_middle;
}

static int every_stop(struct sweep *sweep)
{
    uint32_t places = 0;
    int status = 0;
    for (uint32_t k = 0; k <= sweep->trace.count; k++) {
        places += can_matter(&sweep->trace, k);
    }
    sweep->result->boundaries = places;
    const uint32_t stride =
        sweep->options->stride != 0 ? sweep->options->stride : places / SHORT_STOPS + 1;
    uint32_t place = 0;
    for (uint32_t k = 0; k <= sweep->trace.count && status == 0; k++) {
        if (can_matter(&sweep->trace, k) && place++ % stride == 0) {
            status = stop_at(sweep, k);
        }
    }
    return status;
}

void sweep_stops(const struct operation *operation, const struct sweep_options *options,
                 struct sweep_result *result)
{
    if (operation->only_killed) {
        result->complete = true;
        return;
    }
    struct sweep sweep = {.operation = operation, .options = options, .result = result};
    int status = sweep_open(&sweep);
    if (status == 0) {
        status = options->at >= 0 ? stop_at(&sweep, (uint32_t)options->at) : every_stop(&sweep);
    }
    sweep_close(&sweep, status);
}

/* ---- the canary ---------------------------------------------------------------------------- */

/* Holds the write lock in the name of a slot that nobody has: who waits, waits for nobody. */
static int hold_namelessly(struct actor *victim)
{
    struct sv_atomic32 *word = &victim->segment->locks[SV_LOCK_WRITE].exclusive;
    const uint32_t nobody = sv_segment_config(victim->segment)->backends_max; /* the last slot's */
    sv_store_seq32(word, nobody | SV_LOCK_GRANTED);
    (void)sv_fetch_add_seq32(&victim->control->shared->settled, 0);
    sv_store_seq32(word, 0);
    return 0;
}

const struct operation operation_nameless = {
    .name = "nameless",
    .text = "a lock that does not say who holds it",
    .run = hold_namelessly,
};
