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
    expect_run(cli, 2, "", "'0' is not a whole number from 1", "$sinval explore --schedules 0");
    expect_run(cli, 2, "", "'0' is not a whole number from 1", "$sinval explore --failures 0");
    expect_run(cli, 2, "", "'0' is not a whole number from 1 to 64", "$sinval explore --jobs 0");
    expect_run(cli, 2, "", "'99999999h' is no time", "$sinval explore --for 99999999h");
    expect_run(cli, 2, "", "are for --strategy exhaustive",
               "$sinval explore --preemptions 2 latch");
    expect_run(cli, 2, "", "are for --strategy exhaustive", "$sinval explore --complete latch");
    expect_run(cli, 2, "", "a search is one path", "$sinval explore -s exhaustive --jobs 2 latch");
    expect_run(cli, 2, "", "--sweep is for strategies that sample",
               "$sinval explore -s exhaustive --sweep latch");
    expect_run(cli, 2, "", "--all and --gdb go with a token", "$sinval explore --all latch");
    expect_run(cli, 2, "", "only --all or --gdb may go with it",
               "$sinval explore explore.x ring-4");
    expect_run(cli, 2, "", "only --all or --gdb may go with it",
               "$sinval explore --deaths 1 explore.x");
    expect_run(cli, 2, "", "one token would be right", "$sinval explore explore.x explore.x");
    expect_run(cli, 2, "", "only --all and --gdb are for tokens of `sinval explore'",
               "$sinval replay --times 3 explore.x");
    expect_run(cli, 2, "", "this is no token of sinval explore", "$sinval replay explore.ring-4");
    expect_run(cli, 2, "", "a token is a whole run", "$sinval run --seed 3 explore.ring-4");
    expect_run(cli, 2, "", "a token is a whole run", "$sinval run storm explore.ring-4");
    cli_close(cli);
}

/* Each command that takes a token repeats what it says, with that finding, to the last access. */
static void expect_repeated(struct cli *cli, const char *finding)
{
    static const char *const commands[] = {"replay", "run", "explore"};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(setenv("command", commands[i], 1), 0);
        expect_run(cli, 1, finding, "", "$sinval $command $(cat $dir/token)");
        cr_expect_not_null(strstr(cli->output, "the events are those of the token"), "%s",
                           cli->output);
    }
    expect_run(cli, 2, "", "its checksum is wrong", "$sinval replay $(sed 's,.$,x,' $dir/token)");
}

/*
 * Claim:   a failure is one word, and that word repeats it to the last access, in another process;
 *          two words: what it does, and which strategy did it, with all parameters.
 * Method:  a world with a planted defect, named, is explored like any other, with each strategy
 *          that samples; the tokens of the last failure are replayed, and the
 *          hash of all events compared. One that is mistyped is refused.
 */
Test(explore_cli, a_failure_is_repeated_from_its_tokens)
{
    static const char *const worlds[] = {"planted-deadlock", "planted-stale-read"};
    static const char *const findings[] = {"O4, progress: deadlock: backend 0 sleeps on",
                                           "O1, no stale read: backend 1 is told of version"};
    static const char *const strategies[] = {"random", "pct", "pos", "surw", "portfolio"};
    struct cli *cli = cli_open();
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 5; j++) {
            cr_assert_eq(run(cli, "$sinval explore --failures 8 -s %s %s >$dir/found",
                             strategies[j], worlds[i]),
                         1);
            expect_run(cli, 0, "", "",
                       "sed -n 's/ *sinval replay //p' $dir/found | tail -n 1 >$dir/token");
            expect_repeated(cli, findings[i]);
            expect_run(cli, 0, "", "",
                       "sed -n 's/ *found as //p' $dir/found | tail -n 1 >$dir/token");
            expect_repeated(cli, findings[i]);
        }
    }
    cli_close(cli);
}

/*
 * Claim:   an execution whose replay is another is a finding against the explorer, with the first
 *          step that differs.
 * Method:  a world in which one step depends on how many executions there were.
 */
Test(explore_cli, the_first_step_that_diverges_is_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "FAILED at schedule 0: explorer, a bug of its own: a replay diverges", "",
               SV_BUILD_DIR "/tests/explore-planted -s pct --schedules 10 remembers");
    cr_expect_not_null(strstr(cli->output, "backend 0 reads ring message 0, byte 4, and then "
                                           "backend 0 reads ring message 0, byte 0"),
                       "%s", cli->output);
    cli_close(cli);
}

