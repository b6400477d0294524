/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Procsignal: reasons as flags in the target's slot; the signal only says "look".
 *
 *     sender: flag [F1], latch [R1 of latch.c], signal unless that has just woken a sleeper
 *     target: handler moves all flags to its pending marks, sets the latch;
 *             sv_process_interrupts takes a mark and does the work
 *
 * The flag is the request; it lies in shared memory and stays until it is taken. A signal that is
 * lost, late or in the wrong order costs time, a second one finds no flag and does nothing. Every
 * latch wait looks at the flags each 100 ms, and before it sleeps.
 *
 * Invariants
 *     P1  The handler touches: the thread's list of backends, slot->reasons, self->pending, the
 *         latch, errno (saved). All of them lock-free atomics or its own.
 *     P2  A taken reason whose work failed is pending again before the error is returned.
 *     P3  The work of a reason is not begun inside itself (self->serving), so interrupts nest at
 *         most SV_REASON_COUNT deep. Barriers are passed at any depth.
 *     P4  slot->barrier is 0 or one more than a generation that was current at or after the moment
 *         it was stored. 0: the slot's occupant takes part in no barrier, being not yet attached,
 *         gone, or settled.
 *
 * Take looks at slot->reasons first, then at self->pending: the handler moves in that direction, so
 * what it moves in between is seen in the second place.
 *
 * Barriers. An emitter raises the header's generation to G, then waits for each other slot whose
 * barrier word is neither 0 nor above G. Who passes, and who enters, stores the generation it has
 * read plus one, and reads again, until both are equal:
 *     emitter                                     entering or passing
 *     header->barrier := G     [B1]               slot->barrier := g + 1     [B3]
 *     read slot->barrier       [B2]               read header->barrier       [B4]
 * All four are sequentially consistent: either B2 sees that slot, and asks it, or B4 sees G and
 * with it all that the emitter did before. PostgreSQL's hang d79bf7612a (the generation was read,
 * then the pid published; an emitter in between skipped the slot, then waited for it) needs two
 * words, one for "here" and one for "passed": they are one. And whoever is waited for is asked,
 * by the same look, again each 100 ms, so a request that was overwritten is made again.
 * The emitter processes interrupts while it waits, so two emitters pass each other's. Who passes
 * sets the latch of all who wait (barrier_waiter: the same Dekker as B1..B4, stored before B2).
 *
 * After fork the list of the parent's thread is there in the child as well. Its entries carry the
 * parent's thread id, and are none of the child's: the handler leaves them alone, and the first
 * enter drops them.
 *
 * Ordering: [F1] fetch_or of a flag, seq_cst; pairs with the exchange or fetch_and that takes it.
 *           signal_word is stored last (release) when entering and first when leaving; a sender
 *           reads tid (acquire), pid, and then signal_word, so these belong together or the
 *           number is the newer one. The signal goes to the thread only if it holds the life lock
 *           at that moment (sv_os_signal), so a pair of ids that is not the holder's goes nowhere.
 */
#include "sync/procsignal.h"

#include <errno.h>

#include "base/assert.h"
#include "base/point.h"
#include "sync/lwlock.h"

#define NS_PER_MS      UINT64_C(1000000)
#define BIT(reason)    (UINT32_C(1) << (reason))
#define ALL_REASONS    (BIT(SV_REASON_COUNT) - 1) /* other bits are rubbish, and stay where they are */
#define GENERATION_MAX ((uint64_t)INT64_MAX)      /* never reached by counting */

/* The backends of this thread, for its signal handler. Never allocated on first use in a handler. */
static _Thread_local struct sv_atomic_pointer entered __attribute__((tls_model("initial-exec")));

