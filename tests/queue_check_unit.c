/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What must be so in the queue, asked of queues in which one thing is not: each clause of the check
 * says no by itself, and at its bounds it does not.
 */
#include "queue/queue.h"

#include "support.h"

TestSuite(queue_check_unit, .timeout = 30);

enum { CAPACITY = 16, QUANTUM = 8, CHANGES = 3 };

/* A word of a queue, or of the one slot that is in it. */
enum word {
    NO_WORD,
    MIN_NUMBER,
    MAX_NUMBER,
    NEXT_THRESHOLD,
    POSITION,
    PHASE,
    IN_QUEUE,
    INTENT,
    SEND_ONLY,
    RESET,
    SIGNALED,
};

struct change {
    enum word word;
    uint64_t value;
};

struct broken {
    const char *says; /* NULL: nothing is wrong */
    struct change changes[CHANGES];
};

/* The position stays within the queue but where it is changed itself. */
static const struct broken queues[] = {
    {NULL, {{NO_WORD, 0}}},
    {"Q2: min_number or", {{MIN_NUMBER, SV_POSITION(1, 0)}}},
    {"Q2: min_number or", {{MAX_NUMBER, SV_POSITION(1, 0)}}},
    {"Q1", {{MIN_NUMBER, 1}, {POSITION, 1}}},
    {"Q1", {{MAX_NUMBER, CAPACITY + 1}}},
    {NULL, {{MAX_NUMBER, CAPACITY}}},
    {"Q4", {{NEXT_THRESHOLD, 0}}},
    {NULL, {{NEXT_THRESHOLD, 1}}},
    {NULL, {{NEXT_THRESHOLD, CAPACITY + QUANTUM}}},
    {"Q4", {{NEXT_THRESHOLD, CAPACITY + QUANTUM + 1}}},
    {NULL, {{MIN_NUMBER, INT32_MAX}, {MAX_NUMBER, INT32_MAX}, {POSITION, INT32_MAX}}},
    {"Q5", {{MIN_NUMBER, INT32_MAX}, {MAX_NUMBER, INT32_MAX + UINT64_C(1)}, {POSITION, INT32_MAX}}},
    {"Q2: a slot's", {{POSITION, SV_POSITION(1, 0)}}},
    {"Q3", {{POSITION, 1}}},
    {"Q3", {{MIN_NUMBER, 1}, {MAX_NUMBER, 1}}},
    {NULL, {{MAX_NUMBER, 1}, {POSITION, 1}}},
    {NULL, {{POSITION, 1}, {RESET, 1}}},
    {"Q2: a slot's", {{POSITION, SV_POSITION(1, 0)}, {RESET, 1}}},
    {"Q6", {{SEND_ONLY, 1}, {RESET, 1}}},
    {"Q6", {{SEND_ONLY, 1}, {SIGNALED, 1}}},
    {NULL, {{SEND_ONLY, 1}, {POSITION, 1}}},
    {NULL, {{SIGNALED, 1}}},
    {"Q7: a free slot is", {{PHASE, SV_SLOT_FREE}}},
    {"Q7: a free slot holds", {{PHASE, SV_SLOT_FREE}, {IN_QUEUE, 0}, {INTENT, 1}}},
    {NULL, {{PHASE, SV_SLOT_FREE}, {IN_QUEUE, 0}}},
    {NULL, {{IN_QUEUE, 0}, {INTENT, 1}}},
    {NULL, {{IN_QUEUE, 0}, {POSITION, 1}}},
};

/* Returns: what it was before. */
static uint64_t set(struct sv_segment *segment, enum word word, uint64_t value)
{
    struct sv_queue *queue = segment->queue;
    struct sv_slot *slot = &segment->slots[0];
    struct sv_atomic64 *const words64[] = {
        [MIN_NUMBER] = &queue->min_number,
        [MAX_NUMBER] = &queue->max_number,
        [POSITION] = &slot->position,
        [SIGNALED] = NULL,
    };
    struct sv_atomic32 *const words32[] = {
        [NEXT_THRESHOLD] = &queue->next_threshold,
        [PHASE] = &slot->phase,
        [IN_QUEUE] = &slot->in_queue,
        [INTENT] = &slot->intent,
        [SEND_ONLY] = &slot->send_only,
        [RESET] = &slot->reset,
        [SIGNALED] = &slot->signaled,
    };
    uint64_t before = 0;
    if (words64[word] != NULL) {
        before = sv_load_relaxed64(words64[word]);
        sv_store_seq64(words64[word], value);
    } else if (words32[word] != NULL) {
        before = sv_load_relaxed32(words32[word]);
        sv_store_seq32(words32[word], (uint32_t)value);
    }
    return before;
}

/* What the check says of a queue that is as it should be but for those changes. */
static const char *check_changed(struct sv_segment *segment, const struct change changes[CHANGES])
{
    uint64_t before[CHANGES];
    for (size_t i = 0; i < CHANGES; i++) {
        before[i] = set(segment, changes[i].word, changes[i].value);
    }
    const char *says = sv_queue_check(segment);
    for (size_t i = CHANGES; i-- > 0;) {
        (void)set(segment, changes[i].word, before[i]);
    }
    return says;
}

/*
 * Claim:   the check of the queue says what is wrong, for each thing that can be, and nothing of a
 *          queue that is at its bounds.
 * Method:  a queue with one backend in it, of which up to three words are changed.
 */
Test(queue_check_unit, each_clause_says_no_by_itself)
{
    struct sv_segment *segment = world((struct sv_config){
        .backends_max = 1, .capacity = CAPACITY, .cleanup_quantum = QUANTUM, .intent_max = 1});
    struct sv_backend *self = join(segment);
    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        const char *expected = queues[i].says;
        const char *says = check_changed(segment, queues[i].changes);
        if (expected == NULL) {
            cr_expect_null(says, "queue %zu: %s", i, says);
        } else {
            cr_expect(says != NULL && strncmp(says, expected, strlen(expected)) == 0,
                      "queue %zu: not %s, but %s", i, expected, says != NULL ? says : "nothing");
        }
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
