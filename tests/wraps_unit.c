/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Numbers that outgrow 32 bits (an epoch: 16), each brought close to that and taken one further.
 */
#include "queue/queue.h"
#include "sync/procsignal.h"

#include "support.h"

TestSuite(wraps_unit, .timeout = 30);

#define BEYOND (UINT64_C(1) << 32)

/* The next version that a commit makes. */
static uint64_t commit_one(struct sv_backend *self, struct sv_source *source)
{
    const struct sv_keys keys = {.count = 1, .key = {{"a", 1}}};
    const struct sv_tuple tuple = {.data = "v", .size_bytes = 1};
    cr_assert_eq(sv_transaction_begin(self, NULL), 0);
    cr_assert_eq(sv_source_write(self, source, 1, &keys, &tuple), 0);
    cr_assert_eq(sv_transaction_commit(self), 0);
    return sv_transaction_version(self);
}

static int see_version(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    *(uint64_t *)argument = tuple->version;
    return 0;
}

/*
 * Claim:   versions of the table go on at 2^32, in what a commit says and in what its row has.
 */
Test(wraps_unit, versions_of_the_table_go_on)
{
    struct sv_segment *segment = world((struct sv_config){.table_rows_max = 8});
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    const struct sv_keys keys = {.count = 1, .key = {{"a", 1}}};
    cr_assert_eq(sv_table_open(self, &source), 0);
    sv_store_relaxed64(&segment->table->version, UINT32_MAX);
    for (uint64_t version = BEYOND; version < BEYOND + 2; version++) {
        uint64_t seen = 0;
        cr_assert_eq(commit_one(self, source), version);
        cr_assert_eq(source->read(source, self, 1, &keys, see_version, &seen), 0);
        cr_assert_eq(seen, version);
    }
    sv_backend_detach(self);
    source->close(source);
    sv_segment_detach(segment);
}

/* Claim: local transaction ids go on at 2^32. */
Test(wraps_unit, transaction_ids_go_on)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    sv_store_relaxed64(&self->slot->local_transaction_id, UINT32_MAX);
    cr_assert_eq(sv_transaction_id_next(self).local, BEYOND);
    cr_assert_eq(sv_transaction_id_next(self).local, BEYOND + 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

static void expect_one(struct sv_backend *reader, uint64_t payload)
{
    struct sv_message out[2];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(reader, out, 2, &count), 0);
    cr_assert(count == 1 && out[0].payload == payload, "number %" PRIu64 " is lost", payload);
}

/* Claim: the count of what was published goes on at 2^32, and readers notice what is new. */
Test(wraps_unit, published_messages_go_on)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *writer = join(segment);
    struct sv_queue_state state;
    sv_store_seq64(&segment->queue->published, UINT32_MAX);
    struct sv_backend *reader = join(segment);
    for (uint64_t i = 0; i < 2; i++) {
        insert_numbered(writer, i, 1);
        sv_queue_look(segment, &state);
        cr_assert_eq(state.published, BEYOND + i);
        expect_one(reader, i);
    }
    sv_backend_detach(reader);
    sv_backend_detach(writer);
    sv_segment_detach(segment);
}

/*
 * Claim:   epochs go on at 2^16, and no message is lost over it.
 * Method:  an empty queue of the last 16-bit epoch; a ring of 4 that wraps at 8.
 */
Test(wraps_unit, epochs_go_on)
{
    struct sv_segment *segment = world((struct sv_config){.capacity = 4, .wraparound = 8});
    struct sv_backend *self = join(segment);
    sv_store_seq32(&segment->queue->epoch, UINT16_MAX);
    sv_store_seq64(&segment->queue->min_number, SV_POSITION(UINT16_MAX, 0));
    sv_store_seq64(&segment->queue->max_number, SV_POSITION(UINT16_MAX, 0));
    sv_store_seq64(&self->slot->position, SV_POSITION(UINT16_MAX, 0));
    for (uint64_t i = 0; i < 12; i++) {
        insert_numbered(self, i, 1);
        expect_one(self, i);
        sv_queue_cleanup(self, 0);
    }
    cr_assert_eq(counted(segment, SV_STAT_wraparounds), 1);
    cr_assert_eq(sv_load_seq32(&segment->queue->epoch), UINT16_MAX + 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

/*
 * Claim:   a barrier waits for who has not passed it, also where that one's word is 2^32; those
 *          who pass go on from there.
 * Method:  the generation before it is current as a backend enters; then three barriers.
 */
Test(wraps_unit, generations_of_barriers_go_on)
{
    struct sv_segment *segment = world((struct sv_config){0});
    sv_store_seq64(&segment->header->barrier, UINT32_MAX);
    struct sv_backend *self = join(segment);
    struct sv_backend *other = join(segment);
    for (uint64_t generation = BEYOND; generation < BEYOND + 3; generation++) {
        cr_assert_eq(sv_load_seq64(&other->slot->barrier), generation);
        cr_assert_eq(sv_procsignal_barrier(self, 0), SV_TIMEOUT, "%" PRIu64, generation);
        cr_assert_eq(sv_load_seq64(&segment->header->barrier), generation);
        cr_assert_eq(sv_process_interrupts(other), 0);
    }
    sv_backend_detach(other);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
