/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A job: one process that supervises one run after the other.
 *
 * It is told to end by SIGTERM, which the campaign sends; a terminal's SIGINT goes to the whole
 * group and is the campaign's affair. It ends by _exit: nothing of its parent's is to be flushed.
 *
 * Where a run is the same each time that it is played, each one that fails, and one in a hundred,
 * is played once more: if it is not the same, that is a failure, of ours.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "faults/campaign.h"
#include "faults/clock.h"

static bool write_all(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        const ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            at += written;
            bytes -= (size_t)written;
        }
    }
    return true;
}

#define AGAIN_EVERY 100

/* Is it the same once more? Otherwise that is what was found. */
static void play_again(const struct run_options *run, struct run_result *result)
{
    struct run_result *again = malloc(sizeof(*again));

    if (again == NULL) {
        return;
    }
    run_execute(run, again);
    if (again->outcome != RUN_INTERRUPTED &&
        (again->outcome != result->outcome || again->trace != result->trace)) {
        result->outcome = RUN_VIOLATED;
        (void)finding_set(
            &result->finding, ORACLE_NONE,
            "a run is not the same when it is played again, by a bug of the carrier's: "
            "its events are %016" PRIx64 ", and then %016" PRIx64,
            result->trace, again->trace);
    }
    free(again);
}

static bool play(const struct campaign_options *options, const char *directory,
                 struct job_note *note, int fd)
{
    struct plan plan = options->plans[job_plan(options, note->run)];

    plan_override(&plan, options->backends, options->transactions);
    const struct run_options run = {
        .plan = &plan,
        .seed = job_seed(options, note->run),
        .carrier = carrier_find(options->carrier, plan.world.postmaster),
        .timeout_ms = options->timeout_ms,
        .directory = directory,
    };
    run_execute(&run, &note->result);
    if (note->result.trace != 0 &&
        (note->result.outcome == RUN_VIOLATED || note->run % AGAIN_EVERY == 0)) {
        play_again(&run, &note->result);
    }
    return note->result.outcome != RUN_INTERRUPTED && write_all(fd, note, JOB_NOTE_BYTES) &&
           write_all(fd, note->result.details, note->result.details_bytes);
}

/* The caller's standard output and input are not ours. */
static void prepare(pid_t parent)
{
    sigset_t mask;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

void job_live(const struct campaign_options *options, struct job_board *board, uint32_t job,
              const char *directory, int fd, pid_t parent)
{
    struct job_note *note = malloc(sizeof(*note));

    prepare(parent);
    if (note == NULL) {
        _exit(1);
    }
    while (sv_load_seq32(&board->stop) == 0) {
        note->run = sv_fetch_add_seq64(&board->next, 1);
        if (note->run >= job_runs(options)) {
            break;
        }
        sv_store_seq64(&board->jobs[job].started_ns, clock_now_ns());
        sv_store_seq64(&board->jobs[job].run, note->run + 1);
        if (!play(options, directory, note, fd)) {
            break;
        }
        sv_store_seq64(&board->jobs[job].run, 0);
        if (note->result.outcome == RUN_ENVIRONMENT ||
            (note->result.outcome == RUN_VIOLATED && !options->keep_going)) {
            sv_store_seq32(&board->stop, 1);
        }
    }
    free(note);
    _exit(0);
}
