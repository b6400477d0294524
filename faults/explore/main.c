/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval-explore: what `sinval explore` becomes.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/explore/debug.h"
#include "faults/explore/jobs.h"
#include "faults/explore/report.h"

enum status { FINE = 0, VIOLATED = 1, BAD_INPUT = 2, ENVIRONMENT = 3 };

enum {
    KEY_DEPTH = 256,
    KEY_DEATHS,
    KEY_SCHEDULES,
    KEY_SEED,
    KEY_PREEMPTIONS,
    KEY_LIST,
    KEY_REPLAY,
    KEY_FAILURES,
    KEY_COMPLETE,
    KEY_SIGNALS,
    KEY_SWEEP,
    KEY_ALL,
    KEY_GDB,
    KEY_JOBS,
};

#define WORLDS_MAX        32
#define SCHEDULES_DEFAULT 100000
#define CORNER_SCHEDULES  20000
#define SECONDS_MAX       (365.0 * 24 * 3600)
#define DEPTH_DEFAULT     3
#define STRATEGY_DEFAULT  "portfolio"

struct arguments {
    struct campaign_options campaign; /* but for the world */
    const struct world_kind *worlds[WORLDS_MAX];
    uint32_t world_count;
    bool json;
    bool schedules_given;
    bool complete;
    bool explores; /* some option says how */
    char *word;
    bool all;   /* steps of its story */
    bool debug; /* it */
};

static const struct {
    const char *name;
    const char *about;
} strategies[] = {
    {"random", "a random walk"},
    {"pct", "random priorities with --depth - 1 demotions: a published bound"},
    {"pos", "random priorities of steps, drawn anew in races"},
    {"surw", "uniform over the orders of accesses to one object a run"},
    {"portfolio", "all of these in turn"},
    {"exhaustive", "one schedule of each order, or all with --preemptions"},
};

static const struct argp_option option_list[] = {
    {"strategy", 's', "NAME", 0, "How schedules are chosen; --list names them", 0},
    {"depth", KEY_DEPTH, "D", 0, "pct: find what takes D ordered steps; 3", 0},
    {"preemptions", KEY_PREEMPTIONS, "N", 0,
     "exhaustive: all schedules with at most N preemptions; without it one of each order", 0},
    {"deaths", KEY_DEATHS, "N", 0, "At most N backends die, anywhere; 0", 0},
    {"signals", KEY_SIGNALS, NULL, 0, "Signals may also be lost, or come twice", 0},
    {"sweep", KEY_SWEEP, NULL, 0,
     "Each schedule once more for each access in it: its backend dies there", 0},
    {"for", 'f', "TIME", 0, "Stop after TIME in each world: 30, 30s, 10m", 0},
    {"schedules", KEY_SCHEDULES, "N", 0, "Stop after N schedules of each world; 100000", 0},
    {"failures", KEY_FAILURES, "N", 0, "Stop after N failures in a world; 1", 0},
    {"complete", KEY_COMPLETE, NULL, 0, "exhaustive: fail if it does not come to its end", 0},
    {"jobs", KEY_JOBS, "N", 0, "Processes that share the work; 1", 0},
    {"seed", KEY_SEED, "N", 0, "What everything is drawn from; 1", 0},
    {"report", 'r', "KIND", 0, "text or json; text", 0},
    {"replay", KEY_REPLAY, "TOKEN", 0, "Repeat one execution, step by step", 0},
    {"all", KEY_ALL, NULL, 0, "With a token: tell also what concerns one backend alone", 0},
    {"gdb", KEY_GDB, NULL, 0, "With a token: in gdb, at the fatal step", 0},
    {"list", KEY_LIST, NULL, 0, "Name the worlds and the strategies", 0},
    {0},
};

static uint64_t number_of(struct argp_state *state, const char *name, const char *text,
                          uint64_t min, uint64_t max)
{
    char *end;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min ||
        value > max) {
        argp_error(state, "--%s: '%s' is not a whole number from %llu to %llu", name, text,
                   (unsigned long long)min, (unsigned long long)max);
    }
    return value;
}

static double seconds_of(struct argp_state *state, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);

    if (strcmp(end, "m") == 0) {
        seconds *= 60;
    } else if (strcmp(end, "h") == 0) {
        seconds *= 3600;
    } else if (*end != '\0' && strcmp(end, "s") != 0) {
        seconds = -1;
    }
    if (end == text || !(seconds > 0 && seconds <= SECONDS_MAX)) {
        argp_error(state, "--for: '%s' is no time; 30, 30s, 10m, 1h would be right", text);
    }
    return seconds;
}

