/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Words for what goes wrong with a segment: what is wrong, and what to do about it.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>

#include "sinval/segment.h"

const char *sv_segment_error(int result)
{
    switch (result) {
    case 0:
        return "no error";
    case -EINVAL:
        return "a name has 1 to 200 bytes and no '/'; a configuration keeps its bounds";
    case -EEXIST:
        return "a segment of that name exists; attach to it, or unlink it first";
    case -ENOENT:
        return "there is no segment of that name";
    case -EAGAIN:
        return "its creator is still building it, or died doing so; create it again";
    case -EPERM:
        return "it belongs to another user; choose another name, or be that user";
    case -EMEDIUMTYPE:
        return "it is not a segment of sinval; choose another name";
    case -EPROTO:
        return "it was made by another version or build of sinval; use that one";
    case -SV_ECORRUPT:
        return "it is truncated, or its header contradicts itself; unlink it";
    case -ENOSPC:
        return "no room left in /dev/shm; make room, or ask for a smaller segment";
    case -ENOMEM:
        return "not enough memory; ask for a smaller segment";
    case -EMFILE:
    case -ENFILE:
        return "no file descriptor left; raise RLIMIT_NOFILE, or close some";
    default: {
        const char *words = strerrordesc_np(-result);
        return words != NULL ? words : "no error of sinval";
    }
    }
}
