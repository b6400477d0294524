/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Every system call of every operation fails, one at a time, with every error (fail_each.h):
 * segments and backends. Sources: calls_source_fault.c; memory: memory_unit.c.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "fail_each.h"
#include "segment_support.h"

TestSuite(calls_fault, .timeout = 120, .fini = unlink_all);

/* ---- segments ------------------------------------------------------------------------------- */

static int create_anonymous(struct victim *victim)
{
    struct sv_segment *segment = NULL;
    const int result = sv_segment_create(NULL, &small_world, &segment);
    victim->made = segment;
    return result;
}

static void detach_made(struct victim *victim)
{
    sv_segment_detach(victim->made);
}

/*
 * Claim:   an anonymous segment is made completely or not at all.
 */
Test(calls_fault, an_anonymous_segment_is_made_or_not)
{
    FAILING_CALLS_SKIP();
    const struct operation operation = {
        .name = "create, anonymous", .run = create_anonymous, .undo = detach_made};
    cr_assert_geq(fail_each(&operation, NULL, meet(), NULL), 4);
}

static int create_named(struct victim *victim)
{
    struct sv_segment *segment = NULL;
    const struct test_name *name = victim->world;
    const int result = sv_segment_create(name->text, &small_world, &segment);
    victim->made = segment;
    return result;
}

static void expect_no_segment(struct victim *victim)
{
    const struct test_name *name = victim->world;
    struct stat status;
    if (stat(name->path, &status) == 0 && status.st_size != 0) {
        wrong(victim, "a file of %lld bytes is left", (long long)status.st_size);
    }
}

static void detach_and_unlink(struct victim *victim)
{
    const struct test_name *name = victim->world;
    sv_segment_detach(victim->made);
    if (sv_segment_unlink(name->text) != 0) {
        wrong(victim, "it cannot be unlinked");
    }
}

/*
 * Claim:   a named segment is made completely or not at all. Before its creator has the lock an
 *          empty file may be left, which the next creator takes.
 */
Test(calls_fault, a_named_segment_is_made_or_not)
{
    FAILING_CALLS_SKIP();
    struct test_name name = name_of("calls");
    const struct operation operation = {.name = "create, named",
                                        .run = create_named,
                                        .undo = detach_and_unlink,
                                        .failed = expect_no_segment};
    cr_assert_geq(fail_each(&operation, NULL, meet(), &name), 10);
}

static int attach_named(struct victim *victim)
{
    struct sv_segment *segment = NULL;
    const struct test_name *name = victim->world;
    const int result = sv_segment_attach(name->text, &segment);
    victim->made = segment;
    return result;
}

/*
 * Claim:   attaching to a segment succeeds or leaves nothing.
 */
Test(calls_fault, a_segment_is_attached_or_not)
{
    FAILING_CALLS_SKIP();
    struct test_name name = name_of("attached");
    create_and_leave(&name);
    const struct operation operation = {
        .name = "attach a segment", .run = attach_named, .undo = detach_made};
    cr_assert_geq(fail_each(&operation, NULL, meet(), &name), 4);
}

static int find_named(const char *name, void *argument)
{
    struct victim *victim = argument;
    const struct test_name *wanted = victim->world;
    if (strcmp(name, wanted->text) == 0) {
        victim->made = victim;
    }
    return 0;
}

static int list_segments(struct victim *victim)
{
    victim->made = NULL;
    return sv_segment_list(find_named, victim);
}

static void expect_found(struct victim *victim)
{
    if (victim->made == NULL && victim->error != EACCES) {
        wrong(victim, "the list says 0 and has left out a segment");
    }
}

/*
 * Claim:   a list that says it is complete is, but for what this user may not read.
 */
Test(calls_fault, a_list_is_complete_or_an_error)
{
    FAILING_CALLS_SKIP();
    struct test_name name = name_of("listed");
    create_and_leave(&name);
    const struct operation operation = {
        .name = "list segments", .run = list_segments, .undo = expect_found};
    cr_assert_geq(fail_each(&operation, NULL, meet(), &name), 4);
}
