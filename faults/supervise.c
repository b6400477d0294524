/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's loop: a tick of a few milliseconds, or a child's end.
 *
 *     WORK    Everyone works, then serves. The killed are replaced while there is something left
 *             to do in their seat.
 *     REST    (only with somebody outside who strikes, when its time is over) Nobody works any
 *             more, and nobody is replaced.
 *     DRAIN   Said when nobody is working and every slot of the dead is settled, by the survivors
 *             alone (K2, K3: no supervisor is needed), and the relay has reached everyone who is
 *             far behind. Everyone reads what is left, judges, leaves.
 *
 * A hang (O4) is: somebody who is neither stalled nor served out has not moved for timeout_ms; or
 * nobody has settled the dead for as long. A tick that comes late by a second or more means that
 * the machine, or this very process, was stopped: all deadlines move with it.
 */
#define SV_ATOMIC_UNTOLD /* the supervisor shares no plain data with the backends */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "faults/killer.h"
#include "faults/run.h"

#define TICK_BUSY_MS 1 /* somebody is stalled, or dead and not settled */
#define TICK_IDLE_MS 10
#define LATE_NS      UINT64_C(1000000000)

static bool fail(struct supervisor *supervisor, enum run_outcome outcome)
{
    supervisor->result->outcome = outcome;
    return false;
}

static bool fail_environment(struct supervisor *supervisor, const char *what, int result)
{
    (void)finding_set(&supervisor->result->finding, ORACLE_NONE, "%s: %s", what, strerror(-result));
    return fail(supervisor, RUN_ENVIRONMENT);
}

static const struct seat *seat_at(const struct supervisor *supervisor, uint32_t seat)
{
    return &supervisor->world->control.seats[seat];
}

static bool start_seat(struct supervisor *supervisor, uint32_t seat)
{
    const int result = supervisor->carrier.kind->start(&supervisor->carrier, seat);

    if (result != 0) {
        return fail_environment(supervisor, "starting a backend", result);
    }
    supervisor->result->started++;
    supervisor->watch[seat].there = true;
    supervisor->watch[seat].progress_ns = sv_os_now_ns();
    return true;
}

/* Does the seat of one who was killed want a successor? */
static bool wanted(const struct supervisor *supervisor, uint32_t seat)
{
    const struct plan_world *plan = &supervisor->world->plan->world;
    const enum plan_role role = plan_role(plan, seat);

    if (sv_load_seq32(&supervisor->world->control.shared->phase) != CONTROL_WORK) {
        return false;
    }
    return role == ROLE_IDLE || role == ROLE_READER ||
           sv_load_seq32(&seat_at(supervisor, seat)->steps) < plan->transactions;
}

/* Somebody ended in a way that is nobody's plan. */
static bool unexpected_end(struct supervisor *supervisor, const struct carrier_exit *exit)
{
    struct finding *finding = &supervisor->result->finding;
    char who[32] = "the process of all backends";

    if (exit->seat != CARRIER_EVERYBODY) {
        (void)snprintf(who, sizeof(who), "backend %u", exit->seat);
    }
    if (exit->status < 0) {
        (void)finding_set(finding, ORACLE_O3, "%s was ended by signal %d (%s)", who, -exit->status,
                          strsignal(-exit->status));
    } else {
        (void)finding_set(finding, ORACLE_O3, "%s ended with status %d", who, exit->status);
    }
    return fail(supervisor, RUN_VIOLATED);
}

static bool take_exit(struct supervisor *supervisor, const struct carrier_exit *exit)
{
    struct control *control = &supervisor->world->control;

    if (exit->seat == CARRIER_EVERYBODY) {
        return unexpected_end(supervisor, exit);
    }
    const uint32_t birth = sv_load_seq32(&control->seats[exit->seat].birth);
    supervisor->result->started += exit->restarted;
    supervisor->watch[exit->seat].there = exit->restarted;
    supervisor->watch[exit->seat].progress_ns = sv_os_now_ns();
    if (birth != 0 && !exit->restarted) {
        sv_store_seq32(&control->births[birth - 1].ended, 1);
    }
    if (exit->killed) {
        supervisor->result->deaths++;
        supervisor->dead_ns = sv_os_now_ns();
        supervisor->mourning = true;
        if (!exit->restarted && wanted(supervisor, exit->seat)) {
            return start_seat(supervisor, exit->seat);
        }
        return true;
    }
    switch (exit->status) {
    case WORKER_LEFT:
    case WORKER_ACCUSED:
    case WORKER_FAILED:
    case WORKER_SURPLUS:
        return true; /* what it has to say is in the control area */
    default:
        return unexpected_end(supervisor, exit);
    }
}

