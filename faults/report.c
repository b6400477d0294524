/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Reports of a campaign: text and JSON. (JUnit: faults/report_junit.c.)
 */
#include "faults/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------- */

static void print_failure(const struct campaign *campaign, const struct failure *failure, FILE *to)
{
    fprintf(to, "FAILED %s, seed %" PRIu64 "\n%s, %s: %s\n%s", //
            campaign->options->plans[failure->plan].name, failure->seed,
            oracle_name(failure->finding.oracle), oracle_text(failure->finding.oracle),
            failure->finding.message, failure->details != NULL ? failure->details : "");
    fprintf(to, "sinval replay %s\n\n", failure->token != NULL ? failure->token : "(no memory)");
}

static void print_actions(const struct campaign *campaign, FILE *to)
{
    bool any = false;

    fprintf(to, "  %-13s", "injected");
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        if (campaign->injected[action] != 0) {
            fprintf(to, "%s%s %" PRIu64, any ? ", " : "", action_name(action),
                    campaign->injected[action]);
            any = true;
        }
    }
    fputs(any ? "\n" : "nothing\n", to);
}

static void print_events(const struct campaign *campaign, FILE *to)
{
    const uint64_t *events = campaign->events;

    fprintf(to, "  %-13s%" PRIu64 " sent, %" PRIu64 " read\n", "messages", events[SV_STAT_inserted],
            events[SV_STAT_read]);
    fprintf(to,
            "  %-13s%" PRIu64 " (overflow %" PRIu64 ", requested %" PRIu64 ", repair %" PRIu64
            ")\n",
            "resets", campaign_resets(campaign), events[SV_STAT_resets_overflow],
            events[SV_STAT_resets_requested], events[SV_STAT_resets_repair]);
    fprintf(to,
            "  %-13s%" PRIu64 " sent, %" PRIu64 " served, %" PRIu64 " of them relayed; %" PRIu64
            " cleanups\n",
            "catchups", events[SV_STAT_catchups_sent], events[SV_STAT_catchups_served],
            events[SV_STAT_relays], events[SV_STAT_cleanups]);
    fprintf(to, "  %-13s%" PRIu64 "\n", "wraparounds", events[SV_STAT_wraparounds]);
    fprintf(to,
            "  %-13slocks taken over %" PRIu64 ", slots settled %" PRIu64
            ", intents sent again %" PRIu64 "\n",
            "repairs", events[SV_STAT_locks_taken_over], events[SV_STAT_slots_settled],
            events[SV_STAT_intents_resent]);
    fprintf(to, "  %-13s%" PRIu64 " committed, %" PRIu64 " rolled back\n", "transactions",
            events[SV_STAT_commits], events[SV_STAT_rollbacks]);
}

/* With few left out, they are named. */
static void print_points(const struct campaign *campaign, FILE *to)
{
    enum { NAMED_MAX = 12 };

    const uint32_t fired = campaign_points(campaign->fired);

    fprintf(to, "  %-13s%u reached, %u fired, of %u\n", "points",
            campaign_points(campaign->reached), fired, (unsigned)SV_POINT_COUNT);
    if (fired == SV_POINT_COUNT || SV_POINT_COUNT - fired > NAMED_MAX) {
        return;
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        if (campaign->fired[point] == 0) {
            fprintf(to, "  %-13s%s\n", "not fired", point_entries[point].path);
        }
    }
}

static int finish(FILE *to)
{
    return fflush(to) != 0 || ferror(to) != 0 ? (errno != 0 ? -errno : -EIO) : 0;
}

int report_text(const struct campaign *campaign, FILE *to)
{
    const struct campaign_options *options = campaign->options;
    const double minutes = campaign->seconds / 60;

    for (uint32_t i = 0; i < campaign->failure_count; i++) {
        print_failure(campaign, &campaign->failures[i], to);
    }
    if (campaign->failed > campaign->failure_count) {
        fprintf(to, "... and %" PRIu64 " more failures\n\n",
                campaign->failed - campaign->failure_count);
    }
    fprintf(to, "  %-13s%" PRIu64 " of %" PRIu64 ", %u plan%s, seeds %" PRIu64 " to %" PRIu64 "\n",
            "runs", campaign->runs, campaign->planned, options->plan_count,
            options->plan_count == 1 ? "" : "s", options->seed_first, options->seed_last);
    fprintf(to, "  %-13s%" PRIu64 "\n", "failed", campaign->failed);
    fprintf(to, "  %-13s%.1f s, %.0f runs a minute\n", "time", campaign->seconds,
            minutes > 0 ? (double)campaign->runs / minutes : 0);
    fprintf(to,
            "  %-13s%" PRIu64 ", killed %" PRIu64 ", longest wait for a dead lock holder %.1f ms\n",
            "backends", campaign->births, campaign->deaths, (double)campaign->pause_ns / 1e6);
    print_actions(campaign, to);
    print_events(campaign, to);
    print_points(campaign, to);
    if (campaign->trace != 0) {
        fprintf(to, "  %-13s%016" PRIx64 "\n", "trace", campaign->trace);
    }
    return finish(to);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *injected_json(const struct campaign *campaign)
{
    json_t *object = json_object();

    for (enum action action = 0; object != NULL && action < ACTION_COUNT; action++) {
        (void)json_object_set_new(object, action_name(action),
                                  json_integer((json_int_t)campaign->injected[action]));
    }
    return object;
}

static json_t *events_json(const struct campaign *campaign)
{
    const uint64_t *events = campaign->events;

    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "message", (json_int_t)events[SV_STAT_inserted],
        "read", (json_int_t)events[SV_STAT_read], "reset", (json_int_t)campaign_resets(campaign),
        "catchup", (json_int_t)events[SV_STAT_catchups_sent], "relay",
        (json_int_t)events[SV_STAT_relays], "wraparound", (json_int_t)events[SV_STAT_wraparounds],
        "repair", (json_int_t)campaign_repairs(campaign));
}

static json_t *failures_json(const struct campaign *campaign)
{
    json_t *array = json_array();

    for (uint32_t i = 0; array != NULL && i < campaign->failure_count; i++) {
        const struct failure *failure = &campaign->failures[i];
        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "oracle",
                                                     oracle_name(failure->finding.oracle),
                                                     "message", failure->finding.message, "token",
                                                     failure->token != NULL ? failure->token : ""));
    }
    return array;
}

int report_json(const struct campaign *campaign, FILE *to)
{
    json_t *root = json_pack(
        "{s:I, s:I, s:f, s:o, s:o, s:{s:i, s:i, s:i}, s:o}", "runs", (json_int_t)campaign->runs,
        "failed", (json_int_t)campaign->failed, "seconds", campaign->seconds, "injected",
        injected_json(campaign), "events", events_json(campaign), "points", "total",
        (int)SV_POINT_COUNT, "reached", (int)campaign_points(campaign->reached), "fired",
        (int)campaign_points(campaign->fired), "failures", failures_json(campaign));

    if (root == NULL) {
        return -ENOMEM;
    }
    if (campaign->trace != 0) {
        char text[20];
        (void)snprintf(text, sizeof(text), "%016" PRIx64, campaign->trace);
        (void)json_object_set_new(root, "trace", json_string(text));
    }
    const int error = json_dumpf(root, to, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(root);
    (void)fputc('\n', to);
    return error != 0 ? -EIO : finish(to);
}
