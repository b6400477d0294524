/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * How backends rest: asleep on a word, until woken or till their time is up; and what else the
 * operating system's seam wants of the machine.
 */
#include <stdio.h>

#include "base/assert.h"
#include "faults/explore/state.h"

/* What that one does next is no access. */
static void set_next(uint32_t backend, uint8_t kind)
{
    machine.next[backend] = (struct explore_step){
        .kind = kind, .span = 1, .agent = (uint8_t)backend, .victim = EXPLORE_NOBODY};
}

void machine_make_ready(uint32_t backend, enum machine_waking waking, uint8_t kind)
{
    struct process *process = &machine.processes[backend];

    process->state = READY;
    process->waking = waking;
    machine.ready |= UINT64_C(1) << backend;
    set_next(backend, kind);
    machine_end_grant();
}

void machine_lie_down(const struct machine_bed *bed)
{
    struct process *process = self_process();

    process->state = ASLEEP;
    process->bed = *bed;
    process->owed = machine.settings.owed != NULL && machine.settings.owed(bed->word);
    process->line = machine.lines++;
    machine.ready &= ~(UINT64_C(1) << machine.self);
    set_next(machine.self, EXPLORE_NONE);
    machine_end_grant();
}

static const char *place_of(const void *word, char place[PLACE_MAX])
{
    const size_t offset = (size_t)((const uint8_t *)word - (uint8_t *)machine.settings.base);

    return offset < machine.settings.size_bytes
               ? machine.settings.where((uint32_t)offset, place, PLACE_MAX)
               : "a word of its own";
}

/* Who called the function of the seam that calls machine_step: frame pointers are there. */
static inline const void *caller_of_caller(const void *const *frame)
{
    return ((const void *const *)frame[0])[1];
}

void machine_step(enum explore_step_kind kind, const void *address, uint32_t bytes)
{
    explore_touch((uint8_t)kind, __ATOMIC_SEQ_CST, address, bytes,
                  machine.watch != NULL ? caller_of_caller(__builtin_frame_address(0)) : NULL);
}

static uint32_t draw(enum explore_draw what, uint32_t count)
{
    const uint32_t answer =
        machine.strategy->kind->draw(machine.strategy, machine.self, what, count);

    if (machine.recorder != NULL) {
        recorder_draw(machine.recorder, answer);
    }
    order_drawn(&runtime.order, machine.self, answer);
    return answer;
}

/* A search would otherwise try each of them everywhere. */
static bool happens(enum explore_draw what, uint32_t odds)
{
    return draw(what, machine_searches() ? 1 : odds) == 1;
}

bool machine_fails_weakly(const volatile void *address)
{
    return explore_is_traced(address) && happens(EXPLORE_DRAW_SPURIOUS, WEAK_ODDS);
}

void machine_yield(void)
{
    if (runtime.size_bytes > 0) {
        set_next(machine.self, EXPLORE_NONE);
        machine_end_grant();
        state_stand();
        machine_choose();
        (void)machine_take_signal();
    }
}

void machine_spin(void)
{
    if (runtime.size_bytes > 0) {
        machine_take_grant();
        runtime.spun_offset = machine_event(runtime.step - 1).offset;
    }
}

/*
 * Nobody else runs, so only time can pass. Who was waited for never lets go, if it passes for long.
 */
static enum machine_waking sleep_aside(const struct machine_bed *bed)
{
    char place[PLACE_MAX];

    machine.now_ns += bed->timeout_ns;
    if (machine.now_ns > machine.aside_until_ns) {
        machine_fail(ORACLE_O4, "all is over, and nobody ever lets go of %s",
                     place_of(bed->word, place));
    }
    return MACHINE_TIMED_OUT;
}

enum machine_waking machine_sleep(const struct machine_bed *bed)
{
    struct process *process = self_process();

