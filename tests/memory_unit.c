/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out at every allocation in turn: segments, postmasters, sources. (Attach, caches
 * and transactions: cache_memory_unit.c.)
 *
 * An allocation whose failure can be done without is no failure of the call; so each test asks for
 * the documented answer or for success, and that as many allocations failed as there are at least.
 */
#include "failing_malloc.h"
#include "segment_support.h"
#include "sqlite_support.h"

TestSuite(memory_unit, .timeout = 60, .fini = unlink_all);

#define RELATION 1

static const struct sv_config memory_world = {
    .backends_max = 4, .capacity = 64, .table_rows_max = 64, .lock_hold_max_ms = 1000};

static const struct sv_keys row_key = {.count = 1, .key = {{"row", 3}}};

static void skip_without_sweep(void)
{
    if (!FAILING_MALLOC_WORKS) {
        cr_skip_test("the sanitizer has its own malloc");
    }
}

/* After an attempt. Returns: whether it was done. */
static bool was_done(struct sweep *sweep, int result)
{
    const bool failed = failing_malloc_end(sweep);
    cr_assert(result == 0 || (failed && result == -ENOMEM), "allocation %" PRIu32 ": %d",
              sweep->nth, result);
    return result == 0;
}

/*
 * Claim:   a segment is made, attached and listed, or that is -ENOMEM and leaves neither file nor
 *          descriptor.
 */
Test(memory_unit, a_segment_without_memory_is_none)
{
    skip_without_sweep();
    struct sweep sweep;
    struct sv_segment *segment = NULL;
    const struct test_name name = name_of("memory");
    const int lowest = lowest_free_fd();
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        if (was_done(&sweep, sv_segment_create(NULL, &memory_world, &segment))) {
            sv_segment_detach(segment);
        }
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    cr_assert_geq(sweep.nth, 2);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        if (was_done(&sweep, sv_segment_create(name.text, &memory_world, &segment))) {
            sv_segment_detach(segment);
        } else {
            cr_assert_not(file_exists(&name));
        }
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    cr_assert_geq(sweep.nth, 2);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        if (was_done(&sweep, sv_segment_attach(name.text, &segment))) {
            sv_segment_detach(segment);
        }
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    cr_assert_geq(sweep.nth, 2);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        (void)was_done(&sweep, sv_segment_list(visit_none, NULL));
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    cr_assert_geq(sweep.nth, 2);
}

/* ---- postmasters ----------------------------------------------------------------------------- */

static int end_at_once(struct sv_segment *segment, void *argument)
{
    (void)segment;
    (void)argument;
    return 0;
}

/* Nine children: their table grows once. Returns: 0; -ENOMEM. */
static int reign(struct sv_segment *segment, uint32_t *reported)
{
    const struct sv_child what = {.run = end_at_once};
    struct sv_postmaster *postmaster = NULL;
    struct sv_child_exit end;
    uint32_t child = 0;
    int result = sv_postmaster_create(segment, &postmaster);
    if (result != 0) {
        return result;
    }
    for (int i = 0; i < 9 && result == 0; i++) {
        result = sv_postmaster_start(postmaster, &what, &child);
    }
    while (result == 0 && (result = sv_postmaster_wait(postmaster, -1, &end)) == 0) {
        (*reported)++;
    }
    sv_postmaster_stop(postmaster, 5000);
    return result == SV_NOT_FOUND ? 0 : result;
}

/*
 * Claim:   a postmaster is made, starts children and waits for them, or that is -ENOMEM; it can be
 *          stopped then, leaves no child, and another one can take its place.
 */
Test(memory_unit, a_postmaster_without_memory_leaves_no_child)
{
    skip_without_sweep();
    struct sweep sweep;
    struct sv_segment *segment = world(memory_world);
    const int lowest = lowest_free_fd();
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        uint32_t reported = 0;
        const int result = reign(segment, &reported);
        if (was_done(&sweep, result)) {
            cr_assert_eq(reported, 9);
        }
        cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
        cr_assert_eq(errno, ECHILD);
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    cr_assert_geq(sweep.nth, 6);
    sv_segment_detach(segment);
}

/* ---- sources --------------------------------------------------------------------------------- */

struct writer {
    struct sv_backend *self;
    struct sv_source *source;
    uint32_t value; /* what is written next */
};

/* A row in the transaction and in a subtransaction, one of which is released, one rolled back. */
static int write_all(struct writer *writer)
{
    const struct sv_tuple tuple = {.data = &writer->value, .size_bytes = sizeof(writer->value)};
    int result = sv_source_write(writer->self, writer->source, RELATION, &row_key, &tuple);
    for (uint32_t i = 0; i < 2 && result == 0; i++) {
        const struct sv_keys key = {.count = 1, .key = {{&i, sizeof(i)}}};
        result = sv_subtransaction_begin(writer->self);
        if (result == 0) {
            result = sv_source_write(writer->self, writer->source, RELATION, &key, &tuple);
        }
        if (result == 0 && i == 0) {
            result = sv_subtransaction_release(writer->self);
        } else if (sv_transaction_level(writer->self) > 1) {
            sv_subtransaction_rollback(writer->self);
        }
    }
    return result;
}

