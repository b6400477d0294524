/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue in one thread: everything here is deterministic.
 */
#include "queue/queue.h"

#include "support.h"

TestSuite(queue_unit, .timeout = 30);

static const struct sv_config ring_of_4 = {
    .backends_max = 8,
    .capacity = 4,
    .wraparound = 8,
};

/* Read everything there is; the payloads must run from *next on. Returns SV_RESET if met. */
static int drain(struct sv_backend *self, uint64_t *next)
{
    struct sv_message message;
    uint32_t count = 0;
    for (;;) {
        const int result = sv_queue_read(self, &message, 1, &count);
        if (result != 0 || count == 0) {
            return result;
        }
        cr_assert_eq(message.payload, *next, "expected message %" PRIu64 ", got %" PRIu64, *next,
                     (uint64_t)message.payload);
        ++*next;
    }
}

static void check(struct sv_backend *self)
{
    sv_lwlock_acquire(self, SV_LOCK_WRITE, SV_LOCK_EXCLUSIVE);
    sv_lwlock_acquire(self, SV_LOCK_READ, SV_LOCK_EXCLUSIVE);
    const char *broken = sv_queue_check(self->segment);
    sv_lwlock_release(self, SV_LOCK_READ);
    sv_lwlock_release(self, SV_LOCK_WRITE);
    cr_assert_null(broken, "%s", broken);
}

/*
 * Claim:   a reader that keeps up gets every message, in order, across many wraparounds.
 * Method:  ring of 4 that wraps at 8, batches of 1 to 4, read after each; the wraparounds are
 *          counted.
 */
Test(queue_unit, a_reader_that_keeps_up_gets_every_message_in_order)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    uint64_t sent = 0;
    uint64_t next = 0;
    uint64_t next_of_writer = 0;
    for (uint32_t round = 0; round < 100; round++) {
        insert_numbered(writer, sent, 1 + round % 4);
        sent += 1 + round % 4;
        cr_assert_eq(drain(reader, &next), 0, "reset in round %u", round);
        cr_assert_eq(drain(writer, &next_of_writer), 0, "writer reset in round %u", round);
        cr_assert_eq(next, sent);
        check(writer);
    }
    cr_assert_gt(counted(segment, SV_STAT_wraparounds), 20);
}

/*
 * Claim:   who falls further behind than the ring is told SV_RESET once, and then goes on with
 *          what is newer.
 * Method:  ring of 4, the reader stands still for 6 messages.
 */
Test(queue_unit, a_laggard_is_reset_once_and_goes_on_at_the_end)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    for (uint64_t n = 0; n < 6; n++) {
        insert_numbered(writer, n, 1);
    }
    struct sv_message out[4];
    uint32_t count = 99;
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), SV_RESET);
    cr_assert_eq(count, 0);
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), 0);
    cr_assert_eq(count, 0, "after a reset there is nothing old to read");
    insert_numbered(writer, 6, 1);
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), 0);
    cr_assert_eq(count, 1);
    cr_assert_eq(out[0].payload, 6);
    cr_assert_gt(counted(segment, SV_STAT_resets_overflow), 0);
    check(writer);
}

/*
 * Claim:   who is at a place where nobody can be is reset, once, whoever finds it, and it is
 *          counted as a repair.
 * Method:  a reader of a ring of 8 is put past the end, into another epoch, and further back than
 *          the ring is long; then it reads, or a writer goes round the ring.
 */
