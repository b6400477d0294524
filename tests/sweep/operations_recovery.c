/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Taking over what a dead one left: each lock, each kind of repair, each step of settling.
 *
 * A predecessor has died at the very instruction after which the segment is as its condition says.
 * The victim meets it, begins to put it right, and dies as well. What may be found after that is
 * what may be found after the predecessor's death alone: others put it right (K4).
 */
#include "sync/lwlock.h"
#include "sync/slot.h"
#include "tests/sweep/operations.h"
#include "tests/sweep/world.h"

/* ---- when predecessors die ------------------------------------------------------------------ */

static const struct sv_slot *slot_at(const struct world *world, uint32_t slot)
{
    return &world->segment->slots[slot];
}

static bool owns(const struct world *world, uint32_t slot, enum sv_lock lock)
{
    const uint32_t word = sv_load_seq32(&world->segment->locks[lock].exclusive);
    return word == ((slot + 1) | SV_LOCK_GRANTED);
}

static bool owns_write(const struct world *world, uint32_t slot)
{
    return owns(world, slot, SV_LOCK_WRITE);
}

/* max_number has moved, `published` has not: both count the messages there ever were. */
static bool has_appended(const struct world *world, uint32_t slot)
{
    const struct sv_queue *queue = world->segment->queue;
    return owns_write(world, slot) && SV_POSITION_NUMBER(sv_load_seq64(&queue->max_number)) !=
                                          sv_load_seq64(&queue->published);
}

static bool owns_read(const struct world *world, uint32_t slot)
{
    return owns(world, slot, SV_LOCK_READ);
}

/* It has said that it wants it, and has not looked for shared holders to its end. */
static bool wants_read(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&world->segment->locks[SV_LOCK_READ].exclusive) == slot + 1;
}

static bool holds_read_shared(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->held[SV_LOCK_READ]) != 0;
}

/* Numbers are being lowered: the epoch has moved, the first slot's position too, the next's not. */
static bool has_lowered_some(const struct world *world, uint32_t slot)
{
    return owns_read(world, slot) &&
           SV_POSITION_EPOCH(sv_load_seq64(&slot_at(world, 0)->position)) != 0 &&
           SV_POSITION_EPOCH(sv_load_seq64(&slot_at(world, 1)->position)) == 0;
}

static bool has_redo(const struct world *world, uint32_t slot)
{
    return owns(world, slot, SV_LOCK_TABLE) &&
           sv_load_seq32(&world->segment->table->redo_phase) == SV_REDO_COUNTS;
}

static bool holds_table_shared(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->held[SV_LOCK_TABLE]) != 0;
}

static bool has_half_of_app(const struct world *world, uint32_t slot)
{
    const struct control_shared *shared = world->control.shared;
    return owns(world, slot, SV_LOCK_APP_0) &&
           sv_load_seq64(&shared->app[0]) != sv_load_seq64(&shared->app[1]);
}

static bool holds_app_shared(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->held[SV_LOCK_APP_0]) != 0;
}

static bool has_noted_catchup(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->catchup_target) != 0 && !owns_write(world, slot);
}

static bool has_intent(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->intent) != SV_INTENT_NONE;
}

/* The intent was declared, and all know it. */
static bool has_promised(const struct world *world, uint32_t slot)
{
    return has_intent(world, slot) &&
           sv_load_seq32(&world->control.births[PART_PREDECESSOR].intent) == INTENT_DECLARED;
}

static bool has_left_queue(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->in_queue) == 0;
}

static bool is_attached(const struct world *world, uint32_t slot)
{
    return sv_load_seq32(&slot_at(world, slot)->in_queue) != 0;
}

/* ---- what they do until then ---------------------------------------------------------------- */

static int number_three(struct actor *actor)
{
    actor_number(actor, 3);
    return 0;
}

static int insert_numbered(struct actor *actor)
{
    sv_queue_insert(actor->self, actor->messages, actor->inserted);
    actor_sent(actor);
    return 0;
}

static int insert_some(struct actor *actor)
{
    actor_insert(actor, 40);
    return 0;
}

static int clean(struct actor *actor)
{
    sv_queue_cleanup(actor->self, 0);
    return 0;
}

static int clean_all(struct actor *actor)
{
    sv_queue_cleanup(actor->self, sv_segment_config(actor->segment)->capacity);
    return 0;
}

