/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sessions --list: prints the names of the rows.
 * sessions ROW RUNS: opens the sessions that a row of PostgreSQL's half needs, runs it, and prints
 * median, minimum and maximum.
 *
 * One session measures. The others play a role until it has its figure (write, read, spin), are
 * ordinary idle sessions (idle), or sleep in a query, where a session does not read (hold).
 * Connects as PGHOST, PGUSER and PGDATABASE say.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HELPERS_MAX = 64, RUNS_MAX = 64 };

struct cast {
    const char *row;
    int helpers;
    const char *role;
};

static const struct cast casts[] = {
    {"machine", 0, NULL},
    {"accept-nothing", 1, "hold"},
    {"insert-1-1", 0, NULL},
    {"insert-1-8", 0, NULL},
    {"insert-1-64", 0, NULL},
    {"insert-64-1", 63, "hold"},
    {"insert-64-8", 63, "hold"},
    {"insert-64-64", 63, "hold"},
    {"read-1", 1, "hold"},
    {"read-16", 16, "hold"},
    {"accept-invalidations", 0, NULL},
    {"two-writers", 2, "write"},
    {"deliver-waiting", 8, "read"},
    {"deliver-never", 8, "read"},
    {"deliver-resets", 8, "read"},
    {"resets-per-million", 8, "read"},
    {"idle-resets", 64, "idle"},
    {"visible", 1, "spin"},
    {"catchup", 1, "idle"},
};

static _Noreturn void fail(const char *what, const PGconn *connection)
{
    (void)fprintf(stderr, "sessions: %s: %s\n", what,
                  connection != NULL ? PQerrorMessage(connection) : "");
    exit(3);
}

static PGconn *open_session(void)
{
    PGconn *connection = PQconnectdb("");
    if (PQstatus(connection) != CONNECTION_OK) {
        fail("connecting", connection);
    }
    return connection;
}

/* The last field of the result; 0 if there is none. */
static double ask(PGconn *connection, const char *query)
{
    PGresult *result = PQexec(connection, query);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) {
        fail(query, connection);
    }
    const double value = strtod(PQgetvalue(result, 0, 0), NULL);
    PQclear(result);
    return value;
}

static void send_query(PGconn *connection, const char *query)
{
    if (PQsendQuery(connection, query) != 1) {
        fail(query, connection);
    }
}

/* Until a query that was sent is over. */
static void finish(PGconn *connection, bool may_fail)
{
    for (PGresult *result; (result = PQgetResult(connection)) != NULL;) {
        if (PQresultStatus(result) != PGRES_TUPLES_OK && !may_fail) {
            fail("a helper", connection);
        }
        PQclear(result);
    }
}

static void cancel(PGconn *connection)
{
    char why[256] = "";
    PGcancel *request = PQgetCancel(connection);
    if (request == NULL || PQcancel(request, why, sizeof(why)) != 1) {
        fail(why, NULL);
    }
    PQfreeCancel(request);
}

static int slots(PGconn *self)
{
    return (int)ask(self, "SELECT sinval_pg_slots()");
}

/* In the first slot and with nobody behind it: sessions that were closed take a moment to leave. */
static PGconn *open_first(void)
{
    for (;;) {
        PGconn *self = open_session();
        if (slots(self) == 1) {
            return self;
        }
        PQfinish(self);
        const struct timespec tick = {.tv_nsec = 1000000};
        (void)nanosleep(&tick, NULL);
    }
}

static double run_once(const struct cast *cast, PGconn *self, PGconn **helpers)
{
    char query[128];
    (void)ask(self, "SELECT sinval_pg_prepare()");
    const bool plays = cast->role != NULL && strcmp(cast->role, "hold") != 0;
    const bool stays_idle = plays && strcmp(cast->role, "idle") == 0;
    for (int i = 0; plays && i < cast->helpers; i++) {
        (void)snprintf(query, sizeof(query), "SELECT sinval_pg_role('%s')", cast->role);
        send_query(helpers[i], query);
        if (stays_idle) {
            finish(helpers[i], false);
        }
    }
    (void)snprintf(query, sizeof(query), "SELECT sinval_pg_run('%s')", cast->row);
    const double figure = ask(self, query);
    for (int i = 0; plays && i < cast->helpers; i++) {
        finish(helpers[i], false);
    }
    return figure;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void play(const struct cast *cast, int runs)
{
    PGconn *helpers[HELPERS_MAX];
    double figures[RUNS_MAX];
    PGconn *self = open_first();
    const bool held = cast->role != NULL && strcmp(cast->role, "hold") == 0;
    for (int i = 0; i < cast->helpers; i++) {
        helpers[i] = open_session();
        if (held) {
            send_query(helpers[i], "SELECT pg_sleep(600)");
        }
    }
    if (slots(self) != 1 + cast->helpers) {
        fail("somebody else is connected", NULL);
    }
    for (int run = 0; run < runs; run++) {
        figures[run] = run_once(cast, self, helpers);
    }
    for (int i = 0; i < cast->helpers; i++) {
        if (held) {
            cancel(helpers[i]);
            finish(helpers[i], true);
        }
        PQfinish(helpers[i]);
    }
    PQfinish(self);
    qsort(figures, (size_t)runs, sizeof(figures[0]), compare);
    (void)printf("%.3f %.3f %.3f\n", figures[runs / 2], figures[0], figures[runs - 1]);
}

int main(int argc, char **argv)
{
    const size_t count = sizeof(casts) / sizeof(casts[0]);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < count; i++) {
            (void)puts(casts[i].row);
        }
        return 0;
    }
    const int runs = argc == 3 ? (int)strtol(argv[2], NULL, 10) : 0;
    if (runs < 1 || runs > RUNS_MAX) {
        (void)fprintf(stderr, "usage: sessions --list | ROW RUNS\n");
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(casts[i].row, argv[1]) == 0) {
            play(&casts[i], runs);
            return 0;
        }
    }
    (void)fprintf(stderr, "sessions: PostgreSQL has no row %s\n", argv[1]);
    return 2;
}