    if (runtime.size_bytes == 0) {
        return sleep_aside(bed);
    }
    process->until_ns =
        bed->timeout_ns < NEVER - machine.now_ns ? machine.now_ns + bed->timeout_ns : NEVER;
    if (happens(EXPLORE_DRAW_SPURIOUS, EARLY_ODDS)) {
        machine_make_ready(machine.self, MACHINE_WOKEN, EXPLORE_NONE);
    } else if (process->until_ns != NEVER && happens(EXPLORE_DRAW_TIMEOUT, EARLY_ODDS)) {
        machine_make_ready(machine.self, MACHINE_TIMED_OUT, EXPLORE_ALL);
        machine.result->timeouts++;
    } else {
        machine_lie_down(bed);
    }
    state_stand();
    machine_choose();
    if (process->waking == MACHINE_TIMED_OUT && process->until_ns > machine.now_ns) {
        machine.now_ns = process->until_ns;
    }
    (void)machine_take_signal();
    return process->waking;
}

/* Who has slept on it for longest. Returns: a backend; MACHINE_NOBODY. */
static uint32_t first_sleeper(const void *word)
{
    uint32_t first = MACHINE_NOBODY;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        const struct process *process = &machine.processes[i];
        if (process->state == ASLEEP && process->bed.wakeable && process->bed.word == word &&
            (first == MACHINE_NOBODY || process->line < machine.processes[first].line)) {
            first = i;
        }
    }
    return first;
}

void machine_wake(const void *word, uint32_t count)
{
    if (runtime.size_bytes == 0 && !machine_is_session()) {
        return;
    }
    for (uint32_t sleeper; count > 0 && (sleeper = first_sleeper(word)) != MACHINE_NOBODY;
         count--) {
        machine_make_ready(sleeper, MACHINE_WOKEN, EXPLORE_NONE);
    }
}

/* Those whose next step is to acquire that lock can take it, or not, from now on. */
static void let_acquire(const struct sv_atomic32 *lock, bool can)
{
    const uint32_t object =
        (uint32_t)((uintptr_t)lock - (uintptr_t)machine.settings.base) / RUNTIME_GRANULE;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        const struct explore_step *next = &machine.next[i];
        const uint64_t backend = UINT64_C(1) << i;
        if (((machine.ready | machine.waiting) & backend) != 0 && next->kind == EXPLORE_ACQUIRE &&
            next->object == object) {
            machine.ready = can ? machine.ready | backend : machine.ready & ~backend;
            machine.waiting = can ? machine.waiting & ~backend : machine.waiting | backend;
        }
    }
    machine_end_grant();
}

void machine_acquire(struct sv_atomic32 *lock)
{
    machine_end_grant();
    if (sv_load_seq32(lock) != 0) {
        machine.ready &= ~(UINT64_C(1) << machine.self);
        machine.waiting |= UINT64_C(1) << machine.self;
    }
    machine_step(EXPLORE_ACQUIRE, lock, sizeof(*lock));
    machine.next[machine.self].kind = EXPLORE_NONE; /* it has it */
    sv_store_seq32(lock, 1);
    let_acquire(lock, false);
}

void machine_release(struct sv_atomic32 *lock)
{
    machine_step(EXPLORE_RELEASE, lock, sizeof(*lock));
    sv_store_seq32(lock, 0);
    let_acquire(lock, true);
}

void machine_handler_set(void (*handler)(int), int signal_number)
{
    machine.handler = handler;
    machine.signal_number = signal_number;
}

/* What becomes of a signal that is sent now. */
static enum signal_fate draw_fate(void)
{
    const bool any = machine.faults.signals || machine.faults.script != NULL;

    return (enum signal_fate)draw(EXPLORE_DRAW_SIGNAL, machine_searches() ? SIGNAL_LATE
                                                       : any              ? SIGNAL_FATES
                                                                          : SIGNAL_LOST);
}