static void list_all(void)
{
    (void)puts("worlds:");
    for (const struct world_kind *const *kind = world_kinds; *kind != NULL; kind++) {
        (void)printf("  %-18s %s\n", (*kind)->name, (*kind)->about);
    }
    (void)puts("strategies:");
    for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
        if (strategy_find(strategies[i].name) != NULL) {
            (void)printf("  %-18s %s\n", strategies[i].name, strategies[i].about);
        }
    }
}

static void add_world(struct argp_state *state, struct arguments *arguments, const char *name)
{
    const struct world_kind *kind = world_find(name);

    if (kind == NULL) {
        argp_error(state, "there is no world '%s'; --list names them", name);
    }
    if (arguments->world_count == WORLDS_MAX) {
        argp_error(state, "at most %d worlds", WORLDS_MAX);
    }
    arguments->worlds[arguments->world_count++] = kind;
}

/* What is a number. */
static error_t parse_number(int key, const char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct campaign_options *campaign = &arguments->campaign;

    switch (key) {
    case KEY_DEPTH:
        campaign->depth = (uint32_t)number_of(state, "depth", argument, 1, STRATEGY_DEPTH_MAX);
        return 0;
    case KEY_PREEMPTIONS:
        campaign->preemptions_max = (uint32_t)number_of(state, "preemptions", argument, 0, 1000);
        return 0;
    case KEY_DEATHS:
        campaign->deaths = (uint32_t)number_of(state, "deaths", argument, 0, MACHINE_DEATHS_MAX);
        return 0;
    case KEY_SCHEDULES:
        campaign->schedules = number_of(state, "schedules", argument, 1, UINT64_MAX - 1);
        arguments->schedules_given = true;
        return 0;
    case KEY_FAILURES:
        campaign->failures =
            (uint32_t)number_of(state, "failures", argument, 1, CAMPAIGN_FAILURES_MAX);
        return 0;
    case KEY_SEED:
        campaign->seed = number_of(state, "seed", argument, 0, UINT64_MAX - 1);
        return 0;
    case KEY_JOBS:
        campaign->jobs = (uint32_t)number_of(state, "jobs", argument, 1, JOBS_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void set_word(struct argp_state *state, struct arguments *arguments, char *word)
{
    if (arguments->word != NULL) {
        argp_error(state, "one token would be right");
    }
    arguments->word = word;
}

/* Does what was said go together? What would have no effect is refused. */
static void check(struct argp_state *state, const struct arguments *arguments)
{
    const struct campaign_options *campaign = &arguments->campaign;
    const bool searches = campaign->strategy->searches;

    if (arguments->word != NULL && (arguments->explores || arguments->world_count > 0)) {
        argp_error(state, "a token is a whole execution: only --all or --gdb may go with it");
    }
    if (arguments->word == NULL && (arguments->all || arguments->debug)) {
        argp_error(state, "--all and --gdb go with a token");
    }
    if (!searches && (arguments->complete || campaign->preemptions_max != EXPLORE_UNBOUNDED)) {
        argp_error(state, "--preemptions and --complete are for --strategy exhaustive");
    }
    if (searches && campaign->sweep) {
        argp_error(state, "--sweep is for strategies that sample; one that searches has --deaths");
    }
    if (searches && campaign->jobs > 1) {
        argp_error(state, "--jobs: a search is one path, for one process");
    }
}

/* What is said in a word. */
static error_t parse_name(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct campaign_options *campaign = &arguments->campaign;

    switch (key) {
    case 's':
        campaign->strategy = strategy_find(argument);
        if (campaign->strategy == NULL || campaign->strategy == &strategy_replay) {
            argp_error(state, "there is no strategy '%s'; --list names them", argument);
        }
        return 0;
    case 'f':
        campaign->seconds = seconds_of(state, argument);
        return 0;
    case 'r':
        arguments->json = strcmp(argument, "json") == 0;
        if (!arguments->json && strcmp(argument, "text") != 0) {
            argp_error(state, "--report: '%s' is neither text nor json", argument);
        }
        return 0;
    case KEY_SIGNALS:
        campaign->signals = true;
        return 0;
    case KEY_SWEEP:
        campaign->sweep = true;
        return 0;
    case KEY_COMPLETE:
        arguments->complete = true;
        return 0;
    default:
        return parse_number(key, argument, state);
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_REPLAY:
        set_word(state, arguments, argument);
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case KEY_GDB:
        arguments->debug = true;
        return 0;
    case KEY_LIST:
        list_all();
        exit(FINE);
    case ARGP_KEY_ARG:
        if (strncmp(argument, WORD_PREFIX, sizeof(WORD_PREFIX) - 1) == 0) {
            set_word(state, arguments, argument);
        } else {
            add_world(state, arguments, argument);
        }
        return 0;
    case ARGP_KEY_END:
        check(state, arguments);
        return 0;
    default:
        break;
    }
    const error_t result = parse_name(key, argument, state);
    arguments->explores |= result == 0;
    return result;
}

static const struct argp argp = {
    .options = option_list,
    .parser = parse,
    .args_doc = "[WORLD...]\nTOKEN",
    .doc = "Explore what can happen: small worlds of simulated processes over the core as it is "
           "written, interleaved at every access to shared memory."
           "\vWithout a WORLD, all of them. Each failure prints a token, which `sinval replay' "
           "repeats to the last access. Exit status: 0 nothing found, 1 a property was violated "
           "or a planted defect was not found, 2 bad input, 3 the environment failed.",
};

/* ---- what is planted must be found ----------------------------------------------------------- */

/* Explore a corner with a defect in it. Returns: FINE; VIOLATED: it was not found. */
static enum status explore_corner(const struct campaign_options *campaign,
                                  const struct world_kind *corner, struct report *report)
{
    struct campaign_options options = *campaign;
    struct campaign_report found;

    options.world = corner;
    options.schedules = CORNER_SCHEDULES;
    options.seconds = 0;
    options.failures = 1;
    options.progress = false;
    if (campaign_run(&options, &found) != 0) {
        return ENVIRONMENT;
    }
    const bool red =
        found.failure_count == 0 || found.failures[0].finding.oracle != corner->planted;
    report_corner(report, corner, &found, !red);
    campaign_free(&found);
    return red ? VIOLATED : FINE;
}

static enum status explore_world(const struct arguments *arguments, const struct world_kind *world,
                                 struct report *report)
{
    struct campaign_options options = arguments->campaign;
    struct campaign_report found;

    options.world = world;
    const int result = campaign_run(&options, &found);
    if (result != 0) {
        (void)fprintf(stderr, "sinval-explore: %s: %s\n", world->name, strerror(-result));
        return ENVIRONMENT;
    }
    report_world(report, &options, &found);
    const bool short_of = arguments->complete && !found.complete;
    campaign_free(&found);
    if (short_of) {
        (void)fprintf(stderr, "sinval-explore: %s: not complete\n", world->name);
    }
    return found.failure_count > 0 || short_of ? VIOLATED : FINE;
}

static enum status explore(const struct arguments *arguments)
{
    enum status worst = FINE;
    struct report report;

    report_begin(&report, arguments->json);
    for (const struct world_kind *const *kind = world_kinds; *kind != NULL; kind++) {
        const bool corner = (*kind)->planted != ORACLE_NONE;
        bool wanted = arguments->world_count == 0 && !corner;
        for (uint32_t i = 0; i < arguments->world_count; i++) {
            wanted |= arguments->worlds[i] == *kind;
        }
        enum status status = FINE;
        if (wanted) {
            status = explore_world(arguments, *kind, &report);
        } else if (corner) {
            status = explore_corner(&arguments->campaign, *kind, &report);
        }
        worst = status > worst ? status : worst;
    }
    report_end(&report);
    return worst;
}

static enum status replay(char *text, bool all, bool debug)
{
    static struct word word;
    struct machine_result result;
    char message[128];

    if (word_decode(text, &word, message, sizeof(message)) != 0) {
        (void)fprintf(stderr, "sinval-explore: %s\n", message);
        return BAD_INPUT;
    }
    result.end = MACHINE_FINISHED;
    const int error = debug ? debug_replay(text) : report_replay(&word, all, &result);
    if (error != 0 && debug) {
        (void)fprintf(stderr, "sinval-explore: gdb cannot be started: %s%s\n", strerror(-error),
                      error == -ENOENT ? "; is it installed (Debian: gdb)?" : "");
        return ENVIRONMENT;
    }
    if (error != 0) {
        (void)fprintf(stderr, "sinval-explore: %s\n", strerror(-error));
        return ENVIRONMENT;
    }
    return result.end == MACHINE_FAILED ? VIOLATED : FINE;
}

int main(int argc, char **argv)
{
    static struct arguments arguments = {
        .campaign = {.seed = 1,
                     .depth = DEPTH_DEFAULT,
                     .preemptions_max = EXPLORE_UNBOUNDED,
                     .schedules = UINT64_MAX,
                     .failures = 1,
                     .jobs = 1},
    };

    argp_err_exit_status = BAD_INPUT;
    arguments.campaign.strategy = strategy_find(STRATEGY_DEFAULT);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.word != NULL) {
        return (int)replay(arguments.word, arguments.all, arguments.debug);
    }
    if (!arguments.schedules_given && arguments.campaign.seconds <= 0 &&
        !arguments.campaign.strategy->searches) {
        arguments.campaign.schedules = SCHEDULES_DEFAULT;
    }
    arguments.campaign.progress = isatty(STDERR_FILENO) != 0;
    return (int)explore(&arguments);
}
