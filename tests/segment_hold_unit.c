/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Who lives in a mapping, and that it is not taken away from under them.
 */
#include <pthread.h>

#include "segment_support.h"
#include "sinval/postmaster.h"

TestSuite(segment_hold_unit, .timeout = 60, .fini = unlink_all);

/*
 * Claim:   a segment is not taken away from under a backend or a postmaster of this process.
 */
Test(segment_hold_unit, detaching_under_a_backend_aborts, .signal = SIGABRT)
{
    struct sv_segment *segment = world(small_world);
    struct sv_backend *first = join(segment);
    (void)join(segment);
    sv_backend_detach(first);
    sv_segment_detach(segment);
}

Test(segment_hold_unit, detaching_under_a_postmaster_aborts, .signal = SIGABRT)
{
    struct sv_segment *segment = world(small_world);
    struct sv_postmaster *postmaster = NULL;
    cr_assert_eq(sv_postmaster_create(segment, &postmaster), 0);
    sv_segment_detach(segment);
}

static int attach_and_leave(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return 0;
}

static int leave_at_once(struct sv_segment *segment, void *argument)
{
    (void)argument;
    sv_segment_detach(segment);
    return 0;
}

static int die_attached(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    (void)argument;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    sv_segment_detach(segment);
    return 0;
}

static void *attach_and_end(void *argument)
{
    static struct sv_backend *self; /* static, so that what it leaves is not taken for a leak */
    return sv_backend_attach(argument, NULL, &self) == 0 ? argument : NULL;
}

/* A thread attaches and ends without detaching. */
static int lose_a_thread(struct sv_segment *segment, void *argument)
{
    pthread_t thread;
    void *attached = NULL;
    (void)argument;
    if (pthread_create(&thread, NULL, attach_and_end, segment) != 0 ||
        pthread_join(thread, &attached) != 0 || attached != segment) {
        return 1;
    }
    sv_segment_detach(segment);
    return 0;
}

/* Live in one mapping only, and detach the other. */
static int live_in_the_other(struct sv_segment *segment, void *argument)
{
    struct sv_backend *self = NULL;
    if (sv_backend_attach(argument, NULL, &self) != 0) {
        return 1;
    }
    sv_segment_detach(segment);
    sv_backend_detach(self);
    return 0;
}

/* Live in one mapping, after having lived in the other, and detach the other. */
static int move_over(struct sv_segment *segment, void *argument)
{
    struct sv_segment *other = argument;
    struct sv_backend *first = NULL;
    struct sv_backend *second = NULL;
    if (sv_backend_attach(segment, NULL, &first) != 0 ||
        sv_backend_attach(other, NULL, &second) != 0) {
        return 1;
    }
    sv_backend_detach(first);
    sv_segment_detach(segment);
    sv_backend_detach(second);
    sv_segment_detach(other);
    return 0;
}

/*
 * Claim:   a mapping may go if nobody of this process lives in it: neither those of the parent
 *          count, nor those in another mapping of the same segment, nor threads that have ended.
 * Method:  two mappings, a backend of the parent in each. Children that detach: at once; after
 *          having lived; while living (which aborts); while living in the other one; after a
 *          thread has ended attached.
 */
Test(segment_hold_unit, only_the_living_of_this_process_hold_a_mapping)
{
    struct test_name name = name_of("holds");
    const struct sv_config config = {.backends_max = 8, .capacity = 4};
    struct sv_segment *segment = NULL;
    struct sv_segment *other = NULL;
    cr_assert_eq(sv_segment_create(name.text, &config, &segment), 0);
    cr_assert_eq(sv_segment_attach(name.text, &other), 0);
    struct sv_backend *self = join(segment);
    struct sv_backend *second = join(other);
    cr_expect_eq(reap(fork_child(leave_at_once, segment, NULL)), 0);
    cr_expect_eq(reap(fork_child(attach_and_leave, segment, NULL)), 0);
    cr_expect_eq(reap(fork_child(live_in_the_other, segment, other)), 0);
    cr_expect_eq(reap(fork_child(move_over, segment, other)), 0);
    cr_expect_eq(reap(fork_child(lose_a_thread, segment, NULL)), 0);
    const int status = reap(fork_child(die_attached, segment, NULL));
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %x", status);
    sv_backend_detach(second);
    sv_segment_detach(other);
    (void)sv_backend_settle_dead(segment);
    cr_assert_eq(counted(segment, SV_STAT_slots_settled), 2, "the thread's and the aborted one's");
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
