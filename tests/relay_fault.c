/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The relay, where a catchup is asked for in the middle of another one.
 */
#include "injector_support.h"
#include "sinval/sinval.h"

TestSuite(relay_fault, .timeout = 30);

/* The world in which somebody inserts behind a reader's back. */
struct scene {
    struct sv_segment *segment;
    struct sv_backend *writer;
    struct sv_backend *laggard;
    uint32_t interventions;
};

static struct scene scene;

static void insert(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = i};
        struct sv_message out[4];
        uint32_t read;
        sv_queue_insert(scene.writer, &message, 1);
        cr_assert_eq(sv_queue_read(scene.writer, out, 4, &read), 0);
    }
}

/* The laggard has just read the last message and released the lock: it falls behind again. */
static void intervene(struct injector_context *context, enum action action, uint32_t argument_us)
{
    (void)context;
    (void)action;
    (void)argument_us;
    scene.interventions++;
    insert(12);
    sv_queue_cleanup(scene.writer, 0);
}

static void set_up(void)
{
    const struct sv_config config = {.backends_max = 4,
                                     .capacity = 32,
                                     .cleanup_min = 16,
                                     .cleanup_quantum = 4,
                                     .signal_threshold = 8,
                                     .write_quantum = 4};
    cr_assert_eq(sv_segment_create(NULL, &config, &scene.segment), 0);
    cr_assert_eq(sv_backend_attach(scene.segment, NULL, &scene.writer), 0);
    cr_assert_eq(sv_backend_attach(scene.segment, NULL, &scene.laggard), 0);
    insert(12);
    sv_queue_cleanup(scene.writer, 0); /* asks the laggard */
}

static struct sv_slot_state look(void)
{
    struct sv_slot_state state;
    sv_slot_look(scene.segment, sv_backend_slot(scene.laggard), &state);
    return state;
}

/*
 * Claim:   a catchup that is asked for while one is served is not taken for that one: whoever is
 *          signaled and behind has a catchup pending, or the relay would end with it.
 * Method:  the laggard serves its catchup; after it has read everything and before it goes on,
 *          twelve more messages come and it is asked again. It then does nothing of its own but
 *          process interrupts.
 */
Test(relay_fault, a_catchup_that_comes_during_another_is_served)
{
    static struct run run;
    set_up();
    cr_assert(look().signaled);
    run_start(&run, 1,
              "  - {backend: 0, point: lock/read_shared_release/after, action: delay, "
              "delay_us: 1, hit: 1}\n");
    run.injector.act = intervene;
    injector_enter(&run.context, &run.injector, 0);
    cr_assert_eq(sv_process_interrupts(scene.laggard), 0);
    injector_leave();
    cr_assert_eq(scene.interventions, 1);
    cr_assert(look().signaled, "it was not asked again");
    cr_assert_eq(look().behind, 12);
    cr_assert_eq(sv_process_interrupts(scene.laggard), 0);
    cr_expect_not(look().signaled, "it is signaled, and nothing is pending");
    cr_expect_eq(look().behind, 0);
}
