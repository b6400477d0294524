/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval run and sinval replay, from their options to their exit status, around a campaign that is
 * made up: the options as they reach the campaign, what the bar says, and what the status is.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>

#include "cli/view.h"
#include "faults/carrier.h"
#include "faults/token.h"
#include "spoken.h"

TestSuite(campaign_view_unit, .timeout = 60);

/* ---- the campaign that is made up ------------------------------------------------------------ */

static struct campaign came;          /* what comes of it; but its options and plans */
static int playing;                   /* what campaign_run returns */
static struct campaign_options given; /* as they reached it */
static struct plan first_plan;

int campaign_run(const struct campaign_options *options, struct campaign *campaign)
{
    given = *options;
    first_plan = options->plans[0];
    if (playing != 0) {
        return playing;
    }
    *campaign = came;
    campaign->options = options;
    campaign->plans = calloc(options->plan_count, sizeof(*campaign->plans));
    options->progress(campaign, options->argument);
    return 0;
}

/* A command with arguments, one space between them. */
static int command(int (*run)(int, char **), const char *arguments, struct spoken *spoken)
{
    static char words[TOKEN_MAX + 128];
    static char name[] = "sinval run";
    char *argv[16] = {name};
    int argc = 1;
    char *rest = NULL;

    (void)snprintf(words, sizeof(words), "%s", arguments);
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    given = (struct campaign_options){0};
    spoken_begin(spoken);
    const int status = run(argc, argv);
    spoken_end(spoken);
    return status;
}

/* ---- options --------------------------------------------------------------------------------- */

enum figure {
    SEED_FIRST,
    SEED_LAST,
    REPEATS,
    BACKENDS,
    TRANSACTIONS,
    JOBS,
    TIMEOUT_MS,
    KEEP_GOING,
    PLANS,
    FIGURES
};

static const char *const figure_names[FIGURES] = {"seed_first", "seed_last",    "repeats",
                                                  "backends",   "transactions", "jobs",
                                                  "timeout_ms", "keep_going",   "plan_count"};

struct change {
    enum figure figure;
    uint64_t value;
};

static void expect_figures(const char *what, const uint64_t expected[FIGURES])
{
    const uint64_t figures[FIGURES] = {given.seed_first, given.seed_last,    given.repeats,
                                       given.backends,   given.transactions, given.jobs,
                                       given.timeout_ms, given.keep_going,   given.plan_count};

    for (enum figure i = 0; i < FIGURES; i++) {
        cr_expect_eq(figures[i], expected[i], "'%s': %s is %" PRIu64 ", not %" PRIu64, what,
                     figure_names[i], figures[i], expected[i]);
    }
}

