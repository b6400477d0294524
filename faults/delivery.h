/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * O2: a reader gets every message of every writer, in order, untorn, once; or it is reset.
 *
 * Each birth numbers its messages from 0 and keeps in the control area how many it has begun to
 * insert and how many it has. A reader keeps, for each birth, the number it expects. When it joins
 * the queue or is reset it knows nothing, but what had not been begun by then must still reach it,
 * from the first one on. So even a writer of whom nothing ever arrives is noticed.
 *
 * Once more is legal in one case: the writer died having declared an intent, and whoever settled
 * it sent the intent again, or several did, one after the other.
 */
#ifndef SINVAL_FAULTS_DELIVERY_H
#define SINVAL_FAULTS_DELIVERY_H

#include "faults/control.h"
#include "sinval/message.h"

#define DELIVERY_SEQUENCE_MAX (UINT32_C(1) << 28)

/* A reader's own; lives in its process. */
struct delivery {
    const struct control *control;
    uint32_t *next; /* by birth; exact, or else the highest that the first one may be */
    uint8_t *exact; /* by birth: the next one is `next`, no other */
    uint32_t skip;  /* a birth whose messages are not judged; UINT32_MAX: none */
    uint64_t messages;
    uint64_t again; /* of them, sent again */
    uint32_t resets;
};

/* Returns: 0; -ENOMEM. */
SV_NODISCARD int delivery_init(struct delivery *delivery, const struct control *control);
void delivery_free(struct delivery *delivery);

/* After the queue was joined, and after each SV_RESET: everything unread until then is lost. */
void delivery_sync(struct delivery *delivery);

/* The next message read. Returns: true; false and *finding: out of order, torn, lost or twice. */
bool delivery_take(struct delivery *delivery, const struct sv_message *message,
                   struct finding *finding);

/* All is quiet and the queue read to its end: was anything lost? */
bool delivery_complete(const struct delivery *delivery, struct finding *finding);

/* Message number sequence of a birth; all its 16 bytes are determined. */
struct sv_message delivery_message(uint32_t birth, uint32_t sequence);

/* Number `sequence` and birth out of a message. Returns: false: it is torn. */
bool delivery_parse(const struct sv_message *message, uint32_t *birth, uint32_t *sequence);

#endif
