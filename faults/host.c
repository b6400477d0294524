/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Backends as threads of one process.
 *
 * A kill ends the thread where it stands, with all it holds. Its life lock goes owner-dead by the
 * kernel, as a process's does; the supervisor hears of it only when the thread has been joined,
 * and the kernel has gone through its life locks before that. Race detectors see no order between
 * the dead and whoever finds it, so it is said at two places, here and in sv_os_life_try: all that
 * a thread did comes before its life lock is had by somebody else. The kernel keeps that promise:
 * it marks the lock after the thread's last instruction, and the finder reads the mark by an atomic
 * operation.
 *
 * A stall blocks the thread's signals and waits until it is told to go on and the time is over: so
 * it neither moves nor answers. Both happen after libfiu has returned (faults/injector.c).
 *
 * A run without deaths must leave its host as it found it: O7 for descriptors and mappings, and the
 * leak sanitizer, if it is there, for memory. The dead leave what they had allocated; it goes with
 * the host, and such a run is not judged by it.
 */
#include "faults/host.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/annotate.h"
#include "base/os.h"
#include "faults/judge.h"
#include "shm/segment.h"

/* Of a backend's thread; a batch of WORKER_BATCH_MAX messages takes 64 KiB of it. */
#define STACK_BYTES ((size_t)512 * 1024)

#define LOOK_NS UINT64_C(100000000)

void board_ring(struct board *board)
{
    (void)sv_fetch_add_seq32(&board->bell, 1);
    sv_os_wake(&board->bell, 1);
}

/* ---- a backend's thread ---------------------------------------------------------------------- */

struct occupant {
    struct host *host;
    uint32_t seat;
    pthread_t thread;
};

struct host {
    const struct run_world *world;
    struct board *board;
    pid_t supervisor;
    uint32_t deaths;
    struct occupant *occupants; /* by seat */
};

static void block_signals(sigset_t *before)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, before);
}

/* Where this thread sits, it is through. */
static void get_up(struct host *host, uint32_t seat, bool killed, int status)
{
    struct place *place = &host->board->places[seat];

    place->killed = killed;
    place->status = status;
    sv_store_release32(&place->state, PLACE_OVER); /* [1] */
    board_ring(host->board);
}

/* All that this thread did comes before whoever finds one of its life locks. */
static void release_lives(struct sv_segment *segment)
{
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        const struct sv_life_lock *life = &segment->slots[i].life;
        if (sv_os_life_holder(life) == sv_os_tid()) {
            SV_ANNOTATE_RELEASE(life);
        }
    }
}

static _Noreturn void die(struct host *host, uint32_t seat)
{
    block_signals(NULL);
    release_lives(host->world->segment);
    get_up(host, seat, true, 0);
    pthread_exit(NULL);
}

/* Told to go on, and in time? To be told too early does not count. */
static bool may_go_on(struct place *place, uint64_t until_ns)
{
    if (sv_load_seq32(&place->resumed) == 0) {
        return false;
    }
    sv_store_seq32(&place->resumed, 0);
    return sv_os_now_ns() >= until_ns;
}

/* The time is written down anew each time: a handler may have stalled in here, and cleared it. */
static void park(struct place *place, struct injector_record *record, uint64_t until_ns)
{
    sigset_t before;

    block_signals(&before);
    sv_store_seq32(&place->resumed, 0);
    do {
        sv_store_seq64(&record->stalled_until_ns, until_ns);
        (void)sv_os_wait(&place->resumed, 0, LOOK_NS);
    } while (!may_go_on(place, until_ns));
    sv_store_seq64(&record->stalled_until_ns, 0);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* An injector_act. */
static void act_in_thread(struct injector_context *context, enum action action,
                          uint32_t argument_us)
{
    struct host *host = context->carrier;

    switch (action) {
    case ACTION_KILL:
        die(host, context->backend);
    case ACTION_STALL:
        park(&host->board->places[context->backend], context->record,
             sv_os_now_ns() + (uint64_t)argument_us * 1000);
        break;
    default:
        injector_act_process(context, action, argument_us);
    }
}

static void *occupy(void *argument)
{
    const struct occupant *occupant = argument;

    worker_listen();
    get_up(occupant->host, occupant->seat, false,
           worker_run(occupant->host->world, occupant->seat));
    return NULL;
}

/* ---- the host -------------------------------------------------------------------------------- */

static int start_thread(struct occupant *occupant, void *(*run)(void *argument))
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error == 0) {
        error = pthread_attr_setstacksize(&attributes, STACK_BYTES);
        if (error == 0) {
            error = pthread_create(&occupant->thread, &attributes, run, occupant);
        }
        (void)pthread_attr_destroy(&attributes);
    }
    return error;
}

