/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval replay: the run that a token names, once more, or several times.
 *
 * Every decision about a fault is repeated; the operating system still chooses the interleaving, so
 * a failure that hangs on it may need a few tries. A token of sinval explore is another matter: it
 * says everything, and sinval-explore repeats and tells it.
 */
#include <string.h>
#include <unistd.h>

#include "cli/view.h"
#include "faults/carrier.h"
#include "faults/token.h"

#define CHECKSUM_DIGITS 8

enum { KEY_TIMEOUT = 256, KEY_ALL, KEY_GDB };

struct arguments {
    struct view view;
    char *token;
    uint32_t times;
    uint32_t timeout_ms;
    bool all;
    bool gdb;
    bool reports; /* an option was given that is of runs */
};

static const struct argp_option options[] = {
    {"times", 'n', "N", 0, "Repeat it N times, or to the first failure; 1", 0},
    {"timeout", KEY_TIMEOUT, "S", 0, "Call it a hang after S seconds without a step; 20", 0},
    {"report", 'r', "KIND", 0, "text, json or junit; text", 0},
    {"output", 'o', "FILE", 0, "Write the report to FILE, and text to standard output", 0},
    {"all", KEY_ALL, NULL, 0, "Of the explorer: tell also what concerns one backend alone", 0},
    {"gdb", KEY_GDB, NULL, 0, "Of the explorer: in gdb, at the fatal step", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    arguments->reports |= key == 'n' || key == KEY_TIMEOUT || key == 'r' || key == 'o';
    switch (key) {
    case 'n':
        arguments->times = option_number(state, "times", argument, 1, 1000000);
        return 0;
    case KEY_TIMEOUT:
        arguments->timeout_ms = 1000 * option_number(state, "timeout", argument, 1, 86400);
        return 0;
    case 'r':
        arguments->view.report = option_report(state, argument, true);
        return 0;
    case 'o':
        arguments->view.output = argument;
        return 0;
    case KEY_ALL:
        arguments->all = true;
        return 0;
    case KEY_GDB:
        arguments->gdb = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->token != NULL) {
            argp_error(state, "one token would be right");
        }
        arguments->token = argument;
        return 0;
    case ARGP_KEY_END:
        if (arguments->token == NULL) {
            argp_error(state, "a token would be right, as a failure of `sinval run' or `sinval "
                              "explore' prints it");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "TOKEN",
    .doc = "Repeat the run that TOKEN names: the same plan, world and seed, and every decision "
           "about a fault as it was."
           "\vThe operating system still chooses the interleaving: with --times it gets more "
           "chances; of a run on fibers the token says that, too. A token of `sinval explore' says "
           "all of it, and is told step by step; of the options --all and --gdb apply. Exit "
           "status: 0 passed, 1 a "
           "property was violated, 2 bad input, 3 the "
           "environment failed.",
};

bool is_token(const char *word)
{
    const size_t length = strlen(word);
    const char *checksum = length > CHECKSUM_DIGITS ? word + length - CHECKSUM_DIGITS : word;

    return is_explorer_token(word) ||
           (checksum > word && checksum[-1] == '-' && strchr(word, '.') != NULL &&
            strspn(checksum, "0123456789abcdef") == CHECKSUM_DIGITS && access(word, F_OK) != 0);
}

int replay_token(struct view *view, char *word, uint32_t times, uint32_t timeout_ms)
{
    static struct token token;
    char message[PLAN_MESSAGE_MAX];
    char why[CARRIER_WHY_MAX];

    if (is_explorer_token(word)) {
        return replay_explored(word, false, false);
    }
    if (token_decode(word, &token, message, sizeof(message)) != 0) {
        return complain(STATUS_BAD_INPUT, "%s", message);
    }
    if (carrier_find(token.carrier, false) == NULL) {
        return complain(STATUS_BAD_INPUT, "the token is of a run on '%s'; this program has %s",
                        token.carrier, carrier_names());
    }
    if (!carrier_carries(carrier_find(token.carrier, false), &token.plan, why)) {
        return complain(STATUS_BAD_INPUT,
                        "plan '%s' is not for carrier '%s': %s; the token is of no run",
                        token.plan.name, token.carrier, why);
    }
    struct campaign_options campaign = {
        .plans = &token.plan,
        .plan_count = 1,
        .seed_first = token.seed,
        .seed_last = token.seed,
        .repeats = times,
        .backends = token.backends,
        .transactions = token.transactions,
        .carrier = token.carrier,
        .jobs = 1,
        .timeout_ms = timeout_ms,
    };
    const int status = view_open(view);
    return status != STATUS_FINE ? status : view_campaign(view, &campaign);
}

int cmd_replay(int argc, char **argv)
{
    struct arguments arguments = {.times = 1, .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (is_carried_elsewhere(NULL, arguments.token)) {
        char command[] = "replay";
        return become_carrier(command, argc, argv);
    }
    if (is_explorer_token(arguments.token) && arguments.reports) {
        return complain(STATUS_BAD_INPUT,
                        "of the options only --all and --gdb are for tokens of `sinval explore'");
    }
    if (is_explorer_token(arguments.token)) {
        return replay_explored(arguments.token, arguments.all, arguments.gdb);
    }
    if (arguments.all || arguments.gdb) {
        return complain(STATUS_BAD_INPUT, "--all and --gdb are for tokens of `sinval explore'");
    }
    return replay_token(&arguments.view, arguments.token, arguments.times, arguments.timeout_ms);
}
