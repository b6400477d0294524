/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval-sweep: kills the production flavour at every instruction. `sinval sweep` runs it.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sweep/jobs.h"
#include "tests/sweep/operations.h"
#include "tests/sweep/report.h"
#include "tests/sweep/stop.h"

const char *argp_program_version = "sinval-sweep 0.1.0";

enum { ROWS_MAX = 128, FINE = 0, VIOLATED = 1, BAD_INPUT = 2, ENVIRONMENT = 3 };

struct request {
    struct sweep_options sweep;
    uint32_t jobs;
    bool json;
    bool canary; /* must fail */
    uint32_t count;
    struct row rows[ROWS_MAX];
};

/* ---- the command line ---------------------------------------------------------------------- */

enum {
    OPTION_AT = 256,
    OPTION_THEN,
    OPTION_INSIDE,
    OPTION_SHORT,
    OPTION_STRIDE,
    OPTION_ONE_LEVEL,
    OPTION_CANARY,
    OPTION_STOP,
};

static const struct argp_option argp_options[] = {
    {"at", OPTION_AT, "K", 0, "kill after K instructions only", 0},
    {"then", OPTION_THEN, "K", 0, "and then the repairer after K of its own", 0},
    {"inside", OPTION_INSIDE, NULL, 0, "and that inside the system call that comes there", 0},
    {"jobs", 'j', "N", 0, "so many sweeps at once (twice as many as there are processors)", 0},
    {"one-level", OPTION_ONE_LEVEL, NULL, 0, "leave the repairers alone", 0},
    {"stop", OPTION_STOP, NULL, 0,
     "stop it where it touches the segment, see how far the others get, and let it go on", 0},
    {"stride", OPTION_STRIDE, "N", 0, "kill at each N-th instruction only (1)", 0},
    {"short", OPTION_SHORT, NULL, 0,
     "what ctest runs: at about 50 instructions of each operation, evenly spread, and no repairers",
     0},
    {"canary", OPTION_CANARY, "DEFECT", 0,
     "plant a defect, and fail unless it is found: forgets (a survivor, a message), stale "
     "(a survivor, to accept), intent (the victim, to declare it), nameless (a lock, its holder)",
     0},
    {"report", 'r', "text|json", 0, "how to print the table (text)", 0},
    {"list", 'l', NULL, 0, "list the operations and exit", 0},
    {0},
};

static void choose(struct argp_state *state, struct request *request, const char *name)
{
    const uint32_t before = request->count;
    for (size_t t = 0; operation_tables[t] != NULL; t++) {
        for (const struct operation *o = operation_tables[t]; o->name != NULL; o++) {
            if ((name == NULL || strcmp(o->name, name) == 0) && request->count < ROWS_MAX) {
                request->rows[request->count++].operation = o;
            }
        }
    }
    if (request->count == before) {
        argp_error(state, "there is no operation '%s'; --list shows all", name);
    }
}

static void list(void)
{
    for (size_t t = 0; operation_tables[t] != NULL; t++) {
        for (const struct operation *o = operation_tables[t]; o->name != NULL; o++) {
            (void)printf("%-24s %s\n", o->name, o->text);
        }
    }
}

static uint32_t number(struct argp_state *state, const char *text, uint32_t min)
{
    char *end = NULL;
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < min ||
        value > INT32_MAX) {
        argp_error(state, "'%s' is no whole number from %u on", text, min);
    }
    return (uint32_t)value;
}

/* What plants it, and in which operation. */
static void plant(struct argp_state *state, struct request *request, const char *defect)
{
    static const struct {
        const char *defect;
        enum canary canary;
        const struct operation *operation;
    } canaries[] = {
        {"forgets", CANARY_FORGETS, &operation_honest},
        {"stale", CANARY_STALE, &operation_honest},
        {"intent", CANARY_NONE, &operation_dishonest},
        {"nameless", CANARY_NONE, &operation_nameless},
    };

    for (size_t i = 0; i < sizeof(canaries) / sizeof(canaries[0]); i++) {
        if (strcmp(canaries[i].defect, defect) == 0) {
            request->canary = true;
            request->sweep.canary = canaries[i].canary;
            request->sweep.stops = canaries[i].operation == &operation_nameless;
            request->sweep.stride = 0;
            request->sweep.repairers = false;
            request->rows[0].operation = canaries[i].operation;
            request->count = 1;
            return;
        }
    }
    argp_error(state, "there is no defect '%s'", defect);
}

