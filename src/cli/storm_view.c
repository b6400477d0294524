/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Showing a storm. The table is one of Markdown, so that it can be put where it is to be read.
 *
 * The line goes to standard error and only if that is a terminal; it is wiped before anything else
 * is said.
 */
#include "cli/storm_view.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/os.h"

#define DRAW_NS       UINT64_C(500000000)
#define COLUMNS_MAX   80
#define LABEL_COLUMNS 32
#define FIGURE_MAX    160

struct line {
    bool there; /* standard error is a terminal */
    uint64_t drawn_ns;
};

static uint64_t strikes(const struct storm *storm, enum wait_cause cause)
{
    return storm->strikes[cause];
}

static double longest_ms(const struct storm *storm, enum wait_cause cause)
{
    return (double)storm->longest_ns[cause] / 1e6;
}

/* Resets that deaths were the cause of, each death. */
static double resets_per_death(const struct storm *storm)
{
    const uint64_t resets =
        storm->events[SV_STAT_resets_requested] + storm->events[SV_STAT_resets_repair];

    return storm->deaths == 0 ? 0 : (double)resets / (double)storm->deaths;
}

static uint32_t found(const struct storm *storm, enum oracle oracle)
{
    return storm->outcome == RUN_VIOLATED && storm->result->finding.oracle == oracle;
}

/* ---- the line ------------------------------------------------------------------------------ */

static void wipe(const struct line *line)
{
    if (line->there && line->drawn_ns != 0) {
        fprintf(stderr, "\r%*s\r", COLUMNS_MAX, "");
    }
}

