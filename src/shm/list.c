/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which segments there are: the files of /dev/shm with our prefix that this user may read.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "sinval/segment.h"

#define SHM_DIRECTORY "/dev/shm/"
#define FILE_PREFIX   "sinval."

int sv_segment_list(int (*visit)(const char *name, void *argument), void *argument)
{
    DIR *directory = opendir(SHM_DIRECTORY);
    if (directory == NULL) {
        return errno == ENOENT ? 0 : -errno;
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
        const size_t prefix = strlen(FILE_PREFIX);
        if (strncmp(entry->d_name, FILE_PREFIX, prefix) == 0 &&
            faccessat(dirfd(directory), entry->d_name, R_OK, 0) == 0) {
            result = visit(entry->d_name + prefix, argument);
        }
    }
    (void)closedir(directory);
    return result;
}
