/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * sinval demo: what the library does, told with the shell's own commands on real processes. The
 * text is the same each time, but for the milliseconds where a line says how long it took.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "cli/input.h"
#include "cli/shell.h"

/* A scene: paragraphs, and lines that are obeyed. */
enum what { SAY, DO, TIME };

struct line {
    enum what what; /* TIME: obey, and say how long it took */
    const char *text;
};

struct scene {
    const char *name;
    const char *title;
    const struct line *lines;
};

#define END_OF_LINES \
    {                \
        SAY, NULL    \
    }

static const struct line basic[] = {
    {SAY,
     "Each process keeps a cache of what it has read, and one truth is shared: here, rows of a\n"
     "table in shared memory. Reading what is cached takes no lock and asks nobody."},
    {DO, "start 1"},
    {DO, "start 2"},
    {DO, "update 1 colour blue"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {DO, "read 2 colour"},
    {SAY,
     "The first read missed and loaded the row, the second found it. Now 1 changes it. The commit\n"
     "puts one message of 16 bytes into the shared queue: what went stale. It touches nobody\n"
     "else's memory; until 2 accepts messages, it goes on with what it knows."},
    {DO, "update 1 colour red"},
    {DO, "read 2 colour"},
    {SAY, "A program accepts where it must be current: at the beginning of a transaction, or of a\n"
          "request. With nothing new that is one load, some nanoseconds."},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {SAY, "That something is not there is remembered too, and goes stale in the same way."},
    {DO, "read 2 shape"},
    {DO, "read 2 shape"},
    {DO, "update 1 shape round"},
    {DO, "accept 2"},
    {DO, "read 2 shape"},
    END_OF_LINES,
};

static const struct line rollback[] = {
    {SAY,
     "What a transaction changes goes stale for itself at once, for others at its commit, and\n"
     "for nobody if it is rolled back."},
    {DO, "start 1"},
    {DO, "start 2"},
    {DO, "update 1 colour blue"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {DO, "begin 1"},
    {DO, "update 1 colour red"},
    {DO, "read 1 colour"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {SAY,
     "2 had nothing to accept. A subtransaction that is rolled back takes only its own messages\n"
     "along."},
    {DO, "savepoint 1"},
    {DO, "update 1 shape round"},
    {DO, "read 1 shape"},
    {DO, "rollback-to 1"},
    {DO, "read 1 shape"},
    {SAY,
     "Now the whole transaction is rolled back: 1 throws away what it had cached of it, and 2\n"
     "never hears of it, and keeps its entry."},
    {DO, "rollback 1"},
    {DO, "read 1 colour"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {DO, "stat"},
    {SAY, "One message was ever sent: that of the first commit."},
    END_OF_LINES,
};

static const struct line overflow[] = {
    {SAY,
     "The queue is a ring; here it holds 8 messages. Writers never wait for a reader. Who falls\n"
     "behind is asked to catch up, and who does not, loses its place: it is *reset*."},
    {DO, "world capacity=8"},
    {DO, "start 1"},
    {DO, "start 2"},
    {DO, "update 1 colour blue"},
    {DO, "accept 1"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {SAY, "2 stops, as a process does that is suspended, swapped out, or in a debugger."},
    {DO, "stop 2"},
    {DO, "update 1 colour red"},
    {DO, "insert 1 4"},
    {DO, "accept 1"},
    {DO, "insert 1 2"},
    {DO, "stat"},
    {DO, "accept 1"},
    {DO, "insert 1 2"},
    {DO, "stat"},
    {SAY,
     "2 was asked, could not hear it, and its messages are overwritten. It is told so as soon as\n"
     "it accepts: it throws away all that it has cached, and is right again. Losing messages is\n"
     "normal here; losing them without being told does not happen."},
    {DO, "cont 2"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {DO, "accept 2"},
    END_OF_LINES,
};

static const struct line catchup[] = {
    {SAY,
     "Before it comes to a reset, the one furthest behind is sent a *catchup*, by a signal. One "
     "at\n"
     "a time: if all were woken at once, all would want the same lock. Who has caught up wakes\n"
     "the next. The ring holds 16; more than 4 behind is too far."},
    {DO, "world capacity=16 signal_threshold=4 cleanup_min=4 cleanup_quantum=1"},
    {DO, "start 1"},
    {DO, "start 2"},
    {DO, "start 3"},
    {DO, "start 4"},
    {DO, "insert 1 5"},
    {DO, "accept 1"},
    {DO, "insert 1 1"},
    {DO, "stat"},
    {SAY,
     "2, 3 and 4 are all too far behind, and only 2 was asked. It reads, cleans up, and asks 3."},
    {DO, "wait 2 1000"},
    {DO, "stat"},
    {DO, "wait 3 1000"},
    {DO, "wait 4 1000"},
    {DO, "stat"},
    {SAY,
     "Everybody is up to date, nobody was reset, and the writer sent one signal in all. Should\n"
     "the one that was asked die instead, whoever settles it asks the next."},
    {DO, "accept 1"},
    {DO, "insert 1 5"},
    {DO, "accept 1"},
    {DO, "insert 1 1"},
    {DO, "kill 2"},
    {DO, "settle"},
    {DO, "stat"},
    END_OF_LINES,
};

static const struct line killed[] = {
    {SAY,
     "Any process may be killed at any instruction. Here 1 is killed after its change is in the\n"
     "table, and before anybody was told of it."},
    {DO, "start 1"},
    {DO, "start 2"},
    {DO, "start 3"},
    {DO, "update 1 colour blue"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {DO, "die 1 commit/source/after"},
    {DO, "update 1 colour red"},
    {DO, "stat"},
    {SAY,
     "It had written down what it was about to say: its *intent*. Whoever finds it dead says it\n"
     "in its place. Nobody needs to supervise: an idle process looks around, and so does every\n"
     "transaction now and then. 3 waits for something to do, and finds the dead."},
    {DO, "wait 3 200"},
    {DO, "stat"},
    {DO, "accept 2"},
    {DO, "read 2 colour"},
    {SAY,
     "No stale read, no restart. And if it dies in the middle of a message, holding the lock\n"
     "that all writers need, the next writer finds that its owner is dead, repairs what it left,\n"
     "and goes on: within 100 milliseconds (K1)."},
    {DO, "start 1"},
    {DO, "die 1 queue/copy/middle"},
    {DO, "update 1 colour green"},
    {DO, "stat"},
    {TIME, "update 2 shape round"},
    {DO, "wait 3 200"},
    {DO, "accept 3"},
    {DO, "read 3 colour"},
    {DO, "read 3 shape"},
    END_OF_LINES,
};

static const struct scene scenes[] = {
    {"basic", "caches that agree", basic},
    {"rollback", "nothing is said before the commit", rollback},
    {"overflow", "a reader falls behind", overflow},
    {"catchup", "the baton", catchup},
    {"kill", "a writer is killed", killed},
};

enum { SCENE_COUNT = sizeof(scenes) / sizeof(scenes[0]) };

static bool do_line(struct shell *shell, const struct line *line)
{
    printf("> %s\n", line->text);
    const uint64_t before_ns = sv_os_now_ns();
    const bool fine = shell_obey(shell, line->text);
    if (line->what == TIME) {
        printf("   (that took %.1f ms)\n", (double)(sv_os_now_ns() - before_ns) / 1e6);
    }
    return fine && fflush(stdout) == 0;
}

static int play(const struct scene *scene, const volatile sig_atomic_t *interrupted)
{
    struct shell shell = {.crew = {.out = stdout, .interrupted = interrupted}};
    printf("%s: %s\n", scene->name, scene->title);
    bool fine = true;
    enum what before = DO;
    for (const struct line *line = scene->lines; fine && line->text != NULL; line++) {
        if (line->what == SAY) {
            printf("\n%s\n\n", line->text);
        } else {
            fine = do_line(&shell, line);
        }
        before = line->what;
    }
    fputs(before == SAY ? "" : "\n", stdout);
    shell_end(&shell);
    return shell.status;
}

static const struct scene *find_scene(const char *name)
{
    for (size_t i = 0; i < SCENE_COUNT; i++) {
        if (strcmp(scenes[i].name, name) == 0) {
            return &scenes[i];
        }
    }
    return NULL;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    const struct scene **scene = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (*scene != NULL) {
            argp_error(state, "'%s' is a second demo; one, or none for all, would be right",
                       argument);
        }
        *scene = find_scene(argument);
        if (*scene == NULL) {
            argp_error(state,
                       "'%s' is no demo; right would be basic, rollback, overflow, catchup "
                       "or kill",
                       argument);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "[basic|rollback|overflow|catchup|kill]",
    .doc = "What the library does, told in a page each, with real processes; without an argument "
           "all five. The commands are those of `sinval shell'.",
};

int cmd_demo(int argc, char **argv)
{
    const struct scene *chosen = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &chosen);
    const volatile sig_atomic_t *interrupted = input_catch_signals();
    int status = STATUS_FINE;
    for (size_t i = 0; i < SCENE_COUNT && status == STATUS_FINE; i++) {
        if (chosen == NULL || chosen == &scenes[i]) {
            status = play(&scenes[i], interrupted);
        }
    }
    input_end_by_signal();
    return status;
}
