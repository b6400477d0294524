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
    int status;     /* as waitpid gives it; exit status 255 if somebody else waited for it */
    bool restarted; /* it runs again, or will as soon as the system lets it fork */
};

/*
 * Become the segment's postmaster. All its functions are called from the thread that did.
 *
 * With lock_hold_max_ms configured, whoever holds a lock for longer than that, in either mode, is
 * killed while sv_postmaster_wait runs: between one and one and a half times the limit. A holder
 * that itself waits for a lock is not, but the one it waits for; the postmaster's own process never.
 *
 * Returns: 0; -EBUSY the segment has a living one; -ENOMEM.
 * Owns:    the caller stops it.
 */
SV_API SV_NODISCARD int sv_postmaster_create(struct sv_segment *segment,
                                             struct sv_postmaster **postmaster);

/*
 * Fork and run. The number of a child that has ended and was reported so is given again.
 *
 * Returns: 0 and *child; -EAGAIN, -ENOMEM, -EMFILE.
 */
SV_API SV_NODISCARD int sv_postmaster_start(struct sv_postmaster *postmaster,
                                            const struct sv_child *what, uint32_t *child);

/* The pid a child has now; 0 if it has ended. */
SV_API pid_t sv_postmaster_pid(const struct sv_postmaster *postmaster, uint32_t child);

/*
 * Wait for the next death, settle what it left, restart if asked. Deaths of backends that are no
 * children are noticed each 100 ms, and settled as well.
 *
 * Returns:  0 and *exit; SV_TIMEOUT; SV_NOT_FOUND when no child is left; -ENOMEM.
 */
SV_API SV_NODISCARD int sv_postmaster_wait(struct sv_postmaster *postmaster, int timeout_ms,
                                           struct sv_child_exit *exit);

/* SIGTERM all children, SIGKILL after grace_ms those that remain, reap, settle, free. */
SV_API void sv_postmaster_stop(struct sv_postmaster *postmaster, int grace_ms);

#endif
