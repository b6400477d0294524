/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Where named segments lie: files with a prefix of our own in the directory of shm_open.
 */
#ifndef SINVAL_SHM_NAME_H
#define SINVAL_SHM_NAME_H

#include "sinval/segment.h"

#define SV_SHM_DIRECTORY  "/dev/shm" /* where shm_open of every C library on Linux looks */
#define SV_SHM_PREFIX     "sinval."
#define SV_NAME_BYTES_MAX 200

/* The whole path; at SV_PATH_OBJECT begins what shm_open wants, with its slash. */
struct sv_path {
    char text[sizeof(SV_SHM_DIRECTORY) + sizeof(SV_SHM_PREFIX) + SV_NAME_BYTES_MAX];
};

#define SV_PATH_OBJECT (sizeof(SV_SHM_DIRECTORY) - 1)

/* Returns: 0; -EINVAL name is not 1 to 200 bytes without '/'. */
SV_NODISCARD int sv_path_of(const char *name, struct sv_path *path);

/*
 * What the file fd is, as its owner, its kind and its first bytes tell.
 *
 * Returns:  0             a complete segment, of whatever version; *layout_version.
 *           -EAGAIN       nothing yet, or a half-built segment.
 *           -EPERM        it is not this user's.
 *           -EMEDIUMTYPE  something else.
 *           -SV_ECORRUPT  it begins like a segment and goes on like none.
 *           -errno
 */
SV_NODISCARD int sv_identify(int fd, uint32_t *layout_version);

#endif
