/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Every byte that is shared: the layout of a segment.
 *
 * A change here is a new SV_LAYOUT_VERSION. Words that more than one participant can touch at a
 * time are sv_atomic; plain fields say which lock guards them. Numbers read from here are checked
 * before they are used as an index or a length: a corrupt participant must not be able to make
 * another one write outside the segment.
 */
#ifndef SINVAL_SHM_LAYOUT_H
#define SINVAL_SHM_LAYOUT_H

#include "base/atomic.h"
#include "base/os.h"
#include "sinval/lwlock.h"
#include "sinval/message.h"
#include "sinval/procsignal.h"
#include "sinval/segment.h"
#include "sinval/source.h"
#include "sinval/stat.h"

#define SV_LAYOUT_VERSION 1
#define SV_CACHE_LINE     64
#define SV_ALIGNED        _Alignas(SV_CACHE_LINE)

/* ---- header ------------------------------------------------------------------------------ */

#define SV_MAGIC           UINT64_C(0x316c61766e6973) /* "sinval1" */
#define SV_ALLOCATIONS_MAX 16
#define SV_TYPE_COUNT      9

enum sv_segment_phase {
    SV_SEGMENT_BUILDING = 0,
    SV_SEGMENT_READY = 1, /* never changes again */
};

/*
 * How a segment of every version begins: enough to tell whether it is one, of which version, and
 * whether it is complete. Written first of all, with phase BUILDING.
 */
struct sv_prefix {
    uint64_t magic;
    uint32_t layout_version;
    struct sv_atomic32 phase; /* enum sv_segment_phase */
};

/* What a segment consists of; follows from its configuration alone. */
struct sv_directory {
    uint64_t size_bytes; /* of the whole segment */
    uint64_t count;
    struct sv_allocation allocations[SV_ALLOCATIONS_MAX];
};

struct sv_header {
    struct sv_prefix prefix;
    uint32_t type_bytes[SV_TYPE_COUNT]; /* of the shared types, to recognise another build */
    struct sv_config config;
    struct sv_directory directory;
    uint64_t checksum;                 /* of the three above */
    struct sv_atomic32 slots_used;     /* slots below it were once attached; only grows */
    struct sv_atomic32 postmaster_pid; /* 0: none; guarded by holding postmaster_life */
    struct sv_atomic64 barrier;        /* generation of the newest procsignal barrier */
    SV_ALIGNED struct sv_life_lock postmaster_life;
};

/* ---- slots ------------------------------------------------------------------------------- */

/* A slot's phase; written by who holds its life lock. */
enum sv_slot_phase {
    SV_SLOT_FREE = 0, /* nobody's: every word of it is clear */
    SV_SLOT_CLAIMED,  /* attaching */
    SV_SLOT_ACTIVE,   /* attached */
    SV_SLOT_DEAD,     /* its holder died, its locks are released; to be settled */
};

/*
 * A signal number, written four times over: one that somebody wrote by accident would be sent, and
 * most signals kill.
 */
#define SV_SIGNAL_WORD(number)                                                         \
    ((uint32_t)(number) | (~(uint32_t)(number)&0xff) << 8 | (uint32_t)(number) << 16 | \
     (~(uint32_t)(number)&0xff) << 24)

/* A position in the queue, one word so that it changes at once: epoch << 32 | number. */
#define SV_POSITION(epoch, number)   ((uint64_t)(epoch) << 32 | (uint32_t)(number))
#define SV_POSITION_EPOCH(position)  ((uint32_t)((position) >> 32))
#define SV_POSITION_NUMBER(position) ((uint32_t)(position))

/* What a slot's latch's owner is doing. */
enum sv_sleep {
    SV_AWAKE = 0,
    SV_ASLEEP_IN_WAIT, /* in sv_os_wait on latch: wake it */
    SV_ASLEEP_IN_POLL, /* in sv_os_poll: signal it */
};

/* Why a slot is marked for reset; 0: it is not. */
enum sv_reset_cause {
    SV_RESET_NONE = 0,
    SV_RESET_OVERFLOW,
    SV_RESET_REQUESTED,
    SV_RESET_REPAIR,
};

struct sv_slot {
    /* Life. Alone in its line: others' tests write to it. */
    SV_ALIGNED struct sv_life_lock life;
    struct sv_atomic32 phase; /* enum sv_slot_phase */
    struct sv_atomic32 pid;
    struct sv_atomic32 tid;
    struct sv_atomic32 signal_word; /* SV_SIGNAL_WORD of its signal; 0: it takes none */

    /* Queue. Changed by the owner under read_lock shared, by anyone under read_lock exclusive. */
    SV_ALIGNED struct sv_atomic64 position;
    struct sv_atomic32 in_queue; /* 1: joined; changed under write_lock */
    struct sv_atomic32 send_only;
    struct sv_atomic32 reset;    /* enum sv_reset_cause */
    struct sv_atomic32 signaled; /* a catchup is on its way: holds the baton */
    /* Own notes, for whoever settles this slot. */
    struct sv_atomic32 catchup_target;       /* slot + 1 that was marked signaled, signal unsure */
    struct sv_atomic32 intent;               /* enum sv_intent_phase */
    struct sv_atomic64 local_transaction_id; /* last one drawn; goes on from occupant to occupant */