/*
 * Claim:   a search does not take two states for the same in which a backend stands in the same
 *          place, but remembers something else; and who goes round and round without end is found
 *          by it, as a livelock.
 * Method:  what is remembered is on the stack; it takes two preemptions, of which one is at one of
 *          thirty places, which none of the random executions hits from which the search learns.
 *          Each part of a backend is changed while it stands still, and locks are taken that it
 *          holds. One that looks for what never comes.
 */
Test(explore_cli, a_search_knows_what_is_remembered_and_who_goes_round)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "O7, no leak: the end of the story", "",
               SV_BUILD_DIR "/tests/explore-planted -s exhaustive --preemptions 2 keeps");
    expect_run(cli, 1, "O7, no leak: all of a state counts", "",
               SV_BUILD_DIR "/tests/explore-planted -s exhaustive --preemptions 2 stands");
    expect_run(cli, 1, "O4, progress: livelock: nobody came to an end", "",
               SV_BUILD_DIR "/tests/explore-planted -s exhaustive --preemptions 2 rounds");
    cli_close(cli);
}

/*
 * Claim:   what is broken for one step only is found at that step, and with it what was done by
 *          whom.
 * Method:  min_number is too high until the next write; published is written without the lock. At
 *          the end of either nothing can be seen of it.
 */
Test(explore_cli, what_is_right_again_at_the_end_is_found)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1,
               "O3, invariants: J3, Q3: a slot's position is outside the queue: after backend 0's "
               "write to ",
               "", SV_BUILD_DIR "/tests/explore-planted --schedules 10 too-high");
    expect_run(cli, 1, "J1: backend 0 writes published, and does not hold lock write", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 10 unlocked");
    cli_close(cli);
}

/*
 * Claim:   who has to be told, and is not, is found, though it would look again after a while: as
 *          a lost wake-up if what it sleeps on has changed. Where one may sleep for a while that is
 *          no finding.
 * Method:  a latch is set without a wake; a latch is not set, in a world of each kind.
 */
Test(explore_cli, a_lost_wake_up_is_found)
{
    struct cli *cli = cli_open();
    expect_run(
        cli, 1,
        "O4, progress: lost wake-up: backend 0 sleeps on slot 0 latch, which has changed since", "",
        SV_BUILD_DIR "/tests/explore-planted --schedules 1000 mute");
    expect_run(cli, 1, "O4, progress: only time goes on: backend 0 sleeps on slot 0 latch", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 1000 deaf");
    expect_run(cli, 0, "patient", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 1000 patient");
    cli_close(cli);
}

/*
 * Claim:   the crash sweep repeats each schedule with a death before each access in it, and so
 *          finds in the first one what only one death at one access shows; its token repeats that.
 * Method:  a world of 30 accesses, in one variant of which a death before one of them leaves
 *          something unfinished.
 */
Test(explore_cli, the_sweep_dies_at_every_access)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "31 schedules", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 31 unfinished");
    expect_run(cli, 1, "FAILED at schedule 0: O6", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 31 --sweep unfinished >$dir/found; "
                            "status=$?; cat $dir/found; exit $status");
    expect_run(cli, 1, "what backend 0 had begun is left unfinished", "",
               SV_BUILD_DIR "/tests/explore-planted --replay "
                            "$(sed -n 's/ *sinval replay //p' $dir/found)");
    expect_run(cli, 0, "\"schedules\": 62,", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 62 --sweep -r json finished");
    cr_expect_not_null(strstr(cli->output, "\"deaths\": 60,"), "%s", cli->output);
    expect_run(cli, 2, "", "--sweep is for strategies that sample",
               "$sinval explore -s exhaustive --sweep ring-4");
    cli_close(cli);
}

/*
 * Claim:   a failure is shrunk to the faults, backends and operations that it needs, then to the
 *          switches.
 * Method:  of four backends with twelve operations each two are needed, one for two operations and
 *          one for one; and one switch in the middle of the second. Deaths and lost signals are
 *          not.
 */
Test(explore_cli, a_failure_is_shrunk_to_what_it_needs)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "", "",
               "for s in random surw; do for seed in 1 2 3; do " SV_BUILD_DIR
               "/tests/explore-planted --deaths 2 --signals -s $s --seed $seed crowd; done; done "
               ">$dir/found; test $(grep -c 'explore[.]crowd_0_2_0_1[.][A-Za-z0-9_-]\\{4,8\\}[.]' "
               "$dir/found) = 6 || { cat $dir/found; false; }");
    cli_close(cli);
}

