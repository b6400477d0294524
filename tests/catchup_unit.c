/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Catchups: who is asked reads up, and hands the baton to the next.
 */
#include "cache_scene.h"
#include "interpose.h"
#include "queue/queue.h"
#include "sync/procsignal.h"

TestSuite(catchup_unit, .timeout = 30);

static const struct sv_config relay_world = {
    .backends_max = 8, .capacity = 64, .signal_threshold = 8, .cleanup_min = 16};

#define LAGGARDS 4

struct relay {
    struct sv_segment *segment;
    struct sv_backend *writer;
    struct sv_backend *laggards[LAGGARDS]; /* in transactions; the first is furthest behind */
    int failures;
};

static struct relay set_up_relay(void)
{
    struct relay r = {.segment = world(relay_world)};
    r.writer = join(r.segment);
    for (int i = 0; i < LAGGARDS; i++) {
        r.laggards[i] = join(r.segment);
        cr_assert_eq(sv_transaction_begin(r.laggards[i], NULL), 0);
        insert_numbered(r.writer, 0, 1);
    }
    insert_numbered(r.writer, 0, 10);
    accept_all(r.writer);
    sv_queue_cleanup(r.writer, 0);
    return r;
}

/* Which laggard is signaled; -1: none. */
static int holder_of(struct relay *r)
{
    int holder = -1;
    for (int i = 0; i < LAGGARDS; i++) {
        struct sv_slot_state state;
        sv_slot_look(r->segment, sv_backend_slot(r->laggards[i]), &state);
        if (state.signaled) {
            cr_assert_eq(holder, -1, "two at once: %d and %d", holder, i);
            holder = i;
        }
    }
    return holder;
}

static void tear_down_relay(struct relay *r)
{
    for (int i = 0; i < LAGGARDS; i++) {
        sv_backend_detach(r->laggards[i]);
    }
    sv_backend_detach(r->writer);
    sv_segment_detach(r->segment);
}

/*
 * Claim:   a catchup goes from the furthest behind to the next, one at a time, until nobody is
 *          behind; it is served by an accept, by sv_process_interrupts, and inside a transaction
 *          (Q7, Q8), and nobody is reset.
 * Method:  four laggards; each serves in another way; who holds the baton after each.
 */
Test(catchup_unit, the_baton_goes_from_laggard_to_laggard)
{
    struct relay r = set_up_relay();
    cr_assert_eq(holder_of(&r), 0);
    accept_all(r.laggards[0]);
    cr_assert_eq(holder_of(&r), 1);
    cr_assert_eq(sv_process_interrupts(r.laggards[1]), 0);
    cr_assert_eq(holder_of(&r), 2);
    cr_assert_eq(sv_catchup_serve(r.laggards[2]), 0);
    cr_assert_eq(holder_of(&r), 3);
    cr_assert_eq(sv_process_interrupts(r.laggards[3]), 0);
    cr_assert_eq(sv_transaction_level(r.laggards[3]), 1);
    cr_assert_eq(holder_of(&r), -1);
    cr_assert_eq(counted(r.segment, SV_STAT_catchups_served), 4);
    cr_assert_eq(counted(r.segment, SV_STAT_relays), 3);
    cr_assert_eq(counted(r.segment, SV_STAT_resets_overflow), 0);
    tear_down_relay(&r);
}

static int fail_once(struct sv_backend *self, const struct sv_message *message, void *argument)
{
    struct relay *r = argument;
    (void)self;
    (void)message;
    return r->failures-- > 0 ? -EINTR : 0;
}

/*
 * Claim:   a callback that fails while a catchup is served does not stop the relay.
 * Method:  the holder's callback fails; the next one holds the baton all the same.
 */
Test(catchup_unit, a_failing_callback_does_not_stop_the_relay)
{
    struct relay r = set_up_relay();
    r.failures = 1;
    cr_assert_eq(sv_callback_register(r.laggards[0], SV_MESSAGE_APPLICATION, fail_once, &r), 0);
    cr_assert_eq(holder_of(&r), 0);
    cr_assert_eq(sv_process_interrupts(r.laggards[0]), -EINTR);
    cr_assert_eq(holder_of(&r), 1);
    cr_assert_eq(sv_process_interrupts(r.laggards[0]), 0,
                 "its reason stays pending until it works");
    tear_down_relay(&r);
}

static void serve_inside(struct sv_backend *self, void *argument)
{
    (void)argument;
    cr_assert_eq(sv_process_interrupts(self), 0);
}

/*
 * Claim:   a catchup is served also in the middle of a load.
 * Method:  the holder searches; its source processes interrupts.
 */