    /* Latch and signals. */
    SV_ALIGNED struct sv_atomic32 latch; /* 1: set */
    struct sv_atomic32 sleep;            /* enum sv_sleep */
    struct sv_atomic32 reasons;          /* bit per enum sv_reason */
    struct sv_atomic32 waits_for_lock;   /* enum sv_lock + 1; for people to look at */
    struct sv_atomic64 waits_since_ns;
    struct sv_atomic64 barrier; /* generation this backend has passed + 1; 0: it takes no part */
    struct sv_atomic32 barrier_waiter; /* 1: set this latch when another one passes a barrier */

    /* Locks: held[lock] is 1 while this slot holds lock shared, see src/sync/lwlock.c. */
    SV_ALIGNED struct sv_atomic32 held[SV_LOCK_COUNT];
    struct sv_atomic64 since_ns[SV_LOCK_COUNT]; /* when it took each, see src/sync/lock_watch.h */

    /* Counters, written by the owner (or whoever settles the slot) only. */
    SV_ALIGNED struct sv_atomic64 stats[SV_STAT_COUNT];
};

/* ---- locks ------------------------------------------------------------------------------- */

/* The exclusive word: owner's slot + 1 in the low bits, and: */
#define SV_LOCK_GRANTED    UINT32_C(0x20000000) /* no shared holder: what it guards may change */
#define SV_LOCK_OWNER_MASK UINT32_C(0x0000ffff)

struct sv_lock_word {
    SV_ALIGNED struct sv_atomic32 exclusive;
    struct sv_atomic32 waiters; /* 1: somebody may sleep on the exclusive word */
};

/* ---- queue ------------------------------------------------------------------------------- */

struct sv_queue {
    /* Written with every insert, read by every accept: one line, so one transfer between cores. */
    SV_ALIGNED struct sv_atomic64 published; /* moves when there is something new; never wraps */
    struct sv_atomic64 max_number;           /* a position: the next number; write_lock */
    /* Written by cleanup. */
    SV_ALIGNED struct sv_atomic64 min_number; /* a position: oldest unread; both locks */
    struct sv_atomic32 next_threshold;        /* queue length for the next cleanup; write_lock */
    struct sv_atomic32 epoch;                 /* times the numbers were lowered; both locks */
};

/* The ring is an array of capacity messages, a structure of its own. */

/* ---- intents ----------------------------------------------------------------------------- */

enum sv_intent_phase {
    SV_INTENT_NONE = 0,
    SV_INTENT_MESSAGES,  /* the slot's messages are to be sent */
    SV_INTENT_RESET_ALL, /* they did not fit: reset everyone */
};

/* One per slot, at a stride of sv_intent_stride. Plain: valid while the slot's intent says so. */
struct sv_intent {
    struct sv_atomic32 count;
    uint32_t reserved[3];
    struct sv_message messages[];
};

/* ---- table ------------------------------------------------------------------------------- */

enum sv_table_row_phase {
    SV_ROW_EMPTY = 0, /* never used: ends a probe */
    SV_ROW_USED,
    SV_ROW_DELETED, /* reusable, does not end a probe */
};

#define SV_ROW_KEY_BYTES (SV_KEY_BYTES_MAX + SV_KEYS_MAX)

/*
 * A row: open addressing by hash of (relation, keys). Guarded by SV_LOCK_TABLE. The phase is stored
 * after what it speaks for; lengths are atomic so that what was checked is what is used.
 */
struct sv_table_row {
    struct sv_atomic32 phase; /* enum sv_table_row_phase */
    uint32_t relation;
    uint32_t hash;
    struct sv_atomic32 key_count;
    uint8_t keys[SV_ROW_KEY_BYTES]; /* for each key a length byte, then its bytes; then 0 */
    struct sv_atomic32 value_bytes;
    uint64_t version;
    uint8_t value[]; /* table_value_max bytes */
};

/* The redo record: what a commit changes. It counts once redo_phase is SV_REDO_COUNTS. */
enum sv_redo_phase {
    SV_REDO_EMPTY = 0, /* always so while nobody holds the lock */
    SV_REDO_COUNTS,
    SV_REDO_CORRUPT, /* it counts and makes no sense: the table is lost */
};

struct sv_table {
    SV_ALIGNED struct sv_atomic64 version; /* of the newest commit */
    struct sv_atomic32 used;               /* rows USED */
    struct sv_atomic32 redo_phase;         /* enum sv_redo_phase */
    struct sv_atomic32 redo_count;   /* rows in the record, an array of table_writes_max rows */
    struct sv_atomic32 redo_used;    /* what used will be */
    struct sv_atomic64 redo_version; /* what the rows, and version, will be */
};

/* ---- sizes and strides ------------------------------------------------------------------- */

static inline size_t sv_round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static inline size_t sv_intent_stride(const struct sv_config *config)
{
    return sv_round_up(sizeof(struct sv_intent) + config->intent_max * sizeof(struct sv_message),
                       SV_CACHE_LINE);
}

static inline size_t sv_table_row_stride(const struct sv_config *config)
{
    return sv_round_up(sizeof(struct sv_table_row) + config->table_value_max, sizeof(uint64_t));
}

#endif
