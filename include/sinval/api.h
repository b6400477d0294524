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
 * A segment whose contents cannot be right: returned as -SV_ECORRUPT by whoever notices. Nothing
 * outside the segment was touched on its account.
 */
#define SV_ECORRUPT 117 /* EUCLEAN: "structure needs cleaning" */

struct sv_segment; /* a mapping of the shared segment, private to this process */
struct sv_backend; /* one participant, private to the thread that attached it */

/* Slot numbers run from 0 to backends_max - 1. */
#define SV_SLOT_NONE UINT32_MAX

#endif