static bool take_exits(struct supervisor *supervisor)
{
    struct carrier_exit exit;
    bool fine = true;

    while (fine && supervisor->carrier.kind->next_exit(&supervisor->carrier, &exit)) {
        fine = take_exit(supervisor, &exit);
    }
    return fine;
}

static bool take_verdict(struct supervisor *supervisor)
{
    struct finding *finding = &supervisor->result->finding;
    uint32_t seat;

    if (!control_verdict(&supervisor->world->control, finding, &seat)) {
        return true;
    }
    return fail(supervisor, finding->oracle == ORACLE_NONE ? RUN_ENVIRONMENT : RUN_VIOLATED);
}

/* Resume whose stall is over. Returns: is anybody stalled? */
static bool resume_stalled(struct supervisor *supervisor, uint64_t now_ns)
{
    const struct injector_shared *shared = supervisor->world->injector->shared;
    bool any = false;

    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        if (sv_load_seq64(&shared->records[i].stalled_until_ns) == 0) {
            continue;
        }
        any |= supervisor->watch[i].there;
        supervisor->watch[i].progress_ns = now_ns;
        if (injector_stall_over(shared, i, now_ns)) {
            supervisor->carrier.kind->resume(&supervisor->carrier, i);
        }
    }
    return any;
}

/* Is this seat neither working nor needed any more? */
static bool at_rest(const struct supervisor *supervisor, uint32_t seat)
{
    const uint32_t phase = sv_load_seq32(&seat_at(supervisor, seat)->phase);

    return !supervisor->watch[seat].there || phase == SEAT_SERVING || phase == SEAT_LEFT;
}

static bool all_at_rest(const struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        if (!at_rest(supervisor, i)) {
            return false;
        }
    }
    return true;
}

static bool anybody_there(const struct supervisor *supervisor)
{
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        if (supervisor->watch[i].there) {
            return true;
        }
    }
    return false;
}

/* Has everyone moved lately who should? */
static bool look_for_hang(struct supervisor *supervisor, uint64_t now_ns)
{
    const bool drain = sv_load_seq32(&supervisor->world->control.shared->phase) == CONTROL_DRAIN;
    const uint64_t limit_ns = (uint64_t)supervisor->options->timeout_ms * 1000000;

    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        struct seat_watch *watch = &supervisor->watch[i];
        const uint32_t beats = sv_load_seq32(&seat_at(supervisor, i)->beats);
        if (beats != watch->beats || (at_rest(supervisor, i) && !(drain && watch->there))) {
            watch->beats = beats;
            watch->progress_ns = now_ns;
        }
        if (now_ns > watch->progress_ns && now_ns - watch->progress_ns > limit_ns) {
            (void)finding_set(&supervisor->result->finding, ORACLE_O4,
                              "backend %u has made no step for %u ms, and is not stalled", i,
                              supervisor->options->timeout_ms);
            return fail(supervisor, RUN_VIOLATED);
        }
    }
    return true;
}

/* The dead: how long does anyone wait for them, and are they settled? */
static bool look_at_dead(struct supervisor *supervisor, uint64_t now_ns)
{
    struct sv_segment *segment = supervisor->world->segment;
    struct run_result *result = supervisor->result;
    const uint64_t limit_ns = (uint64_t)supervisor->options->timeout_ms * 1000000;
    const uint64_t pause_ns = longest_wait_for_dead(segment, supervisor->dead_ns, now_ns);

    result->pause_ns = pause_ns > result->pause_ns ? pause_ns : result->pause_ns;
    supervisor->mourning = unsettled_slots(segment) != 0;
    if (!supervisor->mourning) {
        control_settled(&supervisor->world->control);
    }
    if (!supervisor->mourning || !all_at_rest(supervisor)) {
        supervisor->settled_ns = now_ns;
    } else if (!anybody_there(supervisor)) {
        (void)sv_backend_settle_dead(segment); /* who else? */
    } else if (now_ns > supervisor->settled_ns && now_ns - supervisor->settled_ns > limit_ns) {
        (void)finding_set(&result->finding, ORACLE_O6,
                          "%u slots of the dead were not settled by anyone for %u ms (K3)",
                          unsettled_slots(segment), supervisor->options->timeout_ms);
        return fail(supervisor, RUN_VIOLATED);
    }
    return true;
}

