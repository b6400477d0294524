/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Rounds: real processes over one segment, a postmaster with children among them, and one that
 * writes rubbish while they run.
 *
 * Each process plays session after session until it answers or is told to stop; a child of the
 * postmaster that answers is not started again. In every fourth round the postmaster kills who
 * holds a lock for too long, so that some may end that way. At the end all must end within a bound:
 * whoever is left waits for somebody who does not come.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "corrupt/corrupt.h"

#define CHILDREN      2 /* of the postmaster */
#define RUBBISH_MAX   12
#define LIMIT_MS      40
#define END_WITHIN_NS UINT64_C(60000000000)
#define ROUNDS_MAX    BACKENDS_MAX

struct round {
    const struct options *options;
    struct world world;
    struct progress *progress;
    struct random random;
    bool kills; /* the postmaster kills who holds a lock for too long */
    pid_t pids[ROUNDS_MAX];
    uint32_t count;
};

static void play_until_stopped(struct round *round, uint32_t seat)
{
    struct player player = {
        .segment = round->world.segment,
        .progress = round->progress,
        .random = random_branch(round->random.state, seat, RANDOM_WORKLOAD),
        .operations = 6,
        .rows = TABLE_ROWS + 6,
    };
    player_answers(round->world.segment, round->progress);
    (void)sv_fetch_add_seq32(&round->progress->ready, 1);
    sv_os_wake(&round->progress->ready, 1);
    while (sv_load_seq32(&round->progress->stop) == 0) {
        player_session(&player);
        if (fibers_stranger() != NULL) {
            player_bad(round->progress, "%s", fibers_stranger());
        }
    }
}

static int run_child(struct sv_segment *segment, void *argument)
{
    (void)segment;
    play_until_stopped(argument, 100 + (uint32_t)getpid());
    return END_FINISHED;
}

/* Is that an end that may be? */
static bool is_good_end(const struct round *round, int status)
{
    return (WIFEXITED(status) &&
            (WEXITSTATUS(status) == END_FINISHED || WEXITSTATUS(status) == END_ANSWERED)) ||
           (round->kills && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void be_postmaster(struct round *round)
{
    const struct sv_child child = {.run = run_child, .argument = round};
    struct sv_child_exit ended;
    struct sv_postmaster *postmaster = NULL;
    uint32_t number;
    player_answers(round->world.segment, round->progress);
    int result = sv_postmaster_create(round->world.segment, &postmaster);
    for (int i = 0; i < CHILDREN && result == 0; i++) {
        result = sv_postmaster_start(postmaster, &child, &number);
    }
    if (result != 0) {
        player_bad(round->progress, "the postmaster starts with %d", result);
    }
    for (uint32_t left = CHILDREN; left > 0;) {
        result = sv_postmaster_wait(postmaster, 20, &ended);
        left -= result == 0;
        if (result == 0 && !is_good_end(round, ended.status)) {
            player_bad(round->progress, "a child of the postmaster ended with %x: %s",
                       (unsigned)ended.status, progress_of(round->progress, ended.pid));
        }
    }
    sv_postmaster_stop(postmaster, 0);
}

static void start(struct round *round, uint32_t seat)
{
    const pid_t parent = getpid();
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(END_ORPHAN);
        }
        if (seat == 0) {
            be_postmaster(round);
        } else {
            play_until_stopped(round, seat);
        }
        _exit(END_FINISHED);
    }
    if (pid < 0) {
        perror("corrupt: fork");
        _exit(2);
    }
    round->pids[round->count++] = pid;
}

/* Until that many have begun. */
static void wait_until_ready(struct round *round, uint32_t wanted)
{
    uint32_t ready;
    while ((ready = sv_load_seq32(&round->progress->ready)) < wanted) {
        (void)sv_os_wait(&round->progress->ready, ready, UINT64_C(10000000));
    }
}

static void write_rubbish(struct round *round)
{
    for (uint32_t i = 1 + random_below(&round->random, RUBBISH_MAX); i > 0; i--) {
        for (uint32_t spins = random_below(&round->random, 4000); spins > 0; spins--) {
            sv_os_spin();
        }
        rubbish_write(round->world.segment, &round->random);
        (void)sv_fetch_add_seq64(&round->progress->written, 1);
        if (i == 1) {
            plant(round->options->plant, round->world.segment);
        }
    }
}

/* Returns: false if it does not end in time. */
static bool reap(pid_t pid, uint64_t deadline_ns, int *status)
{
    const int watch = sv_os_process_watch((uint32_t)pid);
    pid_t reaped = 0;
    while ((reaped = waitpid(pid, status, WNOHANG)) == 0 && sv_os_now_ns() < deadline_ns) {
        (void)sv_os_poll_many(&watch, 1, UINT64_C(100000000));
    }
    if (watch >= 0) {
        sv_os_close(watch);
    }
    return reaped == pid;
}

static void count_end(const struct round *round, struct tally *tally, pid_t pid, int status)
{
    if (WIFSIGNALED(status)) {
        tally->killed++;
    } else if (WEXITSTATUS(status) == END_ANSWERED) {
        tally->answered++;
        tally_answer(tally, progress_of(round->progress, pid));
    } else {
        tally->went_on++;
    }
}

/* Returns: 0; 1, and it has been said why. */
static int end_round(struct round *round, struct tally *tally, uint64_t number)
{
    int result = 0;
    sv_store_seq32(&round->progress->stop, 1);
    const uint64_t deadline_ns = sv_os_now_ns() + END_WITHIN_NS;
    for (uint32_t i = 0; i < round->count; i++) {
        int status = 0;
        if (!reap(round->pids[i], result == 0 ? deadline_ns : 0, &status)) {
            printf("FAILED in round %" PRIu64 ": process %u does not end\n", number, i);
            (void)kill(round->pids[i], SIGKILL);
            (void)waitpid(round->pids[i], &status, 0);
            result = 1;
        } else if (!is_good_end(round, status)) {
            printf("FAILED in round %" PRIu64 ": process %u ended with %x: %s\n", number, i,
                   (unsigned)status, progress_of(round->progress, round->pids[i]));
            result = 1;
        } else {
            count_end(round, tally, round->pids[i], status);
        }
    }
    return result;
}

static int run_round(const struct options *options, struct progress *progress, struct tally *tally,
                     uint64_t number)
{
    struct round round = {
        .options = options,
        .progress = progress,
        .random = random_branch(options->seed, (uint32_t)number, RANDOM_CARRIER),
        .kills = number % 4 == 3,
    };
    world_make_empty(&round.world, round.kills ? LIMIT_MS : 0);
    sv_store_seq32(&progress->stop, 0);
    sv_store_seq32(&progress->ready, 0);
    sv_store_seq32(&progress->count, 0);
    memset(progress->said, 0, sizeof(progress->said));
    for (uint32_t seat = 0; seat < options->backends; seat++) {
        start(&round, seat);
    }
    wait_until_ready(&round, options->backends - 1 + CHILDREN);
    write_rubbish(&round);
    const int result = end_round(&round, tally, number);
    if (result != 0) {
        printf("again, perhaps: corrupt --processes --seed %" PRIu64 " --from %" PRIu64
               " --count 1\n",
               options->seed, number);
    }
    world_free(&round.world);
    tally->done++;
    return result;
}

int rounds_run(const struct options *options, struct progress *progress, struct tally *tally)
{
    int result = 0;
    for (uint64_t i = 0; i < options->count && result == 0; i++) {
        result = run_round(options, progress, tally, options->from + i);
    }
    return result;
}
