/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Segments when something runs out: descriptors, address space, room in /dev/shm. It is an error
 * at creation or attach, leaves nothing behind, and never a SIGBUS later.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "segment_support.h"

TestSuite(segment_limits_unit, .timeout = 60, .fini = unlink_all);

/* A child's verdict: 0, or a line of this file modulo 256. */
static void expect_verdict(int status, const char *what)
{
    cr_expect_eq(status, 0, "%s: the child failed at line %d (modulo 256), status %x", what,
                 WEXITSTATUS(status), status);
}

static void allow_descriptors(int count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        _exit(1);
    }
    limit.rlim_cur = (rlim_t)count;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        _exit(2);
    }
}

/* Each call with no descriptor left, then with one more each time, until it succeeds. */
static int starve_of_descriptors(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    const int lowest = dup(STDERR_FILENO);
    int rounds[4] = {0};
    int result = -EMFILE;
    (void)close(lowest);
    for (; result == -EMFILE && rounds[0] < 9; rounds[0]++) {
        allow_descriptors(lowest + rounds[0]);
        result = sv_segment_create(NULL, &small_world, &segment);
    }
    if (result != 0) {
        return __LINE__ % 256;
    }
    sv_segment_detach(segment);
    result = -EMFILE;
    for (; result == -EMFILE && rounds[1] < 9; rounds[1]++) {
        allow_descriptors(lowest + rounds[1]);
        if (access(name->path, F_OK) == 0) {
            return __LINE__ % 256; /* a failed create left a file */
        }
        result = sv_segment_create(name->text, &small_world, &segment);
    }
    if (result != 0) {
        return __LINE__ % 256;
    }
    result = -EMFILE;
    for (; result == -EMFILE && rounds[2] < 9; rounds[2]++) {
        allow_descriptors(lowest + rounds[2]);
        result = sv_segment_attach(name->text, &segment);
    }
    if (result != 0) {
        return __LINE__ % 256;
    }
    result = -EMFILE;
    for (; result == -EMFILE && rounds[3] < 9; rounds[3]++) {
        allow_descriptors(lowest + rounds[3]);
        result = sv_segment_list(visit_none, NULL);
    }
    const bool expected = rounds[0] == 2 && rounds[1] == 2 && rounds[2] == 2 && rounds[3] == 3;
    return result == 0 && expected ? 0 : __LINE__ % 256;
}

/*
 * Claim:   without a descriptor left, create, attach and list say -EMFILE; a failed create leaves
 *          no file. One descriptor is enough, two for the list.
 * Method:  one more descriptor each time, until it succeeds.
 */
Test(segment_limits_unit, without_descriptors_it_says_so)
{
    struct test_name name = name_of("descriptors");
    expect_verdict(reap(fork_child(starve_of_descriptors, NULL, &name)), "descriptors");
}

/* No new mapping of more than a few pages fits. */
static int starve_of_memory(struct sv_segment *segment, void *argument)
{
    struct test_name *names = argument;
    const struct sv_config config = {.table_rows_max = 1000000};
    const struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0) {
        return __LINE__ % 256;
    }
    const int lowest = dup(STDERR_FILENO);
    (void)close(lowest);
    if (sv_segment_create(NULL, &config, &segment) != -ENOMEM ||
        sv_segment_create(names[0].text, &config, &segment) != -ENOMEM) {
        return __LINE__ % 256;
    }
    if (access(names[0].path, F_OK) == 0) {
        return __LINE__ % 256;
    }
    if (sv_segment_attach(names[1].text, &segment) != -ENOMEM) {
        return __LINE__ % 256;
    }
    return dup(STDERR_FILENO) == lowest ? 0 : __LINE__ % 256;
}

/*
 * Claim:   without room in the address space, create and attach say -ENOMEM and leave neither file
 *          nor descriptor.
 */
Test(segment_limits_unit, without_address_space_it_says_so)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip("the sanitizer needs more address space than may be had here");
#endif
    struct test_name names[] = {name_of("memory"), name_of("there")};
    struct sv_segment *segment = NULL;
    const struct sv_config config = {.table_rows_max = 1000000};
    cr_assert_eq(sv_segment_create(names[1].text, &config, &segment), 0);
    sv_segment_detach(segment);
    expect_verdict(reap(fork_child(starve_of_memory, NULL, names)), "memory");
}

