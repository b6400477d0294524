/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Named segments in tests: names that no other run has, and the files behind them.
 */
#ifndef SINVAL_TESTS_SEGMENT_SUPPORT_H
#define SINVAL_TESTS_SEGMENT_SUPPORT_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shm/segment.h"
#include "support.h"

/* A small world, quick to create and to look through. */
static const struct sv_config small_world = {.backends_max = 3, .capacity = 4, .wraparound = 8};

struct test_name {
    char text[64];
    char path[128];
};

/* A name of this process's own. */
static inline struct test_name name_of(const char *what)
{
    struct test_name name;
    (void)snprintf(name.text, sizeof(name.text), "test.%s.%d", what, (int)getpid());
    (void)snprintf(name.path, sizeof(name.path), "/dev/shm/sinval.%s", name.text);
    return name;
}

/* Create it and let go of it, so that only the file is left. */
static inline void create_and_leave(const struct test_name *name)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(name->text, &small_world, &segment);
    cr_assert_eq(result, 0, "create: %s", sv_segment_error(result));
    sv_segment_detach(segment);
}

/* What attaching gives; attached and detached again if it is 0. */
static inline int attach_result(const struct test_name *name)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_attach(name->text, &segment);
    if (result == 0) {
        sv_segment_detach(segment);
    }
    return result;
}

/* What creating gives, likewise. */
static inline int create_result(const struct test_name *name)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(name->text, &small_world, &segment);
    if (result == 0) {
        sv_segment_detach(segment);
    }
    return result;
}

static inline bool file_exists(const struct test_name *name)
{
    return access(name->path, F_OK) == 0;
}

static inline off_t file_bytes(const struct test_name *name)
{
    struct stat status;
    cr_assert_eq(stat(name->path, &status), 0, "%s: %s", name->path, strerror(errno));
    return status.st_size;
}

/* Copy count bytes at offset out of the file; or into it. */
static inline void file_peek(const struct test_name *name, off_t offset, void *into, size_t count)
{
    const int fd = open(name->path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s: %s", name->path, strerror(errno));
    cr_assert_eq(pread(fd, into, count, offset), (ssize_t)count);
    cr_assert_eq(close(fd), 0);
}

static inline void file_poke(const struct test_name *name, off_t offset, const void *from,
                             size_t count)
{
    const int fd = open(name->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0, "%s: %s", name->path, strerror(errno));
    cr_assert_eq(pwrite(fd, from, count, offset), (ssize_t)count);
    cr_assert_eq(close(fd), 0);
}

/* For sv_segment_list: goes on. */
static inline int visit_none(const char *name, void *argument)
{
    (void)name;
    (void)argument;
    return 0;
}

/* Is it a test's, of this process or of one that is no more? */
static inline bool is_litter(const char *file)
{
    const char *dot = strrchr(file, '.');
    if (strncmp(file, "sinval.test.", 12) != 0 || dot == NULL) {
        return false;
    }
    char *end = NULL;
    const long pid = strtol(dot + 1, &end, 10);
    return *end == '\0' && pid > 0 &&
           (pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH));
}

/* A suite's fini: leave no file behind, whatever it is; nor those of a test that was killed. */
static inline void unlink_all(void)
{
    DIR *directory = opendir("/dev/shm");
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (is_litter(entry->d_name)) {
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

/* The lowest descriptor that is free: equal before and after means that none was leaked. */
static inline int lowest_free_fd(void)
{
    const int fd = dup(STDERR_FILENO);
    cr_assert_geq(fd, 0);
    cr_assert_eq(close(fd), 0);
    return fd;
}

#endif
