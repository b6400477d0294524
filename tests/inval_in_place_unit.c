/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Many changes in place beside many messages of a transaction: a commit sends all of them, and needs
 * no memory for it. Few of them, and rollbacks: inval_unit.c.
 */
#include "cache/inval.h"
#include "support.h"

TestSuite(inval_in_place_unit, .timeout = 60);

#define IN_PLACE_MAX 40
#define OTHERS_MAX   40

/* The messages 0 up to count - 1 have come, each once. */
static void assert_received(struct sv_backend *witness, uint32_t count)
{
    struct sv_message out[IN_PLACE_MAX + OTHERS_MAX + 1];
    bool seen[IN_PLACE_MAX + OTHERS_MAX] = {false};
    uint32_t received = 0;
    cr_assert_eq(sv_queue_read(witness, out, IN_PLACE_MAX + OTHERS_MAX + 1, &received), 0);
    cr_assert_eq(received, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t number = out[i].payload;
        cr_assert(number < count && !seen[number], "message %" PRIu64, number);
        seen[number] = true;
    }
}

/* A transaction with so many of each. The changes in place come before the others, or after. */
static void transact(struct sv_backend *self, uint32_t in_place, uint32_t others, bool before)
{
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    for (uint32_t n = 0; n < in_place + others; n++) {
        const bool now = before ? n < in_place : n >= others;
        const struct sv_message message = numbered(n);
        cr_assert_eq(now ? sv_invalidate_in_place(self, &message)
                         : sv_invalidate_application(self, n, true),
                     0);
    }
    const struct sv_messages *messages = &self->inval->messages;
    cr_assert_geq(messages->size - messages->count, in_place, "commit has room for %u of %u + %u",
                  messages->size, others, in_place);
    cr_assert_eq(sv_transaction_commit(self), 0);
}

/*
 * Claim:   whatever the numbers of changes in place and of other messages, the commit, which cannot
 *          fail for lack of memory any more, has room for all, and sends each once.
 * Method:  1, 4 ... 40 of the one and 0 to 40 of the other, in both orders, by backends that start
 *          with no memory. The room is looked at; where it is missing the commit would write
 *          beyond it.
 */
Test(inval_in_place_unit, a_commit_has_room_for_every_change_in_place)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4, .capacity = 256});
    struct sv_backend *witness = join(segment);
    for (uint32_t in_place = 1; in_place <= IN_PLACE_MAX; in_place += 3) {
        for (uint32_t others = 0; others <= OTHERS_MAX; others++) {
            for (int before = 0; before < 2; before++) {
                struct sv_backend *self = join(segment);
                transact(self, in_place, others, before != 0);
                assert_received(witness, in_place + others);
                sv_backend_detach(self);
            }
        }
    }
    sv_backend_detach(witness);
    sv_segment_detach(segment);
}

/*
 * Claim:   outside a transaction a change in place is told to everybody at once.
 * Method:  four of them; another backend reads the queue after each.
 */
Test(inval_in_place_unit, outside_a_transaction_it_is_sent_at_once)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    struct sv_backend *witness = join(segment);
    for (uint64_t n = 0; n < 4; n++) {
        const struct sv_message message = numbered(n);
        struct sv_message out[2];
        uint32_t received = 0;
        cr_assert_eq(sv_invalidate_in_place(self, &message), 0);
        cr_assert_eq(sv_queue_read(witness, out, 2, &received), 0);
        cr_assert(received == 1 && out[0].payload == n, "%u messages", received);
    }
    sv_backend_detach(witness);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
