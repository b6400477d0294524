/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Attach, detach, slots and transaction ids.
 */
#include "interpose.h"
#include "support.h"

TestSuite(backend_unit, .timeout = 30);

/*
 * Claim:   a full table is an answer, and a slot that was given back is given out again.
 * Method:  three slots, four attaches, a detach, an attach.
 */
Test(backend_unit, a_full_table_is_an_answer)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 3, .capacity = 4});
    struct sv_backend *backends[3];
    for (int i = 0; i < 3; i++) {
        backends[i] = join(segment);
    }
    struct sv_backend *fourth = NULL;
    cr_assert_eq(sv_backend_attach(segment, NULL, &fourth), SV_FULL);
    cr_assert_null(fourth);
    sv_backend_detach(backends[1]);
    fourth = join(segment);
    cr_assert_eq(sv_backend_slot(fourth), 1);
}

/*
 * Claim:   1,024 backends fit, and all of them read what one inserts.
 * Method:  that many in one thread.
 */
Test(backend_unit, a_thousand_backends_read_one_message)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 1024});
    static struct sv_backend *backends[1024];
    for (int i = 0; i < 1024; i++) {
        backends[i] = join(segment);
    }
    insert_numbered(backends[512], 7, 1);
    for (int i = 0; i < 1024; i++) {
        struct sv_message out;
        uint32_t count = 0;
        cr_assert_eq(sv_queue_read(backends[i], &out, 1, &count), 0);
        cr_assert(count == 1 && out.payload == 7, "backend %d", i);
    }
}

/*
 * Claim:   local transaction ids never repeat within a slot, from occupant to occupant, also over
 *          a death.
 * Method:  two occupants of one slot, the first killed after drawing some.
 */
static int draw_five_and_die(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 3;
    }
    for (int i = 0; i < 5; i++) {
        (void)sv_transaction_id_next(self);
    }
    return raise(SIGKILL);
}

Test(backend_unit, transaction_ids_go_on_from_occupant_to_occupant)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 1, .capacity = 4});
    (void)reap(fork_child(draw_five_and_die, segment, NULL));
    struct sv_backend *self = join(segment);
    const struct sv_transaction_id id = sv_transaction_id_next(self);
    cr_assert_eq(id.slot, 0);
    cr_assert_eq(id.local, 6);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1);
}

/*
 * Claim:   a thousand deaths in a row leave the slots as clean as the first.
 * Method:  a table of two; a child attaches and is killed, a thousand times; one attach after.
 */
Test(backend_unit, a_thousand_deaths_leak_no_slot, .timeout = 60)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2, .capacity = 4});
    for (int i = 0; i < 1000; i++) {
        const int status = reap(fork_child(draw_five_and_die, segment, NULL));
        cr_assert(WIFSIGNALED(status), "child %d: status %x", i, status);
    }
    (void)sv_backend_settle_dead(segment);
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct sv_slot_state state;
        sv_slot_look(segment, slot, &state);
        cr_assert_not(state.in_use);
        cr_assert_not(state.in_queue);
    }
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 1000);
    sv_segment_detach(segment);
}

/*
 * Claim:   what a dead backend had declared is sent by whoever settles it, and "too many" becomes
 *          a reset of everyone; either is counted.
 * Method:  a child declares an intent of two, or of more than intent_max, and dies; the survivor
 *          settles and reads.
 */
static int declare_and_die(struct sv_segment *segment, void *argument)
{
    const uint32_t count = *(const uint32_t *)argument;
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 3;
    }
    struct sv_message messages[8];
    for (uint32_t i = 0; i < count; i++) {
        messages[i] = numbered(i);
    }
    sv_intent_declare(self, messages, count);
    return raise(SIGKILL);
}

Test(backend_unit, the_intent_of_the_dead_is_sent)
{
    for (uint32_t count = 2; count <= 8; count += 6) {
        struct sv_segment *segment =
            world((struct sv_config){.backends_max = 2, .capacity = 16, .intent_max = 4});
        struct sv_backend *self = join(segment);
        (void)reap(fork_child(declare_and_die, segment, &count));
        cr_assert_eq(sv_backend_settle_dead(segment), 1);
        struct sv_message out[8];
        uint32_t got = 0;
        const int result = sv_queue_read(self, out, 8, &got);
        cr_assert_eq(result, count <= 4 ? 0 : SV_RESET);
        cr_assert_eq(got, count <= 4 ? count : 0);
        cr_assert_eq(counted(segment, SV_STAT_intents_resent), 1, "of %" PRIu32, count);
        sv_backend_detach(self);
        sv_segment_detach(segment);
    }
}

/* Who attaches in the middle of another's detach. */
struct newcomer {
    struct sv_segment *segment;
    struct sv_backend *self;
    int result;
};

static void attach_meanwhile(void *argument)
{
    struct newcomer *newcomer = argument;
    newcomer->result = sv_backend_attach(newcomer->segment, NULL, &newcomer->self);
}

/*
 * Claim:   a slot is nobody else's until its occupant is done with it (PostgreSQL: 84b9d6bcea).
 * Method:  in the middle of the detach of the only backend there may be, another one attaches: it
 *          finds no slot; afterwards it gets that one.
 */
Test(backend_unit, a_slot_is_not_given_out_until_its_occupant_is_done_with_it)
{
    struct newcomer newcomer = {.segment = world((struct sv_config){.backends_max = 1})};
    struct interposer interposer;
    struct sv_backend *leaving = join(newcomer.segment);
    interpose_begin(&interposer, "backend/detach/free", 1, attach_meanwhile, &newcomer);
    sv_backend_detach(leaving);
    interpose_end(&interposer);
    cr_assert_eq(newcomer.result, SV_FULL);
    newcomer.self = join(newcomer.segment);
    cr_assert_eq(sv_backend_slot(newcomer.self), 0);
    sv_backend_detach(newcomer.self);
    sv_segment_detach(newcomer.segment);
}
