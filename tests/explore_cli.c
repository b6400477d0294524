/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval explore, and sinval replay of what it found.
 */
#include "cli_support.h"

TestSuite(explore_cli, .timeout = 100);

/* Claim: what cannot be right is said, with what would be; status 2. */
Test(explore_cli, bad_input_is_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "there is no world 'ring'; --list names them", "$sinval explore ring");
    expect_run(cli, 2, "", "there is no strategy 'luck'", "$sinval explore --strategy luck");
    expect_run(cli, 2, "", "--for: '10x' is no time", "$sinval explore --for 10x");
    expect_run(cli, 2, "", "--schedules: '-1'", "$sinval explore --schedules=-1");
    expect_run(cli, 2, "", "--report: 'xml' is neither text nor json",
               "$sinval explore --report xml");
    expect_run(cli, 2, "", "--failures: '9'", "$sinval explore --failures 9");
    expect_run(cli, 2, "", "this is no token of sinval explore", "$sinval replay explore.ring-4");
    cli_close(cli);
}

/*
 * Claim:   a failure is one word, and that word repeats it to the last access, in another process.
 * Method:  a world with a planted defect, named, is explored like any other; each failure's token
 *          is replayed, and the hash of all events compared. One that is mistyped is refused.
 */
Test(explore_cli, a_failure_is_repeated_from_its_token)
{
    static const char *const worlds[] = {"planted-deadlock", "planted-stale-read"};
    static const char *const findings[] = {"O4, progress: deadlock: backend 0 sleeps on",
                                           "O1, no stale read: backend 1 is told of version"};
    struct cli *cli = cli_open();
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(run(cli, "$sinval explore -s random %s >$dir/found", worlds[i]), 1);
        expect_run(cli, 0, "", "", "sed -n 's/ *sinval replay //p' $dir/found >$dir/token");
        expect_run(cli, 1, "the events are those of the token", "",
                   "$sinval replay $(cat $dir/token)");
        expect_run(cli, 1, findings[i], "", "$sinval replay $(cat $dir/token)");
        expect_run(cli, 2, "", "its checksum is wrong", "$sinval replay $(tr AB BA <$dir/token)");
    }
    cli_close(cli);
}

/*
 * Claim:   nothing leaks into an execution: the same seed gives the same in another process.
 * Method:  all counts of two campaigns with a death, orders and accesses among them, but the seconds;
 *          and another seed gives something else.
 */
Test(explore_cli, the_same_seed_gives_the_same_executions)
{
    struct cli *cli = cli_open();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(run(cli,
                         "$sinval explore --schedules 1000 --deaths 1 --report json ring-4 relay "
                         "slots cache --seed %d >$dir/all%d",
                         i < 2 ? 7 : 8, i),
                     0);
        cr_assert_eq(run(cli, "grep -v seconds $dir/all%d >$dir/counts%d", i, i), 0);
    }
    expect_run(cli, 0, "", "", "cmp $dir/counts0 $dir/counts1");
    expect_run(cli, 1, "", "", "cmp -s $dir/counts0 $dir/counts2");
    cli_close(cli);
}

/* Claim: a search that is cut short does not call itself complete. */
Test(explore_cli, what_is_cut_short_is_not_complete)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "complete: there are no others", "",
               "$sinval explore -s exhaustive --preemptions 1 --complete latch");
    expect_run(cli, 1, "not complete", "latch: not complete",
               "$sinval explore -s exhaustive --preemptions 2 --schedules 100 --complete latch");
    cli_close(cli);
}
