/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval storm: what it refuses, what it prints, how it is interrupted.
 */
#include <jansson.h>
#include <sys/prctl.h>

#include "cli_support.h"

TestSuite(storm_cli, .timeout = 100);

/* Claim: what cannot be right is said, with what would be, before anything starts; status 2. */
Test(storm_cli, bad_input_is_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "--for: '10' is no time; 90s, 10m or 2h", "$sinval storm --for 10");
    expect_run(cli, 2, "", "--for: 'm' is no time", "$sinval storm --for m");
    expect_run(cli, 2, "", "--for: '' is no time", "$sinval storm --for ''");
    expect_run(cli, 2, "", "--for: '0s' is no time", "$sinval storm --for 0s");
    expect_run(cli, 2, "", "--for: '-1m' is no time", "$sinval storm --for=-1m");
    expect_run(cli, 2, "", "at most a week", "$sinval storm --for 169h");
    expect_run(cli, 2, "", "--for: '99999999999999999999s'",
               "$sinval storm --for 99999999999999999999s");
    expect_run(cli, 2, "", "--backends: '0'", "$sinval storm --backends 0");
    expect_run(cli, 2, "", "--backends: '1001'", "$sinval storm --backends 1001");
    expect_run(cli, 2, "", "--kills: '1001'", "$sinval storm --kills 1001");
    expect_run(cli, 2, "", "--kills: 'many'", "$sinval storm --kills many");
    expect_run(cli, 2, "", "--stops: '-1'", "$sinval storm --stops=-1");
    expect_run(cli, 2, "", "there is no 'idle'; right would be transactions, queue, churn or all",
               "$sinval storm --workload idle");
    expect_run(cli, 2, "", "--source: there is no 'oracle'", "$sinval storm --source oracle");
    expect_run(cli, 2, "", "this workload has no source",
               "$sinval storm --source sqlite --workload queue");
    expect_run(cli, 2, "", "--seed: 'x' is not a seed", "$sinval storm --seed x");
    expect_run(cli, 2, "", "--round: '0'", "$sinval storm --round 0");
    expect_run(cli, 2, "", "--timeout: '0'", "$sinval storm --timeout 0");
    expect_run(cli, 2, "", "--report: 'junit' is no kind", "$sinval storm --report junit");
    expect_run(cli, 2, "", "it has options only", "$sinval storm queue");
    expect_run(cli, 2, "", "capacity is 1000", "$sinval storm --capacity 1000");
    expect_run(cli, 2, "", "--backends-max: ", "$sinval storm --backends-max 9");
    cli_close(cli);
}

/*
 * Claim:   an interrupt ends a storm as if its time were over, with the table, and nothing is left.
 * Method:  a storm of ten minutes that is interrupted; a parent that finds a process left by it
 *          would not come to its end, since they hold its output open. timeout sends one signal:
 *          without --foreground it is one to the storm and one to its group, and two end it at
 *          once.
 */
Test(storm_cli, an_interrupt_ends_it_with_the_table)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "nothing was violated; interrupted", "",
               "timeout --foreground --preserve-status -s INT 2 $sinval storm --for 10m --backends "
               "6 | cat");
    expect_run(cli, 0, "| stale reads                      | 0 of ", "",
               "timeout --foreground --preserve-status -s TERM 1 $sinval storm --for 10m "
               "--backends 6 | cat");
    cli_close(cli);
}

/* Claim: a storm of nobody killed nor stopped is one, and JSON says so. */
Test(storm_cli, without_kills_it_is_a_load)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "\"killed\": 0,", "",
               "$sinval storm --for 2s --backends 3 --kills 0 --workload queue --report json");
    json_t *root = json_loads(cli->output, 0, NULL);
    cr_assert_not_null(root, "%s", cli->output);
    const json_t *events = json_object_get(root, "events");
    cr_expect_gt(json_integer_value(json_object_get(events, "inserted")), 0);
    cr_expect_eq(json_integer_value(json_object_get(events, "slots_settled")), 0);
    cr_expect_eq(json_integer_value(json_object_get(root, "stopped")), 0);
    cr_expect_eq(json_integer_value(json_object_get(root, "started")), 3);
    json_decref(root);
    cli_close(cli);
}