/*
 * Claim:   who touches the private memory of another backend is found, also when that one has died
 *          and its memory was given back.
 * Method:  a backend uses the handle of another; with deaths, until that one is dead.
 */
Test(explore_cli, private_memory_of_others_is_not_touched)
{
    struct cli *cli = cli_open();
    expect_run(cli, 1, "O3, invariants: backend 1 reads 8 bytes of backend 0's private memory", "",
               SV_BUILD_DIR "/tests/explore-planted --schedules 100 pointer");
    expect_run(cli, 1, "bytes of private memory of backend 0, which has died", "",
               SV_BUILD_DIR
               "/tests/explore-planted --schedules 100 --deaths 1 --failures 8 pointer");
    cli_close(cli);
}

/* A replay of planted worlds has printed that. */
static void expect_told(struct cli *cli, const char *token, const char *const *texts, int count)
{
    cr_assert_eq(run(cli, SV_BUILD_DIR "/tests/explore-planted %s", token), 1);
    for (int i = 0; i < count; i++) {
        cr_expect_not_null(strstr(cli->output, texts[i]), "no '%s': %s", texts[i], cli->output);
    }
}

/*
 * Claim:   a replay tells the steps that matter: who, where in the code, what was there and is now,
 *          whose write a read has seen, who died; then what is wrong, and where each backend
 *          stands.
 * Method:  a stale read; a deadlock; a death; with --all also what concerns one backend alone.
 */
Test(explore_cli, a_replay_tells_the_story)
{
    static const char *const crowd[] = {
        "backend 1 writes   ring message 0, byte 0       1 -> 2 ",
        "backend 3 reads    ring message 0, byte 8       1, of 4 ",
        "run_crowd, worlds_planted.c:",
        "\nO1, no stale read: backend 3 is told of version 2, and reads version 1\n",
        "\nbackend 0 has finished\nbackend 1:\n",
        "\nbackend 3:\n    run_crowd, worlds_planted.c:",
    };
    static const char *const deadlock[] = {
        "run_deadlock, worlds_corners.c:",
        "\nbackend 0 sleeps on ring message 0, byte 8:\n    sv_os_wait, os_fiber.c:",
        "    lock, worlds_corners.c:",
    };
    static const char *const death[] = {"backend 0 DIES\n", "\nbackend 0 has died:\n"};
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, SV_BUILD_DIR "/tests/explore-planted -s random crowd unfinished "
                                       "planted-deadlock --sweep >$dir/found"),
                 1);
    expect_told(cli, "$(sed -n 's/ *sinval replay \\(.*crowd.*\\)/\\1/p' $dir/found)", crowd, 6);
    expect_told(cli, "$(sed -n 's/ *sinval replay \\(.*deadlock.*\\)/\\1/p' $dir/found)", deadlock,
                3);
    expect_told(cli, "$(sed -n 's/ *sinval replay \\(.*unfinished.*\\)/\\1/p' $dir/found)", death,
                2);
    cr_assert_eq(run(cli, SV_BUILD_DIR "/tests/explore-planted -s random crowd >$dir/found"), 1);
    expect_run(cli, 0, "", "",
               "sed -n 's/ *found as \\(.*crowd.*\\)/\\1/p' $dir/found >$dir/token");
    expect_run(cli, 1, "are left out: --all tells them", "",
               SV_BUILD_DIR "/tests/explore-planted $(cat $dir/token)");
    const size_t told = strlen(cli->output);
    expect_run(cli, 1, "backend 2 writes", "",
               SV_BUILD_DIR "/tests/explore-planted --all $(cat $dir/token)");
    cr_expect_gt(strlen(cli->output), told);
    expect_run(cli, 2, "", "--all and --gdb are for tokens of `sinval explore'",
               "$sinval replay --all storm");
    cli_close(cli);
}

/*
 * Claim:   a replay says what a word means: who has a lock, and who only asks for it; why a slot
 *          is reset. What is copied in pieces is one line; a sleep that ends for no reason is told.
 * Method:  the story of one who takes a lock, inserts and reads; and of two who write, and read
 *          after a nap.
 */
