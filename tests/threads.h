/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Threads of a test: each a backend of its own, all in one mapping of one segment, so that a race
 * detector sees every access of all of them.
 *
 * Assertions belong to the test's own thread: a player returns how much was wrong. Players take
 * turns by words that are stored and loaded relaxed, which establishes no order: what one did is
 * seen by the other only through the library, and if the library does not see to it, it is a race.
 */
#ifndef SINVAL_TESTS_THREADS_H
#define SINVAL_TESTS_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "support.h"

struct player {
    struct sv_segment *segment;
    int (*play)(struct sv_backend *self, void *argument); /* returns how much was wrong */
    void *argument;
    int signal_number; /* to attach with; 0: none */
    int wrong;
    pthread_t thread;
};

static inline struct player player_in(struct sv_segment *segment,
                                      int (*play)(struct sv_backend *self, void *argument),
                                      void *argument)
{
    return (struct player){.segment = segment, .play = play, .argument = argument};
}

static void *player_run(void *argument)
{
    struct player *player = argument;
    struct sv_backend *self = NULL;
    const struct sv_backend_options options = {.signal_number = player->signal_number};
    player->wrong = sv_backend_attach(player->segment, &options, &self);
    if (player->wrong == 0) {
        player->wrong = player->play(self, player->argument);
        sv_backend_detach(self);
    }
    return NULL;
}

static inline void player_start(struct player *player)
{
    cr_assert_eq(pthread_create(&player->thread, NULL, player_run, player), 0);
}

/* All are joined before one of them fails the test. */
static inline void players_finish(struct player *players, int count)
{
    for (int i = 0; i < count; i++) {
        cr_assert_eq(pthread_join(players[i].thread, NULL), 0);
    }
    for (int i = 0; i < count; i++) {
        cr_assert_eq(players[i].wrong, 0, "player %d: %d things were wrong", i, players[i].wrong);
    }
}

static inline void player_finish(struct player *player)
{
    players_finish(player, 1);
}

/* Say so, without saying that anything was done before. */
static inline void tell(struct sv_atomic32 *word, uint32_t value)
{
    sv_store_relaxed32(word, value);
}

static inline void hear(const struct sv_atomic32 *word, uint32_t at_least)
{
    while (sv_load_relaxed32(word) < at_least) {
        (void)sched_yield();
    }
}

#define ROUNDS 40

/* One thread writes cells[i] in round i, another one reads it: once each, so nothing goes back. */
struct wire {
    struct sv_atomic32 ready; /* rounds the receiver is ready for */
    struct sv_atomic32 done;  /* what else they tell each other */
    struct sv_atomic32 slot;  /* the receiver's, + 1 */
    uint32_t cells[ROUNDS];
    uint32_t others[ROUNDS];
};

/* On the heap: clang 14 does not instrument what a function does to its own stack by name, though
 * others have its address. The test frees it. */
static inline struct wire *wire_new(void)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    cr_assert_not_null(wire);
    return wire;
}

static inline int wrong_in(const uint32_t *cells, uint32_t round)
{
    return cells[round] != round + 1;
}

static inline uint32_t receiver(const struct wire *wire)
{
    hear(&wire->slot, 1);
    return sv_load_relaxed32(&wire->slot) - 1;
}

#endif