/* All is quiet: the relay must reach whoever is far behind (O5). */
static bool look_for_laggard(struct supervisor *supervisor, uint64_t now_ns, bool *found)
{
    const uint64_t limit_ns = (uint64_t)supervisor->options->timeout_ms * 1000000;
    const uint32_t slot = laggard_slot(supervisor->world->segment);

    *found = slot != SV_SLOT_NONE;
    if (!*found) {
        supervisor->abreast_ns = now_ns;
    } else if (now_ns > supervisor->abreast_ns && now_ns - supervisor->abreast_ns > limit_ns) {
        (void)finding_set(&supervisor->result->finding, ORACLE_O5,
                          "all is quiet, slot %u is far behind, and no catchup has reached it for "
                          "%u ms: the relay has ended",
                          slot, supervisor->options->timeout_ms);
        return fail(supervisor, RUN_VIOLATED);
    }
    return true;
}

/* Say DRAIN, and wake those in latch waits. */
static void say_drain(struct supervisor *supervisor)
{
    sv_store_seq32(&supervisor->world->control.shared->phase, CONTROL_DRAIN);
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        const uint32_t slot = sv_load_seq32(&seat_at(supervisor, i)->slot);
        if (slot != 0 && supervisor->watch[i].there) {
            sv_latch_set(supervisor->world->segment, slot - 1);
        }
    }
}

/* Is there anything left to do before all may drain? */
static bool advance(struct supervisor *supervisor, uint64_t now_ns)
{
    const uint32_t phase = sv_load_seq32(&supervisor->world->control.shared->phase);
    bool laggard = false;

    if (phase == CONTROL_DRAIN || (phase == CONTROL_WORK && supervisor->options->killer != NULL)) {
        return true;
    }
    if (!all_at_rest(supervisor) || supervisor->mourning ||
        unsettled_slots(supervisor->world->segment) != 0) {
        supervisor->abreast_ns = now_ns;
        return true;
    }
    if (!look_for_laggard(supervisor, now_ns, &laggard)) {
        return false;
    }
    if (!laggard) {
        say_drain(supervisor);
    }
    return true;
}

static void move_deadlines(struct supervisor *supervisor, uint64_t by_ns)
{
    supervisor->settled_ns += by_ns;
    supervisor->abreast_ns += by_ns;
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        supervisor->watch[i].progress_ns += by_ns;
    }
}

/* Asked to end: with somebody outside, as when its time is over; asked again, at once. */
static bool interrupt(struct supervisor *supervisor)
{
    struct killer *killer = supervisor->options->killer;

    if (killer == NULL || killer->interrupted) {
        return fail(supervisor, RUN_INTERRUPTED);
    }
    killer->interrupted = true;
    return true;
}

/* One look at everything. Returns: false: it is over, badly. *busy: look again soon. */
static bool tick(struct supervisor *supervisor, bool *busy)
{
    const uint64_t now_ns = sv_os_now_ns();

    if (now_ns - supervisor->looked_ns > LATE_NS) {
        move_deadlines(supervisor, now_ns - supervisor->looked_ns);
    }
    supervisor->looked_ns = now_ns;
    *busy = resume_stalled(supervisor, now_ns);
    if (!take_exits(supervisor) || !take_verdict(supervisor) ||
        !look_for_hang(supervisor, now_ns)) {
        return false;
    }
    if (supervisor->mourning && !look_at_dead(supervisor, now_ns)) {
        return false;
    }
    *busy = *busy || supervisor->mourning || all_at_rest(supervisor);
    if (supervisor->options->killer != NULL) {
        killer_look(supervisor->options->killer, supervisor, now_ns);
        *busy = true;
    }
    return advance(supervisor, now_ns);
}

static bool over(const struct supervisor *supervisor)
{
    return sv_load_seq32(&supervisor->world->control.shared->phase) == CONTROL_DRAIN &&
           !anybody_there(supervisor);
}

bool supervise(struct supervisor *supervisor)
{
    bool busy = true;

    supervisor->looked_ns = sv_os_now_ns();
    supervisor->settled_ns = supervisor->looked_ns;
    supervisor->abreast_ns = supervisor->looked_ns;
    for (uint32_t i = 0; i < supervisor->world->control.seat_count; i++) {
        if (!start_seat(supervisor, i)) {
            return false;
        }
    }
    while (!over(supervisor)) {
        const uint32_t wait_ms = busy ? TICK_BUSY_MS : TICK_IDLE_MS;
        if (supervisor->carrier.kind->wait(&supervisor->carrier, wait_ms) == -EINTR &&
            !interrupt(supervisor)) {
            return false;
        }
        if (!tick(supervisor, &busy)) {
            return false;
        }
    }
    return take_verdict(supervisor);
}
