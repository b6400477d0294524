/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Backends that are threads of one process: they die, stall and are signalled one by one, what they
 * leave is seen to by the others, and their process is judged as a whole.
 *
 * The test is the supervisor; the threads live in a process that it forks.
 */
#define _GNU_SOURCE /* tgkill */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "faults/campaign.h"
#include "shm/segment.h"
#include "support.h"

TestSuite(carrier_crash, .timeout = 150);

static struct plan written(const char *text)
{
    struct plan plan;
    char message[PLAN_MESSAGE_MAX];
    cr_assert_eq(plan_load_text("test", text, strlen(text), &plan, message, sizeof(message)), 0,
                 "%s", message);
    return plan;
}

/* As a job does. */
static void become_supervisor(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    cr_assert_eq(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
    cr_assert_eq(injector_init(), 0);
}

static const struct run_result *play(const struct plan *plan, const struct carrier_kind *kind)
{
    static struct run_result result;
    const struct run_options options = {
        .plan = plan, .seed = 5, .carrier = kind, .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};
    become_supervisor();
    run_execute(&options, &result);
    return &result;
}

/* ---- whole runs ------------------------------------------------------------------------------ */

/*
 * Claim:   threads that die with locks held, in the middle of a message and of a commit are settled
 *          by the survivors, their locks taken over, and every oracle holds.
 * Method:  the first three backends die at a hit of their own, in a world of transactions.
 */
Test(carrier_crash, what_dead_threads_leave_is_settled_by_the_others)
{
    const struct plan plan = written(
        "name: deaths\ndanger: x\n"
        "world: {backends: 6, capacity: 64, transactions: 60}\n"
        "faults:\n"
        "  - {backend: 0, point: lock/write_exclusive_release/before, action: kill, hit: 20}\n"
        "  - {backend: 1, point: queue/copy/middle, action: kill, hit: 7}\n"
        "  - {backend: 2, point: table/apply/row, action: kill, hit: 3}\n");
    const struct run_result *result = play(&plan, &carrier_thread);
    cr_assert_eq(result->outcome, RUN_PASSED, "%s\n%s", result->finding.message, result->details);
    cr_expect_eq(result->deaths, 3);
    cr_expect_eq(result->births, 9);
    cr_expect_eq(result->events[SV_STAT_slots_settled], 3);
    cr_expect_geq(result->events[SV_STAT_locks_taken_over], 3);
    cr_expect_geq(result->events[SV_STAT_intents_resent], 1);
}

/*
 * Claim:   every point that a thread can die, stall or fail at does fire on threads, and nothing is
 *          violated by it.
 * Method:  all plans that threads can carry, four seeds at a time, until all have fired; at most
 *          32.
 */
Test(carrier_crash, the_plans_fire_every_point_on_threads)
{
    static struct plan plans[64];
    uint64_t fired[SV_POINT_COUNT] = {0};
    char text[PLAN_MESSAGE_MAX];
    uint32_t count = 0;
    bool missed = true;
    for (uint32_t i = 0; i < plan_shipped_count(); i++) {
        cr_assert_lt(count, 64);
        cr_assert_eq(plan_load_shipped(plan_shipped_name(i), &plans[count], text, sizeof(text)), 0);
        count += carrier_carries(&carrier_thread, &plans[count], text);
    }
    cr_expect_eq(count, plan_shipped_count() - 3);
    for (uint64_t seed = 1; seed <= 32 && missed; seed += 4) {
        const struct campaign_options options = {.plans = plans,
                                                 .plan_count = count,
                                                 .seed_first = seed,
                                                 .seed_last = seed + 3,
                                                 .carrier = "thread",
                                                 .jobs = 2,
                                                 .timeout_ms = RUN_TIMEOUT_MS_DEFAULT};
        struct campaign campaign;
        cr_assert_eq(campaign_run(&options, &campaign), 0);
        cr_assert_eq(campaign.failed, 0, "%s: %s", campaign.failures[0].token,
                     campaign.failures[0].finding.message);
        missed = false;
        for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
            fired[point] += campaign.fired[point];
            missed |= fired[point] == 0 && !point_matches("sqlite/*", point);
        }
        campaign_free(&campaign);
    }
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        cr_expect(fired[point] != 0 || point_matches("sqlite/*", point), "no plan fired %s",
                  point_entries[point].path);
    }
}

