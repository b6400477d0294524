/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The command's manners: help, exit statuses, what it says about bad input, and output that cannot
 * be written.
 */
#include "cli_support.h"

#include "base/point.h"

TestSuite(command_cli, .timeout = 90);

static const char *const commands[] = {"demo", "shell", "script", "points", "stat"};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

/*
 * Claim: help, usage and version are there for the command and each subcommand, in every spelling.
 */
Test(command_cli, help_usage_and_version_are_everywhere)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "Usage: sinval COMMAND", "", "$sinval --help");
    expect_run(cli, 0, "Exit status: 0 fine", "", "$sinval help");
    expect_run(cli, 0, "Usage: sinval COMMAND", "", "$sinval --usage");
    expect_run(cli, 0, "sinval 0.1.0\n", "", "$sinval --version");
    expect_run(cli, 0, "sinval 0.1.0\n", "", "$sinval -V");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[64];
        snprintf(usage, sizeof(usage), "Usage: sinval %s", commands[i]);
        static const char *const forms[] = {"help %s", "%s --help", "%s '-?'", "%s --usage"};
        for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
            char line[64] = "$sinval ";
            const size_t length = strlen(line);
            const char *place = strstr(forms[form], "%s");
            snprintf(line + length, sizeof(line) - length, "%.*s%s%s", (int)(place - forms[form]),
                     forms[form], commands[i], place + 2);
            cr_assert_eq(run(cli, "%s", line), 0, "%s", line);
            expect_text(line, "output", cli->output, usage);
            expect_text(line, "complaint", cli->complaint, "");
        }
        cr_assert_eq(run(cli, "$sinval %s --version", commands[i]), 0);
        expect_text(commands[i], "output", cli->output, "sinval 0.1.0\n");
    }
    cli_close(cli);
}

/* Claim: what is no command or no option is status 2, named, and nothing is printed. */
Test(command_cli, bad_commands_and_options_are_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "Usage: sinval COMMAND", "$sinval");
    expect_run(cli, 2, "", "'frobnicate' is no command; right would be one of",
               "$sinval frobnicate");
    expect_run(cli, 2, "", "'frobnicate' is no command", "$sinval help frobnicate");
    expect_run(cli, 2, "", "unrecognized option '--frob'", "$sinval --frob script");
    expect_run(cli, 2, "", "'' is no command", "$sinval ''");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char complaint[80];
        snprintf(complaint, sizeof(complaint), "sinval %s: unrecognized option '--frob'",
                 commands[i]);
        cr_assert_eq(run(cli, "$sinval %s --frob", commands[i]), 2);
        expect_text(commands[i], "output", cli->output, "");
        expect_text(commands[i], "complaint", cli->complaint, complaint);
    }
    cli_close(cli);
}

/* Claim: a bad size of the world is named with what would be right. */
Test(command_cli, bad_sizes_are_named)
{
    struct cli *cli = cli_open();
    cli_write(cli, "s", "join 1\n", 7);
    expect_run(cli, 2, "", "--capacity: 'abc' is not a whole number from 1 to",
               "$sinval script --capacity=abc $dir/s");
    expect_run(cli, 2, "", "--capacity: '-4' is not", "$sinval script --capacity=-4 $dir/s");
    expect_run(cli, 2, "", "--capacity: '0' is not", "$sinval script --capacity=0 $dir/s");
    expect_run(cli, 2, "", "--wraparound: '4294967296' is not",
               "$sinval script --wraparound=4294967296 $dir/s");
    expect_run(cli, 2, "", "requires an argument", "$sinval script --capacity");
    expect_run(cli, 2, "", "capacity", "$sinval script --capacity=5 $dir/s");
    expect_run(cli, 2, "", "wraparound", "$sinval script --capacity=8 --wraparound=9 $dir/s");
    expect_run(cli, 2, "", "backends_max", "$sinval shell --backends-max=1025 /dev/null");
    expect_run(cli, 2, "", "--answer-timeout: '0' is not",
               "$sinval shell --answer-timeout=0 /dev/null");
    cli_close(cli);
}

