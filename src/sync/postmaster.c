/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The postmaster: one process that starts the others.
 *
 * There is at most one: it holds the header's life lock for postmasters, and its pid stands beside
 * it for those who want to be told of its death (latch.c).
 *
 * Deaths. Each child has a process descriptor that can be read once it is dead; a wait polls all of
 * them, so there is no SIGCHLD handler to share with the program and no signal to lose. Only own
 * children are waited for, one by one, so a program's other children stay its own. A child that is
 * not reaped keeps its pid, so a kill reaches nobody else.
 *
 * Settling takes locks, hence may wait for a living holder. One that is stopped would stop the
 * postmaster, too; with a limit configured the postmaster goes on looking for it while it waits
 * (lock_watch.c).
 *
 * No child is left behind: each has asked to be killed when the thread that forked it dies, before
 * it runs anything; one forked by a postmaster that died before that sees another parent and ends.
 *
 * A child's number is an index. After the end of a child was reported its place is FREE; one to be
 * restarted is DUE until fork succeeds. The search for the dead goes round, so a child that dies as
 * fast as it is started does not hide the others.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "sinval/postmaster.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "sync/lock_watch.h"
#include "sync/procsignal.h"

#define NS_PER_MS     UINT64_C(1000000)
#define CHILDREN_MIN  8
#define STATUS_ORPHAN 124        /* the postmaster died before the child had asked to die with it */
#define STATUS_LOST   (255 << 8) /* as waitpid would give it: somebody else has waited for it */

enum child_phase { CHILD_FREE = 0, CHILD_RUNNING, CHILD_DUE };

struct child {
    struct sv_child what;
    enum child_phase phase;
    pid_t pid;
};

struct sv_postmaster {
    struct sv_segment *segment;
    struct child *children;
    int *watches; /* of each child: its process descriptor, -1 if it does not run */
    uint32_t child_count;
    uint32_t next; /* where the search for the dead goes on */
};

int sv_postmaster_create(struct sv_segment *segment, struct sv_postmaster **postmaster)
{
    struct sv_header *header = segment->header;
    struct sv_postmaster *created = calloc(1, sizeof(*created));
    if (created == NULL) {
        return -ENOMEM;
    }
    created->segment = segment;
    if (sv_os_life_try(&header->postmaster_life) == SV_LIFE_BUSY) {
        free(created);
        return -EBUSY;
    }
    const int result = sv_lock_watch_start(segment);
    if (result != 0) {
        sv_os_life_release(&header->postmaster_life);
        free(created);
        return result;
    }
    sv_store_release32(&header->postmaster_pid, sv_os_pid());
    sv_segment_hold(segment);
    *postmaster = created;
    return 0;
}

/* ---- starting ---------------------------------------------------------------------------- */

/* Twice the room for children. Returns: 0; -ENOMEM, and nothing has changed. */
static int grow(struct sv_postmaster *postmaster)
{
    const uint32_t count = postmaster->child_count;
    const uint32_t grown = count == 0 ? CHILDREN_MIN : 2 * count;
    struct child *children = realloc(postmaster->children, grown * sizeof(*children));
    if (children == NULL) {
        return -ENOMEM;
    }
    postmaster->children = children;
    int *watches = realloc(postmaster->watches, grown * sizeof(*watches));
    if (watches == NULL) {
        return -ENOMEM;
    }
    postmaster->watches = watches;
    for (uint32_t i = count; i < grown; i++) {
        children[i] = (struct child){.phase = CHILD_FREE};
        watches[i] = -1;
    }
    postmaster->child_count = grown;
    return 0;
}

/* In the child: die with the parent, keep nothing of it, run. */
static _Noreturn void become_child(struct sv_postmaster *postmaster, const struct sv_child *what,
                                   uint32_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || (uint32_t)getppid() != parent) {
        _exit(STATUS_ORPHAN);
    }
    sigset_t none;
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        if (postmaster->watches[i] >= 0) {
            sv_os_close(postmaster->watches[i]);
        }
    }
    struct sv_segment *segment = postmaster->segment;
    struct sv_child own = *what;
    sv_lock_watch_stop(segment);
    free(postmaster->children);
    free(postmaster->watches);
    free(postmaster);
    _exit(own.run(segment, own.argument) & 0xff);
}

