/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What ThreadSanitizer is told before it starts, in its builds only; TSAN_OPTIONS comes later and
 * wins. A report ends the process at once, so that it fails the run; report_destroy_locked: see
 * sv_annotate_take_over in src/base/annotate.h.
 */
#include "base/annotate.h"

#if defined(SV_ANNOTATE_TSAN)
const char *__tsan_default_options(void); /* NOLINT: the name is ThreadSanitizer's */

/* NOLINTNEXTLINE */
__attribute__((visibility("default"), no_sanitize("thread"))) const char *__tsan_default_options(
    void)
{
    return "halt_on_error=1:abort_on_error=1:second_deadlock_stack=1:report_destroy_locked=0";
}
#endif