/* [P1] */
static void handle_signal(int signal_number)
{
    (void)signal_number;
    const int saved_errno = errno;
    SV_POINT_ASYNC(signal_handler_entry);
    const uint32_t tid = sv_os_tid();
    for (struct sv_backend *self = sv_load_acquire_pointer(&entered); self != NULL;
         self = sv_load_acquire_pointer(&self->thread_next)) {
        if (self->tid != tid) {
            break; /* inherited through fork */
        }
        const uint32_t reasons = sv_exchange_seq32(&self->slot->reasons, 0) & ALL_REASONS;
        if (reasons != 0) {
            (void)sv_fetch_or_seq32(&self->pending, reasons);
            sv_latch_set_own(self);
        }
    }
    errno = saved_errno;
}

/* ---- entering and leaving ---------------------------------------------------------------- */

/* Wake all who wait for others to pass a barrier. */
static void wake_barrier_waiters(struct sv_backend *self)
{
    const uint32_t used = sv_segment_slots_used(self->segment);
    for (uint32_t i = 0; i < used; i++) {
        if (i != self->slot_index && sv_load_seq32(&self->segment->slots[i].barrier_waiter) != 0) {
            sv_latch_set(self->segment, i);
        }
    }
}

/* [P4] */
static void pass_barrier(struct sv_backend *self)
{
    struct sv_atomic64 *newest = &self->segment->header->barrier;
    uint64_t generation = 0;
    do {
        generation = sv_load_seq64(newest);
        if (generation > GENERATION_MAX) {
            sv_segment_corrupt(self->segment, "barrier: generation %llu",
                               (unsigned long long)generation);
        }
        sv_store_seq64(&self->slot->barrier, generation + 1); /* [B3] */
    } while (sv_load_seq64(newest) != generation);            /* [B4] */
    wake_barrier_waiters(self);
}

int sv_procsignal_enter(struct sv_backend *self)
{
    if (self->signal_number != 0) {
        const int result = sv_os_signal_install(self->signal_number, handle_signal);
        if (result != 0) {
            return result;
        }
    }
    struct sv_backend *others = sv_load_acquire_pointer(&entered);
    self->tid = sv_os_tid();
    sv_store_release_pointer(&self->thread_next,
                             others != NULL && others->tid == self->tid ? others : NULL);
    sv_store_release_pointer(&entered, self);
    pass_barrier(self);
    sv_store_release32(&self->slot->signal_word,
                       self->signal_number != 0 ? SV_SIGNAL_WORD(self->signal_number) : 0);
    return 0;
}

void sv_procsignal_leave(struct sv_backend *self)
{
    sv_store_release32(&self->slot->signal_word, 0);
    sv_store_seq64(&self->slot->barrier, 0);
    wake_barrier_waiters(self);
    struct sv_atomic_pointer *link = &entered;
    for (struct sv_backend *other; (other = sv_load_acquire_pointer(link)) != self;
         link = &other->thread_next) {
        sv_assert(other != NULL, "slot %u is not of this thread", self->slot_index);
    }
    sv_store_release_pointer(link, sv_load_acquire_pointer(&self->thread_next));
}

/* ---- sending ----------------------------------------------------------------------------- */

/* Whom to signal; false if the slot's occupant has not entered, has left, or is dead. */
static bool target_of(const struct sv_slot *slot, struct sv_signal_target *target)
{
    const uint32_t tid = sv_load_acquire32(&slot->tid);
    *target = (struct sv_signal_target){.life = &slot->life, .tid = tid};
    target->pid = sv_load_acquire32(&slot->pid);
    const uint32_t word = sv_load_acquire32(&slot->signal_word);
    const uint32_t number = word & 0xff;
    target->signal_number =
        word == SV_SIGNAL_WORD(number) ? (int)number : 0; /* as if it took none */
    return sv_load_acquire64(&slot->barrier) != 0 && tid != 0 &&
           sv_os_life_holder(&slot->life) == tid;
}

/* Any error but "nobody there" loses a signal, which costs time only. */
static int signal_target(const struct sv_signal_target *target)
{
    return target->signal_number != 0 && sv_os_signal(target) == -ESRCH ? SV_NOT_FOUND : 0;
}