static int write_and_commit(struct writer *writer)
{
    int result = sv_transaction_begin(writer->self, NULL);
    if (result != 0) {
        return result;
    }
    result = write_all(writer);
    while (sv_transaction_level(writer->self) > 1) {
        sv_subtransaction_rollback(writer->self);
    }
    if (result != 0) {
        sv_transaction_rollback(writer->self);
        return result;
    }
    return sv_transaction_commit(writer->self);
}

static int take_value(void *argument, const struct sv_keys *keys, const struct sv_tuple *tuple)
{
    (void)keys;
    memcpy(argument, tuple->data, sizeof(uint32_t));
    return 0;
}

static uint32_t value_of(struct sv_backend *self, struct sv_source *source)
{
    uint32_t value = 0;
    const int result = source->read(source, self, RELATION, &row_key, take_value, &value);
    cr_assert(result == 0 || result == SV_NOT_FOUND, "read gives %d", result);
    return value;
}

/* Of another backend: is what is there told? */
static void expect_told(struct sv_backend *other, uint32_t before, uint32_t now)
{
    struct sv_message out[64];
    uint32_t count = 0;
    cr_assert_eq(sv_queue_read(other, out, 64, &count), 0);
    cr_assert(now == before || count > 0, "a row has changed and nobody was told");
}

/* Returns: how many allocations there are. */
static uint32_t commit_without_memory(int (*open)(struct sv_backend *, struct sv_source **))
{
    struct sweep sweep;
    struct sv_segment *segment = world(memory_world);
    struct sv_backend *other = join(segment);
    struct writer writer = {.self = join(segment)};
    struct sv_source *others = NULL;
    cr_assert_eq(open(writer.self, &writer.source), 0);
    cr_assert_eq(open(other, &others), 0);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        failing_malloc_left = 0; /* not for what the test itself does */
        const uint32_t before = value_of(other, others);
        writer.value = sweep.nth;
        failing_malloc_left = sweep.nth;
        const bool done = was_done(&sweep, write_and_commit(&writer));
        const uint32_t now = value_of(other, others);
        cr_assert_eq(now, done ? sweep.nth : before, "%" PRIu32 " is there", now);
        cr_assert_eq(sv_transaction_level(writer.self), 0);
        expect_told(other, before, now);
    }
    writer.value = UINT32_MAX;
    cr_assert_eq(write_and_commit(&writer), 0);
    cr_assert_eq(value_of(other, others), UINT32_MAX);
    sv_backend_detach(writer.self);
    sv_backend_detach(other);
    writer.source->close(writer.source);
    others->close(others);
    sv_segment_detach(segment);
    return sweep.nth;
}

/* Returns: how many allocations there are. */
static uint32_t open_without_memory(int (*open)(struct sv_backend *, struct sv_source **))
{
    struct sweep sweep;
    struct sv_segment *segment = world(memory_world);
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    const int lowest = lowest_free_fd();
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        if (was_done(&sweep, open(self, &source))) {
            source->close(source);
        }
        cr_assert_eq(lowest_free_fd(), lowest);
    }
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return sweep.nth;
}

/* What another one has written, so that the source has to fetch it. Returns: as above. */
static uint32_t read_without_memory(int (*open)(struct sv_backend *, struct sv_source **))
{
    struct sweep sweep;
    struct sv_segment *segment = world(memory_world);
    struct writer writer = {.self = join(segment), .value = 1};
    struct sv_backend *self = join(segment);
    struct sv_source *source = NULL;
    cr_assert_eq(open(writer.self, &writer.source), 0);
    cr_assert_eq(open(self, &source), 0);
    for (failing_malloc_begin(&sweep); failing_malloc_next(&sweep);) {
        uint32_t value = 0;
        writer.value++;
        failing_malloc_left = 0;
        cr_assert_eq(write_and_commit(&writer), 0);
        failing_malloc_left = sweep.nth;
        const struct sv_keys every = {0};
        int result = source->read(source, self, RELATION, &row_key, take_value, &value);
        if (result == 0) {
            cr_assert_eq(value, writer.value);
            result = source->list(source, self, RELATION, &every, take_value, &value);
        }
        (void)was_done(&sweep, result);
    }
    sv_backend_detach(writer.self);
    sv_backend_detach(self);
    writer.source->close(writer.source);
    source->close(source);
    sv_segment_detach(segment);
    return sweep.nth;
}

/*
 * Claim:   opening, reading and committing the table, or -ENOMEM: then nothing is there, nothing is
 *          open, and the next try succeeds.
 */
Test(memory_unit, the_table_without_memory_is_as_before)
{
    skip_without_sweep();
    cr_assert_geq(open_without_memory(sv_table_open), 2);
    cr_assert_geq(read_without_memory(sv_table_open), 2);
    cr_assert_geq(commit_without_memory(sv_table_open), 2);
}

/*
 * Claim:   the same with SQLite, which allocates much.
 */
Test(memory_unit, sqlite_without_memory_is_as_before, .init = make_directory,
     .fini = remove_directory)
{
    skip_without_sweep();
    cr_assert_geq(open_without_memory(open_file), 50);
    cr_assert_geq(read_without_memory(open_file), 2);
    cr_assert_geq(commit_without_memory(open_file), 3);
}
