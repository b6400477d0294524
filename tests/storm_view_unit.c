/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval storm, from its options to its exit status, around a storm that is made up: the options as
 * they reach the storm, and what is told of what came of it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "cli/storm_view.h"
#include "spoken.h"

TestSuite(storm_view_unit, .timeout = 60);

/* ---- the storm that is made up --------------------------------------------------------------- */

static struct storm came;            /* what comes of it; but its options and result */
static struct finding found;         /* what its last round found */
static int playing;                  /* what storm_play returns */
static struct storm_options options; /* as they reached it */

int storm_play(const struct storm_options *given, struct storm *storm)
{
    options = *given;
    if (playing != 0) {
        return playing;
    }
    *storm = came;
    storm->options = given;
    storm->result = calloc(1, sizeof(*storm->result));
    cr_assert_not_null(storm->result);
    storm->result->finding = found;
    storm->result->details_bytes = 12;
    memcpy(storm->result->details, "the details-", 13);
    return 0;
}

void storm_free(struct storm *storm)
{
    free(storm->result);
}

/* sinval storm, with so many arguments. */
static int storm_command(char *const *arguments, int count, struct spoken *spoken)
{
    char name[] = "sinval storm";
    char *argv[32] = {name};

    memcpy(&argv[1], arguments, (size_t)count * sizeof(argv[0]));
    spoken_begin(spoken);
    const int status = cmd_storm(count + 1, argv);
    spoken_end(spoken);
    return status;
}

static int storm_says(const char *argument, struct spoken *spoken)
{
    char copy[64];
    char *arguments[] = {copy};

    (void)snprintf(copy, sizeof(copy), "%s", argument);
    return storm_command(arguments, argument[0] == '\0' ? 0 : 1, spoken);
}

/* ---- options --------------------------------------------------------------------------------- */

enum figure {
    SECONDS,
    ROUND_S,
    KILLS,
    STOPS,
    SEED,
    TIMEOUT_MS,
    WORKLOADS,
    BACKENDS,
    SOURCE,
    POSTMASTER,
    CAPACITY,
    CLEANUP_MIN,
    CLEANUP_QUANTUM,
    SIGNAL_THRESHOLD,
    WRITE_QUANTUM,
    WRAPAROUND,
    INTENT_MAX,
    FIGURES
};

static const char *const figure_names[FIGURES] = {
    "seconds",    "round_s",     "kills_per_s",     "stops_per_s",      "seed",
    "timeout_ms", "workloads",   "backends",        "source",           "postmaster",
    "capacity",   "cleanup_min", "cleanup_quantum", "signal_threshold", "write_quantum",
    "wraparound", "intent_max"};

enum {
    T = 1 << WORKLOAD_TRANSACTIONS,
    Q = 1 << WORKLOAD_QUEUE,
    C = 1 << WORKLOAD_CHURN,
};

static const uint64_t presets[FIGURES] = {[SECONDS] = 60,
                                          [ROUND_S] = 10,
                                          [KILLS] = 10,
                                          [STOPS] = 1,
                                          [SEED] = 1,
                                          [TIMEOUT_MS] = 20000,
                                          [WORKLOADS] = T | Q | C,
                                          [BACKENDS] = 20,
                                          [CAPACITY] = 16384,
                                          [WRAPAROUND] = 262144};

static void expect_figures(const char *what, const uint64_t expected[FIGURES])
{
    const struct plan_world *world = &options.world;
    const uint64_t figures[FIGURES] = {[SECONDS] = options.seconds,
                                       [ROUND_S] = options.round_s,
                                       [KILLS] = options.kills_per_s,
                                       [STOPS] = options.stops_per_s,
                                       [SEED] = options.seed,
                                       [TIMEOUT_MS] = options.timeout_ms,
                                       [WORKLOADS] = options.workloads,
                                       [BACKENDS] = world->backends,
                                       [SOURCE] = world->source,
                                       [POSTMASTER] = world->postmaster,
                                       [CAPACITY] = world->config.capacity,
                                       [CLEANUP_MIN] = world->config.cleanup_min,
                                       [CLEANUP_QUANTUM] = world->config.cleanup_quantum,
                                       [SIGNAL_THRESHOLD] = world->config.signal_threshold,
                                       [WRITE_QUANTUM] = world->config.write_quantum,
                                       [WRAPAROUND] = world->config.wraparound,
                                       [INTENT_MAX] = world->config.intent_max};

    for (enum figure i = 0; i < FIGURES; i++) {
        cr_expect_eq(figures[i], expected[i], "'%s': %s is %" PRIu64 ", not %" PRIu64, what,
                     figure_names[i], figures[i], expected[i]);
    }
}

