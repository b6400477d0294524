/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Segments as they should be: directory, names, listing, attaching.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "segment_support.h"

TestSuite(segment_unit, .timeout = 60, .fini = unlink_all);

/* ---- structures -------------------------------------------------------------------------- */

/* There is none of that number: nothing is said of it. */
static void expect_untouched(const struct sv_segment *segment, uint32_t count)
{
    struct sv_allocation allocation;
    struct sv_allocation before;
    memset(&allocation, 0x5a, sizeof(allocation));
    memcpy(&before, &allocation, sizeof(before));
    cr_expect_eq(sv_segment_allocation(segment, count, &allocation), count);
    cr_expect_arr_eq(&allocation, &before, sizeof(before));
}

static void expect_directory(const struct sv_config *config, const char *const *names,
                             uint32_t count)
{
    struct sv_segment *segment = world(*config);
    const uint8_t *const pointers[] = {
        (const uint8_t *)segment->header,
        (const uint8_t *)segment->slots,
        (const uint8_t *)segment->locks,
        (const uint8_t *)segment->queue,
        (const uint8_t *)segment->ring,
        segment->intents,
        (const uint8_t *)segment->table,
        segment->table_rows,
        segment->table_redo,
    };
    struct sv_allocation allocation;
    uint64_t end = 0;
    cr_assert_eq(sv_segment_allocation(segment, UINT32_MAX, &allocation), count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(sv_segment_allocation(segment, i, &allocation), count);
        cr_expect_str_eq(allocation.name, names[i]);
        cr_expect_eq(allocation.offset_bytes % SV_CACHE_LINE, 0, "%s", names[i]);
        cr_expect_geq(allocation.offset_bytes, end, "%s overlaps", names[i]);
        cr_expect_gt(allocation.size_bytes, 0);
        cr_expect_eq(pointers[i] - pointers[0], (ptrdiff_t)allocation.offset_bytes, "%s", names[i]);
        end = allocation.offset_bytes + allocation.size_bytes;
    }
    for (uint32_t i = count; i < 9; i++) {
        cr_expect_null(pointers[i], "structure %" PRIu32 " is not in the directory", i);
    }
    cr_expect_leq(end, sv_segment_size_bytes(segment));
    expect_untouched(segment, count);
    sv_segment_detach(segment);
}

/*
 * Claim:   the directory names every structure, each on cache lines of its own, within the
 *          segment, where the library uses it; the table's only if there is one.
 */
Test(segment_unit, the_directory_says_what_is_where)
{
    const char *const names[] = {"header",  "slots", "locks",      "queue",     "ring",
                                 "intents", "table", "table_rows", "table_redo"};
    struct sv_config config = {.backends_max = 1024, .capacity = 8, .intent_max = 3};
    expect_directory(&config, names, 6);
    config.table_rows_max = 5;
    config.table_value_max = 7;
    expect_directory(&config, names, 9);
}

/*
 * Claim:   a new segment holds free slots and nothing else: all words zero, each life lock free,
 *          the first cleanup due at cleanup_min.
 */
Test(segment_unit, a_new_segment_is_empty)
{
    struct sv_segment *segment = world((struct sv_config){.backends_max = 5, .table_rows_max = 3});
    cr_expect_eq(sv_load_seq32(&segment->queue->next_threshold), segment->config.cleanup_min);
    cr_expect_eq(sv_load_seq64(&segment->queue->max_number), 0);
    cr_expect_eq(sv_os_life_try(&segment->header->postmaster_life), SV_LIFE_TAKEN);
    sv_os_life_release(&segment->header->postmaster_life);
    for (uint32_t i = 0; i < 5; i++) {
        struct sv_slot *slot = sv_segment_slot(segment, i);
        cr_expect_eq(sv_os_life_try(&slot->life), SV_LIFE_TAKEN);
        sv_os_life_release(&slot->life);
        const uint8_t *byte = (const uint8_t *)slot + sizeof(slot->life);
        while (byte < (const uint8_t *)(slot + 1) && *byte == 0) {
            byte++;
        }
        cr_expect_eq(byte, (const uint8_t *)(slot + 1), "slot %" PRIu32, i);
    }
    const uint8_t *last = (const uint8_t *)segment->base + segment->size_bytes;
    for (const uint8_t *byte = (const uint8_t *)segment->ring; byte < last; byte++) {
        cr_assert_eq(*byte, 0);
    }
    sv_segment_detach(segment);
}