/* Claim: files that are none, or hold nothing to play, are named. */
Test(command_cli, bad_files_are_named)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "", "there is no FILE", "$sinval script");
    expect_run(cli, 2, "", "a second FILE", "$sinval script a b");
    expect_run(cli, 2, "", "/none: No such file or directory", "$sinval script $dir/none");
    expect_run(cli, 2, "", ": Is a directory", "$sinval script $dir");
    expect_run(cli, 2, "", "has no operation", "$sinval script /dev/null");
    expect_run(cli, 2, "", "a second FILE", "$sinval shell a b");
    expect_run(cli, 2, "", "/none: No such file or directory", "$sinval shell $dir/none");
    expect_run(cli, 2, "", ": Is a directory", "$sinval shell $dir");
    expect_run(cli, 3, "", "standard input: Bad file descriptor", "$sinval script - <&-");
    expect_run(cli, 3, "", "standard input: Bad file descriptor", "$sinval shell <&-");
    expect_run(cli, 2, "", "'gossip' is no demo; right would be basic", "$sinval demo gossip");
    expect_run(cli, 2, "", "a second demo", "$sinval demo basic kill");
    cli_write(cli, "zero", "join 1\njoin\0002\n", 14);
    expect_run(cli, 2, "", "/zero:2: has a zero byte", "$sinval script $dir/zero");
    cli_close(cli);
}

/*
 * Claim:   of a script with one bad line nothing is played, and the complaint has file, line, what
 *          is wrong and what would be right.
 * Method:  a good first line, then each bad one.
 */
Test(command_cli, a_bad_line_of_a_script_is_named_and_nothing_is_played)
{
    static const struct {
        const char *line;
        const char *complaint;
    } bad[] = {
        {"jion 2", "'jion' is no operation; right would be one of join leave ins get clean base"},
        {"join", "join has 1 words; right would be `join P [s]'"},
        {"join 2 x", "'x' after the backend; right would be s for send-only"},
        {"join 2 s s", "join has 4 words"},
        {"join -1", "'-1' is no backend; a whole number from 0 to 1023"},
        {"join 1024", "'1024' is no backend"},
        {"join 2x", "'2x' is no backend"},
        {"join 1", "backend 1 has joined already"},
        {"ins 2 1", "backend 2 has not joined; `join 2' comes first"},
        {"leave 2", "backend 2 has not joined"},
        {"ins 1", "ins has 2 words; right would be `ins P N'"},
        {"ins 1 -1", "'-1' is no number of messages"},
        {"ins 1 99999999999999999999", "is no number of messages"},
        {"get 1 1 1", "get has 4 words"},
        {"clean 1 65537", "'65537' is no minimum free"},
        {"base", "base has 1 words"},
        {"base 2147483648", "'2147483648' is no base"},
        {"base 2147483647", "too large; at most 2147483647 - capacity"},
        {"ins 1 1\nbase 5", "there are unread messages"},
    };
    struct cli *cli = cli_open();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128];
        const int length = snprintf(text, sizeof(text), "join 1\n%s\njoin 3\n", bad[i].line);
        cli_write(cli, "bad", text, (size_t)length);
        expect_run(cli, 2, "", bad[i].complaint, "$sinval script $dir/bad");
        expect_text(bad[i].line, "complaint", cli->complaint,
                    strchr(bad[i].line, '\n') != NULL ? "/bad:3: " : "/bad:2: ");
    }
    expect_run(cli, 2, "", "all 1 slots are taken",
               "printf 'join 1\\njoin 2\\n' | $sinval script --backends-max=1 -");
    cli_close(cli);
}

/* Claim: a script from standard input, with other white space and comments, is the same play. */
Test(command_cli, a_script_is_the_same_from_standard_input)
{
    static const char plain[] = "join 1\njoin 2 s\nins 2 3\nget 1 2\n";
    static const char odd[] = "# who\n\n  join   1 # first\n\tjoin 2 s\r\nins 2 3\nget 1 2";
    struct cli *cli = cli_open();
    cli_write(cli, "plain", plain, sizeof(plain) - 1);
    cli_write(cli, "odd", odd, sizeof(odd) - 1);
    expect_run(cli, 0, "get 1 2        => ret=2 msgs=1..2 min=0 max=3 thr=2048 sig=[] 1:2 2:0o\n",
               "", "$sinval script $dir/plain");
    expect_run(cli, 0, "", "",
               "$sinval script $dir/plain >$dir/a; $sinval script - <$dir/odd >$dir/b;"
               " cmp $dir/a $dir/b");
    cli_close(cli);
}

