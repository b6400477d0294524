/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval bench recovery: that it measures what it says. How long recovery takes is for people to
 * read: a test that fails when the machine is busy says nothing.
 */
#include <jansson.h>
#include <sys/prctl.h>

#include "cli_support.h"

TestSuite(recovery_cli, .timeout = 100);

/* Claim: names that are none, and numbers that are none, are status 2. */
Test(recovery_cli, bad_input_is_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "no row begins with 'recovery-3'", "$sinval bench recovery-3");
    expect_run(cli, 2, "", "one of them would be right", "$sinval bench recovery-2 recovery-16");
    expect_run(cli, 2, "", "--trials: '0'", "$sinval bench recovery-2 --trials 0");
    expect_run(cli, 2, "", "--trials: '-1'", "$sinval bench recovery-2 --trials=-1");
    expect_run(cli, 2, "", "--trials: 'x'", "$sinval bench recovery-2 --trials x");
    expect_run(cli, 0, "recovery, recovery-N", "", "$sinval bench --list");
    cli_close(cli);
}

/*
 * Claim:   every survivor of every trial is measured, without a death, after one, and after one
 *          that held a lock, with and without a postmaster.
 */
Test(recovery_cli, each_survivor_is_measured)
{
    static const char *const killed[] = {"nobody", "one", "one with a lock"};
    struct cli *cli = cli_open();
    expect_run(cli, 0, "\"recovery\"", "", "$sinval bench recovery-16 --trials 5 --report json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", cli->output);
    const json_t *rows = json_object_get(root, "recovery");
    cr_assert_eq(json_array_size(rows), 6);
    for (size_t i = 0; i < 6; i++) {
        const json_t *row = json_array_get(rows, i);
        const json_t *insert = json_object_get(row, "insert_ms");
        cr_expect_str_eq(json_string_value(json_object_get(row, "killed")), killed[i % 3]);
        cr_expect_eq(json_is_true(json_object_get(row, "postmaster")), i >= 3);
        cr_expect_eq(json_integer_value(json_object_get(row, "trials")), 5);
        cr_expect_eq(json_integer_value(json_object_get(row, "samples")), i % 3 == 0 ? 80 : 75);
        cr_expect_gt(json_real_value(json_object_get(insert, "median")), 0);
        cr_expect_geq(json_real_value(json_object_get(insert, "p99")),
                      json_real_value(json_object_get(insert, "median")));
        cr_expect_geq(json_real_value(json_object_get(insert, "max")),
                      json_real_value(json_object_get(insert, "p99")));
    }
    json_decref(root);
    expect_run(cli, 0, "|   16 | without | one with a lock |     1 |", "",
               "$sinval bench recovery-16 --trials 1");
    cli_close(cli);
}
