/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Shots: one number, one corruption (or a few) at one moment of one little history.
 *
 * A process plays numbers until one of its backends answers, which ends it; the next process goes
 * on behind that number. A number depends on the seed and itself only: the world is put back as it
 * was, and all that is drawn is drawn from both. Processor time is limited for each, so that a loop
 * without end ends.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corrupt/corrupt.h"

#define PLAYERS          3
#define EVENTS_MAX       6
#define POINTS_OF_A_SHOT 260 /* most have that many */
#define SECONDS_MAX      3

/* A shot under way. */
static struct shot {
    const struct options *options;
    struct world *world;
    struct progress *progress;
    struct random rubbish;
    uint64_t at[EVENTS_MAX]; /* points at which rubbish is written; 0: before all */
    uint32_t events;
    uint64_t number;
} shot;

static void at_point(uint64_t hit)
{
    for (uint32_t i = 0; i < shot.events; i++) {
        if (shot.at[i] == hit) {
            rubbish_write(shot.world->segment, &shot.rubbish);
            (void)sv_fetch_add_seq64(&shot.progress->written, 1);
            if (shot.number == shot.options->from + shot.options->count / 2) {
                plant(shot.options->plant, shot.world->segment);
            }
        }
    }
}

static void play(void *argument)
{
    player_session(argument);
}

static void watch(void *argument)
{
    player_watch(argument);
}

/* From the number alone. */
static void prepare(const struct options *options, struct world *worlds, uint64_t number,
                    struct random *random)
{
    *random = (struct random){random_hash(random_mix(options->seed), number)};
    shot.number = number;
    shot.world = &worlds[number % WORLDS_MAX];
    shot.events = 1 + random_below(random, EVENTS_MAX);
    for (uint32_t i = 0; i < shot.events; i++) {
        shot.at[i] = random_below(random, 4) == 0 ? 0 : 1 + random_below(random, POINTS_OF_A_SHOT);
    }
    if (number == options->from + options->count / 2 && options->plant != PLANT_NONE) {
        shot.at[0] = 1;
    }
    shot.rubbish = (struct random){random_next(random)};
    world_restore(shot.world);
}

static void play_number(const struct options *options, struct world *worlds,
                        struct progress *progress, uint64_t number)
{
    struct random random;
    struct player players[PLAYERS + 1];
    void (*runs[PLAYERS + 1])(void *);
    void *arguments[PLAYERS + 1];
    prepare(options, worlds, number, &random);
    for (uint32_t i = 0; i <= PLAYERS; i++) {
        players[i] = (struct player){
            .segment = shot.world->segment,
            .progress = progress,
            .random = {random_next(&random)},
            .operations = 2 + random_below(&random, 5),
            .rows = TABLE_ROWS + 6,
        };
        runs[i] = i < PLAYERS ? play : watch;
        arguments[i] = &players[i];
    }
    const uint32_t count = PLAYERS + (random_below(&random, 4) == 0);
    at_point(0); /* before anybody comes */
    if (!fibers_run(runs, arguments, count, &random, at_point)) {
        char *words = progress_say(progress);
        const int used = snprintf(words, ANSWER_BYTES, "everybody waits for ever");
        fibers_say(shot.world->segment, words + used, ANSWER_BYTES - (size_t)used);
        _exit(END_HUNG);
    }
    if (fibers_stranger() != NULL) {
        player_bad(progress, "%s", fibers_stranger());
    }
    if (!world_intact(shot.world)) {
        player_bad(progress, "the header has changed");
    }
}

static _Noreturn void work(const struct options *options, struct world *worlds,
                           struct progress *progress, uint64_t first, pid_t parent)
{
    const struct itimerval limit = {.it_value.tv_sec = SECONDS_MAX};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(END_ORPHAN);
    }
    shot.options = options;
    shot.progress = progress;
    for (uint32_t i = 0; i < WORLDS_MAX; i++) {
        player_answers(worlds[i].segment, progress);
    }
    for (uint64_t number = first; number < options->from + options->count; number++) {
        sv_store_seq64(&progress->number, number);
        (void)setitimer(ITIMER_PROF, &limit, NULL);
        play_number(options, worlds, progress, number);
    }
    sv_store_seq64(&progress->number, options->from + options->count);
    _exit(END_FINISHED);
}

static int fail(const struct options *options, const struct progress *progress, int status)
{
    const uint64_t number = sv_load_seq64(&progress->number);
    char how[80] = "";
    if (WIFSIGNALED(status)) {
        (void)snprintf(how, sizeof(how), "%s (signal %d)",
                       WTERMSIG(status) == SIGPROF ? "a loop without end"
                                                   : strsignal(WTERMSIG(status)),
                       WTERMSIG(status));
    } else if (WEXITSTATUS(status) != END_BAD && WEXITSTATUS(status) != END_HUNG) {
        (void)snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
    }
    printf("FAILED at number %" PRIu64 ": %s%s\n", number, how,
           how[0] == 0 ? progress->said[0].words : "");
    printf("again: corrupt --seed %" PRIu64 " --from %" PRIu64 " --count 1\n", options->seed,
           number);
    return 1;
}

/* One process's worth. Returns: false, and *status says how it failed. */
static bool run_some(const struct options *options, struct world *worlds, struct progress *progress,
                     uint64_t *next, struct tally *tally, int *status)
{
    (void)fflush(NULL);
    sv_store_seq32(&progress->count, 0);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0) {
        work(options, worlds, progress, *next, parent);
    }
    while (pid < 0 || waitpid(pid, status, 0) != pid) {
        if (pid < 0) {
            perror("corrupt: fork");
            return false;
        }
    }
    const bool answered = WIFEXITED(*status) && WEXITSTATUS(*status) == END_ANSWERED;
    if (!answered && *status != END_FINISHED) {
        return false;
    }
    const uint64_t number = sv_load_seq64(&progress->number);
    tally->went_on += number - *next;
    tally->answered += answered;
    tally->done = tally->went_on + tally->answered;
    if (answered) {
        tally_answer(tally, progress->said[0].words);
    }
    *next = number + answered;
    return true;
}

int shots_run(const struct options *options, struct progress *progress, struct tally *tally)
{
    struct world worlds[WORLDS_MAX];
    int result = 0;
    for (uint32_t i = 0; i < WORLDS_MAX; i++) {
        world_make(&worlds[i], options->seed, i);
    }
    uint64_t next = options->from;
    while (result == 0 && next < options->from + options->count) {
        int status = 0;
        if (!run_some(options, worlds, progress, &next, tally, &status)) {
            result = fail(options, progress, status);
        }
    }
    for (uint32_t i = 0; i < WORLDS_MAX; i++) {
        world_free(&worlds[i]);
    }
    return result;
}