static void reap_for_sure(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* Fork the child in its place. Returns: 0, it is RUNNING; -errno, and nothing has changed. */
static int spawn(struct sv_postmaster *postmaster, uint32_t index)
{
    struct child *child = &postmaster->children[index];
    const uint32_t parent = sv_os_pid();
    const pid_t pid = fork();
    if (pid < 0) {
        return -errno;
    }
    if (pid == 0) {
        become_child(postmaster, &child->what, parent);
    }
    const int watch = sv_os_process_watch((uint32_t)pid);
    if (watch < 0) {
        (void)kill(pid, SIGKILL);
        reap_for_sure(pid);
        return watch;
    }
    postmaster->watches[index] = watch;
    child->pid = pid;
    child->phase = CHILD_RUNNING;
    return 0;
}

static uint32_t free_place(const struct sv_postmaster *postmaster)
{
    uint32_t i = 0;
    while (i < postmaster->child_count && postmaster->children[i].phase != CHILD_FREE) {
        i++;
    }
    return i;
}

int sv_postmaster_start(struct sv_postmaster *postmaster, const struct sv_child *what,
                        uint32_t *child)
{
    sv_assert(what->run != NULL, "child without anything to run");
    const uint32_t index = free_place(postmaster);
    int result = index == postmaster->child_count ? grow(postmaster) : 0;
    if (result == 0) {
        postmaster->children[index] = (struct child){.what = *what, .phase = CHILD_FREE};
        result = spawn(postmaster, index);
    }
    if (result == 0) {
        *child = index;
    }
    return result;
}

pid_t sv_postmaster_pid(const struct sv_postmaster *postmaster, uint32_t child)
{
    sv_assert(child < postmaster->child_count, "child %u of %u", child, postmaster->child_count);
    return postmaster->children[child].phase == CHILD_RUNNING ? postmaster->children[child].pid : 0;
}

/* ---- waiting ----------------------------------------------------------------------------- */

/* Reap one child if it has ended. */
static bool reap(struct sv_postmaster *postmaster, uint32_t index, int *status)
{
    struct child *child = &postmaster->children[index];
    if (child->phase != CHILD_RUNNING) {
        return false;
    }
    const pid_t reaped = waitpid(child->pid, status, WNOHANG);
    if (reaped == 0 || (reaped < 0 && errno == EINTR)) {
        return false;
    }
    if (reaped < 0) {
        *status = STATUS_LOST;
    }
    sv_os_close(postmaster->watches[index]);
    postmaster->watches[index] = -1;
    child->phase = CHILD_FREE;
    return true;
}

static void start_due(struct sv_postmaster *postmaster)
{
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        if (postmaster->children[i].phase == CHILD_DUE) {
            (void)spawn(postmaster, i); /* else it stays due */
        }
    }
}

/* Reap the next child that has ended, if there is one; settle, and restart it. */
static bool take_death(struct sv_postmaster *postmaster, struct sv_child_exit *exit)
{
    for (uint32_t looked = 0; looked < postmaster->child_count; looked++) {
        const uint32_t index = postmaster->next++ % postmaster->child_count;
        struct child *child = &postmaster->children[index];
        int status = 0;
        if (!reap(postmaster, index, &status)) {
            continue;
        }
        *exit = (struct sv_child_exit){
            .child = index,
            .pid = child->pid,
            .status = status,
            .restarted = child->what.restart && status != 0,
        };
        (void)sv_backend_settle_dead(postmaster->segment);
        if (exit->restarted) {
            child->phase = CHILD_DUE;
            start_due(postmaster);
        }
        return true;
    }
    return false;
}

static bool has_children(const struct sv_postmaster *postmaster)
{
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        if (postmaster->children[i].phase != CHILD_FREE) {
            return true;
        }
    }
    return false;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Sleep until a child dies, at most until there is something else to look at. */
static int sleep_piece(struct sv_postmaster *postmaster, uint64_t left_ns)
{
    const uint64_t look_ns = sv_lock_watch_look(postmaster->segment);
    return sv_os_poll_many(postmaster->watches, postmaster->child_count,
                           least(left_ns, least(look_ns, SV_RECHECK_NS)));
}

static uint64_t deadline_after(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : sv_os_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

int sv_postmaster_wait(struct sv_postmaster *postmaster, int timeout_ms, struct sv_child_exit *exit)
{
    const uint64_t deadline_ns = deadline_after(timeout_ms);
    for (;;) {
        start_due(postmaster);
        if (take_death(postmaster, exit)) {
            return 0;
        }
        if (!has_children(postmaster)) {
            return SV_NOT_FOUND;
        }
        (void)sv_backend_settle_dead(postmaster->segment);
        const uint64_t now_ns = sv_os_now_ns();
        if (now_ns >= deadline_ns) {
            return SV_TIMEOUT;
        }
        const int result = sleep_piece(postmaster, deadline_ns - now_ns);
        if (result != 0) {
            return result;
        }
    }
}

/* ---- stopping ---------------------------------------------------------------------------- */

static void signal_all(struct sv_postmaster *postmaster, int signal_number)
{
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        struct child *child = &postmaster->children[i];
        if (child->phase == CHILD_RUNNING) {
            (void)kill(child->pid, signal_number);
        } else {
            child->phase = CHILD_FREE; /* what was due is not started any more */
        }
    }
}

/* Reap whoever has ended. Returns: whether some still run. */
static bool reap_ended(struct sv_postmaster *postmaster)
{
    int status = 0;
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        (void)reap(postmaster, i, &status);
    }
    return has_children(postmaster);
}

/* Give them until the deadline to end. */
static void let_end(struct sv_postmaster *postmaster, uint64_t deadline_ns)
{
    while (reap_ended(postmaster)) {
        const uint64_t now_ns = sv_os_now_ns();
        if (now_ns >= deadline_ns || sleep_piece(postmaster, deadline_ns - now_ns) != 0) {
            return;
        }
    }
}

void sv_postmaster_stop(struct sv_postmaster *postmaster, int grace_ms)
{
    struct sv_segment *segment = postmaster->segment;
    signal_all(postmaster, SIGTERM);
    let_end(postmaster, deadline_after(grace_ms));
    signal_all(postmaster, SIGKILL);
    for (uint32_t i = 0; i < postmaster->child_count; i++) {
        if (postmaster->children[i].phase == CHILD_RUNNING) {
            reap_for_sure(postmaster->children[i].pid);
            sv_os_close(postmaster->watches[i]);
        }
    }
    (void)sv_backend_settle_dead(segment);
    sv_lock_watch_stop(segment);
    sv_store_release32(&segment->header->postmaster_pid, 0);
    sv_os_life_release(&segment->header->postmaster_life);
    sv_segment_let_go(segment);
    free(postmaster->children);
    free(postmaster->watches);
    free(postmaster);
}
