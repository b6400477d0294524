/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What every public header needs: visibility, checked results, and the answers.
 *
 * A result of 0 is done. A positive SV_... is an answer of that function, listed in its comment,
 * to be handled at the call and never passed on. A negative number is -errno: the environment
 * failed, and it is passed up unchanged. A programming error (a lock released that is not held, a
 * slot that does not exist) prints the object and aborts.
 */
#ifndef SINVAL_API_H
#define SINVAL_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SV_API       __attribute__((visibility("default")))
#define SV_NODISCARD __attribute__((warn_unused_result))

/* Version of the library. */
#define SV_VERSION_MAJOR 0
#define SV_VERSION_MINOR 1
#define SV_VERSION_PATCH 0

/* The answers. Each function lists those it gives. */
enum {
    SV_RESET = 1,     /* messages were lost to this backend; all it cached must go */
    SV_NOT_FOUND = 2, /* there is no such thing */
    SV_FULL = 3,      /* no room left */
    SV_BUSY = 4,      /* somebody else has it */
    SV_TIMEOUT = 5,   /* the time given ran out first */
    SV_CONFLICT = 6,  /* another participant was faster; roll back and try again */
};

/*
 * A segment whose contents cannot be right. Who notices answers: functions that list -SV_ECORRUPT
 * return it where nothing is half done; all others, and these where a lock or the queue is wrong,
 * say so in one line and end the process (sv_segment_set_stop). To others that is a death like any
 * other.
 *
 * Whatever a participant writes into the segment, on purpose or not, the others go on or answer so.
 * They do not crash, do not touch memory outside the segment, signal no stranger, and do not wait for
 * ever for a lock that nobody holds. What they read is bounded by their own copy of the
 * configuration.
 *
 * What is legal cannot be told from what is right. So a participant that writes rubbish can make
 * others lose or invent messages, keep what is stale or drop what is not, read wrong rows, be told of
 * signals that nobody sent; take one another's transaction ids; and take who holds no lock for one
 * that holds it for too long, and kill it (lock_hold_max_ms). Excepted are the life locks' own bytes,
 * which the C library trusts.
 */
#define SV_ECORRUPT 117 /* EUCLEAN: "structure needs cleaning" */

struct sv_segment; /* a mapping of the shared segment, private to this process */
struct sv_backend; /* one participant, private to the thread that attached it */

/* Slot numbers run from 0 to backends_max - 1. */
#define SV_SLOT_NONE UINT32_MAX

#endif