/*
 * Claim:   the same seed gives the same decisions about faults on threads as on processes.
 * Method:  one backend, whose steps depend on nobody, with deaths, delays and wake-ups in between;
 *          what its steps have reached and fired is compared.
 */
Test(carrier_crash, a_seed_decides_the_same_for_threads_as_for_processes)
{
    static const char *const of_steps[] = {"queue/insert/*", "queue/copy/*", "queue/publish/*",
                                           "intent/*", "backend/join/*"};
    const struct plan plan = written(
        "name: alone\ndanger: x\n"
        "world: {backends: 1, capacity: 64, workload: queue, transactions: 300}\n"
        "faults:\n"
        "  - {backend: any, point: \"queue/insert/*\", action: kill, probability: 0.05}\n"
        "  - {backend: any, point: \"intent/*\", action: kill, probability: 0.05}\n"
        "  - {backend: any, point: \"queue/*\", action: delay, delay_us: 1, probability: 0.1}\n");
    static struct run_result on_processes;
    on_processes = *play(&plan, &carrier_process);
    const struct run_result *on_threads = play(&plan, &carrier_thread);
    cr_assert_eq(on_processes.outcome, RUN_PASSED, "%s", on_processes.finding.message);
    cr_assert_eq(on_threads->outcome, RUN_PASSED, "%s", on_threads->finding.message);
    cr_assert_gt(on_processes.deaths, 2, "it is of no use without deaths");
    cr_expect_eq(on_threads->deaths, on_processes.deaths);
    for (enum sv_point point = 0; point < SV_POINT_COUNT; point++) {
        for (size_t i = 0; i < sizeof(of_steps) / sizeof(of_steps[0]); i++) {
            if (point_matches(of_steps[i], point)) {
                cr_expect_eq(on_threads->reached[point], on_processes.reached[point], "%s: %u, %u",
                             point_entries[point].path, on_threads->reached[point],
                             on_processes.reached[point]);
                cr_expect_eq(on_threads->fired[point], on_processes.fired[point], "%s fired",
                             point_entries[point].path);
            }
        }
    }
}

/* ---- the process of the threads -------------------------------------------------------------- */

static void crash(void *argument)
{
    (void)argument;
    abort();
}

static int open_with_a_bug(struct carrier *carrier)
{
    sv_lwlock_set_repair(carrier->world->segment, SV_LOCK_APP_0, crash, NULL);
    return carrier_thread.open(carrier);
}

/*
 * Claim:   a thread that crashes is a violation at once, and says by which signal; not a hang.
 * Method:  the repair of an application's lock aborts; somebody dies with that lock.
 */
Test(carrier_crash, a_crash_of_one_thread_is_a_violation)
{
    const struct plan plan = written(
        "name: crash\ndanger: x\n"
        "world: {backends: 3, capacity: 64, workload: queue, transactions: 5000}\n"
        "faults:\n"
        "  - {backend: 0, point: lock/app_exclusive_release/before, action: kill, hit: 1}\n");
    struct carrier_kind kind = carrier_thread;
    kind.open = open_with_a_bug;
    const struct run_result *result = play(&plan, &kind);
    cr_expect_eq(result->outcome, RUN_VIOLATED);
    cr_expect_eq(result->finding.oracle, ORACLE_O3);
    cr_expect_str_eq(result->finding.message,
                     "the process of all backends was ended by signal 6 (Aborted)");
    cr_expect_lt(result->seconds, 10.0);
    cr_expect_not_null(strstr(result->details, "lock/app_exclusive_release/before, hit 1: kill"),
                       "%s", result->details);
    cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "somebody is left");
}

