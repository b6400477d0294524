/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What is added up over the runs of a campaign, and what is kept of its failures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults/campaign.h"
#include "faults/random.h"
#include "faults/token.h"

uint64_t campaign_resets(const struct campaign *campaign)
{
    return campaign->events[SV_STAT_resets_overflow] + campaign->events[SV_STAT_resets_requested] +
           campaign->events[SV_STAT_resets_repair];
}

uint64_t campaign_repairs(const struct campaign *campaign)
{
    return campaign->events[SV_STAT_locks_taken_over] + campaign->events[SV_STAT_slots_settled];
}

uint32_t campaign_points(const uint64_t counts[SV_POINT_COUNT])
{
    uint32_t points = 0;

    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        points += counts[point] != 0;
    }
    return points;
}

static char *token_of(const struct campaign_options *options, uint64_t run)
{
    struct token token = {
        .plan = options->plans[job_plan(options, run)],
        .seed = job_seed(options, run),
        .backends = options->backends,
        .transactions = options->transactions,
    };
    char *text = malloc(TOKEN_MAX);

    (void)snprintf(token.carrier, sizeof(token.carrier), "%s", options->carrier);
    if (text != NULL) {
        (void)token_encode(&token, text);
    }
    return text;
}

void campaign_add_failure(struct campaign *campaign, uint64_t run, const struct finding *finding,
                          const char *details, size_t details_bytes)
{
    const uint32_t plan = job_plan(campaign->options, run);

    campaign->failed++;
    campaign->plans[plan].failed++;
    if (campaign->failure_count == CAMPAIGN_FAILURES_MAX) {
        return;
    }
    campaign->failures[campaign->failure_count++] = (struct failure){
        .plan = plan,
        .seed = job_seed(campaign->options, run),
        .finding = *finding,
        .token = token_of(campaign->options, run),
        .details = strndup(details, details_bytes),
    };
}

void campaign_add(struct campaign *campaign, const struct job_note *note)
{
    const struct run_result *result = &note->result;
    struct plan_total *total = &campaign->plans[job_plan(campaign->options, note->run)];

    if (result->outcome == RUN_ENVIRONMENT) {
        campaign->environment = result->finding;
        return;
    }
    campaign->runs++;
    total->runs++;
    total->seconds += result->seconds;
    campaign->births += result->births;
    campaign->deaths += result->deaths;
    campaign->trace += result->trace != 0 ? random_hash(result->trace, note->run) : 0;
    if (result->pause_ns > campaign->pause_ns) {
        campaign->pause_ns = result->pause_ns;
    }
    for (enum action action = 0; action < ACTION_COUNT; action++) {
        campaign->injected[action] += result->injected[action];
    }
    for (uint32_t i = 0; i < SV_STAT_COUNT; i++) {
        campaign->events[i] += result->events[i];
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        campaign->reached[point] += result->reached[point];
        campaign->fired[point] += result->fired[point];
    }
    if (result->outcome == RUN_VIOLATED) {
        campaign_add_failure(campaign, note->run, &result->finding, result->details,
                             result->details_bytes);
    }
}

void campaign_free(struct campaign *campaign)
{
    for (uint32_t i = 0; i < campaign->failure_count; i++) {
        free(campaign->failures[i].token);
        free(campaign->failures[i].details);
    }
    free(campaign->failures);
    free(campaign->plans);
    *campaign = (struct campaign){0};
}
