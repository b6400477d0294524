/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#include "faults/explore/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults/explore/again.h"
#include "faults/explore/stacks.h"
#include "faults/explore/story.h"

static double ratio(double of, double to)
{
    return to > 0 ? of / to : 0;
}

void report_begin(struct report *report, bool json)
{
    report->worlds = json ? json_array() : NULL;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* What is left that was not seen. */
static void print_left(const struct campaign_options *options, const struct campaign_report *found)
{
    (void)printf("    %llu orders, %llu of them seen once; ", (unsigned long long)found->orders,
                 (unsigned long long)found->once);
    if (found->complete) {
        (void)puts("complete: there are no others");
    } else if (options->strategy->searches) {
        (void)puts("not complete");
    } else {
        (void)printf("the next schedule is of a new order with a chance of %.2g\n",
                     found->chance_of_new);
    }
    if (found->steps_learned > 0) {
        double chance = 1.0 / options->world->backends;
        for (uint32_t i = 1; i < options->depth; i++) {
            chance /= (double)found->steps_learned;
        }
        (void)printf(
            "    pct: what takes %u steps in order is found by each schedule with a chance "
            "of at least %.2g (n %u, k %llu)\n",
            options->depth, chance, options->world->backends,
            (unsigned long long)found->steps_learned);
    }
}

static void print_world(const struct campaign_options *options, const struct campaign_report *found)
{
    const double schedules = (double)found->schedules;

    (void)printf("%-18s %s: %llu schedules in %.2f s, %.0f a second of a core; %.1f accesses and "
                 "%.1f switches each",
                 options->world->name, options->strategy->name,
                 (unsigned long long)found->schedules, found->seconds,
                 ratio(schedules, found->cpu_seconds), ratio((double)found->accesses, schedules),
                 ratio((double)found->switches, schedules));
    if (options->world->immortal) {
        (void)fputs(options->deaths > 0 || options->sweep ? "; nobody may die here" : "", stdout);
    } else if (options->deaths > 0 || options->sweep) {
        (void)printf(", %.2f deaths", ratio((double)found->deaths, schedules));
    }
    (void)putchar('\n');
    print_left(options, found);
    if (found->rescued > 0) {
        (void)printf(
            "    %llu sleeps were ended by their time alone, though what they slept on had "
            "changed\n",
            (unsigned long long)found->rescued);
    }
    for (uint32_t i = 0; i < found->failure_count; i++) {
        const struct campaign_failure *failure = &found->failures[i];
        const enum oracle oracle = failure->finding.oracle;
        (void)printf("    FAILED at schedule %llu: %s, %s: %s\n",
                     (unsigned long long)failure->number,
                     oracle == ORACLE_NONE ? "explorer" : oracle_name(oracle),
                     oracle == ORACLE_NONE ? "a bug of its own" : oracle_text(oracle),
                     failure->finding.message);
        if (failure->word != NULL) {
            (void)printf("    sinval replay %s\n", failure->word);
        }
        if (failure->found != NULL) {
            (void)printf("    found as %s\n", failure->found);
        }
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *failures_json(const struct campaign_report *found)
{
    json_t *failures = json_array();

    for (uint32_t i = 0; i < found->failure_count; i++) {
        const struct campaign_failure *failure = &found->failures[i];
        (void)json_array_append_new(
            failures,
            json_pack("{s:I, s:f, s:s, s:s, s:s?, s:s?}", "schedule", (json_int_t)failure->number,
                      "cpu_seconds", failure->cpu_seconds, "oracle",
                      oracle_name(failure->finding.oracle), "message", failure->finding.message,
                      "token", failure->word, "found", failure->found));
    }
    return failures;
}

static json_t *world_json(const struct campaign_options *options,
                          const struct campaign_report *found)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:I, s:I, s:I, s:f, s:b, s:I, s:I, s:I, s:o}",
                     "world", options->world->name, "strategy", options->strategy->name,
                     "schedules", (json_int_t)found->schedules, "seconds", found->seconds,
                     "cpu_seconds", found->cpu_seconds, "accesses", (json_int_t)found->accesses,
                     "orders", (json_int_t)found->orders, "once", (json_int_t)found->once,
                     "chance_of_new", found->chance_of_new, "complete", found->complete, "deaths",
                     (json_int_t)found->deaths, "replays", (json_int_t)found->replays, "rescued",
                     (json_int_t)found->rescued, "failures", failures_json(found));
}

/* ---- both ------------------------------------------------------------------------------------ */

void report_world(struct report *report, const struct campaign_options *options,
                  const struct campaign_report *found)
{
    if (report->worlds != NULL) {
        (void)json_array_append_new(report->worlds, world_json(options, found));
    } else {
        print_world(options, found);
        (void)fflush(stdout);
    }
}

void report_corner(struct report *report, const struct world_kind *corner,
                   const struct campaign_report *found, bool as_planted)
{
    if (report->worlds != NULL) {
        (void)json_array_append_new(
            report->worlds, json_pack("{s:s, s:b, s:I}", "world", corner->name, "planted_found",
                                      as_planted, "schedules", (json_int_t)found->schedules));
    } else if (as_planted) {
        (void)printf("%-18s what is planted there was found at schedule %llu\n", corner->name,
                     (unsigned long long)found->failures[0].number);
    } else {
        (void)printf("%-18s RED: what is planted there was not found in %llu schedules\n",
                     corner->name, (unsigned long long)found->schedules);
    }
}

void report_end(struct report *report)
{
    if (report->worlds != NULL) {
        (void)json_dumpf(report->worlds, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        (void)putchar('\n');
        json_decref(report->worlds);
    }
}

/* ---- one execution once more ----------------------------------------------------------------- */

static void print_end(const struct word *word, const struct machine_result *result)
{
    const struct finding *finding = machine_finding();

    if (result->end == MACHINE_FAILED) {
        (void)printf("\n%s, %s: %s\n\n", oracle_name(finding->oracle), oracle_text(finding->oracle),
                     finding->message);
        stacks_print();
        (void)putchar('\n');
    }
    (void)printf("%s: %llu steps%s; the events are %s\n", word->world->name,
                 (unsigned long long)result->steps,
                 result->end == MACHINE_FAILED ? "" : ", and no oracle says no",
                 machine_hash() == word->hash
                     ? "those of the token"
                     : "NOT those of the token: the code has changed since, or the explorer has a "
                       "bug");
}

int report_replay(const struct word *word, bool all, struct machine_result *result)
{
    struct world world;
    int error = world_open(&world, word->world);
    struct story *story = error == 0 ? story_open(&world) : NULL;

    if (error == 0 && story == NULL) {
        error = -ENOMEM;
    }
    if (error == 0) {
        machine_watch(story_watch, story);
        error = again(&world, word, NULL, result);
    }
    if (error == 0) {
        story_tell(story, result, all);
        print_end(word, result);
    }
    if (story != NULL) {
        story_close(story);
    }
    world_close(&world);
    return error;
}
