/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * States and ways, told apart by hashes of 64 bits: two that differ and are taken for one would
 * cost a first death of the second level, no kill of the first.
 */
#include "tests/sweep/image.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>

#include "faults/random.h"

enum { IMAGES_MAX = 1 << 16 };

struct images {
    uint32_t count;
    uint64_t hashes[IMAGES_MAX]; /* 0: free */
};

struct images *images_create(void)
{
    return calloc(1, sizeof(struct images));
}

void images_destroy(struct images *images)
{
    free(images);
}

bool images_add(struct images *images, uint64_t hash)
{
    hash |= 1;
    for (uint64_t i = hash >> 8;; i++) {
        uint64_t *there = &images->hashes[i % IMAGES_MAX];
        if (*there == hash || (*there == 0 && images->count > IMAGES_MAX / 2)) {
            return false;
        }
        if (*there == 0) {
            *there = hash;
            images->count++;
            return true;
        }
    }
}

bool images_add_path(struct images *images, const struct trace *trace)
{
    bool is_new = false;
    for (uint32_t i = 0; i < trace->count; i++) {
        is_new |= images_add(images, random_hash(trace->at[i], trace->at[i + 1]));
    }
    return is_new;
}

/* Of 8 bytes a step; sizes here are multiples of 4. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, (const char *)bytes + i, size - i < sizeof(word) ? size - i : sizeof(word));
        hash = random_hash(hash, word);
    }
    return hash;
}

static uint64_t hash_slot(uint64_t hash, const struct sv_slot *slot)
{
    struct sv_slot copy;
    memcpy(&copy, slot, sizeof(copy));
    const uint32_t word = (uint32_t)slot->life.mutex.__data.__lock;
    const uint64_t life = (word & FUTEX_TID_MASK) != 0 ? 1 : word & FUTEX_OWNER_DIED;
    memset((void *)&copy.life, 0, sizeof(copy.life));
    memset((void *)&copy.pid, 0, sizeof(copy.pid));
    memset((void *)&copy.tid, 0, sizeof(copy.tid));
    memset((void *)&copy.waits_since_ns, 0, sizeof(copy.waits_since_ns));
    memset((void *)copy.since_ns, 0, sizeof(copy.since_ns));
    memset((void *)copy.stats, 0, sizeof(copy.stats));
    return hash_bytes(random_hash(hash, life), &copy, sizeof(copy));
}

static uint64_t hash_table(uint64_t hash, const struct sv_segment *segment)
{
    const size_t stride = sv_table_row_stride(&segment->config);
    hash = hash_bytes(hash, segment->table, sizeof(*segment->table));
    for (uint32_t i = 0; i < segment->config.table_rows_max; i++) {
        const struct sv_table_row *row =
            (const struct sv_table_row *)(segment->table_rows + i * stride);
        hash = random_hash(hash, sv_load_relaxed32(&row->phase) ^ row->version << 8);
    }
    return hash;
}

uint64_t image_hash(const struct sv_segment *segment)
{
    const struct sv_config *config = &segment->config;
    uint64_t hash = hash_bytes(0, segment->header, offsetof(struct sv_header, postmaster_life));
    for (uint32_t i = 0; i < config->backends_max; i++) {
        const struct sv_intent *intent =
            (const struct sv_intent *)(segment->intents + i * sv_intent_stride(config));
        hash = hash_slot(hash, &segment->slots[i]);
        hash = random_hash(hash, sv_load_relaxed32(&intent->count));
    }
    hash = hash_bytes(hash, segment->locks, SV_LOCK_COUNT * sizeof(*segment->locks));
    hash = hash_bytes(hash, segment->queue, sizeof(*segment->queue));
    return segment->table != NULL ? hash_table(hash, segment) : hash;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t image_of_path(const struct trace *trace)
{
    uint64_t *sorted = calloc(trace->count + 1, sizeof(*sorted));
    uint64_t hash = 1;
    if (sorted == NULL) {
        return 0;
    }
    memcpy(sorted, trace->at, trace->count * sizeof(*sorted));
    qsort(sorted, trace->count, sizeof(*sorted), by_value);
    for (uint32_t i = 0; i < trace->count; i++) {
        if (i == 0 || sorted[i] != sorted[i - 1]) {
            hash = random_hash(hash, sorted[i]);
        }
    }
    free(sorted);
    return hash;
}
