/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval shell and sinval demo: bad lines, backends that do not answer, and that nothing is left
 * whatever ends the program. What the commands themselves do: tests/scripts.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE /* pipe2 */
#endif

#include "cli_support.h"

#include <fcntl.h>
#include <pty.h>

TestSuite(shell_cli, .timeout = 90);

/* A shell that runs beside the test; its output is read as it comes. */
struct session {
    pid_t pid;
    int input;
    FILE *output; /* ends when the shell and all its processes are gone */
};

static void become_shell(const char *name)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (name != NULL) {
        execl(SV_CLI, "sinval", "shell", "--name", name, NULL);
    } else {
        execl(SV_CLI, "sinval", "shell", NULL);
    }
    _exit(125);
}

static struct session session_open(const char *name)
{
    int input[2];
    int output[2];
    cr_assert_eq(pipe2(input, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        become_shell(name);
    }
    close(input[0]);
    close(output[1]);
    return (struct session){.pid = pid, .input = input[1], .output = fdopen(output[0], "r")};
}

static void type(const struct session *session, const char *text)
{
    cr_assert_eq(write(session->input, text, strlen(text)), (ssize_t)strlen(text));
}

/* Read until a line has this. */
static void await(const struct session *session, const char *part)
{
    char line[512];
    while (fgets(line, sizeof(line), session->output) != NULL) {
        if (strstr(line, part) != NULL) {
            return;
        }
    }
    cr_assert_fail("the output ended before '%s'", part);
}

/* Until every process that could write to it is gone. */
static void await_end(const struct session *session)
{
    char line[512];
    while (fgets(line, sizeof(line), session->output) != NULL) {
    }
    fclose(session->output);
}

/* Claim: of a file with one bad line nothing is played; it is named with what would be right. */
Test(shell_cli, a_bad_line_of_a_file_is_named_and_nothing_is_played)
{
    static const struct {
        const char *line;
        const char *complaint;
    } bad[] = {
        {"strat 2", "'strat' is no command; `help' lists them"},
        {"start", "start has 1 words; right would be `start N [send-only]'"},
        {"start 2 3", "'3' after N; send-only, or nothing, would be right"},
        {"start 0", "'0' is no backend; a whole number from 1 to 1024"},
        {"start 1025", "'1025' is no backend"},
        {"start two", "'two' is no backend"},
        {"world capacity=8", "the world is fixed once somebody was started"},
        {"update 1 key", "update has 3 words; right would be `update N KEY VALUE'"},
        {"update 1 key value value", "update has 5 words"},
        {"insert 1 0", "'0' is no number of messages; a whole number from 1 to 65536"},
        {"insert 1 -1", "'-1' is no number of messages"},
        {"wait 1 5001", "'5001' is no time in milliseconds"},
        {"die 1 queue/copy/midle", "'queue/copy/midle' is no fault point; right would be"},
        {"commit 1 2", "commit has 3 words"},
        {"stat 1", "stat has 2 words"},
        {"read 1 aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg",
         "the key has 61 bytes; at most 60 would be right"},
    };
    struct cli *cli = cli_open();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256];
        const int length = snprintf(text, sizeof(text), "start 1\n%s\n", bad[i].line);
        cli_write(cli, "bad", text, (size_t)length);
        expect_run(cli, 2, "", bad[i].complaint, "$sinval shell $dir/bad");
        expect_text(bad[i].line, "complaint", cli->complaint, "/bad:2: ");
    }
    cli_write(cli, "bad", "world capacity=5\n", 17);
    expect_run(cli, 2, "", "/bad:1: ", "$sinval shell $dir/bad");
    cli_write(cli, "bad", "world size=8\n", 13);
    expect_run(cli, 2, "",
               "'size' is no size of a world; right would be one of backends_max capacity",
               "$sinval shell $dir/bad");
    cli_close(cli);
}

/* Claim: standard input is played up to the first bad line, and nothing is left. */
Test(shell_cli, standard_input_ends_at_the_first_bad_line)
{
    struct cli *cli = cli_open();
    expect_run(cli, 2, "1: is backend 0", "standard input:2: 'strat' is no command",
               "printf 'start 1\\nstrat 2\\nstart 3\\n' | $sinval shell");
    cr_assert_null(strstr(cli->output, "3: is backend"));
    cr_assert_eq(cli_count(cli, "sinval-shell"), 0);
    expect_run(cli, 0, "", "", "$sinval shell </dev/null");
    cli_close(cli);
}

