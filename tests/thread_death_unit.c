/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A thread may end anywhere, with all it holds: whoever finds its life lock owner-dead comes after
 * it, and what its locks guard passes to the next holder in order. All of it on plain memory, so
 * that a race detector sees what passes out of order. (Not for helgrind and DRD, which do not know
 * mutexes whose owner died.)
 */
#include "interpose.h"
#include "threads.h"

#include "base/annotate.h"
#include "cache/inval.h"
#include "queue/queue.h"

TestSuite(thread_death_unit, .timeout = 120);

/* Plain, guarded by APP_0; a and b are equal whenever nobody has it exclusively. */
struct guarded {
    uint32_t a;
    uint32_t b;
};

/* The first one ends at a point; the second takes over. Neither waits for the other by the OS. */
struct death {
    struct sv_segment *segment;
    struct guarded *guarded;
    enum sv_point point;
    struct sv_atomic32 over; /* the first has ended, or finished without meeting the point */
    struct sv_backend *self; /* what is left of the first one; NULL: nothing */
    struct interposer interposer;
    int wrong;
};

/* The kernel releases the life lock; a race detector is told, since it cannot see that. */
static _Noreturn void end_here(struct death *death)
{
    SV_ANNOTATE_RELEASE(&death->self->slot->life);
    tell(&death->over, 1);
    pthread_exit(NULL);
}

static void end_at_point(void *argument)
{
    end_here(argument);
}

static void repair_guarded(void *argument)
{
    struct guarded *guarded = argument;
    guarded->b = guarded->a;
}

/* ---- a scene that meets many points ---------------------------------------------------------- */

/* What is sent carries the point, so that a message of an earlier death is known as such. */
static uint64_t labelled(const struct death *death, uint64_t n)
{
    return (uint64_t)death->point << 32 | n;
}

static int use_lock(struct sv_backend *self, const struct death *death)
{
    struct guarded *guarded = death->guarded;
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    int wrong = guarded->a != guarded->b;
    guarded->a++;
    insert_numbered(self, labelled(death, 0), 1);
    guarded->b++;
    sv_lwlock_release(self, SV_LOCK_APP_0);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    wrong += guarded->a != guarded->b;
    sv_lwlock_release(self, SV_LOCK_APP_0);
    return wrong;
}

static int read_all(struct sv_backend *self, const struct death *death)
{
    struct sv_message messages[4];
    int wrong = 0;
    while (!sv_queue_empty(self)) {
        uint32_t count = 0;
        const int result = sv_queue_read(self, messages, 4, &count);
        wrong += result != 0 && result != SV_RESET;
        for (uint32_t i = 0; i < count; i++) {
            wrong += messages[i].kind != SV_MESSAGE_APPLICATION ||
                     messages[i].payload >> 32 != (uint64_t)death->point;
        }
    }
    return wrong;
}

static int play_scene(struct sv_backend *self, const struct death *death)
{
    const struct sv_message promised[] = {
        numbered(labelled(death, 1)), numbered(labelled(death, 2)), numbered(labelled(death, 3))};
    int wrong = use_lock(self, death);
    sv_intent_declare(self, promised, 3);
    sv_queue_insert(self, promised, 3);
    sv_intent_withdraw(self);
    insert_numbered(self, labelled(death, 4), 9);
    sv_latch_set(self->segment, self->slot_index);
    wrong += read_all(self, death) + sv_process_interrupts(self);
    sv_queue_cleanup(self, 4);
    sv_queue_reset_all(self);
    return wrong + read_all(self, death);
}

/* ---- the two --------------------------------------------------------------------------------- */

static void *die_at_point(void *argument)
{
    struct death *death = argument;
    const struct sv_backend_options options = {.signal_number = SIGUSR1};
    death->wrong += sv_backend_attach(death->segment, &options, &death->self);
    interpose_begin(&death->interposer, point_entries[death->point].path, 1, end_at_point, death);
    death->wrong += play_scene(death->self, death);
    injector_leave();
    sv_backend_detach(death->self);
    death->self = NULL;
    tell(&death->over, 1);
    return NULL;
}

/* Play the same, past whatever the dead one left, and settle it. */
static int take_over(struct sv_backend *self, void *argument)
{
    struct death *death = argument;
    struct sv_slot_state slot;
    hear(&death->over, 1);
    int wrong = play_scene(self, death);
    for (uint32_t i = 0; i < sv_segment_slots_used(death->segment); i++) {
        do {
            (void)sv_backend_settle_dead(death->segment);
            wrong += read_all(self, death); /* before the ring forgets what was promised */
            sv_slot_look(death->segment, i, &slot);
        } while (i != self->slot_index && slot.in_use);
    }
    wrong += play_scene(self, death);
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    wrong += sv_queue_check(death->segment) != NULL;
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    return wrong;
}

/* What the dead one had for itself. */
static void bury(struct death *death)
{
    free(death->interposer.injector.shared);
    if (death->self != NULL) {
        sv_inval_destroy(death->self);
        free(death->self);
    }
}

