/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rubbish: which bytes are overwritten, and with what.
 *
 * Each structure is as likely as any other, whatever its size: a lock is four bytes, a ring four
 * thousand. Values are random, single bits, near what bounds are made of, or taken from elsewhere
 * in the segment, where they were legal.
 */
#include <string.h>

#include "corrupt/corrupt.h"
#include "shm/directory.h"

#define SLOTS_MET 5 /* more are hardly ever used */

/* Bytes that may be overwritten. */
struct piece {
    size_t offset;
    size_t bytes;
};

static struct piece piece_of(const struct sv_segment *segment, const void *from, size_t bytes)
{
    return (struct piece){(size_t)((const uint8_t *)from - (const uint8_t *)segment->base), bytes};
}

static struct piece element(const struct sv_segment *segment, const void *base, size_t stride,
                            uint32_t count, struct random *random)
{
    return piece_of(segment, (const uint8_t *)base + random_below(random, count) * stride, stride);
}

static struct piece slot_piece(const struct sv_segment *segment, struct random *random)
{
    struct piece piece =
        element(segment, segment->slots, sizeof(struct sv_slot), SLOTS_MET, random);
    piece.offset += offsetof(struct sv_slot, phase);
    piece.bytes -= offsetof(struct sv_slot, phase);
    return piece;
}

/* A slot without its life lock, a lock, the queue, ... */
static struct piece some_piece(const struct sv_segment *segment, struct random *random)
{
    const struct sv_config *config = &segment->config;
    struct sv_header *header = segment->header;
    switch (random_below(random, 12)) {
    case 0:
        return piece_of(segment, &header->slots_used,
                        offsetof(struct sv_header, postmaster_life) -
                            offsetof(struct sv_header, slots_used));
    case 1:
    case 2:
        return element(segment, segment->locks, sizeof(struct sv_lock_word), SV_LOCK_COUNT, random);
    case 3:
        return piece_of(segment, segment->queue, sizeof(*segment->queue));
    case 4:
        return element(segment, segment->ring, sizeof(struct sv_message), config->capacity, random);
    case 5:
        return element(segment, segment->intents, sv_intent_stride(config), SLOTS_MET, random);
    case 6:
        return piece_of(segment, segment->table, sizeof(*segment->table));
    case 7:
        return element(segment, segment->table_rows, sv_table_row_stride(config),
                       config->table_rows_max, random);
    case 8:
        return element(segment, segment->table_redo, sv_table_row_stride(config),
                       config->table_writes_max, random);
    default:
        return slot_piece(segment, random);
    }
}

#define SLOT_WORD(field) slot_at + offsetof(struct sv_slot, field)
#define ROW_WORD(rows, field) \
    (size_t)((rows)-base) + row *sv_table_row_stride(config) + offsetof(struct sv_table_row, field)

/* One of the words that say how far, how many, who, or what: few among many that are contents. */
static struct piece some_word(const struct sv_segment *segment, struct random *random)
{
    const struct sv_config *config = &segment->config;
    const uint8_t *base = segment->base;
    const size_t slot = random_below(random, SLOTS_MET);
    const size_t slot_at = (size_t)((const uint8_t *)&segment->slots[slot] - base);
    const size_t row = random_below(random, config->table_writes_max);
    const size_t lock = random_below(random, SV_LOCK_COUNT);
    const size_t words[] = {
        SLOT_WORD(phase),
        SLOT_WORD(pid),
        SLOT_WORD(tid),
        SLOT_WORD(signal_word),
        SLOT_WORD(position),
        SLOT_WORD(in_queue),
        SLOT_WORD(reset),
        SLOT_WORD(signaled),
        SLOT_WORD(catchup_target),
        SLOT_WORD(intent),
        SLOT_WORD(sleep),
        SLOT_WORD(reasons),
        SLOT_WORD(waits_for_lock),
        SLOT_WORD(barrier),
        SLOT_WORD(held[lock]),
        (size_t)((const uint8_t *)&segment->locks[lock] - base),
        (size_t)((const uint8_t *)segment->intents - base) + slot * sv_intent_stride(config),
        ROW_WORD(segment->table_rows, phase),
        ROW_WORD(segment->table_rows, key_count),
        ROW_WORD(segment->table_rows, value_bytes),
        ROW_WORD(segment->table_redo, phase),
        ROW_WORD(segment->table_redo, key_count),
        ROW_WORD(segment->table_redo, value_bytes),
        (size_t)((const uint8_t *)&segment->table->redo_count - base),
        (size_t)((const uint8_t *)&segment->table->redo_phase - base),
        (size_t)((const uint8_t *)&segment->queue->max_number - base),
        (size_t)((const uint8_t *)&segment->queue->min_number - base),
        (size_t)((const uint8_t *)&segment->header->slots_used - base),
        (size_t)((const uint8_t *)&segment->header->barrier - base),
        (size_t)((const uint8_t *)&segment->header->postmaster_pid - base),
    };
    return (struct piece){words[random_below(random, sizeof(words) / sizeof(words[0]))], 4};
}

static uint32_t telling_value(const struct sv_segment *segment, struct random *random)
{
    const struct sv_config *config = &segment->config;
    const uint32_t bounds[] = {0,
                               1,
                               2,
                               3,
                               4,
                               UINT32_MAX,
                               INT32_MAX,
                               (uint32_t)INT32_MAX + 1,
                               SV_LOCK_GRANTED | 1,
                               SV_LOCK_GRANTED | 3,
                               config->backends_max,
                               config->capacity,
                               config->wraparound,
                               config->intent_max,
                               config->table_rows_max,
                               config->table_value_max,
                               config->table_writes_max};
    return bounds[random_below(random, sizeof(bounds) / sizeof(bounds[0]))] +
           random_below(random, 3) - 1;
}

/* Words are stored whole, as a participant would. */
static void store_word(uint8_t *at, uint32_t value)
{
    sv_store_seq32((struct sv_atomic32 *)(void *)at, value);
}

static uint32_t load_word(const uint8_t *at)
{
    return sv_load_seq32((const struct sv_atomic32 *)(const void *)at);
}

static void fill(uint8_t *at, size_t bytes, struct random *random)
{
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        store_word(at + i, (uint32_t)random_next(random));
    }
}

void rubbish_write(struct sv_segment *segment, struct random *random)
{
    const struct piece piece =
        random_below(random, 2) == 0 ? some_word(segment, random) : some_piece(segment, random);
    uint8_t *base = segment->base;
    uint8_t *at = base + piece.offset;
    uint8_t *word = at + (size_t)random_below(random, (uint32_t)(piece.bytes / 4)) * 4;
    const struct piece other = some_piece(segment, random);
    switch (random_below(random, 8)) {
    case 0:
        fill(at, piece.bytes, random);
        return;
    case 1:
        store_word(word, (uint32_t)random_next(random));
        return;
    case 2:
    case 3:
        store_word(word, load_word(word) ^ UINT32_C(1) << random_below(random, 32));
        return;
    case 4:
        store_word(word, load_word(base + other.offset +
                                   (size_t)random_below(random, (uint32_t)(other.bytes / 4)) * 4));
        return;
    case 5:
        fill(word, 4 + (size_t)(at + piece.bytes - word - 4) / 2, random);
        return;
    default:
        store_word(word, telling_value(segment, random));
    }
}
