/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * An attach that is refused: it leaves nothing behind.
 */
#include "support.h"

TestSuite(attach_unit, .timeout = 30);

/*
 * Claim:   an attach with a signal that nobody can catch is refused, gives its slot back, and is
 *          not counted.
 * Method:  the only slot there is; the refused attach twice, then one that works.
 */
Test(attach_unit, a_refused_attach_gives_its_slot_back)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 1});
    const struct sv_backend_options options = {.signal_number = SIGKILL};
    for (int i = 0; i < 2; i++) {
        struct sv_backend *refused = NULL;
        cr_assert_eq(sv_backend_attach(segment, &options, &refused), -EINVAL);
        cr_assert_null(refused);
        cr_assert_eq(counted(segment, SV_STAT_attaches), 0);
    }
    struct sv_backend *self = join(segment);
    cr_assert_eq(sv_backend_slot(self), 0);
    cr_assert_eq(counted(segment, SV_STAT_attaches), 1);
    sv_backend_detach(self);
    sv_segment_detach(segment);
}
