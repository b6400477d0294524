/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The killer of a storm: whom it strikes, how often, for how long, and what it counts. It is asked
 * at times that the test makes up, and strikes a carrier that only counts; so the same seed gives
 * the same strikes each time.
 */
#include "faults/killer.h"

#include "shm/segment.h"
#include "support.h"

TestSuite(killer_unit, .timeout = 60);

#define SEATS   16
#define BUSY    5 /* the one seat that does not rest */
#define HOLDER  9 /* the one that holds a lock */
#define SLOT    3 /* where that one sits */
#define BEGIN   UINT64_C(1000000000)
#define STEP_NS UINT64_C(10000000)

static struct {
    struct run_world world;
    struct supervisor supervisor;
    struct seat_watch watch[SEATS];
    struct killer killer;
    uint64_t now_ns; /* as it is told */
    uint32_t kills[SEATS];
    uint32_t stops;
} scene;

/* Everybody is the test's own process, and told nothing. */
static pid_t count_strike(struct carrier *carrier, uint32_t seat, int signal_number)
{
    (void)carrier;
    scene.kills[seat] += signal_number == SIGKILL;
    scene.stops += signal_number == SIGSTOP;
    return getpid();
}

static const struct carrier_kind carrier_counting = {.name = "counting", .strike = count_strike};

/* Everybody rests, but for one; one holds a lock. */
static void begin(uint32_t kills_per_s, uint32_t stops_per_s)
{
    const struct plan_world plan = {.backends = SEATS, .transactions = 1, .keys = 1};
    struct control *control = &scene.world.control;
    uint32_t birth = 0;

    scene.world.segment = world((struct sv_config){.capacity = 16, .backends_max = SEATS});
    cr_assert_eq(control_create(control, &plan, SEATS), 0);
    for (uint32_t seat = 0; seat < SEATS; seat++) {
        sv_store_seq32(&control->seats[seat].rests, seat != BUSY);
    }
    cr_assert(control_birth(control, HOLDER, &birth));
    sv_store_seq32(&control->slots[SLOT].owner, birth + 1);
    sv_store_seq32(&scene.world.segment->locks[SV_LOCK_WRITE].exclusive, SLOT + 1);
    scene.supervisor = (struct supervisor){
        .world = &scene.world, .watch = scene.watch, .carrier = {.kind = &carrier_counting}};
    cr_assert_eq(killer_init(&scene.killer, scene.world.segment, SEATS, 1), 0);
    scene.killer.kills_per_s = kills_per_s;
    scene.killer.stops_per_s = stops_per_s;
    scene.now_ns = BEGIN;
    killer_begin(&scene.killer, UINT64_MAX);
}

static void end(void)
{
    killer_end(&scene.killer);
    killer_free(&scene.killer);
    control_destroy(&scene.world.control);
    sv_segment_detach(scene.world.segment);
}

static void look(uint64_t later_ns)
{
    scene.now_ns += later_ns;
    killer_look(&scene.killer, &scene.supervisor, scene.now_ns);
}

static uint32_t all_kills(void)
{
    uint32_t count = 0;

    for (uint32_t seat = 0; seat < SEATS; seat++) {
        count += scene.kills[seat];
    }
    return count;
}

/*
 * Claim:   so many strikes a second as are asked for; a third at who holds a lock, a third at who
 *          does not rest, a third at anybody.
 * Method:  a hundred a second for a hundred seconds; a tenth more or less is ten times what chance
 *          does.
 */
Test(killer_unit, strikes_as_often_as_asked_where_it_hurts)
{
    begin(100, 0);
    while (scene.now_ns < BEGIN + 100 * UINT64_C(1000000000)) {
        look(STEP_NS);
    }
    const uint32_t all = all_kills();
    cr_expect(all > 9000 && all < 11000, "%u strikes", all);
    for (uint32_t seat = 0; seat < SEATS; seat++) {
        const uint32_t share =
            scene.kills[seat] * SEATS * 3 / (all / 10); /* of a 48th, in tenths */
        const uint32_t wanted = seat == BUSY || seat == HOLDER ? 10 * (SEATS + 1) : 10;
        cr_expect(share > wanted * 7 / 10 && share < wanted * 13 / 10, "seat %u: %u of %u", seat,
                  scene.kills[seat], all);
    }
    end();
}

