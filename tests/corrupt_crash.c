/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A participant that writes rubbish: the others go on, or end with an answer
 * (include/sinval/api.h). What is overwritten when, and what is then played: tests/corrupt/. By
 * hand, a million from a seed:
 *
 *     build/release/tests/corrupt --seed 1 --count 1000000
 */
#include "cli_support.h"
#include "shm/segment.h"

#define CORRUPT SV_BUILD_DIR "/tests/corrupt "

#if defined(__SANITIZE_ADDRESS__)
#    define SHOTS "1000"
#else
#    define SHOTS "4000"
#endif

TestSuite(corrupt_crash, .timeout = 170);

static void expect_in(const struct cli *cli, const char *text)
{
    cr_assert_not_null(strstr(cli->output, text), "no \"%s\" in:\n%s", text, cli->output);
}

/*
 * Claim:   whatever bytes are overwritten at whatever moment, each backend goes on or answers; none
 *          crashes, loops or waits for ever, touches what lies outside the segment, or signals a
 *          stranger.
 * Method:  4,000 times (under a sanitizer 1,000), drawn from a seed: structures, words, bits, at
 *          fault points of three backends and a postmaster over 16 worlds, most of them with dead
 *          backends.
 */
Test(corrupt_crash, rubbish_is_survived_or_answered)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, CORRUPT "--seed 1 --count " SHOTS), 0, "%s", cli->output);
    expect_in(cli, SHOTS "  in all");
    expect_in(cli, "names no slot");
    expect_in(cli, "queue: max_number");
    cr_assert_null(strstr(cli->output, " 0  calls returned"), "%s", cli->output);
    cli_close(cli);
}

/*
 * Claim:   so do processes, with a postmaster and its children among them.
 * Method:  40 rounds of five processes each. All end, in time, and in one of the two ways.
 */
Test(corrupt_crash, processes_survive_or_answer)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, CORRUPT "--processes --seed 1 --count 40"), 0, "%s", cli->output);
    expect_in(cli, "40  in all");
    expect_in(cli, "names no slot");
    cli_close(cli);
}

/*
 * Claim:   a crash, a loop without end, a wait without end, a write behind the segment, a changed
 *          header and a failed assertion would be seen, each with the number that shows it again.
 */
Test(corrupt_crash, what_must_not_happen_would_be_seen)
{
    static const char *const planted[][2] = {
        {"crash", "number 2: "}, {"hang", "a loop without end"},       {"wait", "everybody waits"},
        {"write", "number 2: "}, {"header", "the header has changed"}, {"assert", "(signal "},
    };
    struct cli *cli = cli_open();
    for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
        cr_assert_eq(run(cli, CORRUPT "--count 4 --plant %s 2>&1", planted[i][0]), 1, "%s: %s",
                     planted[i][0], cli->output);
        expect_in(cli, planted[i][1]);
        expect_in(cli, "again: corrupt --seed 1 --from 2 --count 1");
    }
    cli_close(cli);
}