/* Claim: what cannot be done is said, and the play goes on. */
Test(shell_cli, what_cannot_be_done_is_answered)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli, "printf '%%s\\n' 'accept 1' 'start 1' 'start 1' 'commit 1' 'begin 1' "
                          "'begin 1' 'cont 1' 'kill 1' 'accept 1' 'kill 1' 'quit 1' 'start 1' "
                          "'start 2' | $sinval shell --backends-max=1"),
                 0, "%s", cli->complaint);
    static const char *const parts[] = {
        "1: has not been started; `start 1' comes first\n",
        "1: is there already; `quit' or `kill' it first\n",
        "1: no transaction is open; `begin' comes first\n",
        "1: a transaction is open already; `commit' or `rollback' ends it\n",
        "1: is not stopped\n",
        "1: is dead; `start 1' comes first\n",
        "2: start: no room left\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        expect_text(parts[i], "output", cli->output, parts[i]);
    }
    cli_close(cli);
}

/*
 * Claim:   a backend that cannot answer does not hang the shell, and its late answer is its own.
 * Method:  2 waits for a lock that 1 holds, with 100 ms for an answer.
 */
Test(shell_cli, a_backend_that_does_not_answer_does_not_hang_the_shell)
{
    struct cli *cli = cli_open();
    cr_assert_eq(run(cli,
                     "printf '%%s\\n' 'start 1' 'start 2' 'hold 1' 'hold 2' 'accept 2' 'hold 1' "
                     "'accept 2' 'hold 2' | $sinval shell --answer-timeout=100"),
                 0, "%s", cli->complaint);
    expect_text("hold 2", "output", cli->output,
                "> hold 2\n2: does not answer within 100 ms\n"
                "> accept 2\n2: does not answer within 100 ms\n"
                "> hold 1\n1: lets go of lock app_0\n"
                "> accept 2\n2: holds lock app_0\n2: is up to date\n"
                "> hold 2\n2: lets go of lock app_0\n");
    cli_close(cli);
}

/* Claim: a backend that somebody else stops is told from one that is slow, and goes on. */
Test(shell_cli, a_backend_that_is_stopped_from_outside_is_noticed)
{
    struct cli *cli = cli_open();
    char name[64];
    snprintf(name, sizeof(name), "shell-cli-stop-%d", (int)getpid());
    struct session session = session_open(name);
    struct sv_segment *segment = NULL;
    struct sv_slot_state state;
    type(&session, "start 1\n");
    await(&session, "1: is backend 0");
    cr_assert_eq(sv_segment_attach(name, &segment), 0);
    sv_slot_look(segment, 0, &state);
    cr_assert_eq(kill(state.pid, SIGSTOP), 0);
    type(&session, "accept 1\n");
    await(&session, "1: does not answer: stopped; `cont 1' lets it go on");
    type(&session, "cont 1\n");
    await(&session, "1: goes on");
    await(&session, "1: is up to date");
    close(session.input);
    cr_assert_eq(reap(session.pid), 0);
    await_end(&session);
    sv_segment_detach(segment);
    cr_assert_eq(sv_segment_attach(name, &segment), -ENOENT);
    cli_close(cli);
}

/*
 * Claim:   whatever signal ends the shell, no process, no pipe and no segment is left.
 * Method:  a named segment, three backends, one of them stopped, one in a transaction. The shell's
 *          output ends only when all its processes have let go of it.
 */
static void end_with(int number)
{
    struct cli *cli = cli_open();
    char name[64];
    struct sv_segment *segment = NULL;
    snprintf(name, sizeof(name), "shell-cli-end-%d", (int)getpid());
    struct session session = session_open(name);
    type(&session, "start 1\nstart 2\nstart 3\nstop 2\nbegin 3\nupdate 3 a b\n");
    await(&session, "3: a = b");
    cr_assert_eq(cli_count(cli, "sinval-shell"), 1);
    cr_assert_eq(sv_segment_attach(name, &segment), 0);
    sv_segment_detach(segment);
    cr_assert_eq(kill(session.pid, number), 0);
    await_end(&session);
    const int status = reap(session.pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == number, "status %x", status);
    cr_assert_eq(cli_count(cli, "sinval-shell"), 0, "pipes are left");
    cr_assert_eq(sv_segment_attach(name, &segment), -ENOENT, "the segment is left");
    close(session.input);
    cli_close(cli);
}