/* Claim: kills and stops are counted each as what they are. */
Test(killer_unit, counts_what_it_strikes)
{
    uint64_t strikes[WAIT_CAUSES];
    uint64_t longest_ns[WAIT_CAUSES];

    begin(100, 10);
    for (uint32_t i = 0; i < 100; i++) {
        look(STEP_NS);
    }
    killer_tell(&scene.killer, strikes, longest_ns);
    cr_expect_eq(strikes[WAIT_FOR_KILLED], all_kills());
    cr_expect_eq(strikes[WAIT_FOR_STOPPED], scene.stops);
    cr_expect_gt(all_kills(), 0);
    cr_expect_gt(scene.stops, 0);
    end();
}

/* Claim: all come to rest when the time is over, and not before. */
Test(killer_unit, ends_in_time)
{
    const struct control *control = &scene.world.control;

    begin(0, 0);
    killer_begin(&scene.killer, BEGIN + 2);
    look(1);
    cr_expect_eq(sv_load_seq32(&control->shared->phase), CONTROL_WORK);
    look(1);
    cr_expect_eq(sv_load_seq32(&control->shared->phase), CONTROL_REST);
    end();
}

/* The stop of a seat, as it is now. */
static struct stop stop_of(uint32_t seat, uint64_t *now_ns)
{
    (void)pthread_mutex_lock(&scene.killer.lock);
    const struct stop stop = scene.killer.stops[seat];
    *now_ns = sv_os_now_ns();
    (void)pthread_mutex_unlock(&scene.killer.lock);
    return stop;
}

/* Wait for the end of a stop, if there is one. Returns: how much was left of it, ns. */
static uint64_t left_of_stop(uint32_t seat)
{
    uint64_t now_ns;
    struct stop stop = stop_of(seat, &now_ns);

    while (stop.process >= 0) {
        (void)carrier_wait_signal(1);
        stop = stop_of(seat, &now_ns);
    }
    return stop.until_ns > now_ns ? stop.until_ns - now_ns : 0;
}

/* Claim: a stop is ended, and not before its time. */
Test(killer_unit, ends_each_stop_when_it_is_over)
{
    begin(0, 100);
    while (scene.stops < 5) {
        look(STEP_NS);
    }
    for (uint32_t seat = 0; seat < SEATS; seat++) {
        const uint64_t left_ns = left_of_stop(seat);
        cr_expect_eq(left_ns, 0, "seat %u was stopped for %" PRIu64 " ns too few", seat, left_ns);
    }
    end();
}

/* Strike and look until a wait of that cause was measured. Returns: ns; 0: in no thousand looks. */
static uint64_t measure_wait(enum wait_cause cause)
{
    uint64_t strikes[WAIT_CAUSES];
    uint64_t longest_ns[WAIT_CAUSES] = {0};

    for (uint32_t looks = 0; looks < 1000 && longest_ns[cause] == 0; looks++) {
        look(STEP_NS);
        (void)carrier_wait_signal(2);
        killer_tell(&scene.killer, strikes, longest_ns);
    }
    return longest_ns[cause];
}

/*
 * Claim:   the longest wait for one who was struck with a lock is measured, by cause.
 * Method:  one backend of this process holds a lock and is struck, another one waits.
 */
static void wait_for(enum wait_cause cause)
{
    begin(cause == WAIT_FOR_KILLED ? 50 : 0, cause == WAIT_FOR_STOPPED ? 50 : 0);
    sv_store_seq32(&scene.world.segment->locks[SV_LOCK_WRITE].exclusive, 0);
    struct sv_backend *holder = join(scene.world.segment);
    struct sv_backend *waiter = join(scene.world.segment);
    struct sv_slot *slot = &scene.world.segment->slots[sv_backend_slot(waiter)];
    const uint64_t before_ns = sv_os_now_ns();
    sv_lwlock_acquire(holder, SV_LOCK_APP_0, SV_LOCK_EXCLUSIVE);
    sv_store_seq64(&slot->waits_since_ns, before_ns);
    sv_store_seq32(&slot->waits_for_lock, SV_LOCK_APP_0 + 1);
    const uint64_t wait_ns = measure_wait(cause);
    cr_expect_gt(wait_ns, 0);
    cr_expect_leq(wait_ns, sv_os_now_ns() - before_ns);
    sv_store_seq32(&slot->waits_for_lock, 0);
    sv_lwlock_release(holder, SV_LOCK_APP_0);
    sv_backend_detach(waiter);
    sv_backend_detach(holder);
    end();
}

Test(killer_unit, measures_waits_for_the_killed)
{
    wait_for(WAIT_FOR_KILLED);
}

Test(killer_unit, measures_waits_for_the_stopped)
{
    wait_for(WAIT_FOR_STOPPED);
}
