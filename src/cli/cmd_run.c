/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval run: plans of faults on real processes, on threads, or on simulated ones, judged.
 *
 * Everything the user gave is checked before anything is started.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cli/view.h"
#include "faults/carrier.h"

#define TIMEOUT_S_MAX 86400

enum { KEY_SEEDS = 256, KEY_CARRIER, KEY_TRANSACTIONS, KEY_TIMEOUT, KEY_WITHOUT };

struct arguments {
    struct campaign_options campaign;
    struct view view;
    const char **plans; /* as given */
    uint32_t plan_count;
    char *token;      /* in the place of plans */
    uint32_t without; /* bit per enum action */
    bool seed_given;
};

static const struct argp_option options[] = {
    {"seed", 's', "N", 0, "Play seed N; 1", 1},
    {"seeds", KEY_SEEDS, "A..B", 0, "Play the seeds from A to B", 1},
    {"carrier", KEY_CARRIER, "KIND", 0,
     "What backends are made of: process, thread or fiber; process", 2},
    {"backends", 'b', "N", 0, "N backends instead of the plan's", 2},
    {"transactions", KEY_TRANSACTIONS, "N", 0, "N steps each instead of the plan's", 2},
    {"without", KEY_WITHOUT, "ACTION", 0, "Leave out the plans' faults of that action", 2},
    {"jobs", 'j', "N", 0, "N runs at a time; as many as there are processors", 3},
    {"timeout", KEY_TIMEOUT, "S", 0, "Call it a hang after S seconds without a step; 20", 3},
    {"keep-going", 'k', NULL, 0, "Go on after a failure", 3},
    {"report", 'r', "KIND", 0, "text, json or junit; text", 4},
    {"output", 'o', "FILE", 0, "Write the report to FILE, and text to standard output", 4},
    {0},
};

static void parse_seed(struct argp_state *state, struct arguments *arguments, const char *text)
{
    uint64_t seed;

    if (!parse_number(text, 0, INT64_MAX, &seed)) {
        argp_error(state,
                   "--seed: '%s' is not a seed; a whole number from 0 to 9223372036854775807 would "
                   "be right",
                   text);
    }
    arguments->campaign.seed_first = seed;
    arguments->campaign.seed_last = seed;
}

static void parse_seeds(struct argp_state *state, struct arguments *arguments, const char *text)
{
    struct campaign_options *campaign = &arguments->campaign;
    const char *dots = strstr(text, "..");
    char first[32] = "";

    if (dots != NULL && (size_t)(dots - text) < sizeof(first)) {
        memcpy(first, text, (size_t)(dots - text));
    }
    if (dots == NULL || !parse_number(first, 0, INT64_MAX, &campaign->seed_first) ||
        !parse_number(dots + 2, 0, INT64_MAX, &campaign->seed_last)) {
        argp_error(state,
                   "--seeds: '%s' is no range; two whole numbers from 0 to 9223372036854775807, as "
                   "in 1..200, would be right (--seed takes one)",
                   text);
    }
    if (campaign->seed_first > campaign->seed_last) {
        argp_error(state, "--seeds: '%s' is empty; the first seed may not be above the last", text);
    }
    if (campaign->seed_last - campaign->seed_first >= CAMPAIGN_SEEDS_MAX) {
        argp_error(state, "--seeds: '%s' are too many; at most %llu would be right", text,
                   (unsigned long long)CAMPAIGN_SEEDS_MAX);
    }
}

static void parse_carrier(struct argp_state *state, struct arguments *arguments, const char *text)
{
    if (carrier_find(text, false) == NULL && !is_carried_elsewhere(text, NULL)) {
        argp_error(state, "--carrier: there is no '%s'; right would be %s", text, carrier_names());
    }
    arguments->campaign.carrier = text;
}

static void parse_without(struct argp_state *state, struct arguments *arguments, const char *text)
{
    const enum action action = action_find(text);
    char actions[POINT_NEAREST_MAX * 2];

    if (action == ACTION_NONE) {
        argp_error(state, "--without: '%s' is no action; right would be %s", text,
                   point_actions_text((1U << ACTION_COUNT) - 1, actions, sizeof(actions)));
    } else {
        arguments->without |= 1U << action;
    }
}

static void parse_seed_once(struct argp_state *state, struct arguments *arguments, int key,
                            const char *text)
{
    if (arguments->seed_given) {
        argp_error(state, "one of --seed and --seeds, once, would be right");
    }
    arguments->seed_given = true;
    (key == 's' ? parse_seed : parse_seeds)(state, arguments, text);
}