static int live_every_life(struct sv_segment *segment, void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        if (sv_os_life_try(&sv_segment_slot(segment, i)->life) != SV_LIFE_TAKEN) {
            return 1;
        }
    }
    return sv_os_life_try(&segment->header->postmaster_life) == SV_LIFE_TAKEN ? raise(SIGKILL) : 2;
}

/*
 * Claim:   every life lock of a new segment tells of its holder's death.
 * Method:  a child takes all, the postmaster's too, and is killed.
 */
Test(segment_unit, every_life_lock_tells_of_a_death)
{
    struct sv_segment *segment = world(small_world);
    cr_assert(WIFSIGNALED(reap(fork_child(live_every_life, segment, NULL))));
    for (uint32_t i = 0; i < small_world.backends_max; i++) {
        struct sv_life_lock *life = &sv_segment_slot(segment, i)->life;
        cr_expect_eq(sv_os_life_try(life), SV_LIFE_DEAD, "slot %" PRIu32, i);
        sv_os_life_release(life);
    }
    cr_expect_eq(sv_os_life_try(&segment->header->postmaster_life), SV_LIFE_DEAD);
    sv_os_life_release(&segment->header->postmaster_life);
    sv_segment_detach(segment);
}

Test(segment_unit, a_slot_that_does_not_exist_is_not_given, .signal = SIGABRT)
{
    struct sv_segment *segment = world(small_world);
    (void)sv_segment_slot(segment, small_world.backends_max);
}

Test(segment_unit, an_intent_that_does_not_exist_is_not_given, .signal = SIGABRT)
{
    struct sv_segment *segment = world(small_world);
    (void)sv_segment_intent(segment, small_world.backends_max);
}

/* ---- anonymous and named ----------------------------------------------------------------- */

/*
 * Claim:   nobody can shrink an anonymous segment under its users, or undo that; its descriptor
 *          goes with it.
 */