/* Claim: each option of sinval run changes what it is called after, and nothing else. */
Test(campaign_view_unit, each_option_of_run_reaches_the_campaign)
{
    static const uint64_t presets[FIGURES] = {1, 1, 0, 0, 0, 5, 20000, false, 1};

    static const struct {
        const char *arguments;
        struct change changed[2];
    } rows[] = {
        {"-j5 storm", {{JOBS, 5}, {JOBS, 5}}},
        {"-j5 storm --jobs=7", {{JOBS, 7}, {JOBS, 7}}},
        {"-j5 storm laggard-reset", {{PLANS, 2}, {PLANS, 2}}},
        {"-j5 storm --seed=44", {{SEED_FIRST, 44}, {SEED_LAST, 44}}},
        {"-j5 storm --seeds=45..67", {{SEED_FIRST, 45}, {SEED_LAST, 67}}},
        {"-j5 storm --backends=6", {{BACKENDS, 6}, {BACKENDS, 6}}},
        {"-j5 storm --transactions=77", {{TRANSACTIONS, 77}, {TRANSACTIONS, 77}}},
        {"-j5 storm --timeout=3", {{TIMEOUT_MS, 3000}, {TIMEOUT_MS, 3000}}},
        {"-j5 storm --keep-going", {{KEEP_GOING, true}, {KEEP_GOING, true}}},
        {"-j5 storm -k", {{KEEP_GOING, true}, {KEEP_GOING, true}}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spoken spoken;
        uint64_t expected[FIGURES];
        memcpy(expected, presets, sizeof(presets));
        expected[rows[i].changed[0].figure] = rows[i].changed[0].value;
        expected[rows[i].changed[1].figure] = rows[i].changed[1].value;
        cr_expect_eq(command(cmd_run, rows[i].arguments, &spoken), STATUS_FINE, "%s",
                     spoken.complaint);
        expect_figures(rows[i].arguments, expected);
        cr_expect_str_eq(given.carrier, carrier_kinds[0]->name);
        cr_expect_str_eq(first_plan.name, "storm");
        spoken_free(&spoken);
    }
}

/*
 * Claim:   a token is one run, or as many as --times says, of its plan, seed and numbers, with the
 *          timeout that was asked for, given to sinval replay or to sinval run.
 */
Test(campaign_view_unit, a_token_reaches_the_campaign_with_its_options)
{
    static struct token token = {.seed = 4321, .backends = 5, .transactions = 99};
    static char text[TOKEN_MAX];

    static const struct {
        int (*run)(int, char **);
        const char *options;
        uint32_t repeats;
        uint32_t timeout_ms;
    } rows[] = {
        {cmd_replay, "", 1, 20000},
        {cmd_replay, " --times=7", 7, 20000},
        {cmd_replay, " -n1000", 1000, 20000},
        {cmd_replay, " --timeout=4", 1, 4000},
        {cmd_replay, " --times=8 --timeout=9", 8, 9000},
        {cmd_run, "", 1, 20000},
        {cmd_run, " --timeout=6", 1, 6000},
    };

    char message[PLAN_MESSAGE_MAX];

    cr_assert_eq(plan_find("storm", &token.plan, message, sizeof(message)), 0, "%s", message);
    (void)snprintf(token.carrier, sizeof(token.carrier), "%s", carrier_kinds[1]->name);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint64_t expected[FIGURES] = {
            4321, 4321, rows[i].repeats, 5, 99, 1, rows[i].timeout_ms, false, 1};
        struct spoken spoken;
        const size_t length = token_encode(&token, text);
        (void)snprintf(text + length, sizeof(text) - length, "%s", rows[i].options);
        cr_expect_eq(command(rows[i].run, text, &spoken), STATUS_FINE, "%s", spoken.complaint);
        expect_figures(rows[i].options, expected);
        cr_expect_str_eq(given.carrier, carrier_kinds[1]->name);
        cr_expect_str_eq(first_plan.name, "storm");
        spoken_free(&spoken);
    }
}

/* ---- what is told ---------------------------------------------------------------------------- */

/*
 * Claim:   a failure is status 1; what the environment did is status 3, and said; where both
 *          happened, it is a failure.
 */
Test(campaign_view_unit, the_status_is_that_of_the_campaign)
{
    static const struct {
        uint64_t failed;
        const char *environment;
        int playing;
        int status;
        const char *complaint;
    } rows[] = {
        {0, "", 0, STATUS_FINE, ""},
        {1, "", 0, STATUS_VIOLATED, ""},
        {3, "", 0, STATUS_VIOLATED, ""},
        {0, "no room for a run", 0, STATUS_ENVIRONMENT, ": no room for a run\n"},
        {2, "no room for a run", 0, STATUS_VIOLATED, ""},
        {0, "", -ENOMEM, STATUS_ENVIRONMENT, "no memory for a campaign\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct spoken spoken;
        playing = rows[i].playing;
        came = (struct campaign){.planned = 4, .runs = 4, .seconds = 2, .failed = rows[i].failed};
        (void)snprintf(came.environment.message, sizeof(came.environment.message), "%s",
                       rows[i].environment);
        cr_expect_eq(command(cmd_run, "storm", &spoken), rows[i].status, "row %zu", i);
        expect_said("the status", spoken.complaint, rows[i].complaint);
        spoken_free(&spoken);
    }
}

/* Claim: the bar shows what part is done, the runs a minute, the time that is left, who died. */
Test(campaign_view_unit, the_bar_says_how_far_it_is)
{
    static struct plan plan = {.name = "none"};
    struct campaign_options options = {.plans = &plan, .plan_count = 1};
    struct view view = {.bar = true};
    struct spoken spoken;

    came = (struct campaign){.planned = 1200, .runs = 300, .seconds = 100, .deaths = 41};
    spoken_begin(&spoken);
    const int status = view_campaign(&view, &options);
    spoken_end(&spoken);
    cr_expect_eq(status, STATUS_FINE);
    expect_said(
        "the bar", spoken.complaint,
        "\r[######..................] 300/1200  180 a minute, 5:00 left, 41 killed, 0 failed");
    expect_said("the report", spoken.output, "300 of 1200");
    spoken_free(&spoken);
}
