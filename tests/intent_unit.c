/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Intents and repair: what a settler would find.
 */
#include "queue/queue.h"
#include "support.h"

TestSuite(intent_unit, .timeout = 30);

/* What its settler would send again: how many messages; UINT32_MAX: "reset everyone". */
static uint32_t promised(const struct sv_backend *self)
{
    struct sv_slot_state state;
    sv_slot_look(self->segment, sv_backend_slot(self), &state);
    return state.intent;
}

/*
 * Claim:   what an open transaction has promised counts again once something else has been sent
 *          meanwhile, also if that did not fit beside it.
 * Method:  one and two in-place messages, of two that fit; each number of messages sent on top.
 */
Test(intent_unit, what_was_promised_before_a_send_is_promised_after_it)
{
    struct sv_segment *segment = world((struct sv_config){.intent_max = 2, .capacity = 16});
    struct sv_backend *self = join(segment);
    const struct sv_message sent[] = {numbered(1), numbered(2), numbered(3)};
    for (uint32_t in_place = 1; in_place <= 2; in_place++) {
        cr_assert_eq(sv_transaction_begin(self, NULL), 0);
        for (uint32_t i = 0; i < in_place; i++) {
            const struct sv_message message = numbered(10 + i);
            cr_assert_eq(sv_invalidate_in_place(self, &message), 0);
        }
        for (uint32_t count = 1; count <= 3; count++) {
            sv_send_messages(self, sent, count);
            cr_assert_eq(promised(self), in_place, "%u after %u sent", promised(self), count);
        }
        sv_transaction_rollback(self);
        cr_assert_eq(promised(self), 0);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a second intent instead of more of the first is a mistake of the program.
 */
Test(intent_unit, a_second_intent_aborts, .signal = SIGABRT)
{
    struct sv_backend *self = join(world((struct sv_config){0}));
    const struct sv_message message = numbered(1);
    sv_intent_declare(self, &message, 1);
    sv_intent_declare(self, &message, 1);
}

/*
 * Claim:   the repair of write_lock leaves the lowest legal threshold, whatever the dead had left.
 * Method:  a threshold as high as the ring is long.
 */
Test(intent_unit, repair_leaves_the_lowest_threshold)
{
    struct sv_segment *segment =
        world((struct sv_config){.capacity = 16, .cleanup_min = 4, .cleanup_quantum = 2});
    struct sv_backend *self = join(segment);
    sv_store_relaxed32(&segment->queue->next_threshold, 16);
    sv_queue_repair_write(segment);
    struct sv_queue_state state;
    sv_queue_look(segment, &state);
    cr_assert_eq(state.next_threshold, 4);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
