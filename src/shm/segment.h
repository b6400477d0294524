/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The segment as the library sees it: this process's mapping, with a pointer to each structure.
 *
 * The configuration is a private copy, checked once at attach: what limits an index must not be
 * read from memory that a corrupt participant can change.
 */
#ifndef SINVAL_SHM_SEGMENT_H
#define SINVAL_SHM_SEGMENT_H

#include "shm/layout.h"
#include "sinval/segment.h"

#define SV_APP_LOCK_COUNT 2 /* SV_LOCK_APP_0, SV_LOCK_APP_1 */

struct sv_lock_watch;

struct sv_repair {
    void (*function)(void *argument);
    void *argument;
};

struct sv_stop {
    void (*function)(void *argument, const char *what);
    void *argument;
};

struct sv_segment {
    void *base;
    size_t size_bytes;
    int fd; /* of the memfd, kept so that it can be handed on; -1 for a named one */
    char name[208];
    struct sv_config config;
    struct sv_header *header;
    struct sv_slot *slots;      /* config.backends_max */
    struct sv_lock_word *locks; /* SV_LOCK_COUNT */
    struct sv_queue *queue;
    struct sv_message *ring; /* config.capacity */
    uint8_t *intents;        /* config.backends_max, at sv_intent_stride */
    struct sv_table *table;  /* NULL if config.table_rows_max is 0; so the next three */
    uint8_t *table_rows;     /* config.table_rows_max, at sv_table_row_stride */
    uint8_t *table_redo;     /* config.table_writes_max, at sv_table_row_stride */
    struct sv_repair repairs[SV_APP_LOCK_COUNT];
    struct sv_stop stop;              /* sv_segment_set_stop */
    struct sv_atomic64 holds;         /* pid << 32 | lives of that process in this mapping */
    struct sv_atomic32 lock_watcher;  /* thread id of a postmaster that watches locks; 0: none */
    struct sv_lock_watch *lock_watch; /* that thread's alone, see src/sync/lock_watch.h */
};

/*
 * Something in the segment cannot be right, and the caller can neither go on nor say so: does what
 * sv_segment_set_stop asked for, and ends the process. The words say where, what, and what would be
 * right: "lock write: names slot 70; the slots are 0 to 63".
 */
_Noreturn void sv_segment_corrupt(const struct sv_segment *segment, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

#define sv_unlikely(condition) __builtin_expect((condition), 0)

/*
 * One life lock more, or one less, is held through this mapping, by this process (after a fork it
 * is counted anew): to unmap it would cut the kernel's list of what the thread holds.
 */
void sv_segment_hold(struct sv_segment *segment);
void sv_segment_let_go(struct sv_segment *segment);

/* Who of this process lives in this mapping, in words; NULL: nobody. */
const char *sv_segment_held_for(const struct sv_segment *segment);

/* The slot; the index must be below backends_max (asserted). */
struct sv_slot *sv_segment_slot(struct sv_segment *segment, uint32_t index);

/* Its intent. */
struct sv_intent *sv_segment_intent(struct sv_segment *segment, uint32_t index);

/* Slots that were ever attached: what a scan must look at. Never above backends_max. */
static inline uint32_t sv_segment_slots_used(const struct sv_segment *segment)
{
    const uint32_t used = sv_load_seq32(&segment->header->slots_used);
    return used < segment->config.backends_max ? used : segment->config.backends_max;
}

/* Count in a slot of one's own. */
static inline void sv_stat_add(struct sv_slot *slot, enum sv_stat stat, uint64_t by)
{
    sv_count64(&slot->stats[stat], by);
}

#endif
