/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A world: one segment, one control area, and the processes that take part in one death.
 *
 *     world_open, world_people       the two that were there before are there, and stand still
 *     world_victim                   the victim has prepared, and is stopped before run()
 *     …                              it is stepped, and killed (trace.h)
 *     world_died, world_go           the survivors work; the newcomer attaches
 *     world_judge                    all have left; what is left is judged
 *     world_close
 */
#ifndef SINVAL_TESTS_SWEEP_WORLD_H
#define SINVAL_TESTS_SWEEP_WORLD_H

#include "tests/sweep/operation.h"

/* What the survivors are to do. */
enum world_phase {
    WORLD_STILL,
    WORLD_ALONE, /* one of them looks, before anybody inserts anything */
    WORLD_WORKS,
};

/* Beside the control area: shared, and all zero when a world is opened, but for what is kept. */
struct world_shared {
    struct sv_atomic32 phase; /* enum world_phase */
    struct sv_atomic32 alone; /* who looks */
    struct sv_atomic32 there; /* survivors that are ready to stand still */
    struct sv_atomic32 done;  /* survivors that will insert nothing any more */
    struct sv_atomic32 survivors;
    struct sv_atomic32 hits;      /* rows found in a cache while the victim was stopped */
    struct sv_atomic32 recovered; /* survivors that have inserted and accepted after the death */
    struct sv_atomic64 died_ns;
    struct sv_atomic64 recovered_ns[PARTS]; /* after the death, its first insert and accept */
    struct sv_atomic64 order[PARTS];
    struct sv_atomic32 resets[PARTS];
    struct sv_atomic32 predecessor_slot;
    struct sv_atomic64 predecessor_at; /* the address where it died, kept from world to world */
    struct sv_atomic32 predecessor_hits;
    struct sv_atomic32 woken; /* the reader's latch wait has ended */
};

/* Defects planted on purpose. */
enum canary {
    CANARY_NONE,
    CANARY_FORGETS, /* a survivor drops the first message it reads after the death */
    CANARY_STALE,   /* the cached one does not accept */
};

struct world {
    const struct operation *operation;
    struct sv_segment *segment;
    struct control control;
    struct world_shared *shared;
    uint32_t keys;
    enum canary canary;
    bool repairer; /* the reader repairs alone, and is traced while it does */
    bool stops;    /* the victim is stopped, not killed, and then goes on */
    bool released; /* by world_release */
    pid_t sweeper; /* who opened it */
    pid_t pids[PARTS];
    uint64_t resets[4]; /* marks by enum sv_reset_cause, after world_judge */
};

/* A mapping for a world's shared part, used for one world after the other. NULL: no memory. */
struct world_shared *world_share(void);

/* Each returns 0, or -errno: the environment failed. */
SV_NODISCARD int world_open(struct world *world, const struct operation *operation,
                            struct world_shared *shared);
SV_NODISCARD int world_people(struct world *world);

/* The victim; it has prepared and stands before run(), traced. */
SV_NODISCARD int world_victim(struct world *world);

/* Kill that part, if it has not ended by itself, and reap it. */
void world_died(struct world *world, enum part part);

/* Wait until it has ended by itself, and judge how. */
void world_ends(struct world *world, enum part part);

/* It has ended by itself, and was reaped. */
void world_left(struct world *world, enum part part);

/*
 * Let the survivors work, and the newcomer attach at once. Or it attaches when they have been
 * through; then one of them looks before: is it told of all that is there to be read?
 */
SV_NODISCARD int world_release(struct world *world, bool newcomer_first);

/*
 * Let the survivors work, and wait until all have left. The newcomer attaches at once, and so is
 * the first to find the dead; or when the others have been through without help.
 */
SV_NODISCARD int world_go(struct world *world, bool newcomer_first);

/* Returns: true; false and *finding. */
bool world_judge(struct world *world, struct finding *finding);

/* Are the commits of the dead there as a whole, or not at all? commits.c */
bool judge_commits(const struct world *world, struct finding *finding);

/* Kills whoever is left. */
void world_close(struct world *world);

/* What the reader does as a repairer: finds the dead and settles them. */
int survivor_repairs(struct actor *actor);

/* A survivor's life, and the rest of a victim's that was stopped; never return. survivor.c */
_Noreturn void survivor_live(const struct world *world, enum part part);
_Noreturn void survivor_goes_on(struct actor *victim);

/* Where a traced part stops before what is swept, and where it is over. */
void sweep_begins(void);
void sweep_over(void);

/* Wait until the word is at least this much, at most ten seconds. Returns: whether it is. */
bool wait_until(struct sv_atomic32 *word, uint32_t value);

/* Let go of everybody who stands still in a latch wait, unless the victim has set that latch. */
void world_wake(struct world *world);

void actor_init(struct actor *actor, const struct world *world, enum part part);
void actor_leave(struct actor *actor);

#endif
