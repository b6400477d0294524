/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * An execution that leaves what another one left is not judged once more by sinval explore, and
 * every other one is.
 */
#include "cli_support.h"

TestSuite(explore_ends_cli, .timeout = 100);

#define ENDS SV_BUILD_DIR "/tests/explore-ends "

/*
 * Claim:   all that an execution leaves decides whether it leaves the same as another one.
 * Method:  a world whose judge changes each part of it.
 */
Test(explore_ends_cli, each_part_of_what_is_left_counts)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "all that is left counts", "", ENDS "--schedules 1 left");
    cli_close(cli);
}

/*
 * Claim:   what a judge can know and no step says makes an end another one: what is beside the
 *          segment, and what was drawn.
 * Method:  worlds of one order of steps, in which the first executions are right.
 */
Test(explore_ends_cli, ends_of_one_order_that_are_not_the_same_are_judged)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "1 orders", "", ENDS "-s random --seed 2 --schedules 1 beside");
    expect_run(cli, 1, "backend 1 is first", "", ENDS "-s random --seed 2 --schedules 1000 beside");
    expect_run(cli, 0, "1 orders", "", ENDS "-s random --seed 2 --schedules 1 drawn");
    expect_run(cli, 1, "it was drawn", "", ENDS "-s random --seed 2 --schedules 1000 drawn");
    cli_close(cli);
}

/*
 * Claim:   executions of one order that leave different things are a finding against the explorer;
 *          what was drawn makes an order another one.
 * Method:  two write a word in thousands of orders, and keep something to themselves.
 */
Test(explore_ends_cli, one_order_leaves_one_thing)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "explorer, a bug of its own: executions of one order leave different things",
               "", ENDS "-s random --schedules 20000 hides");
    expect_run(cli, 0, "20000 schedules", "", ENDS "-s random --schedules 20000 draws");
    cli_close(cli);
}

/* Claim: what was judged wrong is judged, and wrong, as often as it comes. */
Test(explore_ends_cli, what_was_wrong_is_not_taken_for_judged)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "FAILED at schedule 1:", "", ENDS "-s random --failures 2 again");
    cli_close(cli);
}
