/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The table of stops: where a victim was stopped, and who waited for it there.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tests/sweep/stop.h"

static void print_row(const char *name, const struct sweep_result *result)
{
    (void)printf("%-24s %8" PRIu32 " %8" PRIu32 " %8" PRIu64 " %8" PRIu64 " %7" PRIu64 " %7" PRIu64
                 " %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " %7.1f\n",
                 name, result->instructions, result->boundaries, result->kills, result->survived,
                 result->waited[SV_LOCK_APP_0] + result->waited[SV_LOCK_APP_1],
                 result->waited[SV_LOCK_TABLE], result->waited[SV_LOCK_WRITE],
                 result->waited[SV_LOCK_READ], result->restless, result->seconds);
}

static void print_head(void)
{
    (void)printf("%-24s %8s %8s %8s %8s %39s %7s\n", "", "instruc-", "", "", "",
                 "somebody waited for the stopped at:    ", "");
    (void)printf("%-24s %8s %8s %8s %8s %7s %7s %7s %7s %7s %7s\n", "operation", "tions", "places",
                 "stopped", "right", "app_0/1", "table", "write", "read", "else", "seconds");
}

static void add(struct sweep_result *sum, const struct sweep_result *result)
{
    sum->instructions += result->instructions;
    sum->boundaries += result->boundaries;
    sum->kills += result->kills;
    sum->survived += result->survived;
    sum->restless += result->restless;
    sum->seconds += result->seconds;
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        sum->waited[lock] += result->waited[lock];
    }
}

void stops_text(const struct row *rows, uint32_t count, const struct sweep_options *options)
{
    struct sweep_result sum = {0};
    print_head();
    for (uint32_t i = 0; i < count; i++) {
        print_row(rows[i].operation->name, &rows[i].result);
        add(&sum, &rows[i].result);
    }
    print_row("all", &sum);
    (void)printf(
        "\nPlaces: before the first instruction, after the last, and after each that touches\n"
        "shared memory or calls the kernel: all where a stop can matter (of a copy by one\n"
        "instruction its first step and its last). While the victim stands still the others come\n"
        "to their end, or wait, asleep, for a lock whose holder can be named. \"else\": they wait\n"
        "for it in another way (it is settling somebody; it has SQLite's own lock), or the "
        "machine\n"
        "was too slow to tell. \"right\": afterwards it went on, nothing was lost, nothing came\n"
        "twice, nobody was reset for it.\n%s",
        options->stride != 1 ? "Left out: most places.\n" : "");
    report_failures(rows, count);
}

static json_t *to_json(const struct row *row)
{
    const struct sweep_result *result = &row->result;
    json_t *waited = json_object();
    for (uint32_t lock = 0; lock < SV_LOCK_COUNT; lock++) {
        (void)json_object_set_new(waited, sv_lwlock_name((enum sv_lock)lock),
                                  json_integer((json_int_t)result->waited[lock]));
    }
    (void)json_object_set_new(waited, "else", json_integer((json_int_t)result->restless));
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:o, s:f, s:I, s:s, s:s}", "operation",
                     row->operation->name, "text", row->operation->text, "complete",
                     result->complete, "instructions", (json_int_t)result->instructions, "places",
                     (json_int_t)result->boundaries, "stops", (json_int_t)result->kills, "right",
                     (json_int_t)result->survived, "waited", waited, "seconds", result->seconds,
                     "failures", (json_int_t)result->failures, "first_failure", result->failure,
                     "message", result->message);
}

void stops_json(const struct row *rows, uint32_t count, const struct sweep_options *options)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, to_json(&rows[i]));
    }
    json_t *report = json_pack("{s:i, s:o}", "stride", (int)options->stride, "operations", list);
    report_dump(report);
}
