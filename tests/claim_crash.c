/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Attaching where the only slot is that of the dead, and somebody is settling it.
 */
#include "injector_support.h"
#include "meeting.h"

TestSuite(claim_crash, .timeout = 60);

static int attach_and_die(struct sv_segment *segment, void *argument)
{
    (void)argument;
    (void)attach_here(segment, 0);
    return raise(SIGKILL);
}

static int settle_under(struct sv_segment *segment, void *argument)
{
    struct run *run = argument;
    injector_enter(&run->context, &run->injector, 0);
    return sv_backend_settle_dead(segment) != 1;
}

/* The only slot is a dead one's, and a settler, who does that at its first step, holds it. */
static pid_t begin_settling(struct sv_segment *segment, struct run *run, const char *fault)
{
    struct sv_slot *slot = sv_segment_slot(segment, 0);
    (void)reap(fork_child(attach_and_die, segment, NULL));
    run_start(run, 1, fault);
    const pid_t settler = fork_child(settle_under, segment, run);
    await_exactly(&slot->phase, SV_SLOT_DEAD);
    while (sv_os_life_holder(&slot->life) != (uint32_t)settler) {
        cr_assert_neq(sv_load_acquire32(&slot->phase), SV_SLOT_FREE, "it settled too fast");
    }
    return settler;
}

/*
 * Claim:   a slot that is being settled is no slot of the living: who attaches waits for it.
 * Method:  the settler takes 50 ms.
 */
Test(claim_crash, who_attaches_waits_for_who_settles)
{
    static struct run run;
    struct sv_segment *segment = world((struct sv_config){.backends_max = 1});
    const pid_t settler = begin_settling(
        segment, &run, "  - {point: recover/slot/free, action: delay, delay_ms: 50, hit: 1}\n");
    sv_backend_detach(join(segment));
    cr_expect_eq(reap(settler), 0);
    sv_segment_detach(segment);
}

/*
 * Claim:   but not for ever: if it is stopped, that is the answer SV_FULL; and once it has gone on,
 *          or died, the slot can be had.
 */
Test(claim_crash, a_stopped_settler_is_not_waited_for)
{
    for (int dies = 0; dies < 2; dies++) {
        static struct run run;
        int status = 0;
        struct sv_backend *self = NULL;
        struct sv_segment *segment = world((struct sv_config){.backends_max = 1});
        const pid_t settler = begin_settling(
            segment, &run, "  - {point: recover/slot/free, action: stall, stall_ms: 1, hit: 1}\n");
        cr_assert_eq(waitpid(settler, &status, WUNTRACED), settler);
        cr_assert(WIFSTOPPED(status), "status %#x", (unsigned)status);
        cr_expect_eq(sv_backend_attach(segment, NULL, &self), SV_FULL);
        cr_assert_eq(kill(settler, dies != 0 ? SIGKILL : SIGCONT), 0);
        (void)reap(settler);
        sv_backend_detach(join(segment));
        cr_expect_eq(counted(segment, SV_STAT_slots_settled), 1 + (uint64_t)dies);
        sv_segment_detach(segment);
    }
}
