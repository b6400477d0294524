/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The queue's operations: attach and detach, insert, read, cleanup.
 */
#include "tests/sweep/operations.h"

/* ---- insert -------------------------------------------------------------------------------- */

static int number_one(struct actor *victim)
{
    actor_number(victim, 1);
    return 0;
}

static int number_many(struct actor *victim)
{
    actor_number(victim, 64);
    return 0;
}

/* A death leaves the first groups of write_quantum messages, each whole, and nothing of the rest. */
static int insert_numbered(struct actor *victim)
{
    sv_queue_insert(victim->self, victim->messages, victim->inserted);
    actor_sent(victim);
    return 0;
}

const struct operation operations_queue[] = {
    {
        .name = "insert-1",
        .text = "insert of one message",
        .prepare = number_one,
        .run = insert_numbered,
    },
    {
        .name = "insert-64",
        .text = "insert of one group",
        .prepare = number_many,
        .run = insert_numbered,
    },
    {0},
};

/* ---- canaries ------------------------------------------------------------------------------ */

static int number_five(struct actor *victim)
{
    actor_number(victim, 5);
    actor_intend(victim, 5, false);
    return 0;
}

/* A death before the intent is declared leaves nothing or all of it, one after it all of it. */
static int declare_and_insert(struct actor *victim)
{
    sv_intent_declare(victim->self, victim->messages, 5);
    actor_promised(victim);
    sv_queue_insert(victim->self, victim->messages, 5);
    actor_sent(victim);
    sv_intent_withdraw(victim->self);
    return 0;
}

/* It says that it has declared, and has not. */
static int forget_to_declare(struct actor *victim)
{
    actor_promised(victim);
    sv_queue_insert(victim->self, victim->messages, 5);
    actor_sent(victim);
    return 0;
}

const struct operation operation_honest = {
    .name = "honest",
    .text = "five messages, an intent declared before",
    .prepare = number_five,
    .run = declare_and_insert,
};

const struct operation operation_dishonest = {
    .name = "dishonest",
    .text = "five messages, an intent that is none",
    .prepare = number_five,
    .run = forget_to_declare,
};