/*
 * Claim:   each option changes what it is called after, and nothing else; there are a tenth as many
 *          stops as kills where nobody asked for another number.
 * Method:  each option by itself, then all at once.
 */
Test(storm_view_unit, each_option_reaches_the_storm)
{
    static const struct {
        const char *argument;

        struct {
            enum figure figure;
            uint64_t value;
        } changed[2];
    } rows[] = {
        {"", {{SECONDS, 60}, {SECONDS, 60}}},
        {"--for=7s", {{SECONDS, 7}, {SECONDS, 7}}},
        {"--for=2m", {{SECONDS, 120}, {SECONDS, 120}}},
        {"--for=3h", {{SECONDS, 10800}, {SECONDS, 10800}}},
        {"--round=3", {{ROUND_S, 3}, {ROUND_S, 3}}},
        {"--kills=37", {{KILLS, 37}, {STOPS, 4}}},
        {"--kills=0", {{KILLS, 0}, {STOPS, 0}}},
        {"--stops=23", {{STOPS, 23}, {STOPS, 23}}},
        {"--stops=0", {{STOPS, 0}, {STOPS, 0}}},
        {"--seed=9223372036854775807", {{SEED, INT64_MAX}, {SEED, INT64_MAX}}},
        {"--seed=0", {{SEED, 0}, {SEED, 0}}},
        {"--timeout=5", {{TIMEOUT_MS, 5000}, {TIMEOUT_MS, 5000}}},
        {"--workload=transactions", {{WORKLOADS, T}, {WORKLOADS, T}}},
        {"--workload=queue", {{WORKLOADS, Q}, {WORKLOADS, Q}}},
        {"--workload=churn", {{WORKLOADS, C}, {WORKLOADS, C}}},
        {"--workload=all", {{WORKLOADS, T | Q | C}, {WORKLOADS, T | Q | C}}},
        {"--backends=43", {{BACKENDS, 43}, {BACKENDS, 43}}},
        {"--source=sqlite", {{SOURCE, SOURCE_SQLITE}, {SOURCE, SOURCE_SQLITE}}},
        {"--postmaster", {{POSTMASTER, true}, {POSTMASTER, true}}},
        {"--capacity=64", {{CAPACITY, 64}, {WRAPAROUND, 1024}}},
        {"--cleanup-min=55", {{CLEANUP_MIN, 55}, {CLEANUP_MIN, 55}}},
        {"--cleanup-quantum=66", {{CLEANUP_QUANTUM, 66}, {CLEANUP_QUANTUM, 66}}},
        {"--signal-threshold=88", {{SIGNAL_THRESHOLD, 88}, {SIGNAL_THRESHOLD, 88}}},
        {"--write-quantum=99", {{WRITE_QUANTUM, 99}, {WRITE_QUANTUM, 99}}},
        {"--wraparound=32768", {{WRAPAROUND, 32768}, {WRAPAROUND, 32768}}},
        {"--intent-max=77", {{INTENT_MAX, 77}, {INTENT_MAX, 77}}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spoken spoken;
        uint64_t expected[FIGURES];
        memcpy(expected, presets, sizeof(presets));
        expected[rows[i].changed[0].figure] = rows[i].changed[0].value;
        expected[rows[i].changed[1].figure] = rows[i].changed[1].value;
        cr_expect_eq(storm_says(rows[i].argument, &spoken), STATUS_FINE);
        expect_figures(rows[i].argument, expected);
        spoken_free(&spoken);
    }
}

Test(storm_view_unit, all_options_reach_the_storm_together)
{
    static const uint64_t expected[FIGURES] = {2, 3,  4, 5,  6,  7000, T,  8, SOURCE_SQLITE,
                                               1, 16, 9, 10, 11, 12,   32, 14};
    static char words[FIGURES][24] = {"-f2s",
                                      "--round=3",
                                      "-k4",
                                      "-s5",
                                      "-S6",
                                      "--timeout=7",
                                      "--workload=transactions",
                                      "-b8",
                                      "--source=sqlite",
                                      "--postmaster",
                                      "--capacity=16",
                                      "--cleanup-min=9",
                                      "--cleanup-quantum=10",
                                      "--signal-threshold=11",
                                      "--write-quantum=12",
                                      "--wraparound=32",
                                      "--intent-max=14"};
    char *arguments[FIGURES];
    struct spoken spoken;

    for (enum figure i = 0; i < FIGURES; i++) {
        arguments[i] = words[i];
    }
    cr_expect_eq(storm_command(arguments, FIGURES, &spoken), STATUS_FINE);
    expect_figures("all", expected);
    spoken_free(&spoken);
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* Every figure another one. */
static void make_up(enum run_outcome outcome, enum oracle oracle)
{
    came =
        (struct storm){.seconds = 125,
                       .rounds = 4,
                       .started = 701,
                       .deaths = 250,
                       .reads = 900001,
                       .points = 17,
                       .strikes = {[WAIT_FOR_KILLED] = 251, [WAIT_FOR_STOPPED] = 50},
                       .longest_ns = {[WAIT_FOR_KILLED] = 1500000, [WAIT_FOR_STOPPED] = 203500000},
                       .slots_used = 33,
                       .outcome = outcome};
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        came.events[stat] = 5000 + (uint64_t)stat;
    }
    found = (struct finding){.oracle = oracle, .message = "what was found"};
}

static void expect_row(const char *output, const char *label, const char *figure)
{
    char line[160];

    (void)snprintf(line, sizeof(line), "| %-32s | %s |\n", label, figure);
    expect_said("the table", output, line);
}

/* Claim: each figure of the table is that of the storm. */
Test(storm_view_unit, the_table_has_each_figure)
{
    static const struct {
        const char *label;
        const char *figure;
    } rows[] = {
        {"time", "2 min 5 s, 4 rounds"},
        {"backends", "20 at a time, 701 in all, without a postmaster"},
        {"workloads", "transactions, queue, churn; source: table"},
        {"killed", "250, 2.0 a second"},
        {"stopped for 1 to 200 ms", "50, 0.4 a second"},
        {"transactions", "5015 committed, 5016 rolled back"},
        {"messages", "5000 sent, 5001 read"},
        {"wraparounds", "5010"},
        {"repairs", "5011 locks taken over, 5012 slots settled, 5013 intents sent again"},
        {"slots", "33 ever used, none in use after any round"},
        {"longest wait for one killed", "1.5 ms"},
        {"longest wait for one stopped", "203.5 ms"},
        {"resets", "5002 of laggards, 5003 asked for, 5004 by repair"},
        {"resets for each death", "40.0280"},
        {"stale reads", "0 of 900001 reads that were judged"},
        {"messages lost, torn or twice", "0"},
        {"verdict", "nothing was violated"},
    };
    struct spoken spoken;

    make_up(RUN_PASSED, ORACLE_NONE);
    cr_expect_eq(storm_says("", &spoken), STATUS_FINE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_row(spoken.output, rows[i].label, rows[i].figure);
    }
    spoken_free(&spoken);
}

static double number_at(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(root, key);

    cr_expect(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

/* Claim: and so is each of JSON. */
Test(storm_view_unit, json_has_each_figure)
{
    static const struct {
        const char *key;
        double value;
    } rows[] = {
        {"seconds", 125},
        {"rounds", 4},
        {"backends", 20},
        {"started", 701},
        {"killed", 250},
        {"stopped", 50},
        {"slots_used", 33},
        {"longest_wait_for_killed_ms", 1.5},
        {"longest_wait_for_stopped_ms", 203.5},
        {"reads", 900001},
        {"resets_per_death", 40.028},
        {"stale_reads", 0},
        {"messages_wrong", 0},
        {"points_reached", 17},
    };
    struct spoken spoken;

    make_up(RUN_PASSED, ORACLE_NONE);
    cr_expect_eq(storm_says("--report=json", &spoken), STATUS_FINE);
    json_t *root = json_loads(spoken.output, 0, NULL);
    cr_assert_not_null(root, "%s", spoken.output);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_float_eq(number_at(root, rows[i].key), rows[i].value, 1e-6, "%s is %g, not %g",
                           rows[i].key, number_at(root, rows[i].key), rows[i].value);
    }
    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        cr_expect_eq(number_at(json_object_get(root, "events"), sv_stat_name(stat)),
                     5000 + (int)stat);
    }
    cr_expect(json_is_false(json_object_get(root, "interrupted")));
    cr_expect_null(json_object_get(root, "failure"));
    json_decref(root);
    spoken_free(&spoken);
}

static void expect_red_json(enum oracle oracle)
{
    struct spoken spoken;

    cr_expect_eq(storm_says("--report=json", &spoken), STATUS_VIOLATED);
    json_t *root = json_loads(spoken.output, 0, NULL);
    cr_assert_not_null(root, "%s", spoken.output);
    cr_expect_eq(number_at(root, "stale_reads"), oracle == ORACLE_O1);
    cr_expect_eq(number_at(root, "messages_wrong"), oracle == ORACLE_O2);
    const json_t *failure = json_object_get(root, "failure");
    cr_assert_not_null(failure, "%s", spoken.output);
    cr_expect_str_eq(json_string_value(json_object_get(failure, "oracle")), oracle_name(oracle));
    cr_expect_str_eq(json_string_value(json_object_get(failure, "message")), "what was found");
    cr_expect_eq(number_at(failure, "round"), 4);
    json_decref(root);
    spoken_free(&spoken);
}

static void expect_red_text(enum oracle oracle)
{
    struct spoken spoken;
    char line[160];

    cr_expect_eq(storm_says("--seed=61", &spoken), STATUS_VIOLATED);
    (void)snprintf(line, sizeof(line), "FAILED in round 4 of seed 61\n%s, %s: what was found\n%s",
                   oracle_name(oracle), oracle_text(oracle), "the details-\n");
    expect_said("red", spoken.output, line);
    expect_row(spoken.output, "stale reads",
               oracle == ORACLE_O1 ? "1 of 900001 reads that were judged"
                                   : "0 of 900001 reads that were judged");
    expect_row(spoken.output, "messages lost, torn or twice", oracle == ORACLE_O2 ? "1" : "0");
    expect_row(spoken.output, "slots", "33 ever used, not judged at the end");
    expect_row(spoken.output, "verdict", "FAILED; cut short");
    expect_said("red", spoken.complaint, "");
    spoken_free(&spoken);
}

/*
 * Claim:   whatever was violated, the status is 1, the failure is told, and a stale read or a wrong
 *          message is counted as what it is.
 */
Test(storm_view_unit, a_red_storm_is_status_1_and_counts_what_was_violated)
{
    for (enum oracle oracle = ORACLE_O1; oracle < ORACLE_COUNT; oracle++) {
        make_up(RUN_VIOLATED, oracle);
        expect_red_text(oracle);
        expect_red_json(oracle);
    }
}

/* Claim: what the environment did is status 3, and said; an interrupt is no failure, and told. */
Test(storm_view_unit, the_other_ends_are_told)
{
    struct spoken spoken;

    make_up(RUN_ENVIRONMENT, ORACLE_NONE);
    cr_expect_eq(storm_says("", &spoken), STATUS_ENVIRONMENT);
    expect_row(spoken.output, "verdict", "nothing was violated; cut short");
    expect_said("environment", spoken.complaint, ": what was found\n");
    spoken_free(&spoken);

    make_up(RUN_PASSED, ORACLE_NONE);
    came.interrupted = true;
    cr_expect_eq(storm_says("", &spoken), STATUS_FINE);
    expect_row(spoken.output, "verdict", "nothing was violated; interrupted");
    spoken_free(&spoken);

    playing = -ENOMEM;
    cr_expect_eq(storm_says("", &spoken), STATUS_ENVIRONMENT);
    expect_said("no memory", spoken.complaint, "no memory for a storm");
    spoken_free(&spoken);
}
