/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Making a world, carrying it out, judging it.
 */
#include "faults/explore/world.h"

#include <string.h>

#include "faults/explore/runtime.h"
#include "faults/explore/step_judge.h"
#include "queue/queue.h"
#include "sync/procsignal.h"

const struct world_kind *world_find(const char *name)
{
    for (const struct world_kind *const *kind = world_kinds; *kind != NULL; kind++) {
        if (strcmp((*kind)->name, name) == 0) {
            return *kind;
        }
    }
    return NULL;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void make_segment(void *argument, uint32_t nobody)
{
    struct world *world = argument;
    struct sv_config config = world->kind->config;

    (void)nobody;
    const int result = sv_segment_create(NULL, &config, &world->segment);
    world->error = result;
}

static void attach(void *argument, uint32_t backend)
{
    struct world *world = argument;
    const struct world_kind *kind = world->kind;
    struct sv_backend **self = &world->state.backends[backend];
    struct sv_backend_options options = kind->options;

    options.send_only = (kind->send_only >> backend & 1) != 0;
    world->error = sv_backend_attach(world->segment, &options, self);
    if (world->error == 0 && backend == 0 && kind->base != 0) {
        world->error = sv_queue_set_base(*self, kind->base);
    }
}

static void prepare(void *argument, uint32_t backend)
{
    struct world *world = argument;

    world->kind->prepare(world, backend);
}

static void run_backend(void *argument, uint32_t backend)
{
    struct world *world = argument;

    if (world->limits[backend] != 1) {
        world->kind->run(world, backend);
    }
}

static const struct world *opened; /* as there is one machine, there is one world */

static const char *where(uint32_t offset, char *text, size_t size)
{
    return world_where(opened, offset, text, size);
}

/*
 * Who changes a word of the segment wakes who sleeps on it. With a lock it does so if the sleeper
 * has said that it waits; an owner that has come back since may have forgotten it, and may
 * (src/sync/lwlock.c, Waiting). On a word of its own one sleeps for the time.
 */
static bool owed(const struct sv_atomic32 *word)
{
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        const struct sv_lock_word *words = &opened->segment->locks[lock];
        if (word == &words->exclusive) {
            return sv_load_relaxed32(&words->waiters) != 0;
        }
    }
    return (uintptr_t)word - (uintptr_t)world_base(opened) < opened->segment_bytes;
}

int world_open(struct world *world, const struct world_kind *kind)
{
    sv_assert(kind->backends <= WORLD_BACKENDS_MAX, "%u backends", kind->backends);
    *world = (struct world){.kind = kind};
    opened = world;
    int result = machine_create(kind->backends, WORLD_STACK_BYTES, WORLD_MEMORY_BYTES);
    if (result != 0) {
        return result;
    }
    (void)machine_aside(MACHINE_NOBODY, make_segment, world);
    for (uint32_t i = 0; world->error == 0 && !kind->late_comers && i < kind->backends; i++) {
        (void)machine_aside(i, attach, world);
    }
    for (uint32_t i = 0; world->error == 0 && kind->prepare != NULL && i < kind->backends; i++) {
        (void)machine_aside(i, prepare, world);
    }
    if (world->error != 0) {
        return world->error;
    }
    world->kept = world->state;
    world->segment_bytes = world->segment->size_bytes;
    return machine_keep(&(struct machine_settings){
        .base = world->segment->base,
        .size_bytes = world->segment->size_bytes,
        .backends = kind->backends,
        .steps_limit = WORLD_STEPS_LIMIT,
        .owed = owed,
        .idle = kind->idle,
        .run = run_backend,
        .where = where,
        .judged = step_judge_words(world),
        .judge = step_judge,
        .argument = world,
        .beside = &world->state,
        .beside_bytes = sizeof(world->state),
    });
}

const void *world_base(const struct world *world)
{
    return world->segment->base;
}

static void unmake_segment(void *argument, uint32_t nobody)
{
    struct world *world = argument;

    (void)nobody;
    sv_segment_detach(world->segment);
}

void world_close(struct world *world)
{
    if (world->segment != NULL) {
        world->segment->holds =
            (struct sv_atomic64){0}; /* who lived in it is gone with the machine */
        (void)machine_aside(MACHINE_NOBODY, unmake_segment, world);
    }
    machine_destroy();
}

/* ---- what backends do ------------------------------------------------------------------------ */

struct sv_atomic32 *world_word(const struct world *world, uint32_t index)
{
    return (struct sv_atomic32 *)(void *)world->segment->ring + index;
}

uint32_t world_load(const struct world *world, uint32_t index)
{
    struct sv_atomic32 *word = world_word(world, index);

    machine_step(EXPLORE_READ, word, sizeof(*word));
    return sv_load_seq32(word);
}

void world_store(const struct world *world, uint32_t index, uint32_t value)
{
    struct sv_atomic32 *word = world_word(world, index);

    machine_step(EXPLORE_WRITE, word, sizeof(*word));
    sv_store_seq32(word, value);
}

