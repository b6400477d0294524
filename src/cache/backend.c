/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Attach and detach: where the layers meet.
 *
 * This file knows every layer, so it also holds the table of locks with their repairs.
 *
 * Attach takes a slot, makes itself known to signals, joins the queue, and only then says ACTIVE;
 * a death anywhere on the way leaves a slot that is CLAIMED, which is buried and settled like any
 * other. A full table with dead slots in it settles them and looks again.
 *
 * Detach leaves in the opposite order. A signal that is under way finds no backend in its thread
 * and does nothing; a sender that looks at the slot afterwards finds nobody living.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/point.h"
#include "cache/inval.h"
#include "cache/table.h"
#include "queue/queue.h"
#include "sync/procsignal.h"

#define CLAIM_LOOK_NS UINT64_C(1000000)

const struct sv_lock_class sv_lock_classes[SV_LOCK_COUNT] = {
    [SV_LOCK_APP_0] = {.name = "app_0", .has_shared = true},
    [SV_LOCK_APP_1] = {.name = "app_1", .has_shared = true},
    [SV_LOCK_TABLE] = {.name = "table", .has_shared = true, .repair = sv_table_repair},
    [SV_LOCK_WRITE] = {.name = "write", .repair = sv_queue_repair_write},
    [SV_LOCK_READ] = {.name = "read", .has_shared = true, .repair = sv_queue_repair_read},
};

/*
 * A slot of one's own, settling the dead if there is no other. One that somebody else settles or is
 * leaving is waited for, though not long: who does it may be stopped.
 * Returns: 0, SV_FULL, -SV_ECORRUPT.
 */
static int claim(struct sv_segment *segment, uint32_t *index)
{
    const uint64_t began_ns = sv_os_now_ns();
    for (;;) {
        const int result = sv_slot_claim(segment, index);
        if (result != SV_BUSY) {
            return result;
        }
        if (sv_backend_settle_dead(segment) == 0) {
            struct sv_atomic32 nobody = {0};
            if (sv_os_now_ns() - began_ns >= SV_RECHECK_NS) {
                return SV_FULL;
            }
            (void)sv_os_wait(&nobody, 0, CLAIM_LOOK_NS);
        }
    }
}

/* Everything between a claimed slot and a living backend. */
static int enter(struct sv_backend *self)
{
    SV_POINT(backend_claim_after);
    int result = sv_inval_create(self);
    if (result != 0) {
        return result;
    }
    result = sv_procsignal_enter(self);
    if (result != 0) {
        sv_inval_destroy(self);
        return result;
    }
    SV_POINT(backend_join_before);
    result = sv_queue_join(self);
    if (result != 0) {
        sv_procsignal_leave(self);
        sv_inval_destroy(self);
        return result;
    }
    sv_store_release32(&self->slot->phase, SV_SLOT_ACTIVE);
    sv_stat_add(self->slot, SV_STAT_attaches, 1);
    SV_POINT(backend_join_after);
    return 0;
}

int sv_backend_attach(struct sv_segment *segment, const struct sv_backend_options *options,
                      struct sv_backend **self)
{
    static const struct sv_backend_options defaults;
    options = options != NULL ? options : &defaults;
    struct sv_backend *backend = calloc(1, sizeof(*backend));
    if (backend == NULL) {
        return -ENOMEM;
    }
    *backend = (struct sv_backend){
        .segment = segment,
        .send_only = options->send_only,
        .discard_caches = options->discard_caches,
        .signal_number = options->signal_number,
        .database = options->database,
    };
    int result = claim(segment, &backend->slot_index);
    if (result == 0) {
        backend->slot = sv_segment_slot(segment, backend->slot_index);
        result = enter(backend);
        if (result != 0) {
            sv_slot_free(segment, backend->slot_index);
        }
    }
    if (result != 0) {
        free(backend);
        return result;
    }
    sv_segment_hold(segment);
    (void)sv_patrol_if_due(backend); /* who replaces a dead one settles it */
    *self = backend;
    return 0;
}

void sv_backend_detach(struct sv_backend *self)
{
    sv_lwlock_assert_none_held(self);
    SV_POINT(backend_detach_before);
    sv_inval_destroy(self);
    sv_queue_depart(self);
    SV_POINT(backend_detach_left);
    sv_procsignal_leave(self);
    sv_slot_free(self->segment, self->slot_index);
    sv_segment_let_go(self->segment);
    free(self);
}

uint32_t sv_backend_slot(const struct sv_backend *self)
{
    return self->slot_index;
}

struct sv_segment *sv_backend_segment(const struct sv_backend *self)
{
    return self->segment;
}

struct sv_transaction_id sv_transaction_id_next(struct sv_backend *self)
{
    struct sv_atomic64 *last = &self->slot->local_transaction_id;
    const uint64_t local = sv_load_relaxed64(last) + 1;
    sv_store_release64(last, local); /* used up before anyone has it */
    return (struct sv_transaction_id){.slot = self->slot_index, .local = local};
}
