/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The fingerprint of an order.
 *
 * Ideal model: a partial order of steps. It is given by the steps of each agent, the order of the
 * changes of each object, and for each look at an object, which change it saw: who looks at one and
 * who makes the next is in that too. In hashes: that of a step holds its agent, how many steps this
 * one has taken (together: the agent's key), what it is, and the hash of the last change of each of
 * its objects, which by induction stands for all changes before. What a schedule adds, the order of
 * steps that do not conflict, is in none of them; so their sum is equal for all schedules of an
 * order. If two steps that conflict change places, the hash of at least one of them changes.
 *
 * Kinds of steps (step.h) as looks and changes, so that exactly those that conflict meet:
 *
 *     WAIT                     looks at the word, changes its line of sleepers
 *     WAKE                     changes the line; looks at the environment
 *     shared acquire, release  looks at the lock
 *     with a victim            changes the environment, and the victim's key
 *     ALL                      changes the keys of all
 *
 * What was drawn for an agent, as that its sleep ends for no reason, is in its key from then on.
 *
 * Tested for exactly that: neighbours in random schedules change places (tests/order_sched.c).
 *
 * The set of orders seen, when full, forgets half of them by a bit of the fingerprint, and from
 * then on looks only at those with this bit 0: adaptive sampling (Wegman; Flajolet 1990), which is
 * unbiased for the numbers of all orders and of those seen once.
 */
#include "faults/explore/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int order_open(struct order *order, uint32_t objects)
{
    *order = (struct order){.objects = objects,
                            .changes = calloc(2 * (size_t)objects, sizeof(order->changes[0]))};
    order->lines = order->changes + objects;
    for (uint64_t agent = 0; agent < EXPLORE_AGENTS_MAX; agent++) {
        order->first_keys[agent] = (agent + 1) * UINT64_C(0x9fb21c651e98df25);
    }
    return order->changes == NULL ? -ENOMEM : 0;
}

void order_close(struct order *order)
{
    free(order->changes);
    order->changes = NULL;
}

void order_begin(struct order *order)
{
    order->sum = 0;
    order->environment = 0;
    memset(order->changes, 0,
           (order->slept ? 2 : 1) * (size_t)order->objects * sizeof(order->changes[0]));
    order->slept = false;
    memcpy(order->keys, order->first_keys, sizeof(order->keys));
}

/* What a step of that kind comes after, of an object, is folded into its hash. */
static uint64_t after(const struct order *order, uint32_t kind, uint32_t object, uint64_t hash)
{
    if (kind != EXPLORE_WAKE) {
        hash ^= order->changes[object];
    }
    hash = order_mix(hash, (uint64_t)object << 8 | kind);
    return kind == EXPLORE_WAIT || kind == EXPLORE_WAKE ? order_mix(hash ^ order->lines[object], 1)
                                                        : hash;
}

/* A step of that kind and hash has happened to an object. */
static void happen(struct order *order, uint32_t kind, uint32_t object, uint64_t hash)
{
    switch (kind) {
    case EXPLORE_READ:
    case EXPLORE_ACQUIRE_SHARED:
    case EXPLORE_RELEASE_SHARED:
        break;
    case EXPLORE_WAIT:
    case EXPLORE_WAKE:
        order->lines[object] = hash;
        order->slept = true;
        break;
    default:
        order->changes[object] = hash;
        break;
    }
}

static void change_key(struct order *order, uint32_t agent, uint64_t hash)
{
    order->keys[agent] = order_mix(order->keys[agent] ^ hash, 2);
}

/* The rest of a step that concerns more than its objects. Returns: its hash. */
static uint64_t concern_others(struct order *order, const struct explore_step *step, uint64_t hash)
{
    if (step->kind == EXPLORE_ALL) {
        for (uint32_t agent = 0; agent < EXPLORE_AGENTS_MAX; agent++) {
            change_key(order, agent, hash);
        }
        return hash;
    }
    hash = order_mix(hash ^ order->environment, 3);
    if (step->victim != EXPLORE_NOBODY) {
        order->environment = hash;
        change_key(order, step->victim, hash);
    }
    return hash;
}

void order_step(struct order *order, const struct explore_step *step)
{
    const uint32_t kind = step->kind;
    const uint32_t span = kind != EXPLORE_NONE && kind != EXPLORE_ALL ? step->span : 0;
    uint64_t hash = order->keys[step->agent];

    order->keys[step->agent] += ORDER_NEXT;
    if (span == 0) {
        hash = order_mix(hash, kind);
    }
    for (uint32_t i = 0; i < span; i++) {
        hash = after(order, kind, step->object + i, hash);
    }
    if (step->victim != EXPLORE_NOBODY || kind == EXPLORE_WAKE || kind == EXPLORE_ALL) {
        hash = concern_others(order, step, hash);
    }
    for (uint32_t i = 0; i < span; i++) {
        happen(order, kind, step->object + i, hash);
    }
    order->sum += hash;
}

int orders_open(struct orders *orders, uint32_t capacity)
{
    *orders = (struct orders){.capacity = capacity, .table = calloc(capacity, sizeof(uint64_t))};
    return orders->table == NULL ? -ENOMEM : 0;
}

void orders_close(struct orders *orders)
{
    free(orders->table);
}

static bool orders_keeps(const struct orders *orders, uint64_t fingerprint)
{
    return orders->level == 0 || fingerprint >> (64 - orders->level) == 0;
}

/* Where it is, or the free place where it belongs. */
static uint64_t *orders_place(uint64_t *table, uint32_t capacity, uint64_t fingerprint)
{
    uint32_t i = (uint32_t)(fingerprint >> 1) & (capacity - 1);

    while (table[i] != 0 && (table[i] & ~UINT64_C(1)) != fingerprint) {
        i = (i + 1) & (capacity - 1);
    }
    return &table[i];
}

/* Forget one half, in place: what is kept is put anew, from a free place on, so that no search that
 * passes over it is cut. */
static void orders_halve(struct orders *orders)
{
    uint64_t *table = orders->table;
    uint32_t start = 0;

    orders->level++;
    orders->kept = 0;
    orders->once = 0;
    while (table[start] != 0) {
        start++;
    }
    for (uint32_t n = 1; n < orders->capacity; n++) {
        uint64_t *from = &table[(start + n) & (orders->capacity - 1)];
        const uint64_t entry = *from;
        *from = 0;
        if (entry != 0 && orders_keeps(orders, entry)) {
            *orders_place(table, orders->capacity, entry & ~UINT64_C(1)) = entry;
            orders->kept++;
            orders->once += (entry & 1) == 0;
        }
    }
}

static bool orders_insert(struct orders *orders, uint64_t fingerprint)
{
    if (!orders_keeps(orders, fingerprint)) {
        return false;
    }
    uint64_t *place = orders_place(orders->table, orders->capacity, fingerprint);
    if (*place != 0) {
        orders->once -= (*place & 1) == 0;
        *place |= 1;
        return false;
    }
    *place = fingerprint;
    orders->kept++;
    orders->once++;
    while (orders->kept > orders->capacity / 4 * 3) {
        orders_halve(orders);
    }
    return true;
}

bool orders_add(struct orders *orders, uint64_t fingerprint)
{
    /* Neither 0 nor odd: those mean something else in the table. */
    fingerprint &= ~UINT64_C(1);
    const bool is_new = orders_insert(orders, fingerprint == 0 ? 2 : fingerprint);
    uint8_t *recent = &orders->recent[orders->executions++ % ORDERS_RECENT];

    orders->recent_new += (uint32_t)is_new - *recent;
    *recent = is_new;
    return is_new;
}

void orders_merge(struct orders *orders, const struct orders *more)
{
    while (orders->level < more->level) {
        orders_halve(orders);
    }
    for (uint32_t i = 0; i < more->capacity; i++) {
        const uint64_t fingerprint = more->table[i] & ~UINT64_C(1);
        if (fingerprint != 0) {
            (void)orders_insert(orders, fingerprint);
        }
        if ((more->table[i] & 1) != 0) { /* seen again by the other alone */
            (void)orders_insert(orders, fingerprint);
        }
    }
    orders->executions += more->executions;
}

uint64_t orders_distinct(const struct orders *orders)
{
    return (uint64_t)orders->kept << orders->level;
}

uint64_t orders_once(const struct orders *orders)
{
    return (uint64_t)orders->once << orders->level;
}

double orders_chance_of_new(const struct orders *orders)
{
    return orders->executions == 0 ? 1 : (double)orders_once(orders) / (double)orders->executions;
}
