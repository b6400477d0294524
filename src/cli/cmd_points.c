/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval points: the catalogue of fault points, with who gets there and which of the plans that
 * come with sinval make something go wrong there.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "faults/plan.h"

/* Who comes by, by the beginning of a point's path; the first that fits. */
static const struct {
    const char *prefix;
    const char *who;
} visitors[] = {
    {"segment/", "who creates a segment"},
    {"backend/detach/", "who detaches"},
    {"backend/", "who attaches"},
    {"lock/app_", "the application, around what its own lock guards"},
    {"lock/table_shared", "who reads the table: a cache miss"},
    {"lock/table_exclusive", "who commits to the table"},
    {"lock/write_exclusive", "who inserts, cleans up, attaches or detaches"},
    {"lock/read_shared", "who reads the queue: an accept that finds something"},
    {"lock/read_exclusive", "who cleans up"},
    {"latch/set/", "who wakes another backend"},
    {"latch/wait/", "who waits: an idle backend"},
    {"signal/send/", "who sends a catchup or a barrier"},
    {"signal/handler/", "who is signaled"},
    {"queue/insert/", "who inserts: a committing writer"},
    {"queue/copy/", "who inserts: a committing writer"},
    {"queue/publish/", "who inserts: a committing writer"},
    {"queue/read/", "who reads the queue: an accept that finds something"},
    {"queue/reset/taken", "who was marked for reset, at its next read"},
    {"queue/reset/all", "who sends more than an intent holds, or settles one who did"},
    {"queue/join/", "who attaches"},
    {"queue/", "who cleans up: a writer past the threshold, or who has just caught up"},
    {"intent/", "who commits"},
    {"commit/", "who commits"},
    {"table/apply/", "who commits to the table, or repairs what a dead one recorded"},
    {"table/", "who commits to the table"},
    {"sqlite/", "who commits to SQLite"},
    {"recover/", "who finds a dead backend"},
    {"accept/", "who accepts messages"},
    {"cache/", "who searches a cache and misses"},
    {"relcache/", "who opens or rebuilds a relation"},
};

static const char *visitor(enum sv_point point)
{
    const char *path = point_entries[point].path;
    for (size_t i = 0; i < sizeof(visitors) / sizeof(visitors[0]); i++) {
        if (strncmp(path, visitors[i].prefix, strlen(visitors[i].prefix)) == 0) {
            return visitors[i].who;
        }
    }
    return "whoever runs into it";
}

struct arguments {
    enum report report;
    bool chosen[SV_POINT_COUNT];
    bool all;
};

/* The plans that come with sinval. */
struct shipped {
    struct plan *plans;
    uint32_t count;
};

static int load_shipped(struct shipped *shipped)
{
    char message[PLAN_MESSAGE_MAX];
    shipped->count = plan_shipped_count();
    shipped->plans = calloc(shipped->count, sizeof(*shipped->plans));
    if (shipped->plans == NULL) {
        return complain(STATUS_ENVIRONMENT, "no memory for %u plans", shipped->count);
    }
    for (uint32_t i = 0; i < shipped->count; i++) {
        if (plan_load_shipped(plan_shipped_name(i), &shipped->plans[i], message, sizeof(message)) !=
            0) {
            return complain(STATUS_ENVIRONMENT, "%s", message);
        }
    }
    return STATUS_FINE;
}

/* Does a world of the plan ever get there? A source's points need that source. */
static bool gets_there(const struct plan *plan, enum sv_point point)
{
    const char *path = point_entries[point].path;
    const bool transactions = plan->world.workload != WORKLOAD_QUEUE;
    if (strncmp(path, "sqlite/", strlen("sqlite/")) == 0) {
        return transactions && plan->world.source == SOURCE_SQLITE;
    }
    if (strncmp(path, "table/", strlen("table/")) == 0) {
        return transactions && plan->world.source == SOURCE_TABLE;
    }
    return true;
}

/* Bit per action that a plan may take at a point. */
static uint32_t fires(const struct plan *plan, enum sv_point point)
{
    uint32_t actions = 0;
    for (uint32_t i = 0; gets_there(plan, point) && i < plan->fault_count; i++) {
        if (fault_applies(&plan->faults[i], point)) {
            actions |= UINT32_C(1) << plan->faults[i].action;
        }
    }
    return actions;
}