Test(queue_unit, a_place_where_nobody_can_be_is_repaired)
{
    const uint64_t places[] = {SV_POSITION(0, 10), SV_POSITION(1, 9), SV_POSITION(0, 0)};
    for (int i = 0; i < 6; i++) {
        struct sv_segment *segment = world((struct sv_config){.capacity = 8});
        struct sv_backend *writer = join(segment);
        struct sv_backend *reader = join(segment);
        uint64_t next = 0;
        insert_numbered(writer, 0, 5);
        cr_assert_eq(drain(reader, &next), 0);
        insert_numbered(writer, 5, 4);
        sv_store_seq64(&reader->slot->position, places[i / 2]);
        if (i % 2 == 1) {
            for (uint64_t n = 9; n < 18; n++) {
                insert_numbered(writer, n, 1);
            }
        }
        cr_assert_eq(drain(reader, &next), SV_RESET, "place %d", i / 2);
        cr_assert_eq(counted(segment, SV_STAT_resets_repair), 1, "place %d", i / 2);
        cr_assert_eq(counted(segment, SV_STAT_resets_taken), 1);
        check(writer);
    }
}

/*
 * Claim:   a read of part of what is there leaves the rest, and "empty" is never said too early.
 * Method:  ring of 8, five messages read two at a time.
 */
Test(queue_unit, a_partial_read_leaves_the_rest)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 8});
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    cr_assert(sv_queue_empty(reader));
    insert_numbered(writer, 0, 4);
    insert_numbered(writer, 4, 1);
    struct sv_message out[2];
    uint32_t count = 0;
    const uint32_t expected[] = {2, 2, 1, 0};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(sv_queue_empty(reader), i == 3);
        cr_assert_eq(sv_queue_read(reader, out, 2, &count), 0);
        cr_assert_eq(count, expected[i], "read %d gave %u", i, count);
    }
}

/*
 * Claim:   "reset everyone" reaches also a backend that had read everything (PostgreSQL Q12).
 * Method:  a reader that is caught up, a reset of all, one read.
 */
Test(queue_unit, reset_all_reaches_who_had_read_everything)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    uint32_t count = 0;
    struct sv_message out[4];
    sv_queue_reset_all(writer);
    cr_assert_not(sv_queue_empty(reader));
    cr_assert_eq(sv_queue_read(reader, out, 4, &count), SV_RESET);
    cr_assert_eq(sv_queue_read(writer, out, 4, &count), SV_RESET);
    cr_assert_eq(counted(segment, SV_STAT_resets_requested), 2);
    check(writer);
}

/*
 * Claim:   a send-only backend holds nothing back and is never reset or signaled.
 * Method:  ring of 4, a send-only one inserts 100 messages beside a reader that keeps up.
 */
Test(queue_unit, a_send_only_backend_holds_nothing_back)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = NULL;
    cr_assert_eq(
        sv_backend_attach(segment, &(struct sv_backend_options){.send_only = true}, &writer), 0);
    struct sv_backend *reader = join(segment);
    uint64_t next = 0;
    for (uint64_t n = 0; n < 100; n++) {
        insert_numbered(writer, n, 1);
        cr_assert_eq(drain(reader, &next), 0);
        check(writer);
    }
    cr_assert_eq(next, 100);
    cr_assert_eq(counted(segment, SV_STAT_resets_overflow), 0);
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 0);
}

/*
 * Claim:   each cleanup sends at most one catchup, to the furthest behind that has none, and who
 *          caught up can be sent one again (PostgreSQL Q18).
 * Method:  ring of 64, three laggards at different positions, cleanups by hand.
 */
Test(queue_unit, one_catchup_per_cleanup_to_the_furthest_behind)
{
    struct sv_segment *segment =
        world((struct sv_config){.capacity = 64, .signal_threshold = 8, .cleanup_min = 64});
    struct sv_backend *writer = join(segment);
    struct sv_backend *laggards[3];
    for (int i = 0; i < 3; i++) {
        laggards[i] = join(segment);
        insert_numbered(writer, (uint64_t)i * 2, 2);
    }
    insert_numbered(writer, 6, 20);
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    for (int i = 0; i < 3; i++) {
        sv_queue_cleanup(writer, 0);
        cr_assert_eq(counted(segment, SV_STAT_catchups_sent), (uint64_t)i + 1);
        struct sv_slot_state state;
        sv_slot_look(segment, sv_backend_slot(laggards[i]), &state);
        cr_assert(state.signaled, "laggard %d is the furthest behind", i);
    }
    sv_queue_cleanup(writer, 0);
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 3, "nobody is signaled twice");
    cr_assert_eq(sv_queue_read(laggards[0], out, 64, &count), 0);
    insert_numbered(writer, 26, 20);
    sv_queue_cleanup(writer, 0);
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 4, "who caught up can be signaled again");
}

