/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A campaign: jobs, their pipes, the totals.
 *
 * One poll waits for results, for signals and for the next look at the clock. A job whose pipe ends
 * is reaped; if it was in the middle of a run, that run has failed (the supervisor itself crashed).
 * A job that is far beyond any deadline of its own is killed, and its run has failed too: so a
 * campaign ends, whatever is wrong with what it tests.
 */
#define _GNU_SOURCE
#include "faults/campaign.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults/clock.h"
#include "faults/scratch.h"

#define GRACE_NS     UINT64_C(60000000000) /* what a run may take beyond ten timeouts */
#define LOOK_MS      100
#define SIGNALS_FD   CAMPAIGN_JOBS_MAX
#define POLLED_COUNT (CAMPAIGN_JOBS_MAX + 1)

/* A job as its campaign sees it. */
struct job {
    pid_t pid; /* 0: ended */
    int fd;
    struct job_note *note; /* of what it has sent, one at most */
    size_t used;           /* bytes of it */
};

struct office {
    const struct campaign_options *options;
    struct campaign *campaign;
    struct job_board *board;
    struct job jobs[CAMPAIGN_JOBS_MAX];
    struct scratch scratch;
    int signals; /* a signalfd */
    sigset_t mask_before;
    uint64_t start_ns;
};

/* ---- jobs ---------------------------------------------------------------------------------- */

/* A whole note in the buffer? Takes it. */
static bool take_note(struct office *office, struct job *job)
{
    const struct job_note *note = job->note;

    if (job->used < JOB_NOTE_BYTES || job->used < JOB_NOTE_BYTES + note->result.details_bytes) {
        return false;
    }
    const size_t bytes = JOB_NOTE_BYTES + note->result.details_bytes;
    campaign_add(office->campaign, note);
    memmove(job->note, (uint8_t *)job->note + bytes, job->used - bytes);
    job->used -= bytes;
    return true;
}

/* The job's pipe has ended, and so has the job. */
static void end_job(struct office *office, uint32_t index)
{
    struct job *job = &office->jobs[index];
    const uint64_t run = sv_load_seq64(&office->board->jobs[index].run);
    struct finding finding;
    int status = 0;

    while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR) {
    }
    (void)close(job->fd);
    job->pid = 0;
    job->fd = -1;
    if (run != 0 && office->campaign->interrupted == 0) {
        if (WIFSIGNALED(status)) {
            (void)finding_set(&finding, ORACLE_O3,
                              "the supervisor of the run was ended by signal %d (%s)",
                              WTERMSIG(status), strsignal(WTERMSIG(status)));
        } else {
            (void)finding_set(&finding, ORACLE_O3, "the supervisor of the run left with status %d",
                              WEXITSTATUS(status));
        }
        office->campaign->runs++;
        office->campaign->plans[job_plan(office->options, run - 1)].runs++;
        campaign_add_failure(office->campaign, run - 1, &finding, "", 0);
        sv_store_seq32(&office->board->stop, !office->options->keep_going);
    }
}

static void read_job(struct office *office, uint32_t index)
{
    struct job *job = &office->jobs[index];
    const ssize_t got =
        read(job->fd, (uint8_t *)job->note + job->used, sizeof(*job->note) - job->used);

    if (got > 0) {
        job->used += (size_t)got;
        while (take_note(office, job)) {
        }
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
        end_job(office, index);
    }
}

static int start_job(struct office *office, uint32_t index)
{
    const pid_t parent = getpid();
    struct job *job = &office->jobs[index];
    int ends[2];

    job->fd = -1;
    job->note = malloc(sizeof(*job->note));
    if (job->note == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        return job->note == NULL ? -ENOMEM : -errno;
    }
    job->pid = fork();
    if (job->pid == 0) {
        (void)close(ends[0]);
        for (uint32_t i = 0; i < index; i++) {
            (void)close(office->jobs[i].fd);
        }
        (void)close(office->signals);
        job_live(office->options, office->board, index, office->scratch.path, ends[1], parent);
    }
    const int error = job->pid < 0 ? -errno : 0;
    (void)close(ends[1]);
    job->fd = ends[0];
    if (error != 0) {
        (void)close(ends[0]);
        job->pid = 0;
        job->fd = -1;
    }
    return error;
}

static uint32_t jobs_left(const struct office *office)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < office->options->jobs; i++) {
        count += office->jobs[i].pid != 0;
    }
    return count;
}

static void signal_jobs(const struct office *office, int signal)
{
    for (uint32_t i = 0; i < office->options->jobs; i++) {
        if (office->jobs[i].pid != 0) {
            (void)kill(office->jobs[i].pid, signal);
        }
    }
}