/* Returns: whether the point was met, and so somebody died. */
static bool die_and_take_over(struct sv_segment *segment, struct guarded *guarded,
                              enum sv_point point)
{
    struct death death = {.segment = segment, .guarded = guarded, .point = point};
    struct player survivor = player_in(segment, take_over, &death);
    pthread_t victim;
    cr_assert_eq(pthread_create(&victim, NULL, die_at_point, &death), 0);
    player_start(&survivor);
    cr_assert_eq(pthread_join(victim, NULL), 0);
    player_finish(&survivor);
    cr_assert_eq(death.wrong, 0, "at %s", point_entries[point].path);
    const bool died = death.self != NULL;
    bury(&death);
    return died;
}

/*
 * Claim:   a thread may end at any point of locking, inserting, reading, cleaning up, promising and
 *          attaching; the others take over what it left, in order.
 * Method:  for every point of the catalogue: one thread ends there, if it comes there; another one
 *          does the same things past it, settles it, and checks the queue.
 */
Test(thread_death_unit, whoever_takes_over_from_a_dead_thread_comes_after_it)
{
    struct guarded guarded = {0};
    struct sv_segment *segment =
        world((struct sv_config){.backends_max = 4, .capacity = 8, .wraparound = 16});
    int deaths = 0;
    sv_lwlock_set_repair(segment, SV_LOCK_APP_0, repair_guarded, &guarded);
    cr_assert_eq(injector_init(), 0);
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (point_allows(point, ACTION_KILL) && point_allows(point, ACTION_DELAY)) {
            deaths += die_and_take_over(segment, &guarded, point);
        }
    }
    cr_assert_gt(deaths, 30, "%d deaths", deaths);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), (uint64_t)deaths);
    cr_assert_gt(counted(segment, SV_STAT_locks_taken_over), 8);
    cr_assert_gt(counted(segment, SV_STAT_intents_resent), 0);
    sv_segment_detach(segment);
}

/* ---- a shared holder ------------------------------------------------------------------------- */

static void *die_reading(void *argument)
{
    struct death *death = argument;
    death->wrong += sv_backend_attach(death->segment, NULL, &death->self);
    sv_lwlock_acquire(death->self, SV_LOCK_APP_0, SV_LOCK_SHARED);
    death->wrong += death->guarded->a != death->guarded->b;
    end_here(death);
}

static int write_after(struct sv_backend *self, void *argument)
{
    struct death *death = argument;
    hear(&death->over, 1);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    death->guarded->a++;
    death->guarded->b++;
    sv_lwlock_release(self, SV_LOCK_APP_0);
    (void)sv_backend_settle_dead(death->segment); /* unless attaching has */
    return counted(death->segment, SV_STAT_slots_settled) == 1 ? 0 : 1;
}

/*
 * Claim:   what a thread read under a lock it held shared when it ended, it read before the next
 *          exclusive holder writes it.
 * Method:  one ends holding it shared, another takes it exclusively and writes.
 */
Test(thread_death_unit, an_exclusive_holder_comes_after_a_dead_shared_one)
{
    struct guarded guarded = {0};
    struct death death = {.segment = world((struct sv_config){0}), .guarded = &guarded};
    struct player survivor = player_in(death.segment, write_after, &death);
    pthread_t victim;
    cr_assert_eq(pthread_create(&victim, NULL, die_reading, &death), 0);
    player_start(&survivor);
    cr_assert_eq(pthread_join(victim, NULL), 0);
    player_finish(&survivor);
    cr_assert_eq(death.wrong, 0);
    cr_assert_eq(guarded.a, 1);
    bury(&death);
    sv_segment_detach(death.segment);
}

/* ---- who comes next -------------------------------------------------------------------------- */

static int note_id(struct sv_backend *self, void *argument)
{
    *(uint32_t *)argument = sv_load_relaxed32(&self->slot->tid);
    return 0;
}

/*
 * Claim:   on fibers, too, no thread gets the id of one that was there before it: its life lock
 *          and the signals to it would be taken for the other's.
 * Method:  four, one after the other, which on fibers are one seat of the machine. (The kernel
 *          gives ids in turn, so of other threads there is nothing to show.)
 */
Test(thread_death_unit, no_fiber_has_the_id_of_an_earlier_one)
{
    uint32_t ids[4] = {0};
    if (getenv("SV_FIBER_SEED") == NULL) {
        cr_skip_test("the kernel gives these threads their ids");
    }
    struct sv_segment *segment = world((struct sv_config){0});
    for (int i = 0; i < 4; i++) {
        struct player player = player_in(segment, note_id, &ids[i]);
        player_start(&player);
        player_finish(&player);
        cr_expect_neq(ids[i], 0);
        for (int j = 0; j < i; j++) {
            cr_expect_neq(ids[i], ids[j], "threads %d and %d have id %u", j, i, ids[i]);
        }
    }
    sv_segment_detach(segment);
}