static void tell_gone(struct place *place)
{
    sv_store_release32(&place->state, PLACE_GONE); /* [1] */
}

static void fill(struct host *host, uint32_t seat)
{
    struct place *place = &host->board->places[seat];
    struct occupant *occupant = &host->occupants[seat];
    struct finding finding;

    *occupant = (struct occupant){.host = host, .seat = seat};
    sv_store_release32(&place->state, PLACE_LIVING); /* [1] */
    const int error = start_thread(occupant, occupy);
    if (error != 0) {
        (void)finding_set(&finding, ORACLE_NONE, "a thread: %s", strerror(error));
        control_accuse(&host->world->control, seat, &finding);
        place->killed = false;
        place->status = WORKER_FAILED;
        tell_gone(place);
    }
}

static void see_off(struct host *host, uint32_t seat)
{
    struct place *place = &host->board->places[seat];

    (void)pthread_join(host->occupants[seat].thread, NULL);
    host->deaths += place->killed;
    tell_gone(place);
    (void)kill(host->supervisor, SIGCHLD);
}

/* Look at every place. Returns: is anybody there, or may anybody still come? */
static bool attend(struct host *host)
{
    bool wanted = sv_load_seq32(&host->board->closing) == 0;

    for (uint32_t seat = 0; seat < host->world->control.seat_count; seat++) {
        switch (sv_load_acquire32(&host->board->places[seat].state)) { /* [1] */
        case PLACE_WANTED:
            fill(host, seat);
            wanted = true;
            break;
        case PLACE_LIVING:
            wanted = true;
            break;
        case PLACE_OVER:
            see_off(host, seat);
            break;
        default:
            break;
        }
    }
    return wanted;
}

static void *end_at_once(void *argument)
{
    (void)argument;
    pthread_exit(NULL);
}

/* What the C library needs for the end of a thread is loaded when the first one ends: now, rather
 * than by somebody who holds locks. */
static void load_what_ends_threads(void)
{
    struct occupant nobody = {0};

    if (start_thread(&nobody, end_at_once) == 0) {
        (void)pthread_join(nobody.thread, NULL);
    }
}

/* There with the address sanitizer only. */
extern int leaks(void) __asm__("__lsan_do_recoverable_leak_check") __attribute__((weak));

/* All have left, nobody was killed: nothing may be left. */
static int judge_host(const struct holdings *before)
{
    struct holdings after;
    struct finding finding;

    holdings_count(&after);
    if (!judge_holdings(before, &after, &finding)) {
        (void)fprintf(stderr, "in the process of the threads: %s\n", finding.message);
        return HOST_KEPT;
    }
    return leaks != NULL && leaks() != 0 ? HOST_LEAKED : 0;
}

_Noreturn void host_live(const struct run_world *world, struct board *board, pid_t supervisor)
{
    struct host host = {
        .world = world,
        .board = board,
        .supervisor = supervisor,
        .occupants = calloc(world->control.seat_count, sizeof(*host.occupants)),
    };
    struct holdings before;

    block_signals(NULL);
    worker_prepare(world);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor) {
        _exit(WORKER_ORPHANED);
    }
    if (host.occupants == NULL) {
        _exit(WORKER_FAILED);
    }
    world->injector->act = act_in_thread; /* in our own copy: the run is forked */
    world->injector->carrier = &host;
    load_what_ends_threads();
    holdings_count(&before);
    for (uint32_t rung = 0; attend(&host); rung = sv_load_seq32(&board->bell)) {
        (void)sv_os_wait(&board->bell, rung, LOOK_NS);
    }
    free(host.occupants);
    const int status = host.deaths == 0 ? judge_host(&before) : 0;
    (void)fflush(stderr);
    _exit(status);
}
