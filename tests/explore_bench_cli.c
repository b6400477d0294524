/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval bench explore-...: that the explorer is what is measured. How quick it is is for people to
 * read.
 */
#include <jansson.h>

#include "cli_support.h"

TestSuite(explore_bench_cli, .timeout = 100);

/* Claim: a row that is named is measured, with as many figures as any other. */
Test(explore_bench_cli, a_row_that_is_named_is_measured)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "explore-pct-2", "", "$sinval bench explore-pct-2 --report json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", cli->output);
    const json_t *rows = json_object_get(root, "rows");
    cr_assert_eq(json_array_size(rows), 1);
    const json_t *row = json_array_get(rows, 0);
    const double min = json_real_value(json_object_get(row, "min"));
    const double median = json_real_value(json_object_get(row, "median"));
    cr_expect_gt(min, 0);
    cr_expect_geq(median, min);
    cr_expect_geq(json_real_value(json_object_get(row, "max")), median);
    json_decref(root);
    cli_close(cli);
}

/* Claim: without the explorer there is no figure, but an error that says what is missing. */
Test(explore_bench_cli, without_the_explorer_there_is_no_figure)
{
    struct cli *cli = cli_open();
    expect_run(cli, 3, "", "sinval-explore: not there",
               "cp $(dirname $sinval)/../libexec/sinval/sinval-bench . && ./sinval-bench "
               "explore-pos >table");
    cli_close(cli);
}
