/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The command, with a bug in all its backends: each time one of them accepts messages. The linker
 * puts this before the library's own (--wrap).
 */
#include "canary/bugs.h"

/* The linker's names. */
int accept_messages(struct sv_backend *self) __asm__("__real_sv_accept_messages");
int wrap_accept_messages(struct sv_backend *self) __asm__("__wrap_sv_accept_messages");

int wrap_accept_messages(struct sv_backend *self)
{
    canary_bug(self);
    return accept_messages(self);
}