/* A token says all of a run. */
static void refuse_beside_token(struct argp_state *state, const struct arguments *arguments)
{
    const struct campaign_options *campaign = &arguments->campaign;

    if (arguments->token != NULL &&
        (arguments->plan_count > 1 || arguments->seed_given || arguments->without != 0 ||
         campaign->backends != 0 || campaign->transactions != 0)) {
        argp_error(state, "a token is a whole run; it alone, perhaps with --timeout, --report or "
                          "--output, would be right");
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct campaign_options *campaign = &arguments->campaign;

    switch (key) {
    case 's':
    case KEY_SEEDS:
        parse_seed_once(state, arguments, key, argument);
        return 0;
    case KEY_CARRIER:
        parse_carrier(state, arguments, argument);
        return 0;
    case 'b':
        campaign->backends = option_number(state, "backends", argument, 1, PLAN_BACKENDS_MAX);
        return 0;
    case KEY_TRANSACTIONS:
        campaign->transactions = option_number(state, "transactions", argument, 1, 1000000);
        return 0;
    case 'j':
        campaign->jobs = option_number(state, "jobs", argument, 1, CAMPAIGN_JOBS_MAX);
        return 0;
    case KEY_WITHOUT:
        parse_without(state, arguments, argument);
        return 0;
    case KEY_TIMEOUT:
        campaign->timeout_ms = 1000 * option_number(state, "timeout", argument, 1, TIMEOUT_S_MAX);
        return 0;
    case 'k':
        campaign->keep_going = true;
        return 0;
    case 'r':
        arguments->view.report = option_report(state, argument, true);
        return 0;
    case 'o':
        arguments->view.output = argument;
        return 0;
    case ARGP_KEY_ARG:
        arguments->token = is_token(argument) ? argument : arguments->token;
        arguments->plans[arguments->plan_count++] = argument;
        return 0;
    case ARGP_KEY_END:
        refuse_beside_token(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[PLAN...]\nTOKEN",
    .doc =
        "Run plans of faults on real processes, on threads of one, or on fibers of a simulated "
        "machine, where a run is the same each time, and judge what came of it. A PLAN is the name "
        "of one that comes with sinval, or a file; without any, all that come with it are run, but "
        "those that the carrier cannot carry. A TOKEN is replayed."
        "\vExit status: 0 all runs passed, 1 a property was violated, 2 bad input, 3 the "
        "environment failed. A failure ends with a line `sinval replay TOKEN' that repeats it.",
};

/* As many jobs as there are processors for us. */
static uint32_t processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    const uint32_t count = (uint32_t)CPU_COUNT(&set);
    return count < CAMPAIGN_JOBS_MAX ? count : CAMPAIGN_JOBS_MAX;
}

/* Returns: an exit status; *plans are to be freed. */
static int load_plans(const struct arguments *arguments, struct plan **plans, uint32_t *count)
{
    char message[PLAN_MESSAGE_MAX];
    const bool all = arguments->plan_count == 0;

    *count = all ? plan_shipped_count() : arguments->plan_count;
    *plans = calloc(*count, sizeof(**plans));
    if (*plans == NULL) {
        return complain(STATUS_ENVIRONMENT, "no memory for %u plans", *count);
    }
    for (uint32_t i = 0; i < *count; i++) {
        const char *name = all ? plan_shipped_name(i) : arguments->plans[i];
        if (plan_find(name, &(*plans)[i], message, sizeof(message)) != 0) {
            return complain(STATUS_BAD_INPUT, "%s", message);
        }
        for (enum action action = 0; action < ACTION_COUNT; action++) {
            if ((arguments->without >> action & 1) != 0) {
                plan_without(&(*plans)[i], action);
            }
        }
    }
    return STATUS_FINE;
}

/*
 * What the carrier cannot carry is left out and told in one line, or, where it was asked for,
 * refused. Returns: an exit status.
 */
static int keep_carried(const struct arguments *arguments, struct plan *plans, uint32_t *count)
{
    const struct carrier_kind *kind = carrier_find(arguments->campaign.carrier, false);
    char why[CARRIER_WHY_MAX];
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *count; i++) {
        struct plan plan = plans[i];
        plan_override(&plan, arguments->campaign.backends, arguments->campaign.transactions);
        if (carrier_carries(kind, &plan, why)) {
            plans[kept++] = plans[i];
        } else if (arguments->plan_count > 0) {
            return complain(
                STATUS_BAD_INPUT,
                "plan '%s' is not for --carrier %s: %s; --carrier process would be right",
                plans[i].name, kind->name, why);
        } else {
            (void)fprintf(stderr, "%s%s (%s)", kept == i ? "left out: " : ", ", plans[i].name, why);
        }
    }
    if (kept < *count) {
        (void)fputc('\n', stderr);
    }
    *count = kept;
    return STATUS_FINE;
}

int cmd_run(int argc, char **argv)
{
    struct arguments arguments = {
        .campaign = {.seed_first = 1,
                     .seed_last = 1,
                     .carrier = carrier_kinds[0]->name,
                     .jobs = processors(),
                     .timeout_ms = RUN_TIMEOUT_MS_DEFAULT},
        .plans = calloc((size_t)argc, sizeof(char *)),
    };
    struct plan *plans = NULL;

    if (arguments.plans == NULL) {
        return complain(STATUS_ENVIRONMENT, "no memory");
    }
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (is_carried_elsewhere(arguments.campaign.carrier, arguments.token)) {
        char command[] = "run";
        free(arguments.plans);
        return become_carrier(command, argc, argv);
    }
    if (arguments.token != NULL) {
        free(arguments.plans);
        return replay_token(&arguments.view, arguments.token, 1, arguments.campaign.timeout_ms);
    }
    int status = load_plans(&arguments, &plans, &arguments.campaign.plan_count);
    if (status == STATUS_FINE) {
        status = keep_carried(&arguments, plans, &arguments.campaign.plan_count);
    }
    if (status == STATUS_FINE) {
        status = view_open(&arguments.view);
    }
    if (status == STATUS_FINE) {
        arguments.campaign.plans = plans;
        status = view_campaign(&arguments.view, &arguments.campaign);
    }
    free(plans);
    free(arguments.plans);
    return status;
}