Test(shell_cli, nothing_is_left_after_sigint)
{
    end_with(SIGINT);
}

Test(shell_cli, nothing_is_left_after_sigterm)
{
    end_with(SIGTERM);
}

Test(shell_cli, nothing_is_left_after_sigkill)
{
    end_with(SIGKILL);
}

/* Claim: a name that is taken, or none, is status 2; the segment that has it is left alone. */
Test(shell_cli, a_name_that_is_taken_is_refused)
{
    struct cli *cli = cli_open();
    char name[64];
    struct sv_segment *segment = NULL;
    snprintf(name, sizeof(name), "shell-cli-taken-%d", (int)getpid());
    cr_assert_eq(setenv("name", name, 1), 0);
    cr_assert_eq(sv_segment_create(name, &(struct sv_config){.capacity = 8}, &segment), 0);
    expect_run(cli, 2, "> start 1", name, "echo start 1 | $sinval shell --name $name");
    expect_run(cli, 2, "> start 1", "a/b: ", "echo start 1 | $sinval shell --name a/b");
    sv_segment_detach(segment);
    cr_assert_eq(sv_segment_unlink(name), 0);
    cli_close(cli);
}

/* Read what the terminal shows until it has this; it need not end a line. */
static void await_on(int terminal, char *shown, size_t size, const char *part)
{
    size_t length = strlen(shown);
    while (strstr(shown, part) == NULL) {
        const ssize_t count = read(terminal, shown + length, size - 1 - length);
        cr_assert_gt(count, 0, "the terminal ended before '%s': %s", part, shown);
        length += (size_t)count;
        shown[length] = '\0';
    }
}

/*
 * Claim:   on a terminal a line can be edited, a bad one does not end the shell, and Ctrl-C does,
 *          with everything removed.
 */
Test(shell_cli, on_a_terminal_lines_are_edited)
{
    struct cli *cli = cli_open();
    char shown[16384] = "";
    int terminal = -1;
    cr_assert_eq(setenv("TERM", "xterm", 1), 0);
    const pid_t pid = forkpty(&terminal, NULL, NULL, NULL);
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        become_shell(NULL);
    }
    await_on(terminal, shown, sizeof(shown), "sinval> ");
    cr_assert_eq(write(terminal, "strat 1\r", 8), 8);
    await_on(terminal, shown, sizeof(shown), "'strat' is no command");
    cr_assert_eq(write(terminal, "stxx\177\177art 1\r", 12), 12); /* two mistakes taken back */
    await_on(terminal, shown, sizeof(shown), "1: is backend 0");
    cr_assert_eq(cli_count(cli, "sinval-shell"), 1);
    cr_assert_eq(write(terminal, "\003", 1), 1);
    const int status = reap(pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "status %x\n%s", status, shown);
    cr_assert_eq(cli_count(cli, "sinval-shell"), 0);
    close(terminal);
    cli_close(cli);
}

/* Claim: every demo plays to its end, shows what it is about, and leaves nothing. */
Test(shell_cli, demos_play_to_their_end)
{
    struct cli *cli = cli_open();
    expect_run(cli, 0, "2: colour = red  [cache_misses 1]", "", "$sinval demo basic");
    expect_run(cli, 0, "1: rolled back", "", "$sinval demo rollback");
    expect_run(cli, 0, "2: is reset: all it cached is gone", "", "$sinval demo overflow");
    expect_run(cli, 0, "relays 1", "", "$sinval demo catchup");
    expect_run(cli, 0, "locks_taken_over 1", "", "$sinval demo kill");
    expect_text("demo kill", "output", cli->output, "(that took ");
    expect_text("demo kill", "output", cli->output, "3: colour = green");
    cr_assert_eq(cli_count(cli, "sinval-shell"), 0);
    cli_close(cli);
}