/* The process that the backend in a slot has written down; 0: nobody is there. */
static pid_t host_of(const struct carrier *carrier)
{
    return (pid_t)sv_load_acquire32(&carrier->world->segment->slots[0].pid);
}

static struct sv_atomic32 *kept; /* shared with the host */

static void keep_a_descriptor(int signal_number)
{
    (void)signal_number;
    (void)!dup(STDERR_FILENO);
    sv_store_seq32(kept, 1);
}

/* Once somebody has attached, have the host's handler run before anything else is done. */
static int wait_and_signal(struct carrier *carrier, uint32_t wait_ms)
{
    while (sv_load_seq32(kept) == 0) {
        const pid_t host = host_of(carrier);
        if (host > 0) {
            cr_assert_eq(kill(host, SIGUSR2), 0);
        }
        cr_assert_eq(carrier_thread.wait(carrier, 1), 0);
    }
    return carrier_thread.wait(carrier, wait_ms);
}

/*
 * Claim:   what the threads of a run without deaths leave open is a violation (O7) that says what.
 * Method:  a signal handler, inherited by their process, opens a descriptor there.
 */
Test(carrier_crash, a_descriptor_that_is_left_is_a_violation)
{
    const struct plan plan =
        written("name: quiet\ndanger: x\n"
                "world: {backends: 3, capacity: 64, workload: queue, transactions: 300}\n"
                "faults: []\n");
    struct carrier_kind kind = carrier_thread;
    const struct run_result *result = play(&plan, &kind);
    cr_assert_eq(result->outcome, RUN_PASSED, "%s\n%s", result->finding.message, result->details);
    kind.wait = wait_and_signal;
    kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)kept, MAP_FAILED);
    cr_assert_neq(signal(SIGUSR2, keep_a_descriptor), SIG_ERR);
    result = play(&plan, &kind);
    cr_expect_eq(result->outcome, RUN_VIOLATED);
    cr_expect_eq(result->finding.oracle, ORACLE_O7, "%s", result->finding.message);
    cr_expect_not_null(strstr(result->details, "descriptors before the run"), "%s",
                       result->details);
}

/* ---- single threads -------------------------------------------------------------------------- */

/* A world whose supervisor is the test. */
struct scene {
    struct plan plan;
    struct injector injector;
    struct run_world world;
    struct carrier carrier;
};

/* What app_0 guards, as a run has it. */
static void repair_app(void *argument)
{
    struct control_shared *shared = argument;
    sv_store_relaxed64(&shared->app[1], sv_load_relaxed64(&shared->app[0]));
}

