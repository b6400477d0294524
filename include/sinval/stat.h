/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Statistics: counted always, each by the backend it happened to, in its own slot and without
 * atomic read-modify-writes. A slot's counters go on from one occupant to the next, so sums over
 * all slots never go down.
 */
#ifndef SINVAL_STAT_H
#define SINVAL_STAT_H

#include "sinval/segment.h"

/* name, what it counts */
#define SV_STATS(X)                                                       \
    X(inserted, "messages inserted")                                      \
    X(read, "messages read")                                              \
    X(resets_overflow, "times marked for reset: too far behind")          \
    X(resets_requested, "times marked for reset: somebody asked for it")  \
    X(resets_repair, "times marked for reset: a position was ambiguous")  \
    X(resets_taken, "resets taken notice of")                             \
    X(catchups_sent, "catchups sent")                                     \
    X(catchups_served, "catchups served")                                 \
    X(relays, "catchups sent by who had just caught up")                  \
    X(cleanups, "cleanups run")                                           \
    X(wraparounds, "times all numbers were lowered")                      \
    X(locks_taken_over, "locks taken over from the dead")                 \
    X(slots_settled, "dead slots settled")                                \
    X(intents_resent, "intents of the dead sent again")                   \
    X(attaches, "attaches")                                               \
    X(commits, "transactions committed")                                  \
    X(rollbacks, "transactions rolled back")                              \
    X(cache_hits, "searches answered from a cache")                       \
    X(cache_misses, "searches that loaded")                               \
    X(cache_reloads, "loads made stale by an invalidation, and repeated") \
    X(cache_invalidated, "cache entries invalidated")

enum sv_stat {

#define SV_STAT_ENUM(name, text) SV_STAT_##name,
    SV_STATS(SV_STAT_ENUM)
#undef SV_STAT_ENUM
        SV_STAT_COUNT,
};

/* The counter's name and what it counts. */
SV_API const char *sv_stat_name(enum sv_stat stat);
SV_API const char *sv_stat_text(enum sv_stat stat);

/* One slot's counters, over all its occupants. */
SV_API void sv_stat_slot(const struct sv_segment *segment, uint32_t slot,
                         uint64_t counters[SV_STAT_COUNT]);

/* The sum over all slots. */
SV_API void sv_stat_total(const struct sv_segment *segment, uint64_t counters[SV_STAT_COUNT]);

#endif
