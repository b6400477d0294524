/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What sinval explore says of worlds in which something is odd (tests/explore).
 */
#include "cli_support.h"

TestSuite(explore_odd_cli, .timeout = 100);

#define MOODY SV_BUILD_DIR "/tests/explore-moody "
#define RED   SV_BUILD_DIR "/tests/explore-red "

/* Does the last output say that, too? */
static void expect_also(const struct cli *cli, const char *text)
{
    cr_expect_not_null(strstr(cli->output, text), "no '%s': %s", text, cli->output);
}

/*
 * Claim:   a search in which an execution was cut off, as it took too many steps, is not complete,
 *          though nothing is left to be tried and nothing has failed.
 * Method:  a world with one order, which takes a third more steps than it may before everyone gets
 *          his turn; and the same with a third less.
 */
Test(explore_odd_cli, what_was_cut_off_is_not_complete)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "complete: there are no others", "",
               MOODY "-s exhaustive --preemptions 0 --complete short");
    expect_run(cli, 1, "1 orders, 0 of them seen once; not complete", "long: not complete",
               MOODY "-s exhaustive --preemptions 0 --complete long");
    expect_run(cli, 0, "1 orders, 1 of them seen once; complete", "",
               MOODY "-s exhaustive --complete short");
    expect_run(cli, 1, "1 orders, 1 of them seen once; not complete", "long: not complete",
               MOODY "-s exhaustive --complete long");
    cli_close(cli);
}

/*
 * Claim:   a campaign that does not find what is planted in a corner is red, with status 1, though
 *          nothing is wrong where it looked; also if it finds something else there.
 */
Test(explore_odd_cli, what_is_planted_and_not_found_is_red)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "blank              RED: what is planted there was not found in 20000", "",
               RED "-s random --schedules 10 fine");
    expect_also(cli, "mistaken           RED: what is planted there was not found in 1 schedules");
    expect_run(cli, 1, "\"world\": \"mistaken\",\n    \"planted_found\": false", "",
               RED "-s random --schedules 10 -r json fine");
    expect_also(cli, "\"world\": \"blank\",\n    \"planted_found\": false");
    cli_close(cli);
}

/*
 * Claim:   a replay that takes the step of another backend, that goes on for longer, or that is
 *          judged otherwise is a finding against the explorer.
 * Method:  worlds in which nothing else is other in every other execution; the first one only.
 */
Test(explore_odd_cli, a_replay_that_is_another_is_told)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "step 1 is backend 0 goes on, and then backend 1 goes on", "",
               MOODY "-s pct --depth 1 --schedules 1 swaps");
    expect_run(cli, 1, "step 12 is the last, and then it goes on to 13", "",
               MOODY "-s pct --schedules 1 grows");
    expect_run(cli, 1, "a replay takes the same 22 steps, and is judged otherwise", "",
               MOODY "-s pct --schedules 1 changes");
    cli_close(cli);
}

/*
 * Claim:   a failure that is shrunk is still the same failure, and a world in which less happens
 *          and something else is wrong is not taken.
 * Method:  a world that fails otherwise without one of its backends.
 */
Test(explore_odd_cli, what_is_shrunk_fails_in_the_same_way)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "O1, no stale read: backend 1 sees it", "",
               MOODY "-s random disguised >$dir/found; status=$?; cat $dir/found; exit $status");
    expect_run(cli, 1, "O1, no stale read: backend 1 sees it", "",
               MOODY "$(sed -n 's/ *sinval replay //p' $dir/found)");
    expect_also(cli, "the events are those of the token");
    cli_close(cli);
}

/*
 * Claim:   any backend may die, the last one too, and before any of its steps, the last one too.
 * Method:  only the last death of the last backend leaves something unfinished.
 */
Test(explore_odd_cli, who_dies_may_be_the_last_at_the_last_step)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "last", "", MOODY "-s random --schedules 2000 last");
    expect_run(cli, 1, "O6, kill-safety: what backend 1 had begun is left unfinished", "",
               MOODY "-s random --schedules 2000 --deaths 1 last");
    cli_close(cli);
}

/*
 * Claim:   signals come twice if --signals says so, and else not; and a search has them arrive
 *          between any two steps, though nobody may die.
 * Method:  worlds in which it is wrong if one signal comes twice, or between two writes.
 */
Test(explore_odd_cli, signals_come_twice_or_in_the_middle)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "twice", "", MOODY "-s random --schedules 3000 twice");
    expect_run(cli, 1, "O7, no leak: the signal came twice", "",
               MOODY "-s random --schedules 3000 --signals twice");
    expect_run(cli, 0, "complete: there are no others", "",
               MOODY "-s exhaustive --preemptions 0 --complete midway");
    expect_run(cli, 1, "O7, no leak: the signal came between two writes", "",
               MOODY "-s exhaustive --preemptions 1 midway");
    expect_run(cli, 1, "O7, no leak: the signal came between two writes", "",
               MOODY "-s exhaustive midway");
    cli_close(cli);
}

/*
 * Claim:   a signal that comes because nobody can do anything else is told like any other, and does
 *          not look like a sleep that ends by itself.
 * Method:  one sleeps until a signal comes, and the search has it come at any time; what is shrunk
 *          says nothing of it.
 */
Test(explore_odd_cli, a_signal_for_want_of_anything_else_is_told)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "O7, no leak: the signal came", "",
               MOODY
               "-s exhaustive --preemptions 0 summons >$dir/found; s=$?; cat $dir/found; exit $s");
    expect_run(cli, 1, " backend 1 is sent a signal, which arrives\n", "",
               MOODY "$(sed -n 's/ *sinval replay //p' $dir/found)");
    cr_expect_null(strstr(cli->output, "nobody has woken it"), "%s", cli->output);
    cli_close(cli);
}

/* Claim: a copy from the segment, or to it, is made word by word, and others come in between. */
Test(explore_odd_cli, others_come_in_between_the_words_of_a_copy)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "what is copied changes meanwhile", "", MOODY "copies-out");
    expect_run(cli, 1, "a copy is seen half done", "", MOODY "copies-in");
    cli_close(cli);
}