static struct scene *scene_open(const char *text)
{
    static struct scene scene;
    scene.plan = written(text);
    become_supervisor();
    const uint32_t backends = scene.plan.world.backends;
    void *shared = mmap(NULL, injector_shared_bytes(backends), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    injector_start(&scene.injector, &scene.plan, 1, shared);
    carrier_leave_out(&carrier_thread, &scene.injector);
    struct sv_config config = scene.plan.world.config;
    config.backends_max = backends + 4;
    scene.world = (struct run_world){.plan = &scene.plan,
                                     .injector = &scene.injector,
                                     .segment = world(config),
                                     .seed = 1,
                                     .stderr_fd = -1};
    cr_assert_eq(control_create(&scene.world.control, &scene.plan.world, config.backends_max), 0);
    sv_lwlock_set_repair(scene.world.segment, SV_LOCK_APP_0, repair_app,
                         scene.world.control.shared);
    cr_assert_eq(carrier_open(&scene.carrier, &carrier_thread, &scene.world), 0);
    for (uint32_t seat = 0; seat < backends; seat++) {
        cr_assert_eq(carrier_thread.start(&scene.carrier, seat), 0);
    }
    return &scene;
}

static void scene_close(struct scene *scene)
{
    const pid_t host = host_of(&scene->carrier);
    cr_expect_eq(carrier_close(&scene->carrier), 0);
    cr_expect(host == 0 || (kill(host, 0) != 0 && errno == ESRCH), "the threads go on");
}

static const struct injector_record *record_of(const struct scene *scene, uint32_t seat)
{
    return &scene->injector.shared->records[seat];
}

static uint32_t hits_of(const struct scene *scene, uint32_t seat, enum sv_point point)
{
    return sv_load_seq32(&record_of(scene, seat)->hits[point]);
}

static uint32_t beats_of(const struct scene *scene, uint32_t seat)
{
    return sv_load_seq32(&scene->world.control.seats[seat].beats);
}

/* Wait until that seat has got on by so many steps. */
static void let_work(struct scene *scene, uint32_t seat, uint32_t steps)
{
    const uint32_t before = beats_of(scene, seat);
    while (beats_of(scene, seat) - before < steps) {
        cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
    }
}

/* Wait until that seat is attached. Returns: its slot. */
static const struct sv_slot *slot_of(struct scene *scene, uint32_t seat)
{
    uint32_t slot;
    while ((slot = sv_load_acquire32(&scene->world.control.seats[seat].slot)) == 0) {
        cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
    }
    return &scene->world.segment->slots[slot - 1];
}

static void signal_slot(const struct sv_slot *slot)
{
    cr_assert_eq(
        tgkill((pid_t)sv_load_acquire32(&slot->pid), (pid_t)sv_load_acquire32(&slot->tid), SIGUSR1),
        0, "%s", strerror(errno));
}

/*
 * Claim:   a signal's handler runs in the thread that it was sent to, as that thread's backend, and
 *          in no other.
 * Method:  four threads that sit in latch waits, signalled one after the other.
 */
Test(carrier_crash, a_signal_goes_to_one_thread)
{
    struct scene *scene =
        scene_open("name: idle\ndanger: x\n"
                   "world: {backends: 3, capacity: 64, workload: idle, idle: 2}\nfaults: []\n");
    for (uint32_t seat = 0; seat < 3; seat++) {
        uint32_t before[3];
        const struct sv_slot *slot = slot_of(scene, seat);
        while (sv_load_acquire32(&scene->world.control.seats[0].phase) != SEAT_SERVING) {
            cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
        }
        for (uint32_t i = 0; i < 3; i++) {
            before[i] = hits_of(scene, i, SV_POINT_signal_handler_entry);
        }
        signal_slot(slot);
        while (hits_of(scene, seat, SV_POINT_signal_handler_entry) == before[seat]) {
            cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
        }
        for (uint32_t i = 0; i < 3; i++) {
            cr_expect_eq(hits_of(scene, i, SV_POINT_signal_handler_entry), before[i] + (i == seat));
        }
    }
    scene_close(scene);
}

/*
 * Claim:   no thread dies in a signal handler, not even by a wildcard.
 * Method:  every point of signals is fatal; each of three threads is signalled twice and runs its
 *          handler twice.
 */
Test(carrier_crash, a_thread_does_not_die_in_a_signal_handler)
{
    struct scene *scene =
        scene_open("name: idle\ndanger: x\n"
                   "world: {backends: 3, capacity: 64, workload: idle, idle: 2, transactions: 1}\n"
                   "faults:\n"
                   "  - {backend: any, point: \"signal/*\", action: kill, probability: 1.0}\n");
    struct carrier_exit exit;
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t before = hits_of(scene, i / 2, SV_POINT_signal_handler_entry);
        signal_slot(slot_of(scene, i / 2));
        while (hits_of(scene, i / 2, SV_POINT_signal_handler_entry) == before) {
            cr_assert_not(carrier_thread.next_exit(&scene->carrier, &exit), "seat %u, status %d",
                          exit.seat, exit.status);
            cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
        }
    }
    scene_close(scene);
}

static const char *const stall_plan =
    "name: stall\ndanger: x\n"
    "world: {backends: 2, capacity: 64, workload: queue, transactions: 1000000}\n"
    "faults:\n"
    "  - {backend: 1, point: queue/insert/before, action: stall, stall_ms: 200, hit: 30}\n";

static uint64_t wait_for_stall(struct scene *scene)
{
    uint64_t until_ns;
    while ((until_ns = sv_load_seq64(&record_of(scene, 1)->stalled_until_ns)) == 0) {
        cr_assert_eq(carrier_thread.wait(&scene->carrier, 1), 0);
    }
    return until_ns;
}