/* ---- text -------------------------------------------------------------------------------- */

static void print_actions(uint32_t actions, const char *separator)
{
    const char *before = "";
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        if ((actions >> action & 1) != 0) {
            printf("%s%s", before, action_name(action));
            before = separator;
        }
    }
}

/* Returns: by how many plans it is fired. */
static uint32_t print_firers(const struct shipped *shipped, enum sv_point point)
{
    uint32_t count = 0;
    fputs("    fired by   ", stdout);
    for (uint32_t i = 0; i < shipped->count; i++) {
        const uint32_t actions = fires(&shipped->plans[i], point);
        if (actions != 0) {
            printf("%s%s (", count > 0 ? ", " : "", shipped->plans[i].name);
            print_actions(actions, ", ");
            putchar(')');
            count++;
        }
    }
    puts(count > 0 ? "" : "no plan that comes with sinval");
    return count;
}

static void print_text(const struct arguments *arguments, const struct shipped *shipped)
{
    uint32_t shown = 0;
    uint32_t fired = 0;
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (!arguments->all && !arguments->chosen[point]) {
            continue;
        }
        const struct point_entry *entry = &point_entries[point];
        printf("%-34s ", entry->path);
        print_actions(entry->actions, " ");
        printf("\n    where      %s\n    dying here %s\n    reached by %s\n", entry->where,
               entry->death, visitor(point));
        fired += print_firers(shipped, point) > 0;
        shown++;
    }
    printf("\n%u points, %u of them fired by the %u plans that come with sinval\n", shown, fired,
           shipped->count);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *json_actions(uint32_t actions)
{
    json_t *array = json_array();
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        if ((actions >> action & 1) != 0) {
            json_array_append_new(array, json_string(action_name(action)));
        }
    }
    return array;
}

static json_t *json_point(const struct shipped *shipped, enum sv_point point)
{
    const struct point_entry *entry = &point_entries[point];
    json_t *plans = json_array();
    for (uint32_t i = 0; i < shipped->count; i++) {
        const uint32_t actions = fires(&shipped->plans[i], point);
        if (actions != 0) {
            json_array_append_new(plans, json_pack("{s:s, s:o}", "plan", shipped->plans[i].name,
                                                   "actions", json_actions(actions)));
        }
    }
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:o}", "point", entry->path, "actions",
                     json_actions(entry->actions), "where", entry->where, "death", entry->death,
                     "reached_by", visitor(point), "fired_by", plans);
}

static void print_json(const struct arguments *arguments, const struct shipped *shipped)
{
    json_t *points = json_array();
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (arguments->all || arguments->chosen[point]) {
            json_array_append_new(points, json_point(shipped, point));
        }
    }
    json_t *report = json_pack("{s:o}", "points", points);
    (void)json_dumpf(report, stdout, JSON_INDENT(2)); /* output is checked at exit */
    putchar('\n');
    json_decref(report);
}

/* ---- the command ------------------------------------------------------------------------- */

static void choose(struct argp_state *state, struct arguments *arguments, const char *pattern)
{
    bool any = false;
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (point_matches(pattern, point)) {
            arguments->chosen[point] = true;
            any = true;
        }
    }
    if (!any) {
        char text[POINT_NEAREST_MAX];
        const char *nearest = point_nearest(pattern, text);
        argp_error(state, "'%s' names no point; right would be %s", pattern,
                   nearest != NULL ? nearest : "a path, or its beginning and a *, as in queue/*");
    }
    arguments->all = false;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'r':
        arguments->report = option_report(state, argument, false);
        return 0;
    case ARGP_KEY_ARG:
        choose(state, arguments, argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"report", 'r', "KIND", 0, "text or json; text", 0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[PATTERN...]",
    .doc = "The catalogue of fault points: what can go wrong there, where it is, what dying there "
           "means, who gets there, and which of the plans that come with sinval fire it. A PATTERN "
           "is a point's path, or its beginning and a *.",
};

int cmd_points(int argc, char **argv)
{
    struct arguments arguments = {.all = true};
    struct shipped shipped = {0};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    const int status = load_shipped(&shipped);
    if (status == STATUS_FINE) {
        (arguments.report == REPORT_JSON ? print_json : print_text)(&arguments, &shipped);
    }
    free(shipped.plans);
    return status;
}
