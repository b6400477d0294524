/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Orders: which schedules are the same, how many were seen, how many may be left.
 *
 * Two schedules are of the same order if one becomes the other by changing places of neighbouring
 * steps that do not conflict (step.h): nobody in them can tell one from the other. The fingerprint
 * of a schedule is the same for all of an order and, but for accidents of 64 bits, different for
 * different ones; it costs one addition and a few multiplications a step.
 *
 *     order_begin; order_step ...; orders_add(&orders, order_fingerprint(&order))
 *
 * What is written down for that, and why it is so: order.c.
 */
#ifndef SINVAL_FAULTS_EXPLORE_ORDER_H
#define SINVAL_FAULTS_EXPLORE_ORDER_H

#include "faults/explore/step.h"
#include "faults/random.h"
#include "sinval/api.h"

/* What has happened to an object, as hashes of steps. */
struct order_object {
    uint64_t write; /* the last that changed it */
    uint64_t line;  /* the last that changed the line of those who sleep on it */
    uint64_t epoch; /* the execution that this is about */
};

struct order {
    struct order_object *objects; /* by number */
    uint64_t epoch;
    uint64_t sum;                       /* of the hashes of all steps */
    uint64_t all;                       /* the last EXPLORE_ALL */
    uint64_t environment;               /* its last step */
    uint64_t pasts[EXPLORE_AGENTS_MAX]; /* what the environment did last to an agent */
    uint32_t steps[EXPLORE_AGENTS_MAX]; /* taken by it */
};

/* Owns: what order_close frees. Returns: 0; -ENOMEM. */
SV_NODISCARD int order_open(struct order *order, uint32_t objects);
void order_close(struct order *order);

void order_begin(struct order *order);

static inline uint64_t order_fold(uint64_t hash, uint64_t value)
{
    return ((hash << 29 | hash >> 35) ^ value) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline struct order_object *order_object(struct order *order, uint32_t number)
{
    struct order_object *object = &order->objects[number];

    if (object->epoch != order->epoch) {
        *object = (struct order_object){.epoch = order->epoch};
    }
    return object;
}

/* What of an object a step of that kind comes after. */
static inline uint64_t order_before(const struct order_object *object, uint32_t kind, uint64_t hash)
{
    if (kind == EXPLORE_WAKE) {
        return order_fold(hash, object->line);
    }
    hash = order_fold(hash, object->write);
    return kind == EXPLORE_WAIT ? order_fold(hash, object->line) : hash;
}

/* A step of that kind and hash has happened to an object. */
static inline void order_after(struct order_object *object, uint32_t kind, uint64_t hash)
{
    switch (kind) {
    case EXPLORE_READ:
    case EXPLORE_ACQUIRE_SHARED:
    case EXPLORE_RELEASE_SHARED:
        break;
    case EXPLORE_WAIT:
    case EXPLORE_WAKE:
        object->line = hash;
        break;
    default:
        object->write = hash;
        break;
    }
}

/* Steps that concern the environment, or all: the rest of order_step. Returns: the step's hash. */
uint64_t order_step_rare(struct order *order, const struct explore_step *step, uint64_t hash);

/* The agent of step has taken it. */
static inline void order_step(struct order *order, const struct explore_step *step)
{
    const uint32_t kind = step->kind;
    const bool somewhere = kind != EXPLORE_NONE && kind != EXPLORE_ALL;
    uint64_t hash =
        order_fold(order->all ^ order->pasts[step->agent],
                   (uint64_t)order->steps[step->agent]++ << 32 | (uint32_t)step->agent << 8 | kind);

    if (somewhere) {
        hash = order_fold(hash, step->object);
        for (uint32_t i = 0; i < step->span; i++) {
            hash = order_before(order_object(order, step->object + i), kind, hash);
        }
    }
    hash = random_mix(hash);
    if (step->victim != EXPLORE_NOBODY || kind == EXPLORE_WAKE || kind == EXPLORE_ALL) {
        hash = order_step_rare(order, step, hash);
    }
    if (somewhere) {
        for (uint32_t i = 0; i < step->span; i++) {
            order_after(&order->objects[step->object + i], kind, hash);
        }
    }
    order->sum += hash;
}

static inline uint64_t order_fingerprint(const struct order *order)
{
    return random_mix(order->sum);
}

#define ORDERS_RECENT 1000 /* executions */

/*
 * The orders seen in a campaign, in bounded memory. While there is room each is kept, and all
 * numbers are exact; then only those whose fingerprints begin with `level` zero bits, one in
 * 2^level, and the numbers are estimates.
 */
struct orders {
    uint64_t *table; /* fingerprints; the lowest bit: it was seen again; 0: free */
    uint32_t capacity;
    uint32_t kept;
    uint32_t once; /* of the kept: seen once */
    uint32_t level;
    uint64_t executions;
    uint8_t recent[ORDERS_RECENT]; /* was it new? */
    uint32_t recent_new;           /* of the last ORDERS_RECENT */
};

/* capacity: a power of two, at least 16; eight bytes each. Owns: as order_open. Returns: 0;
 * -ENOMEM. */
SV_NODISCARD int orders_open(struct orders *orders, uint32_t capacity);
void orders_close(struct orders *orders);

/* One more execution. Returns: true: an order not seen before, and kept. */
bool orders_add(struct orders *orders, uint64_t fingerprint);

/* How many orders were seen, and how many of them once. */
uint64_t orders_distinct(const struct orders *orders);
uint64_t orders_once(const struct orders *orders);

/*
 * The chance that the next execution is of an order not seen before, if executions are drawn
 * independently from one distribution (Good and Turing: those seen once, of all drawn).
 */
double orders_chance_of_new(const struct orders *orders);

#endif