Test(catchup_unit, a_catchup_is_served_during_a_load)
{
    struct relay r = set_up_relay();
    struct fake_store *store = store_new();
    struct fake *fake = fake_open(store);
    struct sv_catcache *cache = cache_over(r.laggards[0], fake, 1, 0);
    fake->meanwhile = serve_inside;
    cr_assert_eq(holder_of(&r), 0);
    ASSERT_VALUE(r.laggards[0], cache, KEYS("a"), NULL);
    cr_assert_eq(holder_of(&r), 1);
    tear_down_relay(&r);
    free(fake);
    free(store);
}

/*
 * Claim:   a send-only backend's accept reads nothing, returns 0, and its own cache follows its own
 *          transactions.
 * Method:  messages of others pile up to more than the ring; it commits a row of its own.
 */
Test(catchup_unit, a_send_only_backend_accepts_nothing)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *self = NULL;
    struct sv_backend *other = join(segment);
    const struct sv_backend_options options = {.send_only = true};
    cr_assert_eq(sv_backend_attach(segment, &options, &self), 0);
    struct fake_store *store = store_new();
    struct fake *fake = fake_open(store);
    struct sv_catcache *cache = cache_over(self, fake, 1, 0);
    ASSERT_VALUE(self, cache, KEYS("a"), NULL);
    for (int i = 0; i < 10; i++) {
        insert_numbered(other, 0, 32);
        accept_all(other);
        accept_all(self);
    }
    cr_assert_eq(counted(segment, SV_STAT_resets_taken), 0);
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    cr_assert_eq(write_row(self, fake, KEYS("a"), "1"), 0);
    cr_assert_eq(sv_transaction_commit(self), 0);
    ASSERT_VALUE(self, cache, KEYS("a"), "1");
    sv_backend_detach(self);
    sv_backend_detach(other);
    sv_segment_detach(segment);
    free(fake);
    free(store);
}

/*
 * Claim:   an application's lock may be held over begin, accept and commit.
 * Method:  app_0 exclusive over both; the settling of a dead is left to another time.
 */
Test(catchup_unit, an_application_lock_may_be_held)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *self = join(segment);
    sv_lwlock_acquire(self, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    for (int i = 0; i < 130; i++) {
        cr_assert_eq(sv_transaction_begin(self, NULL), 0);
        cr_assert_eq(sv_invalidate_smgr(self, 1, false), 0);
        cr_assert_eq(sv_transaction_commit(self), 0);
    }
    sv_lwlock_release(self, SV_LOCK_APP_0);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a lock of the library's own may not: that is a mistake in the program, and aborts.
 * Method:  accept with read_lock held shared.
 */
Test(catchup_unit, accepting_with_read_lock_held_aborts, .signal = SIGABRT)
{
    struct sv_segment *segment = world(relay_world);
    struct sv_backend *self = join(segment);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_SHARED);
    cr_assert_neq(sv_accept_messages(self), 0);
}

/* Nobody is asked to catch up by those who send. */
static const struct sv_config silent_world = {
    .backends_max = 4, .capacity = 64, .signal_threshold = 64};

static void fill_the_ring(void *argument)
{
    insert_numbered(argument, 0, silent_world.capacity);
}

/*
 * Claim:   who was asked to catch up and could not, since others sent as fast as it read, is still
 *          asked to.
 * Method:  a ring full of messages, and as many again when they have all been read and the last
 *          one is applied; the accept ends at its bound and does not see the end. The next one does.
 */
Test(catchup_unit, who_could_not_catch_up_is_still_asked_to)
{
    struct sv_segment *segment = world(silent_world);
    struct sv_backend *sender = NULL;
    struct sv_backend *reader = join(segment);
    struct interposer interposer;
    const struct sv_backend_options send_only = {.send_only = true};
    cr_assert_eq(sv_backend_attach(segment, &send_only, &sender), 0);
    fill_the_ring(sender);
    cr_assert_eq(sv_procsignal_send(sender, sv_backend_slot(reader), SV_REASON_CATCHUP), 0);
    interpose_begin(&interposer, "accept/message/before", silent_world.capacity, fill_the_ring,
                    sender);
    accept_all(reader);
    interpose_end(&interposer);
    cr_assert_eq(counted(segment, SV_STAT_resets_taken), 0);
    cr_assert_eq(counted(segment, SV_STAT_catchups_served), 0, "it saw the end");
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 0, "it was asked again");
    accept_all(reader);
    cr_assert_eq(counted(segment, SV_STAT_catchups_served), 1);
    sv_backend_detach(reader);
    sv_backend_detach(sender);
    sv_segment_detach(segment);
}