/*
 * Claim:   a backend that was sent a catchup keeps the mark until it has read everything, so that
 *          it is not sent one for each cleanup on the way (PostgreSQL Q18: a storm).
 * Method:  twenty messages behind, signaled, read in pieces with a cleanup after each.
 */
Test(queue_unit, the_mark_of_a_catchup_stays_until_all_is_read)
{
    struct sv_segment *segment =
        world((struct sv_config){.capacity = 64, .signal_threshold = 8, .cleanup_min = 64});
    struct sv_backend *writer = join(segment);
    struct sv_backend *laggard = join(segment);
    insert_numbered(writer, 0, 20);
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    sv_queue_cleanup(writer, 0);
    for (int read = 0; read < 20; read += 5) {
        struct sv_slot_state state;
        sv_slot_look(segment, sv_backend_slot(laggard), &state);
        cr_assert(state.signaled, "the mark is gone after %d of 20", read);
        cr_assert_eq(sv_queue_read(laggard, out, 5, &count), 0);
        sv_queue_cleanup(writer, 0);
    }
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 1);
}

/*
 * Claim:   leaving gives back what one's position held, and passes a catchup on.
 * Method:  two laggards, the first signaled; it detaches, and the second is signaled.
 */
Test(queue_unit, who_detaches_passes_the_baton_on)
{
    struct sv_segment *segment =
        world((struct sv_config){.capacity = 64, .signal_threshold = 8, .cleanup_min = 64});
    struct sv_backend *writer = join(segment);
    struct sv_backend *first = join(segment);
    struct sv_backend *second = join(segment);
    insert_numbered(writer, 0, 20);
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    sv_queue_cleanup(writer, 0);
    sv_backend_detach(first);
    struct sv_slot_state state;
    sv_slot_look(segment, sv_backend_slot(second), &state);
    cr_assert(state.signaled);
    cr_assert_eq(counted(segment, SV_STAT_catchups_sent), 2);
}

/*
 * Claim:   the baton is also with who has read everything since it was asked, and has not yet run
 *          cleanup: leaving then passes it on, too.
 * Method:  the first laggard is signaled and reads to the end, no more; it detaches.
 */
Test(queue_unit, who_has_read_and_not_yet_relayed_passes_the_baton_on)
{
    struct sv_segment *segment =
        world((struct sv_config){.capacity = 64, .signal_threshold = 8, .cleanup_min = 64});
    struct sv_backend *writer = join(segment);
    struct sv_backend *first = join(segment);
    struct sv_backend *second = join(segment);
    insert_numbered(writer, 0, 20);
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(writer, out, 64, &count), 0);
    sv_queue_cleanup(writer, 0);
    cr_assert_eq(sv_queue_read(first, out, 64, &count), 0);
    sv_backend_detach(first);
    struct sv_slot_state state;
    sv_slot_look(segment, sv_backend_slot(second), &state);
    cr_assert(state.signaled, "the baton was lost");
}

/*
 * Claim:   a new backend starts at the end: what was sent before is not for it.
 * Method:  messages, attach, read.
 */
Test(queue_unit, a_new_backend_starts_at_the_end)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    insert_numbered(writer, 0, 3);
    struct sv_backend *late = join(segment);
    cr_assert(sv_queue_empty(late));
    insert_numbered(writer, 3, 1);
    uint64_t next = 3;
    cr_assert_eq(drain(late, &next), 0);
    cr_assert_eq(next, 4);
}

