/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A crew: real backend processes that do what they are told, one order at a time, each through its
 * own pair of named pipes. What `sinval shell` and `sinval demo` play with.
 *
 * A member does nothing between orders, not even catch up: so everything that happens is the answer
 * to an order, and a sequence of orders has one outcome. It says what its order changed by the
 * counters of the whole segment, before and after.
 *
 * Members die with the crew's process. The pipes, their directory and a named segment are removed
 * by a janitor, a process of its own, so also after SIGKILL.
 */
#ifndef SINVAL_CLI_CREW_H
#define SINVAL_CLI_CREW_H

#include <signal.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "sinval/sinval.h"

enum { CREW_MAX = 1024, ORDER_BYTES_MAX = 512, ORDER_WORDS_MAX = 4 };

/* What became of a member. */
enum member_state { MEMBER_NONE, MEMBER_ALIVE, MEMBER_STOPPED, MEMBER_DEAD };

struct member {
    enum member_state state;
    pid_t pid;
    int life_fd;   /* readable once it is dead */
    int orders_fd; /* we write */
    int answers_fd;
    uint32_t slot; /* SV_SLOT_NONE: not known */
    bool owes;     /* an answer that did not come in time */
};

struct crew {
    struct sv_segment *segment;
    const char *name; /* of the segment; NULL: anonymous */
    FILE *out;        /* what is answered goes here */
    int timeout_ms;   /* for an answer */
    char directory[64];
    pid_t janitor;
    int janitor_fd; /* closed: the janitor cleans up */
    /* Set by the signals that end the program; every wait looks at it. */
    const volatile sig_atomic_t *interrupted;
    struct member *members; /* CREW_MAX + 1; a member's number is its index */
};

/*
 * Create the segment and the directory. Zeros in config are defaults; a table of rows is added.
 *
 * Returns: an exit status; what is wrong has been said.
 */
int crew_create(struct crew *crew, const struct sv_config *config);

/* Everybody leaves in order (who is stopped is killed), everything is removed. */
void crew_destroy(struct crew *crew);

/*
 * What each of these does is told on crew->out, in lines that begin with "N: ", also why it
 * cannot be done. They return false only if the crew cannot go on (the environment failed, or a
 * signal ended it); then it has been said on standard error.
 */
bool crew_start(struct crew *crew, uint32_t number, bool send_only);
bool crew_order(struct crew *crew, uint32_t number, const char *order);
bool crew_quit(struct crew *crew, uint32_t number);
bool crew_kill(struct crew *crew, uint32_t number);
bool crew_stop(struct crew *crew, uint32_t number);
bool crew_continue(struct crew *crew, uint32_t number);

/* Settle the dead, as a postmaster would. */
void crew_settle(struct crew *crew);

/* The queue, the locks that are held, and every member: the same text for the same state. */
void crew_stat(struct crew *crew);

/*
 * A member's life, in its own process: attach, answer orders until `quit` or the end of the pipe.
 * Returns: its exit status.
 */
int member_run(struct sv_segment *segment, bool send_only, FILE *orders, FILE *answers);

/* "  [name by, ...]" of the counters that moved, in their order, and the end of the line. */
void crew_print_moved(FILE *out, const uint64_t *before, const uint64_t *after);

/* Ends an answer, a line of its own. */
#define ANSWER_END "."

#endif