bool world_goes_on(struct world *world, uint32_t backend)
{
    const uint32_t limit = world->limits[backend];

    if (limit != 0 && world->state.operations[backend] + 1 >= limit) {
        return false;
    }
    world->state.operations[backend]++;
    return true;
}

void world_must(int result, const char *what)
{
    if (result != 0) {
        machine_fail(ORACLE_O1, "backend %u: %s: %d", machine_self(), what, result);
    }
}

uint32_t world_slot(const struct world *world, uint32_t backend)
{
    return (uint32_t)(world->state.backends[backend]->slot - world->segment->slots);
}

void world_insert(struct world *world, uint32_t backend, uint32_t count)
{
    struct books_writer *writer = &world->state.books.writers[backend];
    struct sv_message messages[WORLD_BATCH_MAX];

    sv_assert(count <= WORLD_BATCH_MAX, "%u messages", count);
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = books_message(backend, writer->begun + i);
    }
    writer->begun += count;
    sv_queue_insert(world->state.backends[backend], messages, count);
    writer->done += count;
}

uint32_t world_read(struct world *world, uint32_t backend, uint32_t capacity)
{
    struct books *books = &world->state.books;
    struct sv_message messages[WORLD_BATCH_MAX];
    uint32_t count = 0;

    sv_assert(capacity <= WORLD_BATCH_MAX, "%u messages", capacity);
    if (sv_queue_read(world->state.backends[backend], messages, capacity, &count) == SV_RESET) {
        books->readers[backend].resets++;
        books_sync(books, backend);
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        books_take(books, backend, &messages[i]);
    }
    return count;
}

#define LOOKS 4 /* for each read that finds something: who looks once may look too early */

void world_read_often(struct world *world, uint32_t backend, uint32_t reads, uint32_t capacity)
{
    for (uint32_t looks = reads * LOOKS; reads > 0 && looks > 0 && world_goes_on(world, backend);
         looks--) {
        reads -= world_read(world, backend, capacity) > 0;
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

/* The words of a slot that is nobody's are clear; but a late setter may have left its latch set. */
static void judge_free(const struct sv_slot *slot, uint32_t index)
{
    const struct sv_atomic32 *words[] = {
        &slot->pid,
        &slot->tid,
        &slot->signal_word,
        &slot->in_queue,
        &slot->reset,
        &slot->signaled,
        &slot->sleep,
        &slot->catchup_target,
        &slot->waits_for_lock,
        &slot->intent,
        &slot->barrier_waiter,
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const uint32_t value = sv_load_relaxed32(words[i]);
        if (value != 0) {
            char text[64];
            const uint8_t *base = opened->segment->base;
            machine_fail(ORACLE_O6, "slot %u is free, and %s is %u", index,
                         world_where(opened, (uint32_t)((const uint8_t *)words[i] - base), text,
                                     sizeof(text)),
                         value);
        }
    }
}

/* O6: nothing of the dead is left. */
static void judge_slots(const struct world *world)
{
    const uint32_t used = sv_segment_slots_used(world->segment);

    for (uint32_t i = 0; i < used; i++) {
        const struct sv_slot *slot = &world->segment->slots[i];
        const uint32_t phase = sv_load_relaxed32(&slot->phase);
        const uint32_t holder = sv_os_life_holder(&slot->life);
        const bool lives = holder != 0 && machine_lives(machine_of(holder));
        if (phase != (lives ? SV_SLOT_ACTIVE : SV_SLOT_FREE)) {
            machine_fail(ORACLE_O6, "slot %u, whose holder is %s, is left in phase %u", i,
                         lives ? "alive" : "none", phase);
        }
        if (!lives) {
            judge_free(slot, i);
        }
        const uint32_t waits = sv_load_relaxed32(&slot->waits_for_lock);
        if (waits != 0) {
            machine_fail(ORACLE_O6, "all is over, and slot %u still says it waits for lock %s", i,
                         sv_lwlock_name((enum sv_lock)(waits - 1)));
        }
        for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
            if (sv_load_relaxed32(&slot->held[lock]) != 0) {
                machine_fail(ORACLE_O6, "all is over, and slot %u still shares lock %s", i,
                             sv_lwlock_name((enum sv_lock)lock));
            }
        }
    }
}

static void judge_locks(const struct world *world)
{
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        const uint32_t word = sv_load_relaxed32(&world->segment->locks[lock].exclusive);
        if (word != 0) {
            machine_fail(ORACLE_O6, "all is over, and lock %s still names slot %u",
                         sv_lwlock_name((enum sv_lock)lock), (word & SV_LOCK_OWNER_MASK) - 1);
        }
    }
}