static int leave(struct actor *actor)
{
    sv_backend_detach(actor->self);
    actor->self = NULL;
    return 0;
}

static int write_rows(struct actor *actor)
{
    int result = actor_open_table(actor);
    result = result == 0 ? actor_begin(actor) : result;
    for (uint32_t key = 4; key < 7 && result == 0; key++) {
        result = actor_write(actor, key, false);
    }
    return result;
}

static int open_cache(struct actor *actor)
{
    const int result = actor_open_table(actor);
    return result == 0 ? actor_open_cache(actor) : result;
}

static int intend_three(struct actor *actor)
{
    actor_number(actor, 3);
    actor_intend(actor, 3, false);
    return 0;
}

static int intend_many(struct actor *actor)
{
    actor_number(actor, 200);
    actor_intend(actor, 200, true);
    return 0;
}

static int declare_numbered(struct actor *actor)
{
    sv_intent_declare(actor->self, actor->messages, actor->inserted);
    actor_promised(actor);
    return 0;
}

static int nothing(struct actor *actor)
{
    (void)actor;
    return 0;
}

static const struct predecessor dead_idle = {.run = nothing, .there = is_attached};
static const struct predecessor dead_writer = {
    .prepare = number_three, .run = insert_numbered, .there = owns_write};
static const struct predecessor dead_appender = {
    .prepare = number_three, .run = insert_numbered, .there = has_appended};
static const struct predecessor dead_reader = {
    .prepare = insert_some, .run = actor_fetch, .there = holds_read_shared};
static const struct predecessor dead_cleaner = {
    .prepare = insert_some, .run = clean, .there = owns_read};
static const struct predecessor dead_wanter = {.run = clean, .there = wants_read};
static const struct predecessor dead_lowerer = {
    .prepare = insert_some, .run = clean_all, .there = has_lowered_some};
static const struct predecessor dead_signaler = {
    .prepare = insert_some, .run = clean, .there = has_noted_catchup};
static const struct predecessor dead_committer = {
    .prepare = write_rows, .run = actor_commit, .there = has_redo};
static const struct predecessor dead_promiser = {
    .prepare = write_rows, .run = actor_commit, .there = has_intent};
static const struct predecessor dead_searcher = {
    .prepare = open_cache, .run = actor_read_rows, .there = holds_table_shared};
static const struct predecessor dead_intender = {
    .prepare = intend_three, .run = declare_numbered, .there = has_promised};
static const struct predecessor dead_resetter = {
    .prepare = intend_many, .run = declare_numbered, .there = has_promised};
static const struct predecessor dead_leaver = {.run = leave, .there = has_left_queue};
static const struct predecessor dead_app = {.run = use_app_exclusive, .there = has_half_of_app};
static const struct predecessor dead_app_shared = {.run = use_app_shared,
                                                   .there = holds_app_shared};

/* ---- what the victim does ------------------------------------------------------------------- */

/* Until the dead has been settled by this, or by nobody. */
static int settle(struct actor *victim)
{
    (void)sv_backend_settle_dead(victim->segment);
    return 0;
}

static bool predecessor_is_dead(const struct actor *victim)
{
    struct sv_slot_state state;
    sv_slot_look(victim->segment, sv_load_seq32(&victim->world->shared->predecessor_slot), &state);
    return state.in_use && !state.alive;
}

static int accept_until_settled(struct actor *victim)
{
    int result = 0;
    while (result == 0 && predecessor_is_dead(victim)) {
        result = actor_accept(victim);
    }
    return result;
}

/* It looks for the dead each 100 ms, and this is to be such a moment. */
static int make_patrol_due(struct actor *victim)
{
    victim->self->patrolled_ns = 0;
    return 0;
}

static int wait_on_latch(struct actor *victim)
{
    struct sv_latch_wait wait = {.timeout_ms = 30};
    return actor_must(victim, "sv_latch_wait", sv_latch_wait(victim->self, &wait));
}

static int read_one_row(struct actor *victim)
{
    struct row_keys keys;
    struct sv_cache_entry *entry = NULL;
    row_keys_set(&keys, 5);
    const int result = sv_cache_search(victim->self, victim->cache, &keys.keys, &entry);
    if (entry != NULL) {
        sv_cache_release(victim->self, entry);
    }
    return actor_must(victim, "sv_cache_search", result);
}

