/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The options of sinval explore, and the figures in its reports.
 */
#include "cli_support.h"

TestSuite(explore_reported_cli, .timeout = 100);

#define PLANTED SV_BUILD_DIR "/tests/explore-planted "

/* Claim: what may be given as a strategy is named, with what it does. */
Test(explore_reported_cli, each_strategy_is_listed)
{
    static const char *const strategies[] = {"random", "pct",       "pos",
                                             "surw",   "portfolio", "exhaustive"};
    struct cli *cli = cli_open();
    expect_run(cli, 0, "strategies:\n", "", "$sinval explore --list");
    const char *listed = strstr(cli->output, "strategies:\n");
    for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
        char line[32];
        snprintf(line, sizeof(line), "\n  %-18s ", strategies[i]);
        cr_expect_not_null(strstr(listed, line), "no %s: %s", strategies[i], listed);
        cr_expect_eq(run(cli, PLANTED "-s %s --schedules 100 finished", strategies[i]), 0);
    }
    cli_close(cli);
}

/*
 * Claim:   a time is in seconds, minutes or hours, of a year at most; it ends a campaign that
 *          nothing else ends, however many jobs there are.
 */
Test(explore_reported_cli, a_time_has_a_unit_and_ends_all_jobs)
{
    static const char *const years[] = {"31536000", "31536000s", "525600m", "8760h"};
    static const char *const longer[] = {"31536001", "31536001s", "525601m", "8761h"};
    struct cli *cli = cli_open();
    for (size_t i = 0; i < sizeof(years) / sizeof(years[0]); i++) {
        cr_expect_eq(run(cli, PLANTED "--for %s --schedules 1 finished", years[i]), 0, "%s",
                     cli->complaint);
        cr_expect_eq(run(cli, PLANTED "--for %s --schedules 1 finished", longer[i]), 2);
        cr_expect_not_null(strstr(cli->complaint, "is no time"), "%s: %s", longer[i],
                           cli->complaint);
    }
    expect_run(cli, 0, "finished", "", "timeout 60 " PLANTED "-s random --for 0.1s finished");
    expect_run(cli, 0, "finished", "",
               "timeout 60 " PLANTED "-s random --for 0.1s --jobs 2 finished");
    cli_close(cli);
}

/*
 * Claim:   a report numbers each failure, counts replays as such, and its tokens have the depth
 *          that was asked for.
 * Method:  a world in which every execution fails; one in which none does, of which two of two
 *          hundred are repeated, from two words each.
 */
Test(explore_reported_cli, figures_are_what_they_are_called)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "    FAILED at schedule 0: O7", "",
               PLANTED "-s pct --depth 5 --failures 3 words");
    static const char *const texts[] = {
        "    FAILED at schedule 1: O7",
        "    FAILED at schedule 2: O7",
        "    found as explore.words.pct.s1n1d5k",
        "    found as explore.words.pct.s1n2d5k",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_expect_not_null(strstr(cli->output, texts[i]), "no '%s': %s", texts[i], cli->output);
    }
    expect_run(cli, 0, "\"replays\": 4,\n    \"rescued\": 0,", "",
               PLANTED "-s random --schedules 200 -r json finished");
    cli_close(cli);
}

/*
 * Claim:   a replay whose events are not those of its token says so.
 * Method:  of a world whose steps depend on how many executions there were, the token of a later
 *          one, in a new process.
 */
Test(explore_reported_cli, events_that_are_not_those_of_the_token_are_told)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "FAILED at schedule 100: explorer", "",
               PLANTED "-s pct --failures 2 remembers >$dir/found; status=$?; cat $dir/found; "
                       "exit $status");
    expect_run(cli, 0, "steps, and no oracle says no; the events are NOT those of the token", "",
               PLANTED "$(sed -n 's/ *sinval replay //p' $dir/found | tail -n 1)");
    expect_run(cli, 0, "the events are those of the token", "",
               PLANTED "$(sed -n 's/ *sinval replay //p' $dir/found | head -n 1)");
    cli_close(cli);
}

/* Claim: the token in the README is of a world that there is, and nothing is wrong there. */
Test(explore_reported_cli, the_token_of_the_readme_can_be_replayed)
{
    struct cli *cli = cli_open();
    expect_run(
        cli, 0, "steps, and no oracle says no", "",
        "$sinval replay $(sed -n 's/.*bin.sinval replay \\(explore[.].*\\)/\\1/p' " SV_SOURCE_DIR
        "/README.md)");
    cli_close(cli);
}
