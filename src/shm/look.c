/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Looking at a mapped segment. Whatever bounds an index is the private copy of the configuration.
 */
#include "base/assert.h"
#include "shm/directory.h"

const struct sv_config *sv_segment_config(const struct sv_segment *segment)
{
    return &segment->config;
}

const char *sv_segment_name(const struct sv_segment *segment)
{
    return segment->name;
}

size_t sv_segment_size_bytes(const struct sv_segment *segment)
{
    return segment->size_bytes;
}

uint32_t sv_segment_allocation(const struct sv_segment *segment, uint32_t index,
                               struct sv_allocation *allocation)
{
    struct sv_directory directory;
    sv_directory_compute(&segment->config, &directory);
    if (index < directory.count) {
        *allocation = directory.allocations[index];
    }
    return (uint32_t)directory.count;
}

struct sv_slot *sv_segment_slot(struct sv_segment *segment, uint32_t index)
{
    sv_assert(index < segment->config.backends_max, "slot %u of %u", index,
              segment->config.backends_max);
    return &segment->slots[index];
}

struct sv_intent *sv_segment_intent(struct sv_segment *segment, uint32_t index)
{
    sv_assert(index < segment->config.backends_max, "intent %u of %u", index,
              segment->config.backends_max);
    return (struct sv_intent *)(segment->intents + index * sv_intent_stride(&segment->config));
}