int sv_procsignal_nudge(const struct sv_slot *slot)
{
    struct sv_signal_target target;
    return target_of(slot, &target) && signal_target(&target) == 0 ? 0 : -ESRCH;
}

static int send_signal(const struct sv_signal_target *target)
{
    if (target->signal_number == 0) {
        return 0;
    }
    switch (SV_POINT_ANSWER(signal_send_kill)) {
    case SV_POINT_DROP:
        return 0;
    case SV_POINT_DUPLICATE:
        (void)signal_target(target);
        return signal_target(target);
    default:
        return signal_target(target);
    }
}

int sv_procsignal_send_to(struct sv_segment *segment, uint32_t index, enum sv_reason reason)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    struct sv_signal_target target;
    sv_assert((unsigned)reason < SV_REASON_COUNT, "slot %u reason %d", index, (int)reason);
    SV_POINT(signal_send_before);
    if (!target_of(slot, &target)) {
        return SV_NOT_FOUND;
    }
    (void)sv_fetch_or_seq32(&slot->reasons, BIT(reason)); /* [F1] */
    if (sv_latch_set_quietly(slot) == SV_ASLEEP_IN_WAIT) {
        return 0; /* awake now, and looks at the flag before it sleeps again: no need to signal */
    }
    SV_POINT(signal_send_flagged);
    return send_signal(&target);
}

int sv_procsignal_send(struct sv_backend *self, uint32_t slot, enum sv_reason reason)
{
    return sv_procsignal_send_to(self->segment, slot, reason);
}

/* ---- being asked ------------------------------------------------------------------------- */

static uint32_t all_pending(const struct sv_backend *self)
{
    const uint32_t flagged = sv_load_acquire32(&self->slot->reasons);
    return (flagged & ALL_REASONS) | sv_load_acquire32(&self->pending);
}

bool sv_procsignal_pending(const struct sv_backend *self, enum sv_reason reason)
{
    return (all_pending(self) & BIT(reason)) != 0;
}

bool sv_procsignal_take(struct sv_backend *self, enum sv_reason reason)
{
    const uint32_t flagged = sv_fetch_and_seq32(&self->slot->reasons, ~BIT(reason));
    const uint32_t marked = sv_fetch_and_seq32(&self->pending, ~BIT(reason));
    return ((flagged | marked) & BIT(reason)) != 0;
}

void sv_procsignal_set_callback(struct sv_backend *self, enum sv_reason reason,
                                int (*callback)(struct sv_backend *self, void *argument),
                                void *argument)
{
    sv_assert(reason >= SV_REASON_APP_0 && reason < SV_REASON_COUNT, "slot %u reason %d",
              self->slot_index, (int)reason);
    self->interrupts[reason] = (struct sv_interrupt_callback){callback, argument};
}

static int do_work(struct sv_backend *self, enum sv_reason reason)
{
    const struct sv_interrupt_callback *callback = &self->interrupts[reason];
    if (reason == SV_REASON_CATCHUP) {
        return sv_catchup_serve(self);
    }
    return callback->function != NULL ? callback->function(self, callback->argument) : 0;
}

/* [P2] [P3] */
static int serve(struct sv_backend *self, enum sv_reason reason)
{
    if ((self->serving & BIT(reason)) != 0 || !sv_procsignal_take(self, reason)) {
        return 0;
    }
    self->serving |= BIT(reason);
    const int result = do_work(self, reason);
    self->serving &= ~BIT(reason);
    if (result != 0) {
        (void)sv_fetch_or_seq32(&self->pending, BIT(reason));
    }
    return result;
}

int sv_process_interrupts(struct sv_backend *self)
{
    if (all_pending(self) == 0) {
        return 0;
    }
    sv_lwlock_assert_none_held(self);
    if (sv_procsignal_take(self, SV_REASON_BARRIER)) {
        pass_barrier(self);
    }
    int result = 0;
    for (int i = 0; i < SV_REASON_COUNT; i++) {
        const int served = i != SV_REASON_BARRIER ? serve(self, (enum sv_reason)i) : 0;
        result = result != 0 ? result : served;
    }
    return result;
}

