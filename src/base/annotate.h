/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What a race detector is told about an order that it cannot see by itself.
 *
 * SV_ANNOTATE_TSAN: ThreadSanitizer understands C11 atomics; it is told which of our locks are
 * locks (so that it finds a write under a shared lock), and that a thread that ended holding its
 * life lock comes before whoever finds it. SV_ANNOTATE_VALGRIND: helgrind and DRD know nothing of
 * C11 atomics; src/base/atomic.h tells them of each order as its name says.
 *
 * Neither is defined in what is installed; then everything here is nothing.
 */
#ifndef SINVAL_BASE_ANNOTATE_H
#define SINVAL_BASE_ANNOTATE_H

#if defined(SV_ANNOTATE_TSAN)
/* gcc 12 brings these functions, and no header for them. */
extern void __tsan_acquire(void *address);
extern void __tsan_release(void *address);
#    define SV_ANNOTATE_RELEASE(address) __tsan_release((void *)(address))
#    define SV_ANNOTATE_ACQUIRE(address) __tsan_acquire((void *)(address))
#elif defined(SV_ANNOTATE_VALGRIND)
/* clang-format off */
#    include <valgrind/helgrind.h> /* before drd.h: the other way round DRD is told nothing */
#    include <valgrind/drd.h>
/* clang-format on */
#    include <stdint.h>
#    define SV_ANNOTATE_RELEASE(address) ANNOTATE_HAPPENS_BEFORE((void *)(uintptr_t)(address))
#    define SV_ANNOTATE_ACQUIRE(address) ANNOTATE_HAPPENS_AFTER((void *)(uintptr_t)(address))
#else
/* What comes before a release of address comes before what follows an acquire of it. */
#    define SV_ANNOTATE_RELEASE(address) ((void)0)
#    define SV_ANNOTATE_ACQUIRE(address) ((void)0)
#endif

#endif
