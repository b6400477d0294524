/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * After a reset, or when it joined, a reader may miss of each writer what that had begun to insert
 * by then; the first message it sees is one from `next` to `most`. From then on both are the same.
 */
#include "faults/explore/books.h"

#include <string.h>

#include "faults/random.h"

/* Both halves of a message depend on the other, so that halves of two do not fit. */
struct sv_message books_message(uint32_t writer, uint32_t sequence)
{
    const uint64_t payload = (uint64_t)writer << 32 | sequence;
    const uint64_t check = random_mix(payload + 1);

    return (struct sv_message){
        .kind = SV_MESSAGE_APPLICATION,
        .reserved = {(uint8_t)check, (uint8_t)(check >> 8), (uint8_t)(check >> 16)},
        .payload = payload,
    };
}

static bool is_whole(const struct sv_message *message)
{
    const struct sv_message right =
        books_message((uint32_t)(message->payload >> 32), (uint32_t)message->payload);

    return memcmp(message, &right, sizeof(right)) == 0;
}

void books_sync(struct books *books, uint32_t reader)
{
    for (uint32_t writer = 0; writer < BOOKS_BACKENDS_MAX; writer++) {
        books->readers[reader].most[writer] = books->writers[writer].begun;
    }
}

static void take(struct books *books, uint32_t reader, uint32_t writer, uint32_t sequence)
{
    struct books_reader *self = &books->readers[reader];

    if (sequence < self->next[writer]) {
        const bool resent = machine_is_dead(writer) && books->writers[writer].promised > 0;
        if (!resent) {
            machine_fail(ORACLE_O2, "backend %u reads message %u of backend %u twice", reader,
                         sequence, writer);
        }
        return;
    }
    if (sequence > self->most[writer]) {
        machine_fail(ORACLE_O2,
                     "backend %u reads message %u of backend %u before message %u, with no reset",
                     reader, sequence, writer, self->most[writer]);
    }
    self->next[writer] = sequence + 1;
    self->most[writer] = sequence + 1;
}

void books_take(struct books *books, uint32_t reader, const struct sv_message *message)
{
    const uint32_t writer = (uint32_t)(message->payload >> 32);
    const uint32_t sequence = (uint32_t)message->payload;

    if (writer >= BOOKS_BACKENDS_MAX || !is_whole(message)) {
        machine_fail(ORACLE_O2, "backend %u reads a torn message: kind %u, payload %016llx", reader,
                     message->kind, (unsigned long long)message->payload);
    }
    if (sequence >= books->writers[writer].begun) {
        machine_fail(ORACLE_O2, "backend %u reads message %u of backend %u, which has begun %u",
                     reader, sequence, writer, books->writers[writer].begun);
    }
    books->readers[reader].messages++;
    take(books, reader, writer, sequence);
}

void books_complete(const struct books *books, uint32_t reader)
{
    const struct books_reader *self = &books->readers[reader];

    for (uint32_t writer = 0; writer < BOOKS_BACKENDS_MAX; writer++) {
        const uint32_t done = books->writers[writer].done;
        const uint32_t promised = books->writers[writer].promised;
        if (self->most[writer] < (done > promised ? done : promised)) {
            machine_fail(ORACLE_O2, "message %u of backend %u never reaches backend %u",
                         self->most[writer], writer, reader);
        }
    }
}
