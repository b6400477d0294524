/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tests with a bug in them. Each passes if nobody reports the bug, so a failure is the report's.
 */
#include "canary/bugs.h"
#include "support.h"

TestSuite(bait, .timeout = 60);

Test(bait, in_the_test)
{
    struct sv_segment *segment = world((struct sv_config){0});
    struct sv_backend *self = join(segment);
    canary_bug(self);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}

static int bug(struct sv_segment *segment, void *unused)
{
    struct sv_backend *self = NULL;
    (void)unused;
    if (sv_backend_attach(segment, NULL, &self) != 0) {
        return 1;
    }
    canary_bug(self);
    sv_backend_detach(self);
    return 0;
}

/* The worst test of all does not look how its children ended. */
Test(bait, in_a_child_that_nobody_asks)
{
    struct sv_segment *segment = world((struct sv_config){0});
    (void)reap(fork_child(bug, segment, NULL));
    sv_segment_detach(segment);
}
