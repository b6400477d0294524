/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's half of ../queue_rows.c, and of ../cache_rows.c.
 */
#include "sinval_pg.h"

#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/syscache.h"

enum { MESSAGES = 2000000 };

static double per(double seconds, double count)
{
    return seconds * 1e9 / count;
}

/* The same instructions as over there: with it one sees whether both had the same machine. */
static double machine(int argument)
{
    enum { CALLS = 10000000 };

    pg_atomic_uint32 word;
    pg_atomic_init_u32(&word, 0);
    const double start = pg_now_s();
    for (uint32 i = 0; i < CALLS; i++) {
        uint32 expected = 0;
        const bool swapped = pg_atomic_compare_exchange_u32(&word, &expected, i);
        __asm__ volatile("" : : "r"((uint64)swapped) : "memory");
        pg_write_barrier();
        pg_atomic_write_u32(&word, 0);
    }
    return per(pg_now_s() - start, CALLS);
}

static double accept_nothing(int argument)
{
    enum { CALLS = 10000000 };

    AcceptInvalidationMessages();
    const double start = pg_now_s();
    for (int i = 0; i < CALLS; i++) {
        AcceptInvalidationMessages();
    }
    return per(pg_now_s() - start, CALLS);
}

/* argument: the batch. The others are attached and do not read. */
static double insert(int argument)
{
    const double start = pg_now_s();
    pg_insert_for(argument, MESSAGES);
    return per(pg_now_s() - start, MESSAGES);
}

/* Read 32 a call for another slot, until there is nothing more. */
static void drain(BackendId reader)
{
    SharedInvalidationMessage out[32];
    const BackendId self = MyBackendId;
    MyBackendId = reader;
    while (SIGetDataEntries(out, 32) != 0) {
        __asm__ volatile("" : : "r"(out) : "memory");
    }
    MyBackendId = self;
}

/* argument: readers in turn. Only the reading is timed, 2,000 messages a round. */
static double read_messages(int argument)
{
    enum { ROUNDS = 200, A_ROUND = 2000 };

    BackendId readers[HELPERS_MAX];
    int count = 0;
    double seconds = 0;
    for (int i = 0; i < pg_queue->last_backend && count < argument; i++) {
        if (pg_queue->slots[i].pid != 0 && i + 1 != MyBackendId) {
            readers[count] = i + 1;
            drain(readers[count++]);
        }
    }
    if (count != argument) {
        elog(ERROR, "%d backends are there to read for, not %d", count, argument);
    }
    pg_send_only(true);
    for (int round = 0; round < ROUNDS; round++) {
        pg_insert_for(1, A_ROUND);
        const double start = pg_now_s();
        for (int i = 0; i < count; i++) {
            drain(readers[i]);
        }
        seconds += pg_now_s() - start;
    }
    pg_send_only(false);
    return per(seconds, (double)ROUNDS * A_ROUND * argument);
}

/* 2,000 messages a round, each for a key that is not cached, as most are. Only accept is timed. */
static double accept_invalidations(int argument)
{
    enum { ROUNDS = 300, A_ROUND = 2000 };

    double seconds = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32 i = 0; i < A_ROUND; i++) {
            const SharedInvalidationMessage message = {
                .cc = {.id = RELOID, .dbId = MyDatabaseId, .hashValue = i * 2654435761U}};
            SIInsertDataEntries(&message, 1);
        }
        const double start = pg_now_s();
        AcceptInvalidationMessages();
        seconds += pg_now_s() - start;
    }
    return per(seconds, (double)ROUNDS * A_ROUND);
}

const struct row pg_queue_rows[] = {
    {"machine", machine, 0},
    {"accept-nothing", accept_nothing, 0},
    {"insert-1-1", insert, 1},
    {"insert-1-8", insert, 8},
    {"insert-1-64", insert, 64},
    {"insert-64-1", insert, 1},
    {"insert-64-8", insert, 8},
    {"insert-64-64", insert, 64},
    {"read-1", read_messages, 1},
    {"read-16", read_messages, 16},
    {"accept-invalidations", accept_invalidations, 0},
    {0},
};
