/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * One seed, a tree of generators: (seed, backend, purpose).
 *
 * Each branch is drawn from alone, so what one backend draws does not depend on what another does,
 * and what the workload draws not on how often a fault point was hit. The mixing function is
 * splitmix64's finalizer (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
 */
#ifndef SINVAL_FAULTS_RANDOM_H
#define SINVAL_FAULTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

enum random_purpose {
    RANDOM_FAULT = 1, /* does a fault fire at this hit? */
    RANDOM_SWARM,     /* is a fault active in this run? */
    RANDOM_WORKLOAD,  /* what a backend does next */
    RANDOM_CARRIER,   /* what the supervisor does next */
    RANDOM_PLAN,      /* which plan a run takes */
    RANDOM_TEST,
    RANDOM_SCHEDULE,    /* which agent goes on, in a simulated world */
    RANDOM_ENVIRONMENT, /* what the environment of a simulated world does */
};

/* Parts in a billion: how probabilities are kept, so that they compare and serialize exactly. */
#define RANDOM_BILLION UINT32_C(1000000000)

static inline uint64_t random_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Fold one more number into a hash. */
static inline uint64_t random_hash(uint64_t hash, uint64_t value)
{
    return random_mix(hash + UINT64_C(0x9e3779b97f4a7c15) + random_mix(value));
}

/* A number in 0 .. below - 1 from 64 random bits; below >= 1. The bias is under below / 2^64. */
static inline uint64_t random_scale(uint64_t bits, uint64_t below)
{
    return (uint64_t)((unsigned __int128)bits * below >> 64);
}

/* A generator: a branch of the tree. */
struct random {
    uint64_t state;
};

static inline struct random random_branch(uint64_t seed, uint32_t backend,
                                          enum random_purpose purpose)
{
    const uint64_t key = random_hash(random_mix(seed), (uint64_t)backend << 32 | (uint32_t)purpose);

    return (struct random){.state = key};
}

static inline uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

/* 0 .. below - 1; below >= 1. */
static inline uint32_t random_below(struct random *random, uint32_t below)
{
    return (uint32_t)random_scale(random_next(random), below);
}

/* True with a probability of ppb parts in a billion. */
static inline bool random_chance(struct random *random, uint32_t ppb)
{
    return random_below(random, RANDOM_BILLION) < ppb;
}

#endif
