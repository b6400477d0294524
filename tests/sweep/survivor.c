/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What survivors do: stand still until the victim is dead, work, read everything, leave.
 *
 * Each ends when every slot of a dead one has been settled by somebody who just did his work, all
 * have inserted what they wanted to, and there is nothing left to read. Nobody tells them of the
 * death. An alarm ends who hangs.
 */
#include <signal.h>
#include <string.h>

#include "faults/judge.h"
#include "sync/lwlock.h"
#include "sync/slot.h"
#include "tests/sweep/trace.h"
#include "tests/sweep/world.h"

enum { ROUNDS = 3, HANGS_S = 20, REPAIRS_S = 60 };

static _Noreturn void leave_with(int status)
{
    _exit(status);
}

static void check(int result)
{
    if (result != 0) {
        leave_with(1);
    }
}

/* ---- before -------------------------------------------------------------------------------- */

/* Rows for everybody, in transactions of a few. */
static int write_all_rows(struct actor *actor)
{
    int result = 0;
    for (uint32_t first = 0; first < actor->world->keys && result == 0; first += 16) {
        result = actor_begin(actor);
        for (uint32_t key = first; key < first + 16 && key < actor->world->keys && result == 0;
             key++) {
            result = actor_write(actor, key, false);
        }
        result = result == 0 ? actor_commit(actor) : result;
    }
    return result;
}

static int settle_in(struct actor *actor)
{
    const bool has_cache = actor->birth != PART_READER;
    const struct sv_backend_options options = {.signal_number =
                                                   actor->birth != PART_NEWCOMER ? SIGUSR1 : 0};
    int result = actor_attach(actor, &options);
    if (result == 0 && has_cache) {
        result = actor_open_table(actor);
        result = result == 0 ? actor_open_cache(actor) : result;
    }
    if (result == 0 && actor->birth == PART_CACHED) {
        result = write_all_rows(actor);
        result = result == 0 ? actor_read_rows(actor) : result;
    }
    if (result == 0 && actor->birth == PART_READER) {
        actor_insert(actor, 3); /* which nobody else has read */
        result = actor_read(actor);
    }
    return result;
}

/* ---- after --------------------------------------------------------------------------------- */