/*
 * Claim:   a cleaner that dies anywhere in the wraparound leaves what its taker-over can finish.
 * Method:  numbers past the wraparound; every state the loop can leave: the epoch is raised and the
 *          first k positions lowered, for each k; then the repair, twice; then the invariants, and
 *          nothing lost.
 */
Test(queue_unit, repair_finishes_a_wraparound_from_any_point)
{
    for (uint32_t lowered = 0; lowered <= 4; lowered++) {
        struct sv_segment *segment = world(ring_of_4);
        struct sv_backend *writer = join(segment);
        struct sv_backend *reader = join(segment);
        uint64_t next = 0;
        uint64_t next_of_writer = 0;
        cr_assert_eq(sv_queue_set_base(writer, 9), 0);
        insert_numbered(writer, 0, 1);
        struct sv_atomic64 *positions[] = {&segment->queue->min_number, &segment->queue->max_number,
                                           &segment->slots[0].position,
                                           &segment->slots[1].position};
        const uint32_t epoch = sv_load_relaxed32(&segment->queue->epoch) + 1;
        sv_store_relaxed32(&segment->queue->epoch, epoch);
        for (uint32_t i = 0; i < lowered; i++) {
            const uint64_t position = sv_load_relaxed64(positions[i]);
            sv_store_relaxed64(positions[i], SV_POSITION(epoch, SV_POSITION_NUMBER(position) - 8));
        }
        sv_queue_repair_read(segment);
        sv_queue_repair_read(segment);
        check(writer);
        cr_assert_eq(drain(reader, &next), 0, "with %u lowered, the reader was reset", lowered);
        cr_assert_eq(next, 1, "with %u lowered", lowered);
        cr_assert_eq(SV_POSITION_NUMBER(sv_load_relaxed64(&segment->queue->min_number)), 1);
        cr_assert_eq(drain(writer, &next_of_writer), 0);
        sv_backend_detach(reader);
        sv_backend_detach(writer);
        sv_segment_detach(segment);
    }
}

/*
 * Claim:   a writer that dies between moving max_number and publishing leaves a message that is
 *          found after the repair.
 * Method:  that state by hand.
 */
Test(queue_unit, repair_makes_readers_look_for_an_unpublished_message)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    struct sv_queue *queue = segment->queue;
    segment->ring[0] = numbered(0);
    sv_store_relaxed64(&queue->max_number, sv_load_relaxed64(&queue->max_number) + 1);
    uint64_t next = 0;
    cr_assert(sv_queue_empty(reader), "the danger: nobody looks");
    sv_queue_repair_write(segment);
    cr_assert_eq(drain(reader, &next), 0);
    cr_assert_eq(next, 1);
    check(writer);
}

/*
 * Claim:   positions are not set while anybody has something to read: it would be lost.
 * Method:  one backend behind, the other not; each asks; once both have read it works.
 */
Test(queue_unit, positions_are_not_set_while_anybody_is_behind)
{
    struct sv_segment *segment = world(ring_of_4);
    struct sv_backend *writer = join(segment);
    struct sv_backend *reader = join(segment);
    uint64_t next = 0;
    uint64_t next_of_writer = 0;
    insert_numbered(writer, 0, 2);
    cr_assert_eq(drain(writer, &next_of_writer), 0);
    cr_assert_eq(sv_queue_set_base(writer, 100), SV_BUSY, "another one is behind");
    cr_assert_eq(sv_queue_set_base(reader, 100), SV_BUSY, "it is behind itself");
    cr_assert_eq(drain(reader, &next), 0);
    cr_assert_eq(next, 2, "what was to be read is lost");
    cr_assert_eq(sv_queue_set_base(writer, 100), 0);
    check(writer);
    sv_backend_detach(reader);
    sv_backend_detach(writer);
    sv_segment_detach(segment);
}
