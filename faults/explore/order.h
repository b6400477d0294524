/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Orders: which schedules are the same, how many were seen, how many may be left.
 *
 * Two schedules are of the same order if one becomes the other by changing places of neighbouring
 * steps that do not conflict (step.h): nobody in them can tell one from the other. The fingerprint
 * of a schedule is the same for all of an order and, but for accidents of 64 bits, different for
 * different ones; it costs a multiplication and an addition a step.
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

struct order {
    uint64_t sum;                      /* of the hashes of all steps */
    uint64_t *changes;                 /* by object: the last step that changed it; 0: none */
    uint64_t keys[EXPLORE_AGENTS_MAX]; /* by agent: what stands for its past, and for its number */
    uint64_t first_keys[EXPLORE_AGENTS_MAX];
    uint64_t environment; /* its last step */
    uint64_t *lines;      /* by object: the last that changed its line of sleepers */
    bool slept;           /* and there is any */
    uint32_t objects;
};

/* Owns: what order_close frees. Returns: 0; -ENOMEM. */
SV_NODISCARD int order_open(struct order *order, uint32_t objects);
void order_close(struct order *order);

void order_begin(struct order *order);

#define ORDER_NEXT UINT64_C(0x9e3779b97f4a7c15) /* from the key of a step to that of the next */

/* Both halves of a product: each bit of it depends on all bits of both. */
static inline uint64_t order_mix(uint64_t hash, uint64_t value)
{
    __extension__ const unsigned __int128 product =
        (unsigned __int128)hash * (value ^ UINT64_C(0xa0761d6478bd642f));

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The agent of step has taken it. */
void order_step(struct order *order, const struct explore_step *step);

/* The same for an access to one object: a READ, WRITE or UPDATE. */
static inline void order_access(struct order *order, uint32_t kind, uint32_t object, uint32_t agent)
{
    uint64_t *change = &order->changes[object];
    const uint64_t hash =
        order_mix(order->keys[agent] ^ *change, (uint64_t)object << 8 | (uint64_t)kind);

    order->keys[agent] += ORDER_NEXT;
    if (kind != EXPLORE_READ) {
        *change = hash;
    }
    order->sum += hash;
}

/* That was drawn for an agent: no step says it. 0 is what it is in a quiet world. */
static inline void order_drawn(struct order *order, uint32_t agent, uint32_t answer)
{
    if (answer != 0) {
        order->keys[agent] = order_mix(order->keys[agent], answer);
        order->sum += order->keys[agent];
    }
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

/* What another campaign has seen; but what is recent stays as it was. */
void orders_merge(struct orders *orders, const struct orders *more);

/* How many orders were seen, and how many of them once. */
uint64_t orders_distinct(const struct orders *orders);
uint64_t orders_once(const struct orders *orders);

/*
 * The chance that the next execution is of an order not seen before, if executions are drawn
 * independently from one distribution (Good and Turing: those seen once, of all drawn).
 */
double orders_chance_of_new(const struct orders *orders);

#endif