static int use_locks(struct actor *actor)
{
    struct control_shared *shared = actor->control->shared;
    struct finding finding;
    sv_lwlock_acquire(actor->self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    const uint64_t a = sv_load_relaxed64(&shared->app[0]);
    const uint64_t b = sv_load_relaxed64(&shared->app[1]);
    sv_store_relaxed64(&shared->app[0], a + 1);
    sv_store_relaxed64(&shared->app[1], a + 1);
    sv_lwlock_release(actor->self, SV_LOCK_APP_0);
    sv_lwlock_acquire(actor->self, SV_LOCK_APP_1, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(actor->self, SV_LOCK_APP_1);
    if (a == b) {
        return 0;
    }
    (void)finding_set(&finding, ORACLE_O6, "what app_0 guards is half done, and was not repaired");
    control_accuse(actor->control, actor->birth, &finding);
    return 1;
}

static int write_one_row(struct actor *actor, uint32_t key)
{
    int result = actor_begin(actor);
    result = result == 0 ? actor_write(actor, key, false) : result;
    return result == 0 ? actor_commit(actor) : result;
}

static int work(struct actor *actor, uint32_t round)
{
    int result = actor_must(actor, "sv_process_interrupts", sv_process_interrupts(actor->self));
    actor_insert(actor, 1);
    result = result == 0 && actor->cache == NULL ? actor_read(actor) : result;
    result = result == 0 ? actor_accept(actor) : result;
    if (round == 0) {
        struct world_shared *shared = actor->world->shared;
        const uint64_t since_ns = sv_load_seq64(&shared->died_ns);
        sv_store_seq64(&shared->recovered_ns[actor->birth], sv_os_now_ns() - since_ns);
        (void)sv_fetch_add_seq32(&shared->recovered, 1);
        sv_os_wake(&shared->recovered, INT32_MAX);
    }
    if (actor->cache != NULL) {
        result = result == 0 ? actor_read_rows(actor) : result;
        result = result == 0 ? write_one_row(actor, round % actor->world->keys) : result;
    }
    result = result == 0 ? use_locks(actor) : result;
    return result == 0 ? actor_draw_id(actor) : result;
}

/* Is there a slot whose occupant is dead? */
static bool any_dead(struct sv_segment *segment)
{
    struct sv_slot_state state;
    for (uint32_t i = 0; i < sv_segment_config(segment)->backends_max; i++) {
        sv_slot_look(segment, i, &state);
        if (state.in_use && !state.alive) {
            return true;
        }
    }
    return false;
}

/* Until the dead are settled, by what accepting does on the side. */
static int work_until_settled(struct actor *actor)
{
    int result = 0;
    const bool patrols = actor->cache != NULL || actor->birth == PART_VICTIM;
    while (result == 0 && patrols && any_dead(actor->segment)) {
        for (uint32_t i = 0; i < 64 && result == 0; i++) {
            result = actor_accept(actor);
        }
    }
    return result;
}

/* ---- at the end ---------------------------------------------------------------------------- */

static int take_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    row_read_take(argument, tuple);
    return 0;
}

/* Everything is quiet: does the cache say what the source says? */
static int compare_row(struct actor *actor, uint32_t key)
{
    struct row_read source = {.key = key};
    struct row_read cache = {.key = key};
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    struct finding finding;
    row_keys_set(&keys, key);
    int result = actor->source->read(actor->source, actor->self, ROW_RELATION, &keys.keys,
                                     take_value, &source);
    if (result != 0 && result != SV_NOT_FOUND) {
        return actor_must(actor, "read", result);
    }
    result = sv_cache_search(actor->self, actor->cache, &keys.keys, &entry);
    if (result != 0 && result != SV_NOT_FOUND) {
        return actor_must(actor, "sv_cache_search", result);
    }
    if (entry != NULL) {
        row_read_take(&cache, sv_cache_tuple(entry));
        sv_cache_release(actor->self, entry);
    }
    if (source.found == cache.found && source.version == cache.version &&
        memcmp(&source.value, &cache.value, sizeof(cache.value)) == 0) {
        return 0;
    }
    (void)finding_set(
        &finding, ORACLE_O1, "row %u: the cache of birth %u has version %llu, the source %llu", key,
        actor->birth, (unsigned long long)cache.version, (unsigned long long)source.version);
    control_accuse(actor->control, actor->birth, &finding);
    return 1;
}

static int judge_queue_now(struct actor *actor)
{
    struct finding finding;
    sv_lwlock_acquire(actor->self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(actor->self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const bool right = judge_queue(actor->segment, &finding);
    sv_lwlock_release(actor->self, SV_LOCK_READ);
    sv_lwlock_release(actor->self, SV_LOCK_WRITE);
    if (!right) {
        control_accuse(actor->control, actor->birth, &finding);
    }
    return !right;
}

static int read_to_the_end(struct actor *actor)
{
    struct finding finding;
    int result = actor->cache == NULL ? actor_read(actor) : 0;
    result = result == 0 ? actor_accept(actor) : result;
    for (uint32_t key = 0; actor->cache != NULL && key < actor->world->keys && result == 0; key++) {
        result = compare_row(actor, key);
    }
    if (result == 0 && !delivery_complete(&actor->delivery, &finding)) {
        control_accuse(actor->control, actor->birth, &finding);
        result = 1;
    }
    sv_store_seq64(&actor->world->shared->order[actor->birth], actor->order);
    sv_store_seq32(&actor->world->shared->resets[actor->birth], actor->delivery.resets);
    return result == 0 ? judge_queue_now(actor) : result;
}

/* ---- a life -------------------------------------------------------------------------------- */

int survivor_repairs(struct actor *actor)
{
    (void)sv_backend_settle_dead(actor->segment);
    return 0;
}

/* In a latch wait of its own until somebody sets the latch: the victim, or the world's end. */
static int rest_in_latch(struct actor *actor)
{
    int fds[2] = {-1, -1};
    struct sv_latch_wait wait = {.timeout_ms = -1};
    int result = 0;
    if (actor->world->operation->rest == REST_IN_POLL) {
        result = actor_must(actor, "pipe", pipe(fds));
        wait.wait_readable = true;
        wait.readable_fd = fds[0];
    }
    while (result == 0 && !wait.is_set) {
        result = actor_must(actor, "sv_latch_wait", sv_latch_wait(actor->self, &wait));
    }
    sv_store_seq32(&actor->world->shared->woken, 1);
    sv_latch_reset(actor->self);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return result;
}

/*
 * Nobody else does anything. The dead is waited for, if he holds the lock of those who insert; then
 * all that is published is read, without any insert that would tell of it.
 */
static int find_all_there_is(struct actor *actor)
{
    const struct sv_queue *queue = actor->segment->queue;
    struct finding finding;
    sv_lwlock_acquire(actor->self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_release(actor->self, SV_LOCK_WRITE);
    const int result = actor->cache == NULL ? actor_read(actor) : actor_accept(actor);
    const uint64_t position = sv_load_seq64(&actor->self->slot->position);
    if (result != 0 || position == sv_load_seq64(&queue->max_number)) {
        return result;
    }
    (void)finding_set(&finding, ORACLE_O2,
                      "birth %u is told that there is nothing to read, and there are %u messages",
                      actor->birth, (uint32_t)(sv_load_seq64(&queue->max_number) - position));
    control_accuse(actor->control, actor->birth, &finding);
    return 1;
}

static void look_alone(struct actor *actor)
{
    struct world_shared *shared = actor->world->shared;
    (void)alarm(HANGS_S);
    const int result = find_all_there_is(actor);
    sv_store_seq32(&shared->phase, WORLD_WORKS);
    sv_os_wake(&shared->phase, INT32_MAX);
    check(result);
}

static void stand_still(struct actor *actor)
{
    struct world_shared *shared = actor->world->shared;
    const bool rests = actor->birth == PART_READER && actor->world->operation->rest != REST_OUTSIDE;
    (void)alarm(0); /* the victim is stepped meanwhile, and that takes as long as it takes */
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
    if (actor->birth == PART_READER && actor->world->repairer) {
        (void)alarm(REPAIRS_S);
        sweep_begins();
        check(survivor_repairs(actor));
        sweep_over();
    } else if (rests) {
        check(rest_in_latch(actor));
    }
    for (uint32_t phase; (phase = sv_load_acquire32(&shared->phase)) != WORLD_WORKS;) {
        if (phase == WORLD_ALONE && sv_load_seq32(&shared->alone) == actor->birth) {
            look_alone(actor);
        }
        (void)sv_os_wait(&shared->phase, phase, UINT64_C(1000000000));
    }
    (void)alarm(HANGS_S);
}

/* Until all have inserted what they wanted to; or somebody has found something, and left. */
static void wait_for_the_others(const struct actor *actor)
{
    struct world_shared *shared = actor->world->shared;
    const uint32_t survivors = sv_load_seq32(&shared->survivors);
    struct finding finding;
    uint32_t seat;
    (void)sv_fetch_add_seq32(&shared->done, 1);
    sv_os_wake(&shared->done, INT32_MAX);
    for (uint32_t done; (done = sv_load_seq32(&shared->done)) < survivors;) {
        if (control_verdict(actor->control, &finding, &seat)) {
            leave_with(1);
        }
        (void)sv_os_wait(&shared->done, done, UINT64_C(20000000));
    }
}

/* The victim is stopped, wherever: what is cached is found. */
static int hit_all_rows(struct actor *actor)
{
    struct world_shared *shared = actor->world->shared;
    int result = 0;
    for (uint32_t key = 0; key < actor->world->keys && result == 0; key++) {
        struct row_keys keys;
        struct sv_cache_entry *entry = NULL;
        row_keys_set(&keys, key);
        result = actor_must(actor, "sv_cache_search",
                            sv_cache_search(actor->self, actor->cache, &keys.keys, &entry));
        if (entry != NULL) {
            sv_cache_release(actor->self, entry);
            (void)sv_fetch_add_seq32(&shared->hits, 1);
        }
    }
    return result;
}

static _Noreturn void work_and_leave(struct actor *actor)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        check(work(actor, round));
    }
    check(work_until_settled(actor));
    wait_for_the_others(actor);
    check(read_to_the_end(actor));
    actor_leave(actor);
    leave_with(0);
}

void survivor_goes_on(struct actor *victim)
{
    (void)alarm(HANGS_S);
    if (victim->self != NULL && sv_transaction_level(victim->self) > 0) {
        sv_transaction_rollback(victim->self);
    }
    if (victim->self != NULL && !victim->self->send_only) {
        work_and_leave(victim);
    }
    wait_for_the_others(victim);
    actor_leave(victim);
    leave_with(0);
}

void survivor_live(const struct world *world, enum part part)
{
    struct actor actor;
    (void)alarm(HANGS_S);
    actor_init(&actor, world, part);
    check(settle_in(&actor));
    if (part != PART_NEWCOMER) {
        stand_still(&actor);
    }
    if (part == PART_CACHED && world->stops) {
        check(hit_all_rows(&actor));
    }
    work_and_leave(&actor);
}