static void draw(const struct storm *storm)
{
    struct line *line = storm->options->argument;
    const uint64_t now_ns = sv_os_now_ns();
    const uint32_t seconds = (uint32_t)storm->seconds;
    char text[COLUMNS_MAX];

    if (!line->there || now_ns - line->drawn_ns < DRAW_NS) {
        return;
    }
    line->drawn_ns = now_ns;
    (void)snprintf(text, sizeof(text),
                   "%u:%02u of %u:%02u, round %u, %" PRIu64 " killed, %" PRIu64
                   " stopped, longest wait %.1f ms",
                   seconds / 60, seconds % 60, storm->options->seconds / 60,
                   storm->options->seconds % 60, storm->rounds + 1, storm->deaths,
                   strikes(storm, WAIT_FOR_STOPPED), longest_ms(storm, WAIT_FOR_KILLED));
    fprintf(stderr, "\r%-*s", COLUMNS_MAX - 1, text);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void row(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *label, const char *format, ...)
{
    char figure[FIGURE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(figure, sizeof(figure), format, arguments);
    va_end(arguments);
    printf("| %-*s | %s |\n", LABEL_COLUMNS, label, figure);
}

static void workload_names(const struct storm_options *options, char *names, size_t size)
{
    size_t used = 0;

    names[0] = '\0';
    for (enum plan_workload workload = 0; workload < WORKLOAD_COUNT; workload++) {
        if ((options->workloads >> workload & 1) != 0 && used < size) {
            used += (size_t)snprintf(names + used, size - used, "%s%s", used == 0 ? "" : ", ",
                                     plan_workload_name(workload));
        }
    }
}

static void print_storm(const struct storm *storm)
{
    const struct storm_options *options = storm->options;
    const double seconds = storm->seconds > 0 ? storm->seconds : 1;
    char names[64];

    workload_names(options, names, sizeof(names));
    row("time", "%u min %.0f s, %u round%s", (unsigned)(storm->seconds / 60),
        storm->seconds - 60 * (double)(unsigned)(storm->seconds / 60), storm->rounds,
        storm->rounds == 1 ? "" : "s");
    row("backends", "%u at a time, %" PRIu64 " in all, %s", options->world.backends, storm->started,
        options->world.postmaster ? "a postmaster's" : "without a postmaster");
    row("workloads", "%s; source: %s", names, plan_source_name(options->world.source));
    row("killed", "%" PRIu64 ", %.1f a second", storm->deaths, (double)storm->deaths / seconds);
    row("stopped for 1 to 200 ms", "%" PRIu64 ", %.1f a second", strikes(storm, WAIT_FOR_STOPPED),
        (double)strikes(storm, WAIT_FOR_STOPPED) / seconds);
}

static void print_work(const struct storm *storm)
{
    const uint64_t *events = storm->events;

    row("transactions", "%" PRIu64 " committed, %" PRIu64 " rolled back", events[SV_STAT_commits],
        events[SV_STAT_rollbacks]);
    row("messages", "%" PRIu64 " sent, %" PRIu64 " read", events[SV_STAT_inserted],
        events[SV_STAT_read]);
    row("wraparounds", "%" PRIu64, events[SV_STAT_wraparounds]);
    row("repairs",
        "%" PRIu64 " locks taken over, %" PRIu64 " slots settled, %" PRIu64 " intents sent again",
        events[SV_STAT_locks_taken_over], events[SV_STAT_slots_settled],
        events[SV_STAT_intents_resent]);
    row("slots", "%u ever used, %s", storm->slots_used,
        storm->outcome == RUN_PASSED ? "none in use after any round" : "not judged at the end");
}

static void print_judged(const struct storm *storm)
{
    const uint64_t *events = storm->events;

    row("longest wait for one killed", "%.1f ms", longest_ms(storm, WAIT_FOR_KILLED));
    row("longest wait for one stopped", "%.1f ms", longest_ms(storm, WAIT_FOR_STOPPED));
    row("resets", "%" PRIu64 " of laggards, %" PRIu64 " asked for, %" PRIu64 " by repair",
        events[SV_STAT_resets_overflow], events[SV_STAT_resets_requested],
        events[SV_STAT_resets_repair]);
    row("resets for each death", "%.4f", resets_per_death(storm));
    row("stale reads", "%u of %" PRIu64 " reads that were judged", found(storm, ORACLE_O1),
        storm->reads);
    row("messages lost, torn or twice", "%u", found(storm, ORACLE_O2));
}

static void print_text(const struct storm *storm)
{
    const struct run_result *result = storm->result;

    if (storm->outcome == RUN_VIOLATED) {
        printf("FAILED in round %u of seed %" PRIu64 "\n%s, %s: %s\n%.*s\n", storm->rounds,
               storm->options->seed, oracle_name(result->finding.oracle),
               oracle_text(result->finding.oracle), result->finding.message,
               (int)result->details_bytes, result->details);
    }
    row("what", "figure");
    puts("|---|---|");
    print_storm(storm);
    print_work(storm);
    print_judged(storm);
    row("verdict", "%s%s", storm->outcome == RUN_VIOLATED ? "FAILED" : "nothing was violated",
        storm->outcome == RUN_PASSED ? storm->interrupted ? "; interrupted" : "" : "; cut short");
}

static void print_json(const struct storm *storm)
{
    json_t *events = json_object();

    for (enum sv_stat stat = 0; stat < SV_STAT_COUNT; stat++) {
        (void)json_object_set_new(events, sv_stat_name(stat),
                                  json_integer((json_int_t)storm->events[stat]));
    }
    json_t *root = json_pack(
        "{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:I, s:f, s:I, s:I, s:I, s:b, s:o}",
        "seconds", storm->seconds, "rounds", (json_int_t)storm->rounds, "backends",
        (json_int_t)storm->options->world.backends, "started", (json_int_t)storm->started, "killed",
        (json_int_t)storm->deaths, "stopped", (json_int_t)strikes(storm, WAIT_FOR_STOPPED),
        "slots_used", (json_int_t)storm->slots_used, "longest_wait_for_killed_ms",
        longest_ms(storm, WAIT_FOR_KILLED), "longest_wait_for_stopped_ms",
        longest_ms(storm, WAIT_FOR_STOPPED), "reads", (json_int_t)storm->reads, "resets_per_death",
        resets_per_death(storm), "stale_reads", (json_int_t)found(storm, ORACLE_O1),
        "messages_wrong", (json_int_t)found(storm, ORACLE_O2), "points_reached",
        (json_int_t)storm->points, "interrupted", storm->interrupted, "events", events);

    if (storm->outcome == RUN_VIOLATED) {
        (void)json_object_set_new(
            root, "failure",
            json_pack("{s:s, s:s, s:i}", "oracle", oracle_name(storm->result->finding.oracle),
                      "message", storm->result->finding.message, "round", (int)storm->rounds));
    }
    (void)json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    (void)putchar('\n'); /* output is checked at exit */
    json_decref(root);
}

int storm_view(const struct storm_options *options, enum report report)
{
    struct line line = {.there = isatty(STDERR_FILENO) == 1};
    struct storm_options drawn = *options;
    struct storm storm;

    drawn.progress = draw;
    drawn.argument = &line;
    if (storm_play(&drawn, &storm) != 0) {
        return complain(STATUS_ENVIRONMENT, "no memory for a storm");
    }
    wipe(&line);
    int status = storm.outcome == RUN_VIOLATED ? STATUS_VIOLATED : STATUS_FINE;
    if (storm.rounds > 0) {
        (report == REPORT_JSON ? print_json : print_text)(&storm);
    }
    if (storm.outcome == RUN_ENVIRONMENT) {
        status = complain(STATUS_ENVIRONMENT, "%s", storm.result->finding.message);
    }
    storm_free(&storm);
    return status;
}
