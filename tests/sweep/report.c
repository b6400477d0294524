/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table: what was killed, and that it was survived.
 */
#include "tests/sweep/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "shm/layout.h"

void report_add(struct row *row, const struct sweep_result *result)
{
    struct sweep_result *sum = &row->result;
    if (sum->seconds == 0) {
        *sum = *result;
        return;
    }
    if (sum->complete && !result->complete) {
        memcpy(sum->message, result->message, sizeof(sum->message));
    }
    if (sum->failures == 0 && result->failures > 0) {
        memcpy(sum->failure, result->failure, sizeof(sum->failure));
    }
    sum->complete &= result->complete;
    sum->elsewhere += result->elsewhere;
    sum->repairer_kills += result->repairer_kills;
    sum->repairers_survived += result->repairers_survived;
    sum->failures += result->failures;
    sum->repeated += result->repeated;
    sum->seconds += result->seconds;
    for (uint32_t cause = 0; cause < 4; cause++) {
        sum->resets[cause] += result->resets[cause];
    }
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        sum->waited[lock] += result->waited[lock];
    }
    sum->restless += result->restless;
    if (result->recovery_max_ns > sum->recovery_max_ns) {
        sum->recovery_max_ns = result->recovery_max_ns;
    }
}

/* Which instructions were killed at, in words. */
static void say_which(const struct sweep_result *result, const struct sweep_options *options,
                      char *words, size_t size)
{
    const uint32_t stride = sweep_stride(options, result->instructions);
    if (stride > 1) {
        (void)snprintf(words, size, "each %" PRIu32 "th", stride);
    } else if (result->instructions <= options->every_up_to) {
        (void)snprintf(words, size, "every");
    } else {
        (void)snprintf(words, size, "%" PRIu32 " + %" PRIu32, options->every_up_to,
                       result->boundaries);
    }
}

static void print_row(const char *name, const struct sweep_result *result, const char *which)
{
    (void)printf("%-24s %8" PRIu32 " %-13s %8" PRIu64 " %8" PRIu64 " %5" PRIu32 " %8" PRIu64
                 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %9.1f %7.1f\n",
                 name, result->instructions, which, result->kills, result->survived,
                 result->way_count, result->repairer_kills, result->repairers_survived,
                 result->resets[SV_RESET_OVERFLOW], result->resets[SV_RESET_REQUESTED],
                 result->resets[SV_RESET_REPAIR], (double)result->recovery_max_ns * 1e-6,
                 result->seconds);
}

static void print_head(void)
{
    (void)printf("%-24s %8s %-13s %8s %8s %5s %8s %8s %26s %9s %7s\n", "", "instruc-", "",
                 "victims", "", "ways", "repair-", "", "resets marked:       ", "longest", "");
    (void)printf("%-24s %8s %-13s %8s %8s %5s %8s %8s %8s %8s %6s %9s %7s\n", "operation", "tions",
                 "killed at", "killed", "survived", "of r.", "ers k.", "survived", "overflow",
                 "asked", "repair", "recov. ms", "seconds");
}

static void print_notes(const struct sweep_result *sum, const struct sweep_options *options)
{
    (void)printf(
        "\nEach death has a world of its own; \"survived\": all oracles were content with it. "
        "\"ways\": that\nrepair takes, with steps that no other has; after one first "
        "death of each the repairer is killed, too,\nat every instruction. Resets are "
        "of the whole world, also those that belong to the operation.\n");
    if (options->stride != 1 || !options->repairers) {
        (void)printf("Left out:%s%s.\n", options->stride != 1 ? " most instructions" : "",
                     options->repairers ? "" : " deaths of repairers");
    } else {
        (void)printf("Beyond %" PRIu32 " instructions: the boundaries of accesses to the segment "
                     "and of system calls. No\nrepairers are killed after transactions of "
                     "hundreds of rows, whose repair is that of smaller ones.\n",
                     options->every_up_to);
    }
    (void)printf(
        "The longest recovery: from a death to the first insert and accept of every survivor. "
        "A death with more\nthan 100 ms was tried again (%" PRIu64 " times), and its least "
        "time counts; twenty in a row are a failure.\n",
        sum->repeated);
    if (sum->asleep > 0) {
        (void)printf("%" PRIu64 " of the victims were killed inside a system call, asleep.\n",
                     sum->asleep);
    }
    if (sum->elsewhere > 0) {
        (void)printf("%" PRIu64 " died after as many instructions, but on another path than was "
                     "recorded.\n",
                     sum->elsewhere);
    }
}

static void sum_up(struct sweep_result *sum, const struct sweep_result *result)
{
    struct row row = {.result = *sum};
    row.result.seconds += 1e-9; /* not its first */
    report_add(&row, result);
    *sum = row.result;
    sum->instructions += result->instructions;
    sum->kills += result->kills;
    sum->asleep += result->asleep;
    sum->survived += result->survived;
    sum->boundaries += result->boundaries;
    sum->way_count += result->way_count;
}

void report_failures(const struct row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct sweep_result *result = &rows[i].result;
        if (!result->complete) {
            (void)printf("\n%s is not complete: %s\n", rows[i].operation->name, result->message);
        }
        if (result->failures > 0) {
            (void)printf("\n%" PRIu32 " failures; the first:\n%s\n", result->failures,
                         result->failure);
        }
    }
}

void report_text(const struct row *rows, uint32_t count, const struct sweep_options *options)
{
    struct sweep_result sum = {.complete = true};
    char which[32];
    print_head();
    for (uint32_t i = 0; i < count; i++) {
        say_which(&rows[i].result, options, which, sizeof(which));
        print_row(rows[i].operation->name, &rows[i].result, which);
        sum_up(&sum, &rows[i].result);
    }
    print_row("all", &sum, "");
    print_notes(&sum, options);
    report_failures(rows, count);
}

static json_t *to_json(const struct row *row)
{
    const struct sweep_result *result = &row->result;
    json_t *resets =
        json_pack("{s:I, s:I, s:I}", "overflow", (json_int_t)result->resets[SV_RESET_OVERFLOW],
                  "requested", (json_int_t)result->resets[SV_RESET_REQUESTED], "repair",
                  (json_int_t)result->resets[SV_RESET_REPAIR]);
    json_t *json = json_pack(
        "{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "operation", row->operation->name, "text",
        row->operation->text, "complete", result->complete, "instructions",
        (json_int_t)result->instructions, "boundaries", (json_int_t)result->boundaries, "kills",
        (json_int_t)result->kills, "survived", (json_int_t)result->survived, "elsewhere",
        (json_int_t)result->elsewhere, "states", (json_int_t)result->states);
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:o, s:f, s:f, s:I, s:s, s:s}", "ways", (json_int_t)result->way_count,
        "repairer_kills", (json_int_t)result->repairer_kills, "repairers_survived",
        (json_int_t)result->repairers_survived, "resets", resets, "longest_recovery_ms",
        (double)result->recovery_max_ns * 1e-6, "seconds", result->seconds, "failures",
        (json_int_t)result->failures, "first_failure", result->failure, "message", result->message);
    (void)json_object_update(json, more);
    json_decref(more);
    return json;
}

void report_dump(json_t *report)
{
    (void)json_dumpf(report, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(report);
}

void report_json(const struct row *rows, uint32_t count, const struct sweep_options *options)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, to_json(&rows[i]));
    }
    json_t *report =
        json_pack("{s:i, s:i, s:b, s:o}", "every_up_to", (int)options->every_up_to, "stride",
                  (int)options->stride, "repairers", options->repairers, "operations", list);
    report_dump(report);
}
