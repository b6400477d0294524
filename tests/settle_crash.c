/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Settling: what the dead had been asked, had promised, or had begun is not lost with them, also
 * when who settles them dies too (K2, K3, K4).
 */
#include "meeting.h"
#include "queue/queue.h"

TestSuite(settle_crash, .timeout = 60);

static const struct sv_config relay_world = {
    .backends_max = 8, .capacity = 64, .signal_threshold = 8, .cleanup_min = 64};

static struct sv_slot_state look(struct sv_segment *segment, uint32_t slot)
{
    struct sv_slot_state state;
    sv_slot_look(segment, slot, &state);
    return state;
}

static int attach_and_die(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    return sv_backend_attach(segment, NULL, &self) != 0 ? 3 : raise(SIGKILL);
}

/*
 * Claim:   a backend that dies holding the catchup baton passes it on (PostgreSQL E9).
 * Method:  a laggard dies before it is signaled; cleanup signals it, the furthest behind; another
 *          laggard waits unsignaled. Settling signals the other.
 */
Test(settle_crash, the_baton_of_the_dead_is_passed_on)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *writer = join(segment);
    struct sv_backend *other = join(segment);
    (void)reap(fork_child(attach_and_die, segment, NULL));
    struct sv_message out[64];
    uint32_t count = 0;
    insert_numbered(writer, 0, 1);
    cr_assert_eq(sv_queue_read(other, out, 64, &count), 0);
    insert_numbered(writer, 1, 20);
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    sv_queue_cleanup(writer, 0);
    cr_assert(look(segment, 2).signaled, "the dead is the furthest behind");
    cr_assert_not(look(segment, sv_backend_slot(other)).signaled);
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    cr_assert(look(segment, sv_backend_slot(other)).signaled, "the baton was lost");
}

enum { ATTACHED, SIGNALED }; /* words of the meeting */

/* Catch up when asked to, and die where the relay would come. */
static int catch_up_and_die(struct sv_segment *segment, void *argument)
{
    struct meeting *meeting = argument;
    struct sv_backend *self = attach_here(segment, 0);
    struct sv_message out[64];
    uint32_t count = 0;
    advance(&meeting->words[ATTACHED]);
    await(&meeting->words[SIGNALED], 1);
    const bool asked = sv_procsignal_take(self, SV_REASON_CATCHUP);
    const int result = sv_queue_read(self, out, 64, &count);
    return !asked || result != 0 || count != 20 ? 4 : raise(SIGKILL);
}

/*
 * Claim:   the baton is also with who has caught up and not relayed it yet, though nothing in
 *          shared memory says so any more.
 * Method:  a child is asked to catch up, takes the request, reads everything, and dies; another
 *          laggard waits unsignaled. Settling signals the other.
 */
Test(settle_crash, the_baton_of_who_died_before_the_relay_is_passed_on)
{
    struct sv_segment *segment = world(relay_world);
    struct meeting *meeting = meet();
    struct sv_backend *writer = join(segment);
    const pid_t child = fork_child(catch_up_and_die, segment, meeting);
    await(&meeting->words[ATTACHED], 1);
    struct sv_backend *other = join(segment);
    insert_numbered(writer, 0, 20);
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    sv_queue_cleanup(writer, 0);
    cr_assert(look(segment, 1).signaled, "the child is the first of the furthest behind");
    advance(&meeting->words[SIGNALED]);
    cr_assert(WIFSIGNALED(reap(child)));
    cr_assert_not(look(segment, 1).signaled);
    cr_assert_not(look(segment, sv_backend_slot(other)).signaled);
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    cr_assert(look(segment, sv_backend_slot(other)).signaled, "the baton was lost");
}

/* Die with a note that a catchup was decided on and perhaps not sent. */
static int note_and_die(struct sv_segment *segment, void *argument)
{
    const uint32_t target = *(const uint32_t *)argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 3;
    }
    sv_store_release32(&self->slot->catchup_target, target + 1);
    sv_store_release32(&segment->slots[target].signaled, 1);
    return raise(SIGKILL);
}