/*
 * Claim:   more than there is at all is refused at once, and leaves nothing: -ENOSPC for a named
 *          segment, -ENOMEM for an anonymous one.
 */
Test(segment_limits_unit, more_than_there_is_is_refused)
{
    const struct test_name name = name_of("huge");
    const struct sv_config config = {.table_rows_max = 1 << 24, .table_value_max = 65536};
    struct sv_segment *segment = NULL;
    struct statvfs shm;
    cr_assert_eq(sv_segment_create(NULL, &config, &segment), -ENOMEM);
    cr_assert_eq(statvfs("/dev/shm", &shm), 0);
    if (shm.f_blocks == 0) {
        cr_skip("/dev/shm has no limit here");
    }
    cr_assert_eq(sv_segment_create(name.text, &config, &segment), -ENOSPC);
    cr_assert_not(file_exists(&name));
}

/* Write to every page of it. */
static void touch(struct sv_segment *segment)
{
    for (size_t at = 0; at < segment->size_bytes; at += 512) {
        volatile uint8_t *byte = (volatile uint8_t *)segment->base + at;
        *byte = (uint8_t)(*byte + 0);
    }
}

/*
 * Create in an empty /dev/shm of so many pages, and use all of it. Returns: 0 it fits; -1 it is
 * refused, as it should be; a line of this file, or 77.
 */
static int try_with_pages(const struct test_name *name, size_t pages)
{
    const struct sv_config config = {.backends_max = 16};
    struct sv_segment *segment = NULL;
    char options[64];
    (void)snprintf(options, sizeof(options), "mode=1777,size=%zu", pages * 4096);
    if (mount("tmpfs", "/dev/shm", "tmpfs", 0, options) != 0) {
        return 77;
    }
    const int result = sv_segment_create(name->text, &config, &segment);
    const bool exists = access(name->path, F_OK) == 0;
    if (result != (exists ? 0 : -ENOSPC)) {
        return __LINE__ % 256;
    }
    if (result == 0) {
        if (pages * 4096 < segment->size_bytes) {
            return __LINE__ % 256;
        }
        touch(segment);
        sv_segment_detach(segment);
    }
    return umount("/dev/shm") != 0 ? __LINE__ % 256 : (exists ? 0 : -1);
}

/* In a mount namespace of its own: 1, 2, 3, ... pages until the segment fits. */
static int fill_up(struct sv_segment *segment, void *argument)
{
    const int lowest = dup(STDERR_FILENO);
    int result = -1;
    size_t pages = 0;
    (void)segment;
    (void)close(lowest);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return 77;
    }
    while (result == -1 && pages < 1000) {
        pages++;
        result = try_with_pages(argument, pages);
    }
    if (result == 0 && (pages < 20 || dup(STDERR_FILENO) != lowest)) {
        return __LINE__ % 256;
    }
    return result;
}

/*
 * Claim:   a /dev/shm with too little room is -ENOSPC at creation, without a file left; one with
 *          just enough is enough for every page: never a SIGBUS.
 * Method:  a tmpfs of 1, 2, 3, ... pages in a mount namespace of one's own, until the segment is
 *          created; then all of it is written to. Needs root.
 */
Test(segment_limits_unit, a_full_shm_is_an_error_at_creation)
{
    struct test_name name = name_of("full");
    const int status = reap(fork_child(fill_up, NULL, &name));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        cr_skip("mounting needs root");
    }
    expect_verdict(status, "full");
}

/* With SIGXFSZ ignored, as a program would that expects it. */
static int exceed_file_size(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    const struct rlimit limit = {.rlim_cur = 8192, .rlim_max = 8192};
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return __LINE__ % 256;
    }
    if (sv_segment_create(name->text, &small_world, &segment) != -EFBIG) {
        return __LINE__ % 256;
    }
    return access(name->path, F_OK) == 0 ? __LINE__ % 256 : 0;
}

/*
 * Claim:   a limit on the size of files is an error too, and leaves nothing.
 */
Test(segment_limits_unit, a_limit_on_files_is_an_error)
{
    struct test_name name = name_of("limit");
    expect_verdict(reap(fork_child(exceed_file_size, NULL, &name)), "file size");
}
