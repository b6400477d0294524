/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Assertions: a programming error prints what and where, and aborts. They stay in every flavour:
 * a broken rule on shared memory must not spread to other processes.
 */
#ifndef SINVAL_BASE_ASSERT_H
#define SINVAL_BASE_ASSERT_H

/* Prints "sinval: file:line: claim: detail" to standard error, and aborts. */
_Noreturn void sv_assert_failed(const char *file, int line, const char *claim, const char *format,
                                ...) __attribute__((format(printf, 4, 5), cold));

/* Prints "sinval: text" to standard error, and aborts. */
_Noreturn void sv_stop(const char *text) __attribute__((cold));

/* claim must hold; the rest is a printf format that names the object. */
#define sv_assert(claim, ...) \
    ((claim) ? (void)0 : sv_assert_failed(__FILE__, __LINE__, #claim, __VA_ARGS__))

#endif
