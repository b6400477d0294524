/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The directory of a segment. Sizes are 64 bits wide: the bounds of a configuration
 * (src/shm/config.c) keep their sum below 2^42.
 */
#include "shm/directory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

static void lay(struct sv_directory *directory, const char *name, uint64_t size_bytes)
{
    sv_assert(directory->count < SV_ALLOCATIONS_MAX, "no room for %s", name);
    struct sv_allocation *allocation = &directory->allocations[directory->count++];
    (void)snprintf(allocation->name, sizeof(allocation->name), "%s", name);
    allocation->offset_bytes = directory->size_bytes;
    allocation->size_bytes = size_bytes;
    directory->size_bytes += sv_round_up(size_bytes, SV_CACHE_LINE);
}

void sv_directory_compute(const struct sv_config *config, struct sv_directory *directory)
{
    const uint64_t backends_max = config->backends_max;
    memset(directory, 0, sizeof(*directory)); /* padding too: it is compared as bytes */
    lay(directory, "header", sizeof(struct sv_header));
    lay(directory, "slots", backends_max * sizeof(struct sv_slot));
    lay(directory, "locks", SV_LOCK_COUNT * sizeof(struct sv_lock_word));
    lay(directory, "queue", sizeof(struct sv_queue));
    lay(directory, "ring", config->capacity * sizeof(struct sv_message));
    lay(directory, "intents", backends_max * sv_intent_stride(config));
    if (config->table_rows_max > 0) {
        const uint64_t stride = sv_table_row_stride(config);
        lay(directory, "table", sizeof(struct sv_table));
        lay(directory, "table_rows", config->table_rows_max * stride);
        lay(directory, "table_redo", config->table_writes_max * stride);
    }
    directory->size_bytes = sv_round_up(directory->size_bytes, (size_t)sysconf(_SC_PAGESIZE));
}

/* The structure of that name; NULL if the configuration has none. */
static void *find(const struct sv_directory *directory, const struct sv_segment *segment,
                  const char *name)
{
    for (uint64_t i = 0; i < directory->count; i++) {
        if (strcmp(directory->allocations[i].name, name) == 0) {
            return (uint8_t *)segment->base + directory->allocations[i].offset_bytes;
        }
    }
    return NULL;
}

void sv_directory_resolve(const struct sv_directory *directory, struct sv_segment *segment)
{
    segment->header = find(directory, segment, "header");
    segment->slots = find(directory, segment, "slots");
    segment->locks = find(directory, segment, "locks");
    segment->queue = find(directory, segment, "queue");
    segment->ring = find(directory, segment, "ring");
    segment->intents = find(directory, segment, "intents");
    segment->table = find(directory, segment, "table");
    segment->table_rows = find(directory, segment, "table_rows");
    segment->table_redo = find(directory, segment, "table_redo");
}

void sv_directory_types(uint32_t type_bytes[SV_TYPE_COUNT])
{
    const uint32_t sizes[SV_TYPE_COUNT] = {
        sizeof(struct sv_header),    sizeof(struct sv_config),    sizeof(struct sv_slot),
        sizeof(struct sv_life_lock), sizeof(struct sv_lock_word), sizeof(struct sv_queue),
        sizeof(struct sv_message),   sizeof(struct sv_table),     sizeof(struct sv_table_row),
    };
    memcpy(type_bytes, sizes, sizeof(sizes));
}

/* FNV-1a. */
static uint64_t hash_on(uint64_t hash, const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

uint64_t sv_directory_checksum(const struct sv_header *header)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    hash = hash_on(hash, header->type_bytes, sizeof(header->type_bytes));
    hash = hash_on(hash, &header->config, sizeof(header->config));
    return hash_on(hash, &header->directory, sizeof(header->directory));
}
