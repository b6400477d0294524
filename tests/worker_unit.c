/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The parts that workloads are made of: what each of them judges on the way, and what the keys of a
 * plan do to them.
 */
#include "faults/workload.h"
#include "injector_support.h"
#include "shm/segment.h"
#include "support.h"

TestSuite(worker_unit, .timeout = 30);

/* A worker of this thread, with all that its run has. */
struct scene {
    struct run run;
    struct run_world world;
    struct worker worker;
};

static void scene_open(struct scene *scene, const struct plan_world *plan, uint32_t seat)
{
    run_start(&scene->run, 1, "  []");
    scene->run.plan.world.discard_caches = plan->discard_caches;
    scene->run.plan.world.burst = plan->burst;
    scene->world = (struct run_world){
        .plan = &scene->run.plan,
        .injector = &scene->run.injector,
        .segment = world((struct sv_config){.capacity = 64, .backends_max = 16}),
        .seed = 1,
        .stderr_fd = -1,
    };
    cr_assert_eq(control_create(&scene->world.control, &scene->run.plan.world, 16), 0);
    scene->worker = (struct worker){
        .world = &scene->world,
        .workload = &workload_queue,
        .plan = &scene->run.plan.world,
        .control = &scene->world.control,
        .seat = seat,
        .random = random_branch(1, seat, RANDOM_WORKLOAD),
    };
    struct worker *worker = &scene->worker;
    cr_assert(control_birth(worker->control, seat, &worker->birth));
    cr_assert_eq(delivery_init(&worker->delivery, worker->control), 0);
    cr_assert_eq(worker_attach(worker), 0);
}

static void scene_close(struct scene *scene)
{
    worker_detach(&scene->worker);
    delivery_free(&scene->worker.delivery);
    control_destroy(&scene->world.control);
    sv_segment_detach(scene->world.segment);
    (void)munmap(scene->run.injector.shared, injector_shared_bytes(BACKENDS));
}

/* It accused somebody, of that, with these words. */
static void expect_accusation(const struct scene *scene, int result, enum oracle oracle,
                              const char *words)
{
    struct finding finding = {0};
    uint32_t seat = UINT32_MAX;
    cr_expect_eq(result, WORKER_ACCUSED, "result %d", result);
    cr_assert(control_verdict(&scene->world.control, &finding, &seat), "nobody is accused");
    cr_expect_eq(seat, scene->worker.seat);
    cr_expect_eq(finding.oracle, oracle, "found by %s", oracle_name(finding.oracle));
    cr_expect_not_null(strstr(finding.message, words), "says: %s", finding.message);
}

/*
 * Claim:   a worker that draws a local transaction id which was there before, be it the last one,
 *          reports it (O6); one that is higher is right.
 */
Test(worker_unit, an_id_that_was_there_before_is_reported)
{
    static const uint64_t wrong[] = {7, 6, 1};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        static struct scene scene;
        scene_open(&scene, &(struct plan_world){0}, 0);
        struct sv_transaction_id id = {.slot = sv_backend_slot(scene.worker.self), .local = 6};
        cr_expect_eq(worker_judge_id(&scene.worker, id), 0);
        id.local = 7;
        cr_expect_eq(worker_judge_id(&scene.worker, id), 0);
        id.local = wrong[i];
        expect_accusation(&scene, worker_judge_id(&scene.worker, id), ORACLE_O6,
                          "was there before (last: 7)");
        scene_close(&scene);
    }
}

/*
 * Claim:   a worker that lives, and finds that it was taken for dead, reports it (O6), whenever it
 *          draws an id or serves.
 * Method:  the mark that whoever is given its slot leaves.
 */
Test(worker_unit, one_that_lives_and_is_displaced_reports_it)
{
    for (int serves = 0; serves < 2; serves++) {
        static struct scene scene;
        scene_open(&scene, &(struct plan_world){0}, 0);
        struct worker *worker = &scene.worker;
        cr_expect_eq(worker_draw_id(worker), 0);
        cr_expect_eq(worker_serve(worker, 0), 0);
        sv_store_seq32(&worker->control->births[worker->birth].displaced, 1);
        expect_accusation(&scene, serves != 0 ? worker_serve(worker, 0) : worker_draw_id(worker),
                          ORACLE_O6, "lives, and was treated as dead");
        scene_close(&scene);
    }
}