/* O5: who counts as signaled has been asked to catch up, and has not yet. */
static void judge_signaled(const struct world *world)
{
    for (uint32_t i = 0; i < world->kind->backends; i++) {
        const struct sv_backend *self = world->state.backends[i];
        if (self != NULL && !machine_is_dead(i) && sv_load_relaxed32(&self->slot->signaled) != 0 &&
            !sv_procsignal_pending(self, SV_REASON_CATCHUP)) {
            machine_fail(ORACLE_O5,
                         "backend %u counts as signaled, and nothing asks it to catch up", i);
        }
    }
}

/* O6: a place in the queue that nobody can be at is rubbish, and no death leaves any. */
static void judge_repairs(const struct world *world)
{
    const uint32_t used = sv_segment_slots_used(world->segment);

    for (uint32_t i = 0; i < used; i++) {
        const struct sv_slot *slot = &world->segment->slots[i];
        if (sv_load_relaxed64(&slot->stats[SV_STAT_resets_repair]) > 0) {
            machine_fail(ORACLE_O6,
                         "slot %u was reset to repair its place, with which nothing was wrong", i);
        }
    }
}

/* O6: who died is settled once; and once more if a settler dies when it has counted that. */
static void judge_settled(const struct world *world)
{
    const uint32_t used = sv_segment_slots_used(world->segment);
    const uint32_t dead = machine_dead();
    uint64_t settled = 0;

    for (uint32_t i = 0; i < used; i++) {
        settled += sv_load_relaxed64(&world->segment->slots[i].stats[SV_STAT_slots_settled]);
    }
    if (settled > (dead == 0 ? 0 : 2 * dead - 1)) {
        machine_fail(ORACLE_O6, "%u have died, and %llu slots were settled", dead,
                     (unsigned long long)settled);
    }
}

/* It has read all there is. */
static void judge_drained(const struct world *world, uint32_t backend)
{
    const struct sv_backend *self = world->state.backends[backend];
    const uint64_t position = sv_load_relaxed64(&self->slot->position);

    if (!sv_queue_empty(self)) {
        machine_fail(ORACLE_O4, "backend %u has read all there is, and yet there is more", backend);
    }
    if (position != sv_load_relaxed64(&world->segment->queue->max_number)) {
        machine_fail(ORACLE_O2, "backend %u finds nothing to read, and is not at the end", backend);
    }
    if (sv_load_relaxed32(&self->slot->signaled) != 0) {
        machine_fail(ORACLE_O5, "backend %u has read all there is, and still counts as signaled",
                     backend);
    }
}

/* O2: who is alive reads to the end, which comes. */
static void drain(struct world *world, uint32_t backend)
{
    const struct sv_backend *self = world->state.backends[backend];
    const uint32_t resets = world->state.books.readers[backend].resets;
    uint32_t reads = 0;

    if (self == NULL || self->send_only || machine_is_dead(backend)) {
        return;
    }
    machine_become(backend);
    while (world_read(world, backend, WORLD_BATCH_MAX) > 0 ||
           world->state.books.readers[backend].resets == resets + 1) {
        if (++reads > world->segment->config.capacity) {
            machine_fail(ORACLE_O4, "backend %u reads on and on", backend);
        }
        if (world->state.books.readers[backend].resets == resets + 1 && reads > 1) {
            break;
        }
    }
    judge_drained(world, backend);
    books_complete(&world->state.books, backend);
}

static void judge(void *argument, uint32_t nobody)
{
    struct world *world = argument;

    machine_become(nobody);
    for (uint32_t count; (count = sv_backend_settle_dead(world->segment)) > 0;) {
        world->state.settled += count;
        if (world->state.settled > world->segment->config.backends_max) {
            machine_fail(ORACLE_O6, "the dead are settled again and again");
        }
    }
    judge_locks(world);
    judge_slots(world);
    const char *broken = sv_queue_check(world->segment);
    if (broken != NULL) {
        machine_fail(ORACLE_O3, "%s", broken);
    }
    judge_signaled(world);
    judge_repairs(world);
    judge_settled(world);
    if (world->kind->settled != NULL) {
        world->kind->settled(world);
    }
    for (uint32_t i = 0; i < world->kind->backends && !world->kind->reads_itself; i++) {
        drain(world, i);
    }
    machine_become(nobody);
    if (world->kind->judge != NULL) {
        world->kind->judge(world);
    }
}

void world_run(struct world *world, struct strategy *strategy, const struct machine_faults *faults,
               struct recorder *recorder, struct machine_result *result)
{
    world->state = world->kept;
    machine_execute(strategy, faults, recorder, result);
}

void world_judge(struct world *world, struct machine_result *result)
{
    if (result->end == MACHINE_FINISHED && !machine_aside(MACHINE_NOBODY, judge, world)) {
        result->end = MACHINE_FAILED;
    }
}

void world_execute(struct world *world, struct strategy *strategy,
                   const struct machine_faults *faults, struct recorder *recorder,
                   struct machine_result *result)
{
    world_run(world, strategy, faults, recorder, result);
    world_judge(world, result);
}