/*
 * Claim:   a cleaner that dies between marking a laggard and signalling it ends no relay.
 * Method:  that state, by a child that dies in it; settling must send the catchup.
 */
Test(settle_crash, a_catchup_the_dead_did_not_send_is_sent)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *target = join(segment);
    uint32_t slot = sv_backend_slot(target);
    (void)reap(fork_child(note_and_die, segment, &slot));
    cr_assert_not(sv_procsignal_pending(target, SV_REASON_CATCHUP));
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    cr_assert(sv_procsignal_pending(target, SV_REASON_CATCHUP), "nobody told the target");
}

/* The same, with a promise that is not kept yet either. */
static int promise_note_and_die(struct sv_segment *segment, void *argument)
{
    const uint32_t target = *(const uint32_t *)argument;
    const struct sv_message message = numbered(7);
    struct sv_backend *self = attach_here(segment, 0);
    sv_intent_declare(self, &message, 1);
    sv_store_release32(&self->slot->catchup_target, target + 1);
    sv_store_release32(&segment->slots[target].signaled, 1);
    return raise(SIGKILL);
}

/*
 * Claim:   nor if what it had promised has to be sent as well, and that takes a cleanup which sends
 *          a catchup to somebody else.
 * Method:  a full ring, one who has read all of it, and two laggards: the one whom the dead had
 *          noted, and one for the cleanup.
 */
Test(settle_crash, a_catchup_the_dead_did_not_send_comes_before_its_promise)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *writer = join(segment);
    struct sv_backend *laggards[] = {join(segment), join(segment)};
    uint32_t slot = sv_backend_slot(laggards[0]);
    struct sv_message out[64];
    uint32_t count = 0;
    insert_numbered(writer, 0, 10);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sv_queue_read(laggards[i], out, 64, &count), 0);
        cr_assert_eq(count, 10);
    }
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    insert_numbered(writer, 10, 50);
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    insert_numbered(writer, 60, 4);
    (void)reap(fork_child(promise_note_and_die, segment, &slot));
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    for (int i = 0; i < 2; i++) {
        cr_assert(look(segment, 1 + (uint32_t)i).signaled, "laggard %d is not furthest behind", i);
        cr_assert(sv_procsignal_pending(laggards[i], SV_REASON_CATCHUP), "nobody told laggard %d",
                  i);
    }
}

/* Take over a dead slot, as a settler does, and die before giving it back. */
static int take_and_die(struct sv_segment *segment, void *argument)
{
    const uint32_t slot = *(const uint32_t *)argument;
    if (sv_slot_test(segment, slot) != SV_SLOT_UNSETTLED ||
        !sv_slot_take_unsettled(segment, slot)) {
        return 4;
    }
    struct sv_backend ghost = {.segment = segment,
                               .slot = sv_segment_slot(segment, slot),
                               .slot_index = slot,
                               .ghost = true};
    sv_lwlock_acquire(&ghost, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    return raise(SIGKILL);
}

static int declare_and_die(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 3;
    }
    const struct sv_message message = numbered(7);
    sv_intent_declare(self, &message, 1);
    return raise(SIGKILL);
}

/*
 * Claim:   a settler that dies leaves everything to the next: the lock it had taken for the dead,
 *          and what the dead had promised (K4).
 * Method:  a child declares an intent and dies; ten settlers in a row die with write_lock taken in
 *          its name; the eleventh settles. The message arrives, once.
 */
Test(settle_crash, a_settler_that_dies_is_settled_by_the_next)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *reader = join(segment);
    uint32_t slot = 1;
    (void)reap(fork_child(declare_and_die, segment, NULL));
    for (int i = 0; i < 10; i++) {
        const int status = reap(fork_child(take_and_die, segment, &slot));
        cr_assert(WIFSIGNALED(status), "settler %d: status %x", i, status);
        cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_WRITE, NULL), slot);
    }
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    struct sv_message out[4];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), 0);
    cr_assert(count == 1 && out[0].payload == 7, "%u messages", count);
    cr_assert_not(look(segment, slot).in_use);
}