Test(explore_cli, a_replay_says_what_words_mean)
{
    static const char *const words[] = {
        " updates  lock app_0 exclusive         nobody -> slot 0 asks   acquire_exclusive",
        " updates  lock app_0 exclusive         slot 0 asks -> slot 0   acquire_exclusive",
        " writes   lock app_0 exclusive         slot 0 -> nobody        release_exclusive_word",
        " reads    slot 0 reset                 no                      read_locked",
    };
    static const char *const pieces[] = {
        "backend 0 writes   ring message 0, byte 0       16 bytes ",
        "backend 1 wakes up, and nobody has woken it: any sleep may end early\n",
        "backend 1 reads    ring message 0, byte 0       16 bytes ",
    };
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, SV_BUILD_DIR "/tests/explore-planted -s random words >$dir/found"), 1);
    expect_told(cli, "--all $(sed -n 's/ *sinval replay \\(.*words.*\\)/\\1/p' $dir/found)", words,
                4);
    cr_assert_eq(run(cli, SV_BUILD_DIR "/tests/explore-planted -s random pieces >$dir/found"), 1);
    expect_told(cli, "$(sed -n 's/ *sinval replay \\(.*pieces.*\\)/\\1/p' $dir/found)", pieces, 3);
    cr_expect_null(strstr(cli->output, "ring message 0, byte 8"), "%s", cli->output);
    cli_close(cli);
}

/*
 * Claim:   under gdb a replay stops at the fatal step, and each backend's stack can be looked at.
 * Method:  a deadlock of two; gdb in batch mode, where there is one that may trace.
 */
Test(explore_cli, gdb_shows_each_stack_at_the_fatal_step)
{
    struct cli *cli = cli_open();
    if (run(cli, "command -v gdb && test $(uname -m) = x86_64") != 0) {
        cr_log_warn("no gdb, or not x86-64: nothing to look at");
        cli_close(cli);
        return;
    }
    cr_assert_eq(run(cli, "$sinval explore planted-deadlock >$dir/found"), 1);
    (void)run(cli, "gdb -q -batch -x " SV_BUILD_DIR "/libexec/sinval/sinval-explore-gdb.py -ex run "
                   "-ex backends --args " SV_BUILD_DIR "/libexec/sinval/sinval-explore "
                   "$(sed -n 's/ *sinval replay //p' $dir/found)");
    if (strstr(cli->complaint, "ptrace") == NULL) {
        static const char *const texts[] = {"explore_fatal_step ()", "in machine_fail (",
                                            "backend 0", "in sv_os_wait (", "in run_deadlock ("};
        for (int i = 0; i < 5; i++) {
            cr_expect_not_null(strstr(cli->output, texts[i]), "no '%s': %s%s", texts[i],
                               cli->output, cli->complaint);
        }
        const char *second = strstr(cli->output, "backend 1");
        cr_assert_not_null(second, "%s", cli->output);
        cr_expect_not_null(strstr(second, "in run_deadlock ("), "%s", cli->output);
    }
    cli_close(cli);
}

/*
 * Claim:   an exhaustive search through a model of the queue counts the same as GenMC did under
 *          sequential consistency: 12 orders with 2 writers and 1 reader, 108 with 3 and 1, 100
 *          with 2 and 2.
 */
Test(explore_cli, the_models_have_as_many_orders_as_in_genmc)
{
    static const char *const models[] = {"model-2-1", "model-3-1", "model-2-2"};
    static const char *const orders[] = {"\"orders\": 12,", "\"orders\": 108,", "\"orders\": 100,"};
    struct cli *cli = cli_open();

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(setenv("model", models[i], 1), 0);
        expect_run(cli, 0, orders[i], "",
                   "$sinval explore --strategy exhaustive --complete --report json $model");
    }
    cli_close(cli);
}

/*
 * Claim:   no failure that the explorer once found comes back.
 * Method:  its tokens in faults/seeds (tests/seeds_fault.c replays those of runs), of both forms.
 *          The code has changed since, so its steps are others, but the schedule is the one that
 *          failed.
 */
Test(explore_cli, no_failure_once_seen_comes_back)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "", "", "grep -h ^explore[.] " SV_SOURCE_DIR "/faults/seeds/* >$dir/tokens");
    expect_run(cli, 0, "", "", "grep -q '[.]s[0-9]*n' $dir/tokens");
    expect_run(cli, 0, "", "",
               "while read -r token; do $sinval replay $token >$dir/story || "
               "{ cat $dir/story; exit 1; }; done <$dir/tokens");
    cli_close(cli);
}

/*
 * Claim:   nothing leaks into an execution: the same seed gives the same in another process.
 * Method:  all counts of two campaigns with a death, orders and accesses among them, but the
 *          seconds; and another seed gives something else.
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