/* Claim: the presets are PostgreSQL's; given sizes are used. */
Test(command_cli, a_script_plays_in_the_world_that_is_asked_for)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "ins 1 5        =>  min=4 max=5 thr=2 sig=[1] 1:0RS", "",
               "printf 'join 1\\nins 1 5\\n' | $sinval script --capacity=4 --write-quantum=1 -");
    expect_run(cli, 0, "wrap", "",
               "printf 'join 1\\nins 1 4\\nget 1 9\\nins 1 4\\nget 1 9\\nins 1 1\\nget 1 9\\nclean "
               "1 0\\n' |"
               "$sinval script --capacity=4 --wraparound=8 - | sed -n '$s/min=1 max=1/wrap/p'");
    cli_close(cli);
}

/* Claim: output that cannot be written is status 3, for every command and for help. */
Test(command_cli, output_that_cannot_be_written_is_an_error)
{
    static const char *const lines[] = {
        "--help",        "--version",     "help script",
        "script --help", "points",        "points --report=json",
        "stat",          "script $dir/s", "shell $dir/shell",
        "demo basic",
    };
    struct cli *cli = cli_open();
    cli_write(cli, "s", "join 1\n", 7);
    cli_write(cli, "shell", "start 1\n", 8);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cr_assert_eq(run(cli, "$sinval %s >/dev/full", lines[i]), 3, "%s to a full disk: %s",
                     lines[i], cli->complaint);
        expect_text(lines[i], "complaint", cli->complaint,
                    "standard output: No space left on device");
        cr_assert_eq(run(cli, "$sinval %s >&-", lines[i]), 3, "%s closed: %s", lines[i],
                     cli->complaint);
        expect_text(lines[i], "complaint", cli->complaint, "standard output: Bad file descriptor");
        /* The reader of the pipe is gone before the command starts. */
        cr_assert_eq(run(cli,
                         "mkfifo $dir/p; (: <$dir/p) & exec 3>$dir/p; wait; $sinval %s >&3; "
                         "status=$?; rm $dir/p; exit $status",
                         lines[i]),
                     3, "%s to a closed pipe: %s", lines[i], cli->complaint);
        expect_text(lines[i], "complaint", cli->complaint, "standard output: Broken pipe");
    }
    cr_assert_eq(cli_count(cli, "sinval-shell"), 0, "something is left in TMPDIR");
    cli_close(cli);
}

/* Claim: the catalogue is complete, in text and JSON, and a pattern chooses from it. */
Test(command_cli, points_lists_the_catalogue)
{
    struct cli *cli = cli_open();
    char last[64];
    snprintf(last, sizeof(last), "\n%d points, ", (int)SV_POINT_COUNT);
    expect_run(cli, 0, last, "", "$sinval points");
    expect_run(cli, 0, "half a message copied into the ring", "",
               "$sinval points queue/copy/middle");
    expect_run(cli, 0, "\n1 points, ", "", "$sinval points queue/copy/middle");
    expect_run(cli, 0, "kill-mid-message (kill)", "", "$sinval points 'queue/copy/*'");
    expect_run(cli, 2, "", "'queue/nowhere' names no point", "$sinval points queue/nowhere");
    expect_run(cli, 2, "", "'xml' is no kind of report; right would be text or json",
               "$sinval points --report=xml");
    expect_run(cli, 0, "\"point\": \"queue/copy/middle\"", "", "$sinval points --report=json");
    int count = 0;
    for (const char *at = cli->output; (at = strstr(at, "\"point\":")) != NULL; at++) {
        count++;
    }
    cr_assert_eq(count, SV_POINT_COUNT);
    cli_close(cli);
}
