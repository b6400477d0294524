/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval storm: a killer from outside, and what came of it as a table.
 *
 * Everything the user gave is checked before anything is started. The storm itself is played by a
 * program of its own, sinval-storm: the same command once more, linked with the production flavour
 * of the library, whose backends have no fault point in them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/cli.h"
#include "cli/storm_view.h"

#define TIMEOUT_S_MAX    86400
#define ROUND_S_MAX      60
#define WRAPAROUND_RINGS 16
#define CAPACITY         16384 /* what all send while one of many does not get to run */
#define ALL_WORKLOADS    (1U << WORKLOAD_TRANSACTIONS | 1U << WORKLOAD_QUEUE | 1U << WORKLOAD_CHURN)

enum { KEY_WORKLOAD = 256, KEY_SOURCE, KEY_POSTMASTER, KEY_ROUND, KEY_TIMEOUT };

struct arguments {
    struct storm_options storm;
    enum report report;
    bool stops_given;
};

static const struct argp_option options[] = {
    {"for", 'f', "TIME", 0, "For so long: 90s, 10m or 2h; 1m", 1},
    {"backends", 'b', "N", 0, "N backends at a time; 20", 1},
    {"kills", 'k', "N", 0, "N SIGKILLs a second, 0 for none; 10", 1},
    {"stops", 's', "N", 0, "N SIGSTOPs a second, of 1 to 200 ms; 1, or a tenth of the kills", 1},
    {"workload", KEY_WORKLOAD, "KIND", 0, "transactions, queue, churn, or all of them in turn; all",
     2},
    {"source", KEY_SOURCE, "KIND", 0, "What transactions read and write: table or sqlite; table",
     2},
    {"postmaster", KEY_POSTMASTER, NULL, 0, "The backends are a postmaster's", 2},
    {"round", KEY_ROUND, "S", 0, "Have everybody judge and leave every S seconds; 10", 2},
    {"seed", 'S', "N", 0, "What whoever strikes, and the workloads, draw from; 1", 3},
    {"timeout", KEY_TIMEOUT, "S", 0, "Call it a hang after S seconds without a step; 20", 3},
    {"report", 'r', "KIND", 0, "text or json; text", 4},
    {0},
};

static uint32_t parse_duration(struct argp_state *state, const char *text)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};

    const size_t length = strlen(text);
    char digits[16] = "";
    uint64_t number = 0;

    if (length > 1 && length < sizeof(digits)) {
        memcpy(digits, text, length - 1);
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (digits[0] != '\0' && text[length - 1] == units[i].unit &&
            parse_number(digits, 1, STORM_SECONDS_MAX / units[i].seconds, &number)) {
            return (uint32_t)number * units[i].seconds;
        }
    }
    argp_error(state, "--for: '%s' is no time; 90s, 10m or 2h, at most a week, would be right",
               text);
    return 0;
}

static uint32_t parse_workloads(struct argp_state *state, const char *text)
{
    if (strcmp(text, "all") == 0) {
        return ALL_WORKLOADS;
    }
    for (enum plan_workload workload = 0; workload < WORKLOAD_COUNT; workload++) {
        if ((ALL_WORKLOADS >> workload & 1) != 0 &&
            strcmp(text, plan_workload_name(workload)) == 0) {
            return 1U << workload;
        }
    }
    argp_error(state,
               "--workload: there is no '%s'; right would be transactions, queue, churn or "
               "all",
               text);
    return 0;
}

static enum plan_source parse_source(struct argp_state *state, const char *text)
{
    for (enum plan_source source = 0; source < SOURCE_COUNT; source++) {
        if (strcmp(text, plan_source_name(source)) == 0) {
            return source;
        }
    }
    argp_error(state, "--source: there is no '%s'; right would be table or sqlite", text);
    return SOURCE_TABLE;
}

static uint64_t parse_seed(struct argp_state *state, const char *text)
{
    uint64_t seed = 0;

    if (!parse_number(text, 0, INT64_MAX, &seed)) {
        argp_error(state,
                   "--seed: '%s' is not a seed; a whole number from 0 to 9223372036854775807 would "
                   "be right",
                   text);
    }
    return seed;
}