void machine_signal(uint32_t backend)
{
    struct process *process = &machine.processes[backend];

    if ((runtime.size_bytes == 0 && !machine_is_session()) || process->state == OVER ||
        process->state == DEAD || process->signals > 0) {
        return; /* one that is pending takes the place of another */
    }
    const enum signal_fate fate = draw_fate();
    if (fate == SIGNAL_LOST) {
        return;
    }
    const uint64_t delay = fate == SIGNAL_LATE ? draw(EXPLORE_DRAW_VALUE, LATE_STEPS) : 0;
    process->signals = fate == SIGNAL_TWICE ? 2 : 1;
    process->arrives_at = runtime.step + 1 + delay;
    machine.alarm = sooner(machine.alarm, machine_searches() ? NEVER : process->arrives_at);
    machine_set_due();
    machine_end_grant();
}

void machine_life_add(void *life)
{
    sv_assert(machine.life_count < MACHINE_LIVES_MAX, "more than %d life locks", MACHINE_LIVES_MAX);
    machine.lives[machine.life_count++] = (uint32_t)((uintptr_t)life & UINT32_MAX);
}

/* ---- nobody can go on ------------------------------------------------------------------------ */

static void describe_sleepers(char *text, size_t size)
{
    size_t used = 0;

    for (uint32_t i = 0; i < machine.settings.backends && used < size; i++) {
        const struct process *process = &machine.processes[i];
        if (process->state != ASLEEP) {
            continue;
        }
        char place[PLACE_MAX];
        const int length = snprintf(text + used, size - used, "%sbackend %u sleeps on %s",
                                    used > 0 ? ", " : "", i, place_of(process->bed.word, place));
        used += length > 0 ? (size_t)length : 0;
    }
}

/* Only time ends a sleep, nobody else can go on, and nobody has died: is that anybody's fault? */
static void judge_sleep(uint32_t backend)
{
    const struct process *process = &machine.processes[backend];
    const bool changed = sv_load_relaxed32(process->bed.word) != process->bed.expected;

    machine.result->rescued += changed;
    if (process->owed && changed) {
        char place[PLACE_MAX];
        machine_fail(ORACLE_O4, "lost wake-up: backend %u sleeps on %s, which has changed since",
                     backend, place_of(process->bed.word, place));
    }
    if (process->owed && !machine.settings.idle) {
        char text[FINDING_MESSAGE_MAX - 32];
        describe_sleepers(text, sizeof(text));
        machine_fail(ORACLE_O4, "only time goes on: %s", text);
    }
}

void machine_time_out(uint32_t backend)
{
    if (machine.result->dead == 0) {
        judge_sleep(backend);
    }
    machine.result->timeouts++;
    machine_make_ready(backend, MACHINE_TIMED_OUT, EXPLORE_ALL);
}

bool machine_stir(void)
{
    uint32_t first = EXPLORE_NOBODY;
    bool sleepers = false;

    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        const struct process *process = &machine.processes[i];
        sleepers |= process->state == ASLEEP;
        if (environment_may_arrive(i)) {
            machine.choice.unasked++;
            environment_step(arrival_at(i));
            return true;
        }
        if (process->state == ASLEEP && process->until_ns != NEVER &&
            (first == EXPLORE_NOBODY || process->until_ns < machine.processes[first].until_ns)) {
            first = i;
        }
    }
    if (first != EXPLORE_NOBODY &&
        (!machine_is_session() || machine.processes[first].until_ns <= machine.until_ns)) {
        if (machine.processes[first].until_ns > machine.now_ns) {
            machine.now_ns = machine.processes[first].until_ns;
        }
        machine_time_out(first);
        return true;
    }
    if (machine_is_session() && !machine_is_joined()) {
        session_wait();
        return true;
    }
    if (machine.waiting != 0) {
        machine_fail(ORACLE_O4, "deadlock: backend %d waits for a lock",
                     __builtin_ctzll(machine.waiting));
    }
    if (sleepers) {
        char text[FINDING_MESSAGE_MAX - 16];
        describe_sleepers(text, sizeof(text));
        machine_fail(ORACLE_O4, "deadlock: %s", text);
    }
    return false;
}