/*
 * Claim:   a settler that dies between another one's look at the dead and its turn is not taken for
 *          nobody: what it held in the name of the dead is let go of before anybody settles.
 * Method:  the look and the turn, apart; in between a process takes the dead's slot and a lock, and
 *          is killed. Who settled with that lock would wait for itself.
 */
Test(settle_crash, a_settler_that_dies_after_the_look_of_the_next_is_buried)
{
    struct sv_segment *segment = world(relay_world);
    uint32_t slot = 0;
    (void)reap(fork_child(attach_and_die, segment, NULL));
    cr_assert_eq(sv_slot_test(segment, slot), SV_SLOT_UNSETTLED);
    cr_assert_eq(WTERMSIG(reap(fork_child(take_and_die, segment, &slot))), SIGKILL);
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_WRITE, NULL), slot);
    cr_assert_not(sv_slot_take_unsettled(segment, slot));
    cr_assert_eq(sv_lwlock_owner(segment, SV_LOCK_WRITE, NULL), SV_SLOT_NONE);
    cr_assert_eq(sv_backend_settle_dead(segment), 1);
    sv_segment_detach(segment);
}

/*
 * Claim:   a full table of the dead is no full table: who attaches settles first, and gets what
 *          they had promised told to everyone else.
 * Method:  all slots but one die with an intent; one more attaches.
 */
Test(settle_crash, attaching_settles_a_table_full_of_dead)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 64});
    struct sv_backend *reader = join(segment);
    for (int i = 0; i < 3; i++) {
        (void)reap(fork_child(declare_and_die, segment, NULL));
    }
    struct sv_backend *late = join(segment);
    const uint64_t by_attaching = counted(segment, SV_STAT_slots_settled);
    cr_assert_geq(by_attaching, 1, "no slot was free");
    cr_assert_neq(sv_backend_slot(late), sv_backend_slot(reader));
    cr_assert_eq(sv_backend_settle_dead(segment) + by_attaching, 3);
    struct sv_message out[8];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(reader, out, 8, &count), 0);
    cr_assert_eq(count, 3);
}

/*
 * Claim:   and there need not be a want of slots: who attaches settles whoever is dead (H5).
 * Method:  one dies with an intent; another attaches, to a slot that was never used.
 */
Test(settle_crash, attaching_settles_though_there_is_room)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 64});
    struct sv_backend *reader = join(segment);
    (void)reap(fork_child(declare_and_die, segment, NULL));
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 0);
    struct sv_backend *late = join(segment);
    cr_assert_eq(sv_backend_slot(late), 2);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1);
    cr_assert_eq(sv_backend_settle_dead(segment), 0);
    struct sv_message out[8];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(reader, out, 8, &count), 0);
    cr_assert_eq(count, 1);
    sv_backend_detach(late);
    sv_backend_detach(reader);
    sv_segment_detach(segment);
}

/*
 * Claim:   nobody settles while it holds a lock; once it is released, the dead are found.
 * Method:  a dead backend; the application's lock is held, in either mode, over a begin at which a
 *          look at every slot is due; then it is not.
 */
Test(settle_crash, nobody_settles_while_it_holds_a_lock)
{
    for (int mode = 0; mode < SV_LOCK_MODE_COUNT; mode++) {
        struct sv_segment *segment = world(relay_world);
        struct sv_backend *self = join(segment);
        (void)reap(fork_child(attach_and_die, segment, NULL));
        sv_lwlock_acquire(self, SV_LOCK_APP_0, (enum sv_lock_mode)mode);
        for (uint64_t i = 0; i < 2; i++) {
            self->patrolled_ns = 0;
            cr_assert_eq(sv_transaction_begin(self, NULL), 0);
            sv_transaction_rollback(self);
            cr_assert_eq(counted(segment, SV_STAT_slots_settled), i);
            if (i == 0) {
                sv_lwlock_release(self, SV_LOCK_APP_0);
            }
        }
        sv_backend_detach(self);
        sv_segment_detach(segment);
    }
}
