/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O2, delivery.
 *
 * A message's payload is the birth (14 bits), the sequence number (28) and a checksum of both
 * (22); all other bytes are constant. Half of one message and half of another differ from every
 * message there is with a probability of 1 - 2^-22.
 *
 * What is on its way again: the newest intent of a birth covers a range of its numbers, stored
 * before the intent was declared. A number in it that was seen already is forgiven, if its writer
 * is dead; since a reader may see it before the supervisor has seen the death, it leaves a mark at
 * the birth instead, and a birth that finds that mark on itself while it lives reports it.
 */
#define SV_ATOMIC_UNTOLD /* our notes order nothing between those they are of */
#include "faults/delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "faults/random.h"

#define SEQUENCE_BITS 28
#define CHECK_BITS    22

static uint64_t check_of(uint64_t body)
{
    return random_mix(body + 1) >> (64 - CHECK_BITS);
}

struct sv_message delivery_message(uint32_t birth, uint32_t sequence)
{
    const uint64_t body = (uint64_t)birth << SEQUENCE_BITS | sequence;

    return (struct sv_message){.kind = SV_MESSAGE_APPLICATION,
                               .payload = body << CHECK_BITS | check_of(body)};
}

bool delivery_parse(const struct sv_message *message, uint32_t *birth, uint32_t *sequence)
{
    const uint64_t body = message->payload >> CHECK_BITS;
    const struct sv_message whole =
        delivery_message((uint32_t)(body >> SEQUENCE_BITS), body % DELIVERY_SEQUENCE_MAX);

    *birth = (uint32_t)(body >> SEQUENCE_BITS);
    *sequence = body % DELIVERY_SEQUENCE_MAX;
    return memcmp(&whole, message, sizeof(whole)) == 0;
}

int delivery_init(struct delivery *delivery, const struct control *control)
{
    *delivery = (struct delivery){
        .control = control,
        .skip = UINT32_MAX,
        .next = calloc(control->births_max, sizeof(*delivery->next)),
        .exact = calloc(control->births_max, sizeof(*delivery->exact)),
    };
    if (delivery->next == NULL || delivery->exact == NULL) {
        delivery_free(delivery);
        return -ENOMEM;
    }
    return 0;
}

void delivery_free(struct delivery *delivery)
{
    free(delivery->next);
    free(delivery->exact);
    *delivery = (struct delivery){0};
}

void delivery_sync(struct delivery *delivery)
{
    const struct control *control = delivery->control;
    const uint32_t births = control_birth_count(control);

    for (uint32_t i = 0; i < births; i++) {
        delivery->next[i] = sv_load_seq32(&control->births[i].begun);
        delivery->exact[i] = false;
    }
}

/* A number that was seen before: is it an intent of the dead? Leaves a mark if so. */
static bool sent_again(struct birth *writer, uint32_t sequence)
{
    const uint64_t range = sv_load_seq64(&writer->intent_range);
    const bool inside = sequence >= range >> 32 && sequence < (uint32_t)range;

    if (inside && sv_load_seq32(&writer->ended) == 0) {
        sv_store_seq32(&writer->displaced, 1);
    }
    return inside;
}

bool delivery_take(struct delivery *delivery, const struct sv_message *message,
                   struct finding *finding)
{
    uint32_t birth;
    uint32_t sequence;

    if (!delivery_parse(message, &birth, &sequence) || birth >= delivery->control->births_max) {
        return finding_set(finding, ORACLE_O2, "a torn message: kind %u, payload %016llx",
                           message->kind, (unsigned long long)message->payload);
    }
    struct birth *writer = &delivery->control->births[birth];
    uint32_t *next = &delivery->next[birth];
    if (birth == delivery->skip) {
        return true;
    }
    delivery->messages++;
    if (sequence >= sv_load_seq32(&writer->begun)) {
        return finding_set(finding, ORACLE_O2, "message %u of birth %u was never inserted",
                           sequence, birth);
    }
    if (sequence > *next) {
        return finding_set(finding, ORACLE_O2,
                           "messages %u to %u of birth %u (backend %u) were lost without a reset",
                           *next, sequence - 1, birth, sv_load_relaxed32(&writer->seat));
    }
    if (sequence == *next || !delivery->exact[birth]) {
        *next = sequence + 1;
        delivery->exact[birth] = true;
        return true;
    }
    delivery->again++;
    if (!sent_again(writer, sequence)) {
        return finding_set(finding, ORACLE_O2,
                           "message %u of birth %u (backend %u) came twice, expected was %u",
                           sequence, birth, sv_load_relaxed32(&writer->seat), *next);
    }
    return true;
}

/* Up to which number all messages of a birth must have arrived by now. */
static uint32_t promised(const struct birth *writer)
{
    const uint32_t sent = sv_load_seq32(&writer->sent);
    const uint32_t intended = (uint32_t)sv_load_seq64(&writer->intent_range);

    if (sv_load_seq32(&writer->intent) == INTENT_DECLARED && intended > sent) {
        return intended;
    }
    return sent;
}

bool delivery_complete(const struct delivery *delivery, struct finding *finding)
{
    const uint32_t births = control_birth_count(delivery->control);

    for (uint32_t i = 0; i < births; i++) {
        const struct birth *writer = &delivery->control->births[i];
        const uint32_t end = promised(writer);
        if (end > delivery->next[i] && i != delivery->skip) {
            return finding_set(finding, ORACLE_O2,
                               "messages %u to %u of birth %u (backend %u%s) never arrived, and "
                               "there was no reset",
                               delivery->next[i], end - 1, i, sv_load_relaxed32(&writer->seat),
                               end > sv_load_seq32(&writer->sent) ? ", dead with an intent" : "");
        }
    }
    return true;
}
