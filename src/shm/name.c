/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Names of segments, and what is found under one: the file may be anything, of anybody, of any
 * length, so it is judged by fstat and its first bytes, read and not mapped.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "shm/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/layout.h"

int sv_path_of(const char *name, struct sv_path *path)
{
    const size_t length = strlen(name);
    if (length == 0 || length > SV_NAME_BYTES_MAX || strchr(name, '/') != NULL) {
        return -EINVAL;
    }
    (void)snprintf(path->text, sizeof(path->text), SV_SHM_DIRECTORY "/" SV_SHM_PREFIX "%s", name);
    return 0;
}

static int judge(const struct sv_prefix *prefix, size_t bytes)
{
    if (bytes == 0) {
        return -EAGAIN;
    }
    if (bytes < sizeof(*prefix) || prefix->magic != SV_MAGIC) {
        return -EMEDIUMTYPE;
    }
    switch (sv_load_acquire32(&prefix->phase)) {
    case SV_SEGMENT_READY:
        return 0;
    case SV_SEGMENT_BUILDING:
        return -EAGAIN;
    default:
        return -SV_ECORRUPT;
    }
}

int sv_identify(int fd, uint32_t *layout_version)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -EMEDIUMTYPE;
    }
    if (status.st_uid != geteuid()) {
        return -EPERM;
    }
    struct sv_prefix prefix;
    memset(&prefix, 0, sizeof(prefix));
    const ssize_t bytes = TEMP_FAILURE_RETRY(pread(fd, &prefix, sizeof(prefix), 0));
    if (bytes < 0) {
        return -errno;
    }
    *layout_version = prefix.layout_version;
    return judge(&prefix, (size_t)bytes);
}

int sv_segment_unlink(const char *name)
{
    struct sv_path path;
    const int result = sv_path_of(name, &path);
    if (result != 0) {
        return result;
    }
    return shm_unlink(path.text + SV_PATH_OBJECT) == 0 ? 0 : -errno;
}

/* What says that a file is gone, another user's, or no file at all; anything else is a failure. */
static bool means_no_segment(int error)
{
    switch (error) {
    case ENOENT:
    case EACCES:
    case EPERM:
    case ELOOP:  /* a link */
    case ENXIO:  /* a socket */
    case ESPIPE: /* a pipe */
    case EISDIR:
        return true;
    default:
        return false;
    }
}

/*
 * Is this file, which may be gone by now, a segment that this user may read, complete or not?
 * Returns: 1; 0; -errno it cannot be found out.
 */
static int is_segment(int directory, const char *file)
{
    const int fd =
        TEMP_FAILURE_RETRY(openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd < 0) {
        return means_no_segment(errno) ? 0 : -errno;
    }
    struct sv_prefix prefix;
    const ssize_t bytes = TEMP_FAILURE_RETRY(pread(fd, &prefix, sizeof(prefix), 0));
    const int error = errno;
    (void)close(fd);
    if (bytes < 0) {
        return means_no_segment(error) ? 0 : -error;
    }
    return bytes == sizeof(prefix) && prefix.magic == SV_MAGIC;
}

static DIR *open_directory(void)
{
    DIR *directory;
    do {
        directory = opendir(SV_SHM_DIRECTORY);
    } while (directory == NULL && errno == EINTR);
    return directory;
}

int sv_segment_list(int (*visit)(const char *name, void *argument), void *argument)
{
    DIR *directory = open_directory();
    if (directory == NULL) {
        return errno == ENOENT ? 0 : -errno;
    }
    const size_t prefix = strlen(SV_SHM_PREFIX);
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strncmp(entry->d_name, SV_SHM_PREFIX, prefix) != 0) {
            continue;
        }
        const int found = is_segment(dirfd(directory), entry->d_name);
        result = found == 1 ? visit(entry->d_name + prefix, argument) : found;
    }
    (void)closedir(directory);
    return result;
}