static error_t parse_argument(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        choose(state, request, argument);
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (!request->canary) {
            choose(state, request, NULL);
        }
        return 0;
    case ARGP_KEY_SUCCESS:
        if (request->sweep.at >= 0 && request->count != 1) {
            argp_error(state, "--at is for one operation");
        }
        if (request->sweep.then >= 0 && request->sweep.at < 0) {
            argp_error(state, "--then comes after --at");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;
    switch (key) {
    case OPTION_AT:
        request->sweep.at = number(state, argument, 0);
        return 0;
    case OPTION_THEN:
        request->sweep.then = number(state, argument, 0);
        return 0;
    case OPTION_INSIDE:
        request->sweep.inside = true;
        return 0;
    case OPTION_STRIDE:
        request->sweep.stride = number(state, argument, 1);
        return 0;
    case OPTION_SHORT:
        request->sweep.stride = 0;
        request->sweep.repairers = false;
        return 0;
    case OPTION_ONE_LEVEL:
        request->sweep.repairers = false;
        return 0;
    case OPTION_STOP:
        request->sweep.stops = true;
        request->sweep.repairers = false;
        return 0;
    case OPTION_CANARY:
        plant(state, request, argument);
        return 0;
    case 'j':
        request->jobs = number(state, argument, 1);
        return 0;
    case 'r':
        if (strcmp(argument, "json") != 0 && strcmp(argument, "text") != 0) {
            argp_error(state, "--report takes text or json, not '%s'", argument);
        }
        request->json = strcmp(argument, "json") == 0;
        return 0;
    case 'l':
        list();
        exit(FINE);
    default:
        return parse_argument(key, argument, state);
    }
}

/* ---- the work ------------------------------------------------------------------------------ */

/* The victims of all, or the one death that was asked for. Returns: the number of jobs. */
static uint32_t plan_victims(struct request *request, struct job *jobs)
{
    uint32_t count = 0;
    for (int large = 1; large >= 0; large--) { /* what takes longest begins first */
        for (uint32_t i = 0; i < request->count; i++) {
            const struct operation *operation = request->rows[i].operation;
            if ((operation->keys > KEYS_DEFAULT) == (large != 0)) {
                jobs[count++] =
                    (struct job){.operation = operation,
                                 .options = request->sweep,
                                 .repair_at = request->sweep.then >= 0 ? request->sweep.at : -1,
                                 .row = i};
            }
        }
    }
    return count;
}

/* Each way that repair takes, once, in the order of operations and deaths. */
static uint32_t plan_repairers(struct request *request, struct job *jobs)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        struct sweep_result *result = &request->rows[i].result;
        uint32_t kept = 0;
        for (uint32_t w = 0; w < result->way_count; w++) {
            bool known = false;
            for (uint32_t j = 0; j < count && !known; j++) {
                known = jobs[j].result.ways[0].hash == result->ways[w].hash;
            }
            if (known || count == ROWS_MAX * 16) {
                continue;
            }
            jobs[count] = (struct job){.operation = request->rows[i].operation,
                                       .options = request->sweep,
                                       .repair_at = result->ways[w].at,
                                       .row = i};
            jobs[count++].result.ways[0] = result->ways[w];
            kept++;
        }
        result->way_count = kept;
    }
    return count;
}

static void run(struct request *request, struct job *jobs, uint32_t count)
{
    jobs_run(jobs, count, request->jobs);
    for (uint32_t i = 0; i < count; i++) {
        report_add(&request->rows[jobs[i].row], &jobs[i].result);
    }
}

static int verdict(const struct request *request)
{
    int status = FINE;
    for (uint32_t i = 0; i < request->count; i++) {
        const struct sweep_result *result = &request->rows[i].result;
        if (result->failures > 0) {
            return request->canary ? FINE : VIOLATED;
        }
        status = result->complete ? status : ENVIRONMENT;
    }
    return status == FINE && request->canary ? VIOLATED : status;
}

static void print(const struct request *request)
{
    void (*const text)(const struct row *, uint32_t, const struct sweep_options *) =
        request->sweep.stops ? stops_text : report_text;
    void (*const json)(const struct row *, uint32_t, const struct sweep_options *) =
        request->sweep.stops ? stops_json : report_json;
    (request->json ? json : text)(request->rows, request->count, &request->sweep);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        argp_options,
        parse,
        "[OPERATION...]",
        "Kill a process with SIGKILL after every instruction of an operation, and judge what the "
        "survivors see. On the second level, kill who repairs after it, too.\v"
        "Exit status: 0 fine, 1 a property was violated, 2 bad input, 3 the environment failed.",
        NULL,
        NULL,
        NULL};
    static struct request request = {
        .sweep = {.every_up_to = 5000, .stride = 1, .repairers = true, .at = -1, .then = -1}};
    request.jobs = 2 * (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    argp_err_exit_status = BAD_INPUT;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &request);
    struct job *jobs = jobs_create(ROWS_MAX * 16);
    if (jobs == NULL) {
        (void)fprintf(stderr, "sinval sweep: no memory\n");
        return ENVIRONMENT;
    }
    run(&request, jobs, plan_victims(&request, jobs));
    if (request.sweep.repairers && request.sweep.at < 0) {
        run(&request, jobs, plan_repairers(&request, jobs));
    }
    print(&request);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return ENVIRONMENT;
    }
    return verdict(&request);
}
