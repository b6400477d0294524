/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * SQLite as a source: a file that somebody keeps locked for as long as one waits for it.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "own_clock.h"
#include "sqlite_support.h"

TestSuite(sqlite_busy_unit, .timeout = 60);

/* SQLite's own sleep, by the test's clock. */
static int sleep_by_own_clock(sqlite3_vfs *vfs, int time_us)
{
    (void)vfs;
    (void)own_clock_sleep(&(struct timespec){.tv_sec = time_us / 1000000,
                                             .tv_nsec = (long)(time_us % 1000000) * 1000});
    return time_us;
}

/*
 * Claim:   opening a file that stays locked is -EBUSY, with its words, after SV_SQLITE_BUSY_MS.
 * Method:  another connection keeps a new file to itself; the clock is the test's own.
 */
Test(sqlite_busy_unit, a_file_that_stays_locked_cannot_be_opened)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 2, .capacity = 4});
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    sqlite3 *locker = NULL;
    char message[256] = "";
    make_directory();
    cr_assert_eq(sqlite3_open(path, &locker), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(locker, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_vfs_find(NULL)->xSleep = sleep_by_own_clock;
    own_clock_begin();
    const int result = sv_sqlite_open(self, path, &source, message, sizeof(message));
    const uint64_t slept_ns = own_clock_end();
    cr_assert_eq(result, -EBUSY, "%d: %s", result, message);
    cr_assert_not_null(strstr(message, "locked"), "%s", message);
    cr_assert_geq(slept_ns, SV_SQLITE_BUSY_MS * UINT64_C(1000000), "%" PRIu64 " ns", slept_ns);

    cr_assert_eq(sqlite3_close(locker), SQLITE_OK);
    cr_assert_eq(open_file(self, &source), 0);
    sv_backend_detach(self);
    source->close(source);
    sv_segment_detach(segment);
    remove_directory();
}