/*
 * Claim:   whoever takes lock app_0 reports it if what it guards is half done (O6), whichever half.
 * Method:  the two words, equal and not, and either one ahead.
 */
Test(worker_unit, what_a_lock_guards_half_done_is_reported)
{
    for (size_t ahead = 0; ahead < 2; ahead++) {
        static struct scene scene;
        scene_open(&scene, &(struct plan_world){0}, 0);
        struct control_shared *shared = scene.world.control.shared;
        for (int i = 0; i < 16; i++) {
            cr_expect_eq(worker_use_lock(&scene.worker), 0);
        }
        const uint64_t times = sv_load_relaxed64(&shared->app[0]);
        cr_expect_gt(times, 0, "it never took the lock exclusively");
        sv_store_relaxed64(&shared->app[ahead], times + 1);
        expect_accusation(&scene, worker_use_lock(&scene.worker), ORACLE_O6, "half done");
        scene_close(&scene);
    }
}

/*
 * Claim:   a worker that finds a queue whose numbers cannot be reports it (O3).
 */
Test(worker_unit, a_broken_queue_is_reported)
{
    static struct scene scene;
    scene_open(&scene, &(struct plan_world){0}, 0);
    struct sv_queue *queue = scene.world.segment->queue;
    worker_insert(&scene.worker, 3, false);
    cr_expect_eq(worker_check_queue(&scene.worker), 0);
    const uint64_t min = sv_load_seq64(&queue->min_number);
    sv_store_seq64(&queue->min_number, sv_load_seq64(&queue->max_number) + 1);
    expect_accusation(&scene, worker_check_queue(&scene.worker), ORACLE_O3, "Q1");
    sv_store_seq64(&queue->min_number, min);
    scene_close(&scene);
}

/*
 * Claim:   the plan's `burst` is how many messages a burst has, up to what one insert can have.
 */
Test(worker_unit, a_burst_has_as_many_messages_as_the_plan_says)
{
    static const uint32_t bursts[] = {1, 5, WORKER_BATCH_MAX - 1, WORKER_BATCH_MAX, 65536};
    for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
        const struct plan_world plan = {.burst = bursts[i]};
        const struct worker worker = {.plan = &plan};
        const uint32_t wanted = bursts[i] < WORKER_BATCH_MAX ? bursts[i] : WORKER_BATCH_MAX;
        cr_expect_eq(worker_burst(&worker), wanted, "burst %u has %u", bursts[i],
                     worker_burst(&worker));
    }
}

/*
 * Claim:   with the plan's `discard_caches` every accept discards everything, without it none does
 *          that has no reason to.
 * Method:  what the worker's callback is told, with nothing to read.
 */
Test(worker_unit, caches_are_discarded_if_the_plan_says_so)
{
    for (uint32_t discard = 0; discard < 2; discard++) {
        static struct scene scene;
        scene_open(&scene, &(struct plan_world){.discard_caches = discard != 0}, 0);
        for (uint32_t i = 1; i <= 3; i++) {
            cr_expect_eq(worker_accept(&scene.worker), 0);
            cr_expect_eq(scene.worker.delivery.resets, i * discard);
        }
        scene_close(&scene);
    }
}

/*
 * Claim:   most workers take SIGUSR1 when somebody wakes them, and every fourth takes no signal.
 */
Test(worker_unit, every_fourth_takes_no_signal)
{
    for (uint32_t seat = 0; seat < BACKENDS; seat++) {
        static struct scene scene;
        scene_open(&scene, &(struct plan_world){0}, seat);
        const uint32_t slot = sv_backend_slot(scene.worker.self);
        const bool takes = sv_load_seq32(&scene.world.segment->slots[slot].signal_word) != 0;
        cr_expect_eq(takes, seat % 4 != 3, "seat %u", seat);
        scene_close(&scene);
    }
}