static int write_last_row(struct actor *victim)
{
    int result = actor_open_table(victim);
    result = result == 0 ? actor_begin(victim) : result;
    return result == 0 ? actor_write(victim, 7, false) : result;
}

#define SIGNALING .capacity = 256, .signal_threshold = 16
#define LOWERING  .capacity = 64, .cleanup_min = 48, .signal_threshold = 64, .wraparound = 128

const struct operation operations_recovery[] = {
    {.name = "take-write",
     .text = "insert; write lock of one that died with nothing done",
     .predecessor = &dead_writer,
     .prepare = number_three,
     .run = insert_numbered},
    {.name = "take-write-appended",
     .text = "insert; write lock of one that had appended and not published",
     .predecessor = &dead_appender,
     .prepare = number_three,
     .run = insert_numbered},
    {.name = "take-read",
     .text = "cleanup; write and read lock of one that began to clean up",
     .predecessor = &dead_cleaner,
     .run = clean},
    {.name = "take-read-wanted",
     .text = "cleanup; read lock of one that it was not granted to",
     .predecessor = &dead_wanter,
     .run = clean},
    {.name = "take-read-lowering",
     .text = "insert; both locks of one that was lowering all numbers",
     .config = {LOWERING},
     .clears = true,
     .base = 120,
     .predecessor = &dead_lowerer,
     .prepare = number_three,
     .run = insert_numbered},
    {.name = "take-read-shared",
     .text = "cleanup; read lock shared with one that died reading",
     .predecessor = &dead_reader,
     .run = clean},
    {.name = "take-read-to-read",
     .text = "read; read lock of one that began to clean up",
     .predecessor = &dead_cleaner,
     .run = actor_fetch},
    {.name = "take-table",
     .text = "search; table lock of one whose redo record counts",
     .predecessor = &dead_committer,
     .prepare = open_cache,
     .run = read_one_row},
    {.name = "take-table-shared",
     .text = "commit; table lock shared with one that died searching",
     .predecessor = &dead_searcher,
     .prepare = write_last_row,
     .run = actor_commit},
    {.name = "take-app",
     .text = "application's lock of one that died between two stores",
     .predecessor = &dead_app,
     .run = use_app_exclusive},
    {.name = "take-app-shared",
     .text = "application's lock shared with a dead one",
     .predecessor = &dead_app_shared,
     .run = use_app_exclusive},
    {.name = "settle-idle",
     .text = "settling of one that did nothing",
     .predecessor = &dead_idle,
     .run = settle},
    {.name = "settle-leaver",
     .text = "settling of one that died detaching",
     .predecessor = &dead_leaver,
     .run = settle},
    {.name = "settle-appended",
     .text = "settling of one that had appended and not published",
     .predecessor = &dead_appender,
     .run = settle},
    {.name = "settle-intent",
     .text = "settling of one that had promised three messages",
     .predecessor = &dead_intender,
     .run = settle},
    {.name = "settle-intent-all",
     .text = "settling of one that had promised more than fit: resets for all",
     .resets = true,
     .predecessor = &dead_resetter,
     .run = settle},
    {.name = "settle-commit",
     .text = "settling of one that died before its commit",
     .predecessor = &dead_promiser,
     .run = settle},
    {.name = "settle-redo",
     .text = "settling of one whose redo record counts",
     .predecessor = &dead_committer,
     .run = settle},
    {.name = "settle-baton",
     .text = "settling of one that had chosen a laggard and not signaled it",
     .config = {SIGNALING},
     .predecessor = &dead_signaler,
     .run = settle},
    {.name = "settle-lowering",
     .text = "settling of one that was lowering all numbers",
     .config = {LOWERING},
     .clears = true,
     .base = 120,
     .predecessor = &dead_lowerer,
     .run = settle},
    {.name = "accept-settles",
     .text = "accepts until a dead one is found and settled",
     .predecessor = &dead_intender,
     .prepare = make_patrol_due,
     .run = accept_until_settled},
    {.name = "latch-wait-settles",
     .text = "latch wait that finds a dead one and settles it",
     .predecessor = &dead_intender,
     .prepare = make_patrol_due,
     .run = wait_on_latch},
    {0},
};
