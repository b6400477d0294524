/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The postmaster: starts backends, notices any death at once, and settles what it left.
 *
 * Nobody needs one (any survivor settles the dead), but it makes the pause shorter, restarts what
 * should be running, and leaves no child behind: a child is killed when its postmaster dies, and
 * knows it through its latch before that if it asked to.
 *
 * Design: src/sync/postmaster.c.
 */
#ifndef SINVAL_POSTMASTER_H
#define SINVAL_POSTMASTER_H

#include <sys/types.h>

#include "sinval/backend.h"

struct sv_postmaster;

/* A child: what it runs, and whether to start it again. */
struct sv_child {
    int (*run)(struct sv_segment *segment, void *argument); /* its value: the exit status */
    void *argument;
    bool restart; /* start again when it was killed or exited non-zero */
};

/* How a child ended. */
struct sv_child_exit {
    uint32_t child; /* as sv_postmaster_start returned it */
    pid_t pid;
    int status; /* as waitpid gives it */
    bool restarted;
};

/* Returns: 0; -EBUSY the segment has a living one; -ENOMEM, -EMFILE, ... */
SV_API SV_NODISCARD int sv_postmaster_create(struct sv_segment *segment,
                                             struct sv_postmaster **postmaster);

/* Fork and run. Returns: 0 and *child; -EAGAIN, -ENOMEM. Call from the thread that created it. */
SV_API SV_NODISCARD int sv_postmaster_start(struct sv_postmaster *postmaster,
                                            const struct sv_child *what, uint32_t *child);

/* The pid a child has now; 0 if it has ended. */
SV_API pid_t sv_postmaster_pid(const struct sv_postmaster *postmaster, uint32_t child);

/*
 * Wait for the next death, settle what it left, restart if asked.
 *
 * Returns:  0 and *exit; SV_TIMEOUT; SV_NOT_FOUND when no child is left.
 */
SV_API SV_NODISCARD int sv_postmaster_wait(struct sv_postmaster *postmaster, int timeout_ms,
                                           struct sv_child_exit *exit);

/* SIGTERM all children, SIGKILL after grace_ms those that remain, reap, settle, free. */
SV_API void sv_postmaster_stop(struct sv_postmaster *postmaster, int grace_ms);

#endif
