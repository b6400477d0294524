/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a strategy that does not search leaves to us: deaths. Which there are is drawn for each
 * execution: none in one of eight, so that the rest is explored undisturbed as well; else up to as
 * many as asked for, of any backend, before any of its own steps as far as was ever seen, or, one
 * in four, at any moment, so that it may be asleep. Signals are lost and doubled in every other
 * execution if at all.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "faults/explore/campaign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "faults/explore/again.h"
#include "faults/explore/ends.h"
#include "faults/explore/jobs.h"
#include "faults/explore/order.h"
#include "faults/explore/reduce.h"
#include "faults/explore/shrink.h"
#include "faults/explore/sweep.h"
#include "faults/random.h"

#define REPLAY_EVERY    100
#define CLOCK_EVERY     64
#define ORDERS_CAPACITY (UINT32_C(1) << 20)
#define GRANULE_BYTES   8
#define PROGRESS_S      1.0
#define SHRINK_TRIALS   2000

/*
 * Executions in which a failure must be found again in a smaller world: more if it is a rare one.
 */
#define REDUCE_TRIALS_MIN 500
#define REDUCE_TRIALS_MAX 10000

struct campaign {
    const struct campaign_options *options;
    struct campaign_report *report;
    struct world world;
    struct strategy strategy;
    struct orders orders;
    struct word word;           /* of the execution at hand */
    struct word seeded;         /* the same by its strategy, if it can be said so */
    struct word trial;          /* of one that is tried, to shrink it */
    struct word swept;          /* of one that is repeated with a death */
    struct again_log swept_log; /* of that without it */
    struct deviation undisturbed[WORD_DEVIATIONS_MAX]; /* and of that without it */
    struct again_log log;                              /* of one that is to be repeated */
    struct finding shrunk;                             /* what that one must find */
    uint64_t steps[MACHINE_BACKENDS_MAX];              /* the most that each has taken, */
    uint64_t longest;                                  /* and all, of the first JOBS_ALONE */
    uint64_t looks;                                    /* at the time */
    struct ends ends;
    double began;
    double cpu_began;
    double judged; /* the processor's seconds till the execution at hand was over */
    double told;
};