/* Kill whose run takes longer than its own deadlines can explain. */
static void kill_overdue(const struct office *office, uint64_t now_ns)
{
    const uint64_t limit_ns = (uint64_t)office->options->timeout_ms * 10000000 + GRACE_NS;

    for (uint32_t i = 0; i < office->options->jobs; i++) {
        const uint64_t started_ns = sv_load_seq64(&office->board->jobs[i].started_ns);
        if (office->jobs[i].pid != 0 && sv_load_seq64(&office->board->jobs[i].run) != 0 &&
            now_ns > started_ns && now_ns - started_ns > limit_ns) {
            (void)kill(office->jobs[i].pid, SIGKILL);
        }
    }
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void take_signal(struct office *office)
{
    struct signalfd_siginfo info;

    if (read(office->signals, &info, sizeof(info)) == sizeof(info)) {
        const bool first = office->campaign->interrupted == 0;
        office->campaign->interrupted = (int)info.ssi_signo;
        sv_store_seq32(&office->board->stop, 1);
        signal_jobs(office, first ? SIGTERM : SIGKILL);
    }
}

static void look(struct office *office)
{
    struct pollfd polled[POLLED_COUNT];

    for (uint32_t i = 0; i < CAMPAIGN_JOBS_MAX; i++) {
        const bool there = i < office->options->jobs && office->jobs[i].pid != 0;
        polled[i] = (struct pollfd){.fd = there ? office->jobs[i].fd : -1, .events = POLLIN};
    }
    polled[SIGNALS_FD] = (struct pollfd){.fd = office->signals, .events = POLLIN};
    (void)poll(polled, POLLED_COUNT, LOOK_MS);
    for (uint32_t i = 0; i < office->options->jobs; i++) {
        if (polled[i].fd >= 0 && polled[i].revents != 0) {
            read_job(office, i);
        }
    }
    if (polled[SIGNALS_FD].revents != 0) {
        take_signal(office);
    }
    kill_overdue(office, clock_now_ns());
    office->campaign->seconds = (double)(clock_now_ns() - office->start_ns) / 1e9;
    if (office->options->progress != NULL) {
        office->options->progress(office->campaign, office->options->argument);
    }
}

static void fail(struct office *office, const char *what, int error)
{
    (void)finding_set(&office->campaign->environment, ORACLE_NONE, "%s: %s", what,
                      strerror(-error));
    sv_store_seq32(&office->board->stop, 1);
}

static bool wants_scratch(const struct campaign_options *options)
{
    for (uint32_t i = 0; i < options->plan_count; i++) {
        if (options->plans[i].world.source == SOURCE_SQLITE) {
            return true;
        }
    }
    return false;
}

static void play_all(struct office *office)
{
    int error = wants_scratch(office->options) ? scratch_make(&office->scratch) : 0;

    if (error != 0) {
        fail(office, "a directory for databases", error);
        return;
    }
    for (uint32_t i = 0; error == 0 && i < office->options->jobs; i++) {
        error = start_job(office, i);
    }
    if (error != 0) {
        fail(office, "starting a job", error);
    }
    while (jobs_left(office) > 0) {
        look(office);
    }
    scratch_remove(&office->scratch);
}

static void block_signals(struct office *office)
{
    sigset_t mask;

    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGINT);
    (void)sigaddset(&mask, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &mask, &office->mask_before);
    office->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void unblock_signals(struct office *office)
{
    if (office->signals >= 0) {
        (void)close(office->signals);
    }
    (void)sigprocmask(SIG_SETMASK, &office->mask_before, NULL);
}

int campaign_run(const struct campaign_options *options, struct campaign *campaign)
{
    struct office office = {.options = options, .campaign = campaign};

    *campaign = (struct campaign){
        .options = options,
        .planned = job_runs(options),
        .plans = calloc(options->plan_count, sizeof(*campaign->plans)),
        .failures = calloc(CAMPAIGN_FAILURES_MAX, sizeof(*campaign->failures)),
    };
    void *board = mmap(NULL, sizeof(*office.board), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (campaign->plans == NULL || campaign->failures == NULL || board == MAP_FAILED ||
        injector_init() != 0) {
        campaign_free(campaign);
        return -ENOMEM;
    }
    office.board = board;
    office.start_ns = clock_now_ns();
    block_signals(&office);
    play_all(&office);
    unblock_signals(&office);
    for (uint32_t i = 0; i < options->jobs; i++) {
        free(office.jobs[i].note);
    }
    (void)munmap(board, sizeof(*office.board));
    return 0;
}
