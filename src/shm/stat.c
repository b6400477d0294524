/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Statistics: each counter is written by one backend at a time, so reading them is a load each.
 */
#include "sinval/stat.h"

#include "base/assert.h"
#include "shm/segment.h"

const char *sv_stat_name(enum sv_stat stat)
{
    static const char *const names[] = {
#define SV_STAT_NAME(name, text) [SV_STAT_##name] = #name,
        SV_STATS(SV_STAT_NAME)
#undef SV_STAT_NAME
    };
    sv_assert((unsigned)stat < SV_STAT_COUNT, "counter %d", (int)stat);
    return names[stat];
}

const char *sv_stat_text(enum sv_stat stat)
{
    static const char *const texts[] = {
#define SV_STAT_TEXT(name, text) [SV_STAT_##name] = text,
        SV_STATS(SV_STAT_TEXT)
#undef SV_STAT_TEXT
    };
    sv_assert((unsigned)stat < SV_STAT_COUNT, "counter %d", (int)stat);
    return texts[stat];
}

static void add_slot(const struct sv_segment *segment, uint32_t slot, uint64_t *counters)
{
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        counters[stat] += sv_load_relaxed64(&segment->slots[slot].stats[stat]);
    }
}

static void clear(uint64_t *counters)
{
    for (int stat = 0; stat < SV_STAT_COUNT; stat++) {
        counters[stat] = 0;
    }
}

void sv_stat_slot(const struct sv_segment *segment, uint32_t slot, uint64_t counters[SV_STAT_COUNT])
{
    sv_assert(slot < segment->config.backends_max, "slot %u of %u", slot,
              segment->config.backends_max);
    clear(counters);
    add_slot(segment, slot, counters);
}

void sv_stat_total(const struct sv_segment *segment, uint64_t counters[SV_STAT_COUNT])
{
    const uint32_t used = sv_segment_slots_used(segment);
    clear(counters);
    for (uint32_t slot = 0; slot < used; slot++) {
        add_slot(segment, slot, counters);
    }
}
