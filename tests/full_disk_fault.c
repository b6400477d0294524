/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * An SQLite source on a disk that is full.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <sched.h>
#include <sys/mount.h>

#include "meeting.h"
#include "sqlite_support.h"

TestSuite(full_disk_fault, .timeout = 120, .init = make_directory, .fini = remove_directory);

#define RELATION 1

static const struct sv_keys row_key = {.count = 1, .key = {{"row", 3}}};

static int take_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    memcpy(argument, tuple->data, sizeof(uint32_t));
    return 0;
}

/* SQLite has two ways to say so: a file that cannot grow, and one that cannot even be made. */
static bool is_no_room(int result)
{
    return result == -ENOSPC || result == -EIO;
}

#define BALLAST_PAGES 24
#define COMMITS       12

struct pair {
    struct sv_backend *self;
    struct sv_source *source;
};

static void close_pair(struct pair *pair)
{
    if (pair->source != NULL) {
        pair->source->close(pair->source);
    }
    sv_backend_detach(pair->self);
}

/* A file that can be taken away to make room. Returns: whether it fitted. */
static bool lay_ballast(const char *file, bool there)
{
    static const char page[4096];
    FILE *ballast = there ? fopen(file, "we") : NULL;
    bool fits = true;
    for (int i = 0; ballast != NULL && i < BALLAST_PAGES; i++) {
        fits &= fwrite(page, sizeof(page), 1, ballast) == 1;
    }
    if (ballast != NULL && fclose(ballast) != 0) {
        fits = false;
    }
    return there ? fits : unlink(file) == 0;
}

/* Large rows, one a transaction. Returns: what the first says that fails; 0. */
static int commit_until_full(struct pair *pair, int commits, uint32_t *value)
{
    uint32_t row[1500] = {0};
    const struct sv_tuple tuple = {.data = row, .size_bytes = sizeof(row)};
    int result = 0;
    for (int i = 0; i < commits && result == 0; i++) {
        row[0] = *value + 1;
        result = sv_transaction_begin(pair->self, NULL);
        if (result == 0) {
            result = sv_source_write(pair->self, pair->source, RELATION, &row_key, &tuple);
        }
        if (result == 0) {
            result = sv_transaction_commit(pair->self);
        } else if (sv_transaction_level(pair->self) > 0) {
            sv_transaction_rollback(pair->self);
        }
        *value += result == 0;
    }
    return result;
}

/* Another one's look. Returns: whether it sees this value, or cannot read for want of room. */
static bool sees(struct pair *pair, uint32_t value)
{
    uint32_t seen = 0;
    const int result =
        pair->source->read(pair->source, pair->self, RELATION, &row_key, take_value, &seen);
    return result == 0 || result == SV_NOT_FOUND ? seen == value : is_no_room(result);
}

/* On a disk of its own that holds no more than this. Returns: 0, or a line of this file. */
static int use_up(struct sv_segment *segment, bool *went_well)
{
    struct pair writer = {0};
    struct pair reader = {0};
    uint32_t value = 0;
    char ballast[sizeof(path)];
    (void)snprintf(ballast, sizeof(ballast), "%s/ballast", directory);
    writer.self = attach_here(segment, 0);
    reader.self = attach_here(segment, 0);
    const bool fits = lay_ballast(ballast, true);
    int result = open_file(writer.self, &writer.source);
    result = result == 0 ? open_file(reader.self, &reader.source) : result;
    int line = result == 0 || is_no_room(result) ? 0 : __LINE__;
    *went_well = result == 0;
    if (line == 0 && result == 0) {
        result = commit_until_full(&writer, COMMITS, &value);
        *went_well = result == 0;
        line = result == 0 || is_no_room(result) ? 0 : __LINE__;
        line = line == 0 && !sees(&reader, value) ? __LINE__ : line;
        (void)lay_ballast(ballast, false);
        if (line == 0 && fits && commit_until_full(&writer, 1, &value) != 0) {
            line = __LINE__;
        }
        line = line == 0 && fits && !sees(&reader, value) ? __LINE__ : line;
    }
    close_pair(&writer);
    close_pair(&reader);
    return line;
}

/* In a mount namespace of its own: 1, 2, 3, ... pages until everything fits. */
static int fill_up(struct sv_segment *segment, void *argument)
{
    uint32_t *failures = argument;
    bool went_well = false;
    (void)alarm(60);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return 77;
    }
    for (int pages = 1; pages < 200 && !went_well; pages++) {
        char options[64];
        (void)snprintf(options, sizeof(options), "size=%dk", 4 * pages);
        if (mount("tmpfs", directory, "tmpfs", 0, options) != 0) {
            return 77;
        }
        const int line = use_up(segment, &went_well);
        if (line != 0) {
            return line % 256;
        }
        *failures += !went_well;
        if (umount(directory) != 0) {
            return 78; /* something is still open */
        }
    }
    return went_well ? 0 : 79;
}

/*
 * Claim:   a full disk is an error of open, write or commit, never a SIGBUS; what was committed
 *          stays, what failed is not there; and when there is room again, commits succeed.
 * Method:  a tmpfs of 1, 2, 3, ... pages in a mount namespace of one's own, most of them taken by a
 *          ballast that is then removed, until there is room for all. Needs root.
 */
Test(full_disk_fault, a_full_disk_is_an_error_and_passes)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 4});
    struct meeting *meeting = meet();
    const int status = reap(fork_child(fill_up, segment, meeting));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        cr_skip("mounting needs root");
    }
    cr_assert_eq(status, 0, "the child failed at line %d (modulo 256), status %x",
                 WEXITSTATUS(status), (unsigned)status);
    cr_assert_geq(*(uint32_t *)meeting, 20, "the disk was not full");
    sv_segment_detach(segment);
}