/*
 * Claim:   a stalled thread makes no step and answers no signal until it is told to go on, however
 *          late that is, while the others work; then it answers.
 * Method:  it is signalled in its stall, the other one takes 500 steps beyond the stall's time.
 */
Test(carrier_crash, a_stalled_thread_neither_moves_nor_answers)
{
    struct scene *scene = scene_open(stall_plan);
    const uint64_t until_ns = wait_for_stall(scene);
    const uint32_t events = sv_load_seq32(&record_of(scene, 1)->events_written);
    const uint32_t answers = hits_of(scene, 1, SV_POINT_signal_handler_entry);
    const uint32_t beats = beats_of(scene, 1);
    signal_slot(slot_of(scene, 1));
    while (sv_os_now_ns() < until_ns) {
        let_work(scene, 0, 1);
    }
    let_work(scene, 0, 500);
    cr_expect(injector_stall_over(scene->injector.shared, 1, sv_os_now_ns()));
    cr_expect_eq(sv_load_seq32(&record_of(scene, 1)->events_written), events, "it moved");
    cr_expect_eq(beats_of(scene, 1), beats);
    carrier_thread.resume(&scene->carrier, 1);
    let_work(scene, 1, 1);
    cr_expect_gt(hits_of(scene, 1, SV_POINT_signal_handler_entry), answers);
    cr_expect_eq(sv_load_seq64(&record_of(scene, 1)->stalled_until_ns), 0);
    scene_close(scene);
}

/*
 * Claim:   a stall lasts for its time, however often its thread is told to go on before.
 * Method:  it is told all the time.
 */
Test(carrier_crash, a_stall_lasts_for_its_time)
{
    struct scene *scene = scene_open(stall_plan);
    const uint64_t until_ns = wait_for_stall(scene);
    const uint32_t events = sv_load_seq32(&record_of(scene, 1)->events_written);
    while (sv_load_seq32(&record_of(scene, 1)->events_written) == events) {
        carrier_thread.resume(&scene->carrier, 1);
        (void)sched_yield();
    }
    cr_expect_geq(sv_os_now_ns(), until_ns);
    scene_close(scene);
}

/*
 * Claim:   when a death is told, the kernel has found the dead one's life lock: a survivor that
 *          looks then does not take it for alive.
 * Method:  one of two threads dies, again and again; each time its old slot is looked at.
 */
Test(carrier_crash, a_death_is_told_when_the_life_lock_is_free)
{
    struct scene *scene = scene_open(
        "name: deaths\ndanger: x\n"
        "world: {backends: 2, capacity: 64, workload: queue, transactions: 1000000}\n"
        "faults:\n"
        "  - {backend: 1, point: queue/insert/before, action: kill, probability: 0.002}\n");
    uint32_t looked = 0; /* not at one that died while it attached, or was settled before */
    for (uint32_t deaths = 0; deaths < 50; deaths++) {
        struct carrier_exit exit;
        const struct sv_slot *slot = NULL;
        uint32_t tid = 0;
        while (!carrier_thread.next_exit(&scene->carrier, &exit)) {
            const uint32_t at = sv_load_acquire32(&scene->world.control.seats[1].slot);
            if (at != 0 && tid == 0) {
                slot = &scene->world.segment->slots[at - 1];
                tid = sv_load_acquire32(&slot->tid);
            }
            (void)sched_yield();
        }
        cr_assert(exit.seat == 1 && exit.killed, "seat %u, status %d", exit.seat, exit.status);
        cr_assert(tid == 0 || sv_os_life_holder(&slot->life) != tid, "death %u", deaths);
        looked += tid != 0;
        sv_store_release32(&scene->world.control.seats[1].slot, 0);
        cr_assert_eq(carrier_thread.start(&scene->carrier, 1), 0);
    }
    cr_expect_gt(looked, 0, "none was seen alive");
    scene_close(scene);
}