/* Who does what: a fifth only reads, a tenth sits in latch waits, a twentieth only sends. */
static void assign_roles(struct plan_world *world)
{
    world->idle = world->backends / 10;
    world->send_only = world->backends / 20;
    world->writers = world->backends - world->idle - world->backends / 5;
}

/* Is it a world? Numbers wrap around often enough to be seen doing it. */
static void check_config(struct argp_state *state, struct plan_world *world)
{
    char message[PLAN_MESSAGE_MAX] = "";

    if (world->config.backends_max != 0) {
        argp_error(state, "--backends-max: there are as many slots as --backends needs; that "
                          "option would be right");
    }
    if (world->config.capacity == 0) {
        world->config.capacity = CAPACITY;
    }
    struct sv_config config = run_config(world);
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        argp_error(state, "%s", message);
    }
    if (world->config.wraparound == 0) {
        world->config.wraparound = WRAPAROUND_RINGS * config.capacity;
    }
}

/* What does not go together. */
static void check(struct argp_state *state, struct arguments *arguments)
{
    struct storm_options *storm = &arguments->storm;

    assign_roles(&storm->world);
    check_config(state, &storm->world);
    if (!arguments->stops_given) {
        storm->stops_per_s = storm->kills_per_s == 0 ? 0 : (storm->kills_per_s + 9) / 10;
    }
    if (storm->world.source == SOURCE_SQLITE &&
        (storm->workloads & 1U << WORKLOAD_TRANSACTIONS) == 0) {
        argp_error(state, "--source: this workload has no source; --workload transactions or all "
                          "would be right");
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct storm_options *storm = &arguments->storm;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &storm->world.config;
        return 0;
    case 'f':
        storm->seconds = parse_duration(state, argument);
        return 0;
    case 'b':
        storm->world.backends = option_number(state, "backends", argument, 1, STORM_BACKENDS_MAX);
        return 0;
    case 'k':
        storm->kills_per_s = option_number(state, "kills", argument, 0, STORM_STRIKES_MAX);
        return 0;
    case 's':
        storm->stops_per_s = option_number(state, "stops", argument, 0, STORM_STRIKES_MAX);
        arguments->stops_given = true;
        return 0;
    case KEY_WORKLOAD:
        storm->workloads = parse_workloads(state, argument);
        return 0;
    case KEY_SOURCE:
        storm->world.source = parse_source(state, argument);
        return 0;
    case KEY_POSTMASTER:
        storm->world.postmaster = true;
        return 0;
    case KEY_ROUND:
        storm->round_s = option_number(state, "round", argument, 1, ROUND_S_MAX);
        return 0;
    case 'S':
        storm->seed = parse_seed(state, argument);
        return 0;
    case KEY_TIMEOUT:
        storm->timeout_ms = 1000 * option_number(state, "timeout", argument, 1, TIMEOUT_S_MAX);
        return 0;
    case 'r':
        arguments->report = option_report(state, argument, false);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is nothing that storm takes; it has options only", argument);
        return 0;
    case ARGP_KEY_END:
        check(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = config_children,
    .doc =
        "Real processes over one segment, and somebody outside who kills and stops them at random "
        "times, knowing nothing of fault points; who is killed is replaced at once. All that they "
        "read is judged, all the while."
        "\vExit status: 0 nothing was found, 1 a property was violated, 2 bad input, 3 the "
        "environment failed. Ctrl-C ends it early, with the table; twice, at once.",
};

#ifdef SV_STORM_IS_PLAYED_HERE

static int play(struct arguments *arguments, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return storm_view(&arguments->storm, arguments->report);
}

#else

/* What was asked for is right: become the program that is linked with the production library. */
static int play(const struct arguments *arguments, int argc, char **argv)
{
    char command[] = "storm";

    (void)arguments;
    return become("sinval-storm", command, argc, argv);
}

#endif

int cmd_storm(int argc, char **argv)
{
    struct arguments arguments = {
        .storm = {.world = {.backends = 20, .keys = 128, .burst = 64},
                  .workloads = ALL_WORKLOADS,
                  .seconds = 60,
                  .round_s = STORM_ROUND_S,
                  .kills_per_s = 10,
                  .seed = 1,
                  .timeout_ms = RUN_TIMEOUT_MS_DEFAULT},
    };

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    return play(&arguments, argc, argv);
}
