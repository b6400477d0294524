/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Procsignal: several reasons through one signal (PostgreSQL: procsignal.c).
 *
 * The sender sets the reason's flag in the target's slot, sets its latch, and signals. The handler
 * only moves flags to pending marks and sets the latch; the work is done by sv_process_interrupts,
 * where the program says it is safe. A lost signal costs time only: flags are looked at again
 * after every wait, and waits are cut into pieces of at most 100 ms.
 *
 * A signal never reaches a process that is not that backend: src/base/os_linux.c, os_signal.
 */
#ifndef SINVAL_PROCSIGNAL_H
#define SINVAL_PROCSIGNAL_H

#include "sinval/backend.h"

enum sv_reason {
    SV_REASON_CATCHUP, /* read your messages, then run cleanup: the relay */
    SV_REASON_BARRIER, /* acknowledge: see sv_procsignal_barrier */
    SV_REASON_APP_0,   /* the application's own */
    SV_REASON_APP_1,
    SV_REASON_COUNT,
};

/*
 * Ask the backend in slot for attention. A reason asked for twice before it was served is served
 * once; one that was meant for a backend that just left may reach the next one in that slot.
 *
 * Returns:  0; SV_NOT_FOUND if nobody lives in that slot.
 * Signals:  not async-signal-safe.
 */
SV_API SV_NODISCARD int sv_procsignal_send(struct sv_backend *self, uint32_t slot,
                                           enum sv_reason reason);

/*
 * Register what sv_process_interrupts calls for an application's reason (NULL: nothing, the latch
 * alone tells). It returns 0, or -errno, and is then called again by the next
 * sv_process_interrupts. A reason that arrives inside its own callback waits for its return.
 */
SV_API void sv_procsignal_set_callback(struct sv_backend *self, enum sv_reason reason,
                                       int (*callback)(struct sv_backend *self, void *argument),
                                       void *argument);

/*
 * Do what was asked: catch up, acknowledge a barrier, run the application's callbacks (PostgreSQL:
 * CHECK_FOR_INTERRUPTS, ProcessCatchupInterrupt). Cheap when there is nothing. An error of one
 * keeps none of the others from being done.
 *
 * Returns:  0; -errno the first error of a callback or the catchup, whose reason stays pending.
 * Locks:    the caller holds none.
 */
SV_API SV_NODISCARD int sv_process_interrupts(struct sv_backend *self);

/*
 * Ask every other living backend to pass through sv_process_interrupts, and wait until each has,
 * has died, or has left (PostgreSQL: EmitProcSignalBarrier, WaitForProcSignalBarrier). Whatever
 * the caller did before is seen by each after it has passed, and by all who attach later.
 * Interrupts are processed meanwhile, so that many may do this at once; the caller's latch may be
 * set when it returns.
 *
 * Returns:  0; SV_TIMEOUT after timeout_ms (-1: never); -errno of an interrupt's processing;
 *           -SV_ECORRUPT.
 * Locks:    the caller holds none.
 */
SV_API SV_NODISCARD int sv_procsignal_barrier(struct sv_backend *self, int timeout_ms);

#endif