/* ---- barriers ---------------------------------------------------------------------------- */

/* An emitter's wait. */
struct barrier {
    uint64_t generation;
    uint64_t asked_ns; /* when all who had not passed were last asked */
};

/* Has that slot's occupant passed, or does it take no part? */
static bool has_passed(const struct sv_slot *slot, uint64_t generation)
{
    const uint64_t passed = sv_load_seq64(&slot->barrier); /* [B2] */
    return passed == 0 || passed > generation;
}

/* Ask a slot's occupant to pass. Returns: false if it is dead or gone: nobody to wait for. */
static bool ask_to_pass(struct sv_backend *self, uint32_t slot)
{
    return sv_slot_test(self->segment, slot) == SV_SLOT_LIVING &&
           sv_procsignal_send_to(self->segment, slot, SV_REASON_BARRIER) == 0;
}

/* Has everyone? Each 100 ms those who have not are asked, and the dead among them noticed. */
static bool all_have_passed(struct sv_backend *self, struct barrier *barrier)
{
    const uint64_t now_ns = sv_os_now_ns();
    const bool ask = barrier->asked_ns == 0 || now_ns - barrier->asked_ns >= SV_RECHECK_NS;
    const uint32_t used = sv_segment_slots_used(self->segment);
    bool all = true;
    for (uint32_t i = 0; i < used; i++) {
        if (i != self->slot_index && !has_passed(&self->segment->slots[i], barrier->generation) &&
            (!ask || ask_to_pass(self, i))) {
            all = false;
        }
    }
    if (ask) {
        barrier->asked_ns = now_ns;
    }
    return all;
}

/* The milliseconds until the deadline, at most those until everyone is asked again. */
static int wait_ms(uint64_t deadline_ns, uint64_t now_ns)
{
    const uint64_t left_ns = deadline_ns - now_ns;
    return (int)((left_ns < SV_RECHECK_NS ? left_ns : SV_RECHECK_NS) / NS_PER_MS) + 1;
}

static int wait_for_all(struct sv_backend *self, uint64_t generation, uint64_t deadline_ns)
{
    struct barrier barrier = {.generation = generation};
    for (;;) {
        sv_latch_reset(self);
        if (all_have_passed(self, &barrier)) {
            return 0;
        }
        if (sv_load_seq64(&self->segment->header->barrier) < generation) {
            return -SV_ECORRUPT; /* who passes now stores less than is waited for */
        }
        const uint64_t now_ns = sv_os_now_ns();
        if (now_ns >= deadline_ns) {
            return SV_TIMEOUT;
        }
        struct sv_latch_wait wait = {.timeout_ms = wait_ms(deadline_ns, now_ns)};
        const int result = sv_latch_wait(self, &wait);
        if (result != 0) {
            return result;
        }
    }
}

int sv_procsignal_barrier(struct sv_backend *self, int timeout_ms)
{
    sv_lwlock_assert_none_held(self);
    struct sv_atomic32 *waiter = &self->slot->barrier_waiter;
    const uint64_t deadline_ns =
        timeout_ms < 0 ? UINT64_MAX : sv_os_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    const uint64_t generation =
        sv_fetch_add_seq64(&self->segment->header->barrier, 1) + 1; /* [B1] */
    if (generation == 0 || generation > GENERATION_MAX) {
        return -SV_ECORRUPT;
    }
    pass_barrier(self);
    const uint32_t nested = sv_load_relaxed32(waiter);
    sv_store_seq32(waiter, 1);
    const int result = wait_for_all(self, generation, deadline_ns);
    sv_store_seq32(waiter, nested);
    sv_latch_set_own(self); /* a set that was meant for the program is not swallowed here */
    return result;
}
