/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Latches: one word a slot, and a second one that says how its owner sleeps.
 *
 * The ideal: a flag, and a sleep that ends when the flag is set. The real one must not sleep
 * through a set that comes between the look at the flag and the sleep, must not cost a system call
 * for each set, must also wait for descriptors, and must end when the one who set it was killed
 * before it could wake us.
 *
 * Hand-shake (Dekker's; PostgreSQL got each side of it wrong once: 14e8803f10, c8f3bc2401)
 *     setter                                  waiter
 *     latch := 1           [D1]               sleep := ASLEEP_IN_...   [D3]
 *     read sleep           [D2]               read latch               [D4]
 *     asleep: wake it                         0: sleep; then sleep := AWAKE
 * All four are sequentially consistent, so at least one of the two sees the other: either the
 * waiter does not go to sleep, or the setter wakes it. What happens between D4 and the sleep:
 *     ASLEEP_IN_WAIT  the kernel compares the word with 0 again, atomically with going to sleep.
 *     ASLEEP_IN_POLL  the signal is blocked from before the last look at the word until inside the
 *                     poll, so that it interrupts the poll (src/base/os_linux.c, sv_os_poll).
 * A signal handler of the waiter's own thread that sets the latch ends either sleep by itself.
 *
 * Invariants
 *     L1  A latch that is set and not yet reset ends every wait on it, at once or after one wake.
 *     L2  No sleep is longer than 100 ms (SV_RECHECK_NS): a setter that died between D1 and the
 *         wake, a wake that was lost, an owner without a signal in a poll cost that much at most.
 *     L3  All that is true is reported: the descriptors are looked at also when the latch is set.
 *     L4  Interrupts are processed after every look and before every sleep. The sender sets the
 *         flag before the latch (procsignal.c), so a flag that is not seen there ends the sleep,
 *         also if somebody else's loop has reset the latch in between.
 *     L5  The deadline is computed once.
 *
 * Ordering: [R1] set: exchange, seq_cst; pairs with [A1] reset: exchange, seq_cst. Both are read-
 *           modify-writes: a second setter's continues the release sequence of the first's, so the
 *           reset sees what every setter did before, and a set that the reset does not see comes
 *           later and stays.
 *           AWAKE is stored with release: who reads it too late wakes somebody for nothing.
 *
 * The postmaster is dead when nobody alive holds its life lock. A process descriptor only makes the
 * sleep end in that moment; it belongs to a pid that may have been reused since it was read from
 * the header, so the life lock is asked at every look and the pid compared before every sleep.
 * Where no descriptor can be had (EMFILE), the look each 100 ms remains.
 */
#include <errno.h>

#include "base/point.h"
#include "sync/lwlock.h"
#include "sync/procsignal.h"

#define NS_PER_MS UINT64_C(1000000)

enum watched { WATCH_PROGRAM, WATCH_POSTMASTER }; /* index into sv_os_poll.fds */

/* A wait under way. */
struct waiting {
    struct sv_backend *self;
    struct sv_latch_wait *wait;
    struct sv_os_poll poll;
    uint32_t postmaster_pid; /* whom the descriptor watches */
    uint64_t deadline_ns;    /* UINT64_MAX: none */
};

enum sv_sleep sv_latch_set_quietly(struct sv_slot *slot)
{
    (void)sv_exchange_seq32(&slot->latch, 1);           /* [D1] [R1] */
    const uint32_t sleep = sv_load_seq32(&slot->sleep); /* [D2] */
    if (sleep == SV_AWAKE || SV_POINT_ANSWER(latch_set_wake) == SV_POINT_DROP) {
        return SV_AWAKE;
    }
    if (sleep == SV_ASLEEP_IN_WAIT) {
        sv_os_wake(&slot->latch, 1);
        return SV_ASLEEP_IN_WAIT;
    }
    return SV_ASLEEP_IN_POLL;
}

void sv_latch_set(struct sv_segment *segment, uint32_t index)
{
    struct sv_slot *slot = sv_segment_slot(segment, index);
    if (sv_latch_set_quietly(slot) == SV_ASLEEP_IN_POLL) {
        (void)sv_procsignal_nudge(slot); /* nobody there: nobody sleeps */
    }
}

void sv_latch_set_own(struct sv_backend *self)
{
    (void)sv_exchange_seq32(&self->slot->latch, 1); /* [R1] */
}

void sv_latch_reset(struct sv_backend *self)
{
    (void)sv_exchange_seq32(&self->slot->latch, 0); /* [A1] */
}

static bool latch_is_set(const struct sv_backend *self)
{
    return sv_load_seq32(&self->slot->latch) != 0; /* [D4] */
}

static bool watches(const struct waiting *waiting)
{
    return waiting->poll.fds[WATCH_PROGRAM] >= 0 || waiting->poll.fds[WATCH_POSTMASTER] >= 0;
}

/* Watch the process that is the postmaster now; without a descriptor if there is none to be had. */
static void watch_postmaster(struct waiting *waiting)
{
    int *fd = &waiting->poll.fds[WATCH_POSTMASTER];
    const uint32_t pid = sv_load_acquire32(&waiting->self->segment->header->postmaster_pid);
    if (*fd >= 0 && pid != waiting->postmaster_pid) {
        sv_os_close(*fd);
        *fd = -1;
    }
    if (*fd < 0 && pid != 0) {
        *fd = sv_os_process_watch(pid);
        waiting->postmaster_pid = pid;
    }
}

static bool postmaster_is_dead(const struct waiting *waiting)
{
    const struct sv_header *header = waiting->self->segment->header;
    return sv_os_life_holder(&header->postmaster_life) == 0 ||
           (waiting->poll.ready[WATCH_POSTMASTER] &&
            sv_load_acquire32(&header->postmaster_pid) == waiting->postmaster_pid);
}

/* What is true now? Returns: 0 and *happened; -errno. */
static int look(struct waiting *waiting, bool *happened)
{
    struct sv_latch_wait *wait = waiting->wait;
    int result = 0;
    if (watches(waiting)) {
        result = sv_os_poll(&waiting->poll, &waiting->self->slot->latch, 0, 0, 0);
    }
    wait->is_set = latch_is_set(waiting->self);
    wait->readable = waiting->poll.ready[WATCH_PROGRAM];
    wait->postmaster_dead = wait->wait_postmaster && postmaster_is_dead(waiting);
    *happened = wait->is_set || wait->readable || wait->postmaster_dead;
    if (!*happened && sv_os_now_ns() >= waiting->deadline_ns) {
        wait->timed_out = true;
        *happened = true;
    }
    return result;
}

/* How long the next piece of the sleep may be. */
static uint64_t piece_ns(const struct waiting *waiting, uint64_t now_ns)
{
    if (now_ns >= waiting->deadline_ns) {
        return 0;
    }
    const uint64_t left_ns = waiting->deadline_ns - now_ns;
    return left_ns < SV_RECHECK_NS ? left_ns : SV_RECHECK_NS;
}

static int sleep_piece(struct waiting *waiting)
{
    struct sv_backend *self = waiting->self;
    struct sv_slot *slot = self->slot;
    const bool in_poll = watches(waiting);
    const uint64_t timeout_ns = piece_ns(waiting, sv_os_now_ns());
    int result = 0;
    sv_store_seq32(&slot->sleep, in_poll ? SV_ASLEEP_IN_POLL : SV_ASLEEP_IN_WAIT); /* [D3] */
    if (SV_POINT_ANSWER(latch_wait_sleep) != SV_POINT_INTERRUPT && !latch_is_set(self)) {
        if (in_poll) {
            result = sv_os_poll(&waiting->poll, &slot->latch, 0, self->signal_number, timeout_ns);
        } else {
            (void)sv_os_wait(&slot->latch, 0, timeout_ns);
        }
    }
    sv_store_release32(&slot->sleep, SV_AWAKE);
    return result;
}

static int wait_until_something(struct waiting *waiting)
{
    for (;;) {
        bool happened = false;
        int result = look(waiting, &happened);
        const int processed = sv_process_interrupts(waiting->self); /* [L4] */
        result = result != 0 ? result : processed;
        if (result != 0 || happened) {
            return result;
        }
        if (waiting->wait->wait_postmaster) {
            watch_postmaster(waiting);
        }
        result = sleep_piece(waiting);
        if (result != 0) {
            return result;
        }
        (void)sv_patrol_if_due(waiting->self);
    }
}

int sv_latch_wait(struct sv_backend *self, struct sv_latch_wait *wait)
{
    sv_lwlock_assert_none_held(self);
    SV_POINT(latch_wait_before);
    const uint64_t now_ns = sv_os_now_ns();
    struct waiting waiting = {
        .self = self,
        .wait = wait,
        .poll.fds = {[WATCH_PROGRAM] = wait->wait_readable ? wait->readable_fd : -1,
                     [WATCH_POSTMASTER] = -1},
        .deadline_ns =
            wait->timeout_ms < 0 ? UINT64_MAX : now_ns + (uint64_t)wait->timeout_ms * NS_PER_MS,
    };
    wait->is_set = wait->readable = wait->postmaster_dead = wait->timed_out = false;
    const int result = wait_until_something(&waiting);
    if (waiting.poll.fds[WATCH_POSTMASTER] >= 0) {
        sv_os_close(waiting.poll.fds[WATCH_POSTMASTER]);
    }
    return result;
}