static double clock_s(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct strategy_parameters parameters_of(const struct campaign *campaign)
{
    const struct campaign_options *options = campaign->options;
    const uint32_t agents = options->strategy->searches ? 3 : 1;

    return (struct strategy_parameters){
        .agents = options->world->backends * agents,
        .objects = (uint32_t)(campaign->world.segment_bytes / GRANULE_BYTES + 1),
        .steps_limit = WORLD_STEPS_MAX,
        .seed = options->seed,
        .depth = options->depth,
        .preemptions_max = options->preemptions_max,
    };
}

/* The deaths of an execution of a strategy that does not search. */
static void draw_deaths(const struct campaign *campaign, uint64_t number,
                        struct machine_faults *faults)
{
    const struct campaign_options *options = campaign->options;
    struct random random = random_branch(random_hash(options->seed, number), 0, RANDOM_FAULT);

    faults->signals = options->signals && random_below(&random, 2) == 0;
    if (options->strategy->searches || options->deaths == 0 || options->world->immortal) {
        faults->deaths = options->world->immortal ? 0 : options->deaths;
        return;
    }
    faults->deaths = random_below(&random, 8) == 0 ? 0 : 1 + random_below(&random, options->deaths);
    for (uint32_t i = 0; i < faults->deaths; i++) {
        struct machine_death *death = &faults->death[i];
        death->victim = random_below(&random, options->world->backends);
        death->of_all = random_below(&random, 4) == 0;
        const uint64_t steps = death->of_all ? campaign->longest : campaign->steps[death->victim];
        death->at = 1 + random_scale(random_next(&random), steps + steps / 8 + 1);
    }
}

/* ---- once more ------------------------------------------------------------------------------- */

/* A struct shrink's question. */
static bool still_fails(void *argument, struct deviation *list, uint32_t *count, uint32_t capacity)
{
    struct campaign *campaign = argument;
    struct word *trial = &campaign->trial;
    struct machine_result result;
    struct recorder recorder;

    memcpy(trial->deviations, list, *count * sizeof(*list));
    trial->count = *count;
    recorder_begin(&recorder, list, capacity);
    if (again(&campaign->world, trial, &recorder, &result) != 0 || result.end != MACHINE_FAILED ||
        recorder.overflowed || machine_finding()->oracle != campaign->shrunk.oracle) {
        return false;
    }
    *count = recorder.count;
    return true;
}

/*
 * The failure at hand in a smaller world, with fewer faults and deviations; *finding is then what
 * that one finds.
 */
static void shrink_failure(struct campaign *campaign, uint64_t number, struct finding *finding)
{
    const struct campaign_options *options = campaign->options;
    struct word *word = &campaign->word;
    struct machine_result result;
    const struct reduce less = {
        .world = &campaign->world,
        .oracle = finding->oracle,
        .seed = options->seed,
        .deaths = options->world->immortal ? 0 : options->deaths,
        .signals = options->signals,
        .trials_each = number < REDUCE_TRIALS_MAX / 4 ? REDUCE_TRIALS_MIN + 4 * (uint32_t)number
                                                      : REDUCE_TRIALS_MAX,
    };
    const struct shrink how = {.fails = still_fails,
                               .argument = campaign,
                               .backends = word->world->backends,
                               .trials_max = SHRINK_TRIALS};

    reduce(&less, word);
    memcpy(campaign->trial.limits, word->limits, sizeof(word->limits));
    campaign->shrunk = *finding;
    const int shrunk = shrink(&how, word->deviations, &word->count);
    if ((shrunk == 0 || shrunk == SHRINK_CUT) &&
        again(&campaign->world, word, NULL, &result) == 0) {
        word->hash = machine_hash();
        *finding = *machine_finding();
    }
}

static char *text_of(const struct word *word)
{
    static char text[WORD_MAX];

    word_encode(word, text);
    return strdup(text);
}

/* listed: by its deviations; else there were too many. */
static void note_failure(struct campaign *campaign, uint64_t number, const struct finding *finding,
                         bool listed)
{
    struct campaign_report *report = campaign->report;
    struct campaign_failure *failure = &report->failures[report->failure_count];

    if (report->failure_count == CAMPAIGN_FAILURES_MAX) {
        return;
    }
    *failure = (struct campaign_failure){
        .number = number, .cpu_seconds = campaign->judged, .finding = *finding};
    failure->found = campaign->seeded.seeded ? text_of(&campaign->seeded) : NULL;
    failure->word = listed                    ? text_of(&campaign->word)
                    : campaign->seeded.seeded ? text_of(&campaign->seeded)
                                              : NULL;
    report->failure_count++;
}

/* What a word says is the execution that is kept, or the explorer has a bug. */
static void check_replay(struct campaign *campaign, const struct word *word, uint64_t number,
                         const struct machine_result *result)
{
    struct machine_result now;
    struct finding finding;
    char text[FINDING_MESSAGE_MAX / 2];

    campaign->report->replays++;
    if (again(&campaign->world, word, NULL, &now) != 0) {
        return;
    }
    if (!again_same(&campaign->log, &now, &campaign->world, text, sizeof(text))) {
        (void)finding_set(&finding, ORACLE_NONE, "a replay diverges: %s", text);
        note_failure(campaign, number, &finding, !word->seeded);
    } else if (now.end != result->end) {
        (void)finding_set(&finding, ORACLE_NONE,
                          "a replay takes the same %llu steps, and is judged otherwise",
                          (unsigned long long)now.steps);
        note_failure(campaign, number, &finding, !word->seeded);
    }
}

/* The execution once more, from either of its words. */
static void check_replays(struct campaign *campaign, uint64_t number, bool listed,
                          const struct machine_result *result)
{
    campaign->word.hash = campaign->seeded.hash = machine_hash();
    if (again_keep(&campaign->log, result) != 0) {
        return;
    }
    if (listed) {
        check_replay(campaign, &campaign->word, number, result);
    }
    if (campaign->seeded.seeded && campaign->report->failure_count == 0) {
        check_replay(campaign, &campaign->seeded, number, result);
    }
}

/* ---- one execution --------------------------------------------------------------------------- */

static void count(struct campaign *campaign, uint64_t number, const struct machine_result *result)
{
    struct campaign_report *report = campaign->report;

    report->schedules++;
    report->accesses += result->steps;
    report->longest = result->steps > report->longest ? result->steps : report->longest;
    report->switches += result->switches;
    report->deaths += (uint64_t)__builtin_popcountll(result->dead);
    report->timeouts += result->timeouts;
    report->rescued += result->rescued;
    if (number >= JOBS_ALONE) {
        return;
    }
    campaign->longest = report->longest;
    for (uint32_t i = 0; i < campaign->options->world->backends; i++) {
        const uint64_t steps = machine_steps_of(i);
        campaign->steps[i] = steps > campaign->steps[i] ? steps : campaign->steps[i];
    }
}

/* An execution is over; campaign's word says it, if it is listed. */
static void conclude(struct campaign *campaign, uint64_t number,
                     const struct machine_result *result, bool listed, bool repeated)
{
    struct finding finding = *machine_finding();

    memset(campaign->word.limits, 0, sizeof(campaign->word.limits));
    count(campaign, number, result);
    if (repeated) {
        check_replays(campaign, number, listed, result);
    }
    if (result->end == MACHINE_FAILED) {
        if (listed) {
            shrink_failure(campaign, number, &finding);
        }
        note_failure(campaign, number, &finding, listed);
    }
}

/*
 * The execution just concluded, without its failure, once more for each of its accesses (sweep.h).
 */
static void sweep(struct campaign *campaign, uint64_t number, uint32_t deviations)
{
    struct campaign_report *report = campaign->report;
    const uint32_t backends = campaign->options->world->backends;
    struct machine_result result;
    struct recorder recorder;

    campaign->seeded.seeded = false;
    for (uint64_t at = 0; at < campaign->swept_log.steps && report->failure_count == 0 &&
                          report->schedules < campaign->options->schedules;
         at++) {
        const struct machine_event *event = &campaign->swept_log.events[at];
        const struct deviation death = {DEVIATION_PICK, (uint32_t)at, backends + event->agent};
        if (event->agent >= backends || event->kind == EXPLORE_NONE || event->kind == EXPLORE_ALL) {
            continue;
        }
        sweep_list(campaign->undisturbed, deviations, death, campaign->swept.deviations);
        campaign->swept.count = deviations + 1;
        recorder_begin(&recorder, campaign->word.deviations, WORD_DEVIATIONS_MAX);
        if (again(&campaign->world, &campaign->swept, &recorder, &result) != 0) {
            return;
        }
        campaign->word.count = recorder.count;
        (void)orders_add(&campaign->orders, machine_order());
        conclude(campaign, number, &result, !recorder.overflowed, result.end == MACHINE_FAILED);
    }
}

/* It is over. Returns: false: the explorer has a bug. */
static bool judge_end(struct campaign *campaign, struct machine_result *result)
{
    if (result->end != MACHINE_FINISHED) {
        return true;
    }
    const uint64_t order = machine_order();
    const enum ends_answer answer = ends_look(&campaign->ends, order, state_end());
    if (answer == ENDS_NEW) {
        world_judge(&campaign->world, result);
        if (result->end == MACHINE_FAILED) {
            ends_forget(&campaign->ends, order);
        }
    }
    return answer != ENDS_ODD;
}

static void execute(struct campaign *campaign, uint64_t number)
{
    struct strategy *strategy = &campaign->strategy;
    struct machine_faults faults = {0};
    struct machine_result result;
    struct recorder recorder;
    struct finding finding;

    draw_deaths(campaign, number, &faults);
    recorder_begin(&recorder, campaign->word.deviations, WORD_DEVIATIONS_MAX);
    world_run(&campaign->world, strategy, &faults, &recorder, &result);
    const bool odd = !judge_end(campaign, &result);
    const bool failed = result.end == MACHINE_FAILED;
    const bool dropped = result.end == MACHINE_DROPPED;
    const bool repeated = failed || (number % REPLAY_EVERY == 0 && !dropped);
    if (repeated) {
        campaign->judged = clock_s(CLOCK_PROCESS_CPUTIME_ID) - campaign->cpu_began;
        campaign->seeded.faults = faults;
        campaign->seeded.seeded = strategy_recipe(strategy, number, &campaign->seeded.recipe);
    }
    strategy->kind->end(strategy,
                        &(struct explore_outcome){
                            .steps = result.steps,
                            .failed = failed,
                            .new_order = !dropped && orders_add(&campaign->orders, machine_order()),
                            .incomplete = result.steps > WORLD_STEPS_LIMIT,
                        });
    if (dropped) {
        campaign->report->dropped++;
        return;
    }
    campaign->word.count = recorder.count;
    if (odd) {
        (void)finding_set(&finding, ORACLE_NONE, ENDS_ODD_TEXT);
        note_failure(campaign, number, &finding, !recorder.overflowed);
    }
    const bool sweeps = campaign->options->sweep && !campaign->options->world->immortal &&
                        recorder.count < WORD_DEVIATIONS_MAX &&
                        again_keep(&campaign->swept_log, &result) == 0;
    if (sweeps) {
        memcpy(campaign->undisturbed, campaign->word.deviations,
               recorder.count * sizeof(campaign->undisturbed[0]));
    }
    conclude(campaign, number, &result, !recorder.overflowed, repeated);
    if (sweeps && campaign->report->failure_count == 0) {
        sweep(campaign, number, recorder.count);
    }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void tell(struct campaign *campaign, double now)
{
    const struct campaign_report *report = campaign->report;

    if (campaign->options->progress && now - campaign->told >= PROGRESS_S) {
        campaign->told = now;
        (void)fprintf(stderr, "\r%s: %llu schedules, %.0f/s, %llu orders, %u of the last %u new  ",
                      campaign->options->world->name, (unsigned long long)report->schedules,
                      (double)report->schedules / (now - campaign->began),
                      (unsigned long long)orders_distinct(&campaign->orders),
                      campaign->orders.recent_new, (uint32_t)ORDERS_RECENT);
        (void)fflush(stderr);
    }
}

static bool time_is_up(struct campaign *campaign)
{
    if (campaign->looks++ % CLOCK_EVERY != 0) {
        return false;
    }
    const double now = clock_s(CLOCK_MONOTONIC);
    tell(campaign, now);
    return campaign->options->seconds > 0 && now - campaign->began >= campaign->options->seconds;
}

/* The executions of these numbers, as far as anything wants them; each stride-th. */
static void explore_numbers(struct campaign *campaign, uint64_t from, uint64_t to, uint64_t stride,
                            const struct job *job)
{
    const struct campaign_options *options = campaign->options;
    const struct campaign_report *report = campaign->report;

    for (uint64_t number = from;
         number < to && report->schedules < options->schedules &&
         report->failure_count < options->failures && (job == NULL || job_goes_on(job, number)) &&
         !time_is_up(campaign) && campaign->strategy.kind->begin(&campaign->strategy, number);
         number += stride) {
        execute(campaign, number);
    }
    campaign->report->cpu_seconds = clock_s(CLOCK_PROCESS_CPUTIME_ID) - campaign->cpu_began;
}

/* A job's: its part of what is left. */
static void explore_part(void *argument, struct job *job)
{
    struct campaign *campaign = argument;
    struct campaign_options options = *campaign->options;
    const uint64_t left = options.schedules - campaign->report->schedules;

    if (machine_unshare() != 0) {
        _exit(EXIT_FAILURE);
    }
    options.progress = false;
    options.schedules = left / options.jobs + (job->number < left % options.jobs);
    campaign->options = &options;
    campaign->report = &job->report;
    campaign->cpu_began = 0;
    free(campaign->orders.table);
    campaign->orders = job->orders;
    explore_numbers(campaign, JOBS_ALONE + job->number, UINT64_MAX, options.jobs, job);
    job->orders = campaign->orders;
}

static int explore(struct campaign *campaign)
{
    const struct campaign_options *options = campaign->options;
    struct campaign_report *report = campaign->report;
    const bool divided = options->jobs > 1;
    int result = 0;

    campaign->began = campaign->told = clock_s(CLOCK_MONOTONIC);
    campaign->cpu_began = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    explore_numbers(campaign, 0, divided ? JOBS_ALONE : UINT64_MAX, 1, NULL);
    if (divided && report->failure_count < options->failures) {
        result = jobs_run(options, report, &campaign->orders, explore_part, campaign);
    }
    report->seconds = clock_s(CLOCK_MONOTONIC) - campaign->began;
    report->complete = campaign->strategy.complete;
    report->orders = orders_distinct(&campaign->orders);
    report->once = orders_once(&campaign->orders);
    report->chance_of_new = orders_chance_of_new(&campaign->orders);
    report->steps_learned = campaign->strategy.parameters.steps;
    if (options->progress) {
        (void)fputs("\r\033[K", stderr);
    }
    return result;
}

int campaign_run(const struct campaign_options *options, struct campaign_report *report)
{
    struct campaign *campaign = calloc(1, sizeof(*campaign));

    *report = (struct campaign_report){0};
    if (campaign == NULL) {
        return -ENOMEM;
    }
    campaign->options = options;
    campaign->report = report;
    campaign->word.world = campaign->trial.world = campaign->swept.world = campaign->seeded.world =
        options->world;
    int result = world_open(&campaign->world, options->world);
    if (result == 0) {
        const struct strategy_parameters parameters = parameters_of(campaign);
        result = orders_open(&campaign->orders, ORDERS_CAPACITY);
        result = result != 0 ? result
                             : strategy_open(&campaign->strategy, options->strategy, &parameters);
        if (result == 0) {
            result = explore(campaign);
            strategy_close(&campaign->strategy);
        }
        orders_close(&campaign->orders);
    }
    world_close(&campaign->world);
    again_free(&campaign->log);
    again_free(&campaign->swept_log);
    free(campaign);
    return result;
}

void campaign_free(struct campaign_report *report)
{
    for (uint32_t i = 0; i < report->failure_count; i++) {
        free(report->failures[i].word);
        free(report->failures[i].found);
    }
}
