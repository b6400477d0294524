/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The sweep: an operation whose process is killed after every one of its instructions.
 *
 * An operation is what a victim does between two points of its own program. It is forked, prepares,
 * stops, is single-stepped k instructions into run(), and killed with SIGKILL; for k = 0, 1, 2, …
 * until run() is over. Each k has a world of its own, made from nothing:
 *
 *     cached    a survivor that was there before: it has rows cached, writes others in transactions
 *     reader    another one: it reads the queue itself, inserts, and is woken by a signal
 *     victim    the operation's
 *     newcomer  attaches after the death
 *
 * The survivors stand still (outside of the segment) until the victim is dead, so that each victim
 * takes the same path; then all work at once until nothing is left to do. What each may have seen
 * is judged by the oracles of faults/ (delivery, reads, judge): README, "Two commands".
 *
 * What an operation's author writes: prepare() and run() in terms of struct actor, and a comment
 * that says what may be found after the death. Registered in tests/sweep/operations.c.
 */
#ifndef SINVAL_TESTS_SWEEP_OPERATION_H
#define SINVAL_TESTS_SWEEP_OPERATION_H

#include <sys/types.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/os.h"
#include "faults/control.h"
#include "faults/delivery.h"
#include "faults/reads.h"
#include "shm/segment.h"
#include "sinval/sinval.h"

/* Who takes part; also the number of its birth and of its seat in the control area. */
enum part {
    PART_CACHED,
    PART_READER,
    PART_VICTIM,
    PART_NEWCOMER,
    PART_PREDECESSOR, /* who died before the victim did, and whom it takes over from */
    PARTS,
};

/* How the reader stands still. */
enum rest {
    REST_OUTSIDE, /* of the segment */
    REST_IN_WAIT, /* in a latch wait: the latch alone */
    REST_IN_POLL, /* in a latch wait with a descriptor */
};

struct actor;
struct world;

#define KEYS_DEFAULT 8

/*
 * Another process attaches, prepares and runs, and dies as soon as `there` says so of the world and
 * its slot; stepped, so it is the very first instruction after which that is so.
 */
struct predecessor {
    int (*prepare)(struct actor *actor); /* or NULL */
    int (*run)(struct actor *actor);
    bool (*there)(const struct world *world, uint32_t slot);
};

struct operation {
    const char *name; /* one word, for the command line; NULL ends a table */
    const char *text;
    struct sv_config config; /* 0: as world_open says; capacity 256, table_rows_max 32, … */
    uint32_t keys;           /* rows that are there and cached before; 0: KEYS_DEFAULT */
    bool unattached;         /* prepare() is called without a backend: run() attaches */
    bool sqlite;             /* rows are in an SQLite database, in the place of the table */
    bool only_killed;        /* stopped, it keeps others out, and is to */
    bool resets;             /* that somebody asks for are part of it */
    bool clears;             /* resets of who does not leave the whole ring free are part of it */
    uint32_t base;           /* the queue's numbers begin there */
    enum rest rest;
    const struct predecessor *predecessor; /* dies when the victim has attached; or NULL */

    /* 0, or another number, which is a failure of the sweep itself. */
    int (*prepare)(struct actor *victim); /* NULL: nothing to prepare */
    int (*run)(struct actor *victim);     /* what is swept */

    /*
     * When all have left, in a process of its own: is what is left in the segment right? Or NULL.
     */
    bool (*judge)(const struct world *world, struct finding *finding);
};

/* Tables of operations, each ended by a NULL name; the list ends with NULL. operations.c */
extern const struct operation *const operation_tables[];

/* ---- a participant, in its own process ---------------------------------------------------- */

struct actor {
    const struct world *world;
    struct sv_segment *segment;
    const struct control *control;
    uint32_t birth; /* enum part */
    struct sv_backend *self;
    struct sv_source *source;     /* actor_open_table: of the table, or of what is in its place */
    struct sv_catcache *cache;    /* actor_open_cache: over relation ROW_RELATION */
    struct delivery delivery;     /* what it has read */
    uint64_t order;               /* a hash of all messages it has read, in their order */
    uint32_t inserted;            /* numbers of its own messages are below */
    uint32_t transaction, serial; /* of its writes */
    struct sv_message *messages;  /* actor_number's */
    uint32_t fetched;             /* actor_fetch's, in messages */
    bool fetched_reset;
    bool forgot; /* a canary's */
    void *own;   /* the operation's */
};

/*
 * Each returns 0, or has accused (control_accuse) and returns another number.
 */
SV_NODISCARD int actor_attach(struct actor *actor, const struct sv_backend_options *options);
SV_NODISCARD int actor_open_table(struct actor *actor);
SV_NODISCARD int actor_open_cache(struct actor *actor);

/* A call's result that must be 0. */
SV_NODISCARD int actor_must(struct actor *actor, const char *call, int result);

/* Accept; read the queue by itself: what is delivered is judged (O2). */
SV_NODISCARD int actor_accept(struct actor *actor);
SV_NODISCARD int actor_read(struct actor *actor);

/* The same in two parts, so that only reading is swept: what the victim fetched is judged later. */
int actor_fetch(struct actor *actor);
SV_NODISCARD int actor_judge_fetched(struct actor *actor);

/*
 * Number the next count messages (of kind APPLICATION): they are in actor->messages, count <= 512,
 * and others may see them from here on. actor_sent: all numbered ones are in the queue, for sure.
 * In prepare, for what run() sends; or use actor_insert, which is all in one.
 */
void actor_number(struct actor *actor, uint32_t count);
void actor_sent(struct actor *actor);
void actor_insert(struct actor *actor, uint32_t count);

/*
 * What was numbered last (count messages) may be sent by a settler, too, perhaps twice: before the
 * intent is declared. may_reset: or everyone is reset instead. actor_promised: the intent has been
 * declared, now they must arrive.
 */
void actor_intend(struct actor *actor, uint32_t count, bool may_reset);
void actor_promised(struct actor *actor);

/*
 * In an open transaction: write row key (below the operation's keys) or delete it; others may see
 * it once actor_commit_begins was called. actor_committed: the commit returned 0, so everybody
 * must see it. actor_commit is all three around sv_transaction_commit. Only the victim deletes.
 */
SV_NODISCARD int actor_begin(struct actor *actor);
SV_NODISCARD int actor_write(struct actor *actor, uint32_t key, bool deletes);
void actor_commit_begins(struct actor *actor);
void actor_committed(struct actor *actor);
SV_NODISCARD int actor_commit(struct actor *actor);

/* Accept, then search every row in the cache and judge it (O1). */
SV_NODISCARD int actor_read_rows(struct actor *actor);

/* Draw a local transaction id, and judge it (K3). */
SV_NODISCARD int actor_draw_id(struct actor *actor);

/* Let a predecessor die now; what an operation's is for, if there must be more than one. */
SV_NODISCARD int actor_buries(struct actor *victim, const struct predecessor *predecessor);

/* A slot's number by part: cached 0, reader 1, victim 2, newcomer: wherever it is let in. */
static inline uint32_t slot_of(enum part part)
{
    return (uint32_t)part;
}

#endif