Test(segment_unit, an_anonymous_segment_is_sealed)
{
    const int lowest = lowest_free_fd();
    struct sv_segment *segment = world(small_world);
    cr_assert_str_eq(sv_segment_name(segment), "(anonymous)");
    cr_assert_eq(ftruncate(segment->fd, 0), -1);
    cr_assert_eq(errno, EPERM);
    cr_assert_eq(ftruncate(segment->fd, (off_t)segment->size_bytes * 2), -1);
    cr_assert_eq(fcntl(segment->fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1, "sealed for good");
    cr_assert(fcntl(segment->fd, F_GETFD) & FD_CLOEXEC, "an exec must not inherit it");
    sv_segment_detach(segment);
    cr_assert_eq(lowest_free_fd(), lowest);
}

static int attach_and_change(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    (void)segment;
    if (sv_segment_attach(name->text, &segment) != 0) {
        return 1;
    }
    if (sv_load_seq64(&segment->queue->published) != 4711) {
        return 2;
    }
    sv_store_seq64(&segment->queue->published, 4712);
    sv_segment_detach(segment);
    return 0;
}

/*
 * Claim:   a named segment is found by name, with its configuration, and its memory is shared with
 *          who attaches; unlinking hides it from others and takes nothing from those who have it.
 */
Test(segment_unit, a_named_segment_is_shared)
{
    struct test_name name = name_of("shared");
    const int lowest = lowest_free_fd();
    struct sv_segment *creator = NULL;
    struct sv_segment *other = NULL;
    cr_assert_eq(sv_segment_create(name.text, &small_world, &creator), 0);
    cr_assert_eq(sv_segment_attach(name.text, &other), 0);
    cr_assert_arr_eq(sv_segment_config(other), sv_segment_config(creator),
                     sizeof(struct sv_config));
    cr_assert_eq(sv_segment_config(other)->wraparound, 8);
    cr_assert_str_eq(sv_segment_name(other), name.text);
    cr_assert_eq(sv_segment_size_bytes(other), (size_t)file_bytes(&name));
    cr_assert_neq(other->base, creator->base);
    sv_store_seq64(&creator->queue->published, 4711);
    cr_assert_eq(reap(fork_child(attach_and_change, NULL, &name)), 0);
    cr_assert_eq(sv_load_seq64(&other->queue->published), 4712);
    cr_assert_eq(sv_segment_unlink(name.text), 0);
    cr_assert_eq(sv_segment_unlink(name.text), -ENOENT);
    cr_assert_eq(attach_result(&name), -ENOENT);
    sv_store_seq64(&other->queue->published, 1);
    cr_assert_eq(sv_load_seq64(&creator->queue->published), 1);
    sv_segment_detach(other);
    sv_segment_detach(creator);
    cr_assert_eq(lowest_free_fd(), lowest, "a descriptor was leaked");
}

/*
 * Claim:   the file is for its owner alone, whatever the umask, and has all its blocks.
 */
Test(segment_unit, the_file_is_private_and_has_its_blocks)
{
    struct test_name name = name_of("private");
    const mode_t masks[] = {0, 0777};
    for (int i = 0; i < 2; i++) {
        struct stat status;
        const mode_t before = umask(masks[i]);
        create_and_leave(&name);
        (void)umask(before);
        cr_assert_eq(stat(name.path, &status), 0);
        cr_expect_eq(status.st_mode & 07777, 0600, "%o", status.st_mode);
        cr_expect_geq(status.st_blocks * 512, status.st_size, "it has holes");
        cr_assert_eq(sv_segment_unlink(name.text), 0);
    }
}

/*
 * Claim:   so is one that replaces what somebody left half made, whoever was let in to that.
 * Method:  an empty file of the name, which all may read and write.
 */
Test(segment_unit, a_leftover_becomes_private)
{
    struct test_name name = name_of("leftover");
    struct stat status;
    file_poke(&name, 0, "", 0);
    cr_assert_eq(chmod(name.path, 0666), 0);
    create_and_leave(&name);
    cr_assert_eq(stat(name.path, &status), 0);
    cr_expect_eq(status.st_mode & 07777, 0600, "%o", status.st_mode);
    cr_assert_eq(sv_segment_unlink(name.text), 0);
}

/*
 * Claim:   a name has 1 to 200 bytes and no '/'; any such name will do.
 */
Test(segment_unit, a_name_has_its_rules)
{
    char longest[202];
    memset(longest, 'n', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    const char *const bad[] = {"", "/", "a/b", "/a", "../a", longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sv_segment *segment = NULL;
        cr_expect_eq(sv_segment_create(bad[i], &small_world, &segment), -EINVAL, "%s", bad[i]);
        cr_expect_eq(sv_segment_attach(bad[i], &segment), -EINVAL, "%s", bad[i]);
        cr_expect_eq(sv_segment_unlink(bad[i]), -EINVAL, "%s", bad[i]);
    }
    const int pid = (int)getpid();
    char good[4][201];
    (void)snprintf(good[0], sizeof(good[0]), "test.%.*s.%07d", 187, longest, pid);
    (void)snprintf(good[1], sizeof(good[1]), "test.. .%d", pid);
    (void)snprintf(good[2], sizeof(good[2]), "test.\n\xff%%s.%d", pid);
    (void)snprintf(good[3], sizeof(good[3]), "test....%d", pid);
    cr_assert_eq(strlen(good[0]), 200);
    for (int i = 0; i < 4; i++) {
        struct sv_segment *segment = NULL;
        struct sv_segment *other = NULL;
        cr_assert_eq(sv_segment_create(good[i], &small_world, &segment), 0, "%s", good[i]);
        cr_expect_eq(sv_segment_attach(good[i], &other), 0, "%s", good[i]);
        cr_expect_str_eq(sv_segment_name(other), good[i]);
        cr_expect_eq(sv_segment_create(good[i], &small_world, &other), -EEXIST);
        cr_expect_eq(sv_segment_unlink(good[i]), 0, "%s", good[i]);
        sv_segment_detach(other);
        sv_segment_detach(segment);
    }
}

struct search {
    const char *name;
    uint32_t found;
    int answer;
};

static int look_for(const char *name, void *argument)
{
    struct search *search = argument;
    if (strcmp(name, search->name) != 0) {
        return 0;
    }
    search->found++;
    return search->answer;
}

/*
 * Claim:   the list names each segment once, the half-built too, and nothing else; it ends when
 *          the visitor says so.
 */
Test(segment_unit, the_list_names_segments_only)
{
    struct test_name segment = name_of("list");
    struct test_name foreign = name_of("foreign");
    create_and_leave(&segment);
    file_poke(&foreign, 0, "certainly not a segment", 24);
    struct search search = {.name = foreign.text};
    cr_assert_eq(sv_segment_list(look_for, &search), 0);
    cr_assert_eq(search.found, 0, "a file of somebody else's is listed");
    search = (struct search){.name = segment.text};
    cr_assert_eq(sv_segment_list(look_for, &search), 0);
    cr_assert_eq(search.found, 1);
    const int lowest = lowest_free_fd();
    search = (struct search){.name = segment.text, .answer = 7};
    cr_assert_eq(sv_segment_list(look_for, &search), 7);
    cr_assert_eq(lowest_free_fd(), lowest, "a list that was ended leaked a descriptor");
    const uint32_t building = SV_SEGMENT_BUILDING;
    file_poke(&segment, offsetof(struct sv_prefix, phase), &building, sizeof(building));
    search = (struct search){.name = segment.text};
    cr_assert_eq(sv_segment_list(look_for, &search), 0);
    cr_assert_eq(search.found, 1, "half-built");
    cr_assert_eq(sv_segment_unlink(segment.text), 0);
    cr_assert_eq(sv_segment_unlink(foreign.text), 0);
    search = (struct search){.name = segment.text};
    cr_assert_eq(sv_segment_list(look_for, &search), 0);
    cr_assert_eq(search.found, 0);
}

/*
 * Claim:   a link is listed neither as what it leads to nor in its place, wherever it leads.
 * Method:  to a segment, to a file that is none, to nothing.
 */
Test(segment_unit, the_list_follows_no_link)
{
    const struct test_name segment = name_of("there");
    const struct test_name foreign = name_of("foreign");
    const struct test_name nothing = name_of("nothing");
    const struct test_name link = name_of("link");
    const struct test_name *const targets[] = {&segment, &foreign, &nothing};
    create_and_leave(&segment);
    file_poke(&foreign, 0, "certainly not a segment", 24);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(symlink(targets[i]->path, link.path), 0, "%s", strerror(errno));
        struct search search = {.name = link.text};
        cr_assert_eq(sv_segment_list(look_for, &search), 0);
        cr_assert_eq(search.found, 0, "the link to %s", targets[i]->text);
        search = (struct search){.name = segment.text};
        cr_assert_eq(sv_segment_list(look_for, &search), 0);
        cr_assert_eq(search.found, 1);
        cr_assert_eq(unlink(link.path), 0);
    }
    cr_assert_eq(sv_segment_unlink(segment.text), 0);
    cr_assert_eq(sv_segment_unlink(foreign.text), 0);
}

/*
 * Claim:   every result has words of its own.
 */
Test(segment_unit, every_result_has_words)
{
    const int results[] = {0,       -EINVAL, -EEXIST,      -ENOENT, -EAGAIN,
                           -EPERM,  -EPROTO, -EMEDIUMTYPE, -EACCES, -SV_ECORRUPT,
                           -ENOSPC, -ENOMEM, -EMFILE,      -EIO,    -100000};
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        const char *words = sv_segment_error(results[i]);
        cr_assert_gt(strlen(words), 5, "%d", results[i]);
        for (size_t j = 0; j < i; j++) {
            cr_assert_str_neq(words, sv_segment_error(results[j]));
        }
    }
}
