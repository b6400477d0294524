/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What is not a sound segment of this user and this build is refused, in words that tell which;
 * and a creator leaves alone whatever is not an abandoned segment.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "segment_support.h"
#include "shm/directory.h"

TestSuite(segment_refuse_unit, .timeout = 60, .fini = unlink_all);

/* The bytes of a file, to see that they are still the same. */
struct contents {
    size_t count;
    uint8_t bytes[65536];
};

static struct contents contents_of(const struct test_name *name)
{
    struct contents contents = {.count = (size_t)file_bytes(name)};
    cr_assert_leq(contents.count, sizeof(contents.bytes));
    file_peek(name, 0, contents.bytes, contents.count);
    return contents;
}

/* Is it mapped in this process? */
static bool is_mapped(const struct test_name *name)
{
    char line[1024];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    cr_assert_not_null(maps);
    while (!found && fgets(line, sizeof(line), maps) != NULL) {
        found = strstr(line, name->path) != NULL;
    }
    cr_assert_eq(fclose(maps), 0);
    return found;
}

/* Both attach and create answer so, and the file stays as it is. */
static void expect_refused(const struct test_name *name, int attached, int created,
                           const char *what)
{
    const struct contents before = contents_of(name);
    const int lowest = lowest_free_fd();
    cr_expect_eq(attach_result(name), attached, "%s: attach gives %d", what, attach_result(name));
    cr_expect_eq(create_result(name), created, "%s: create", what);
    cr_expect_eq(lowest_free_fd(), lowest, "%s: a descriptor was leaked", what);
    cr_expect_not(is_mapped(name), "%s: a mapping was leaked", what);
    const struct contents after = contents_of(name);
    cr_expect(before.count == after.count && memcmp(before.bytes, after.bytes, before.count) == 0,
              "%s: the file was changed", what);
}

/*
 * Claim:   a segment that exists is attached to, not created again.
 */
Test(segment_refuse_unit, what_exists_is_not_created_again)
{
    const struct test_name name = name_of("exists");
    cr_assert_eq(attach_result(&name), -ENOENT);
    create_and_leave(&name);
    expect_refused(&name, 0, -EEXIST, "a sound segment");
}

/*
 * Claim:   a segment that was cut short or made longer is corrupt, down to its prefix; below that
 *          it is none. It is not replaced: somebody may still be using it.
 * Method:  every length, by 8 bytes.
 */
Test(segment_refuse_unit, a_segment_of_the_wrong_length_is_refused)
{
    const struct test_name name = name_of("short");
    create_and_leave(&name);
    const off_t whole = file_bytes(&name);
    cr_assert_eq(truncate(name.path, whole + 4096), 0);
    expect_refused(&name, -SV_ECORRUPT, -EEXIST, "too long");
    for (off_t bytes = whole - 8; bytes > 0; bytes -= 8) {
        cr_assert_eq(truncate(name.path, bytes), 0);
        if (bytes >= (off_t)sizeof(struct sv_prefix)) {
            cr_assert_eq(attach_result(&name), -SV_ECORRUPT, "%jd bytes", (intmax_t)bytes);
        } else {
            cr_assert_eq(attach_result(&name), -EMEDIUMTYPE, "%jd bytes", (intmax_t)bytes);
        }
    }
    cr_assert_eq(truncate(name.path, 0), 0);
    cr_assert_eq(attach_result(&name), -EAGAIN, "empty: somebody may be about to build it");
}

/*
 * Claim:   bytes of somebody else's are no segment, and are left alone, whatever they are.
 */
Test(segment_refuse_unit, foreign_bytes_are_refused)
{
    const struct test_name name = name_of("foreign");
    const char *const texts[] = {"x", "a text of some other program", "sinval0", "sinval1"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        file_poke(&name, 0, texts[i], strlen(texts[i]));
        expect_refused(&name, -EMEDIUMTYPE, -EMEDIUMTYPE, texts[i]);
        cr_assert_eq(sv_segment_unlink(name.text), 0);
    }
    file_poke(&name, 0, "", 1);
    cr_assert_eq(truncate(name.path, 20000), 0);
    expect_refused(&name, -EMEDIUMTYPE, -EMEDIUMTYPE, "zeros");
}

/*
 * Claim:   under a name may be a directory, a pipe or a symbolic link: refused, and not followed.
 */
Test(segment_refuse_unit, what_is_no_file_is_refused)
{
    const struct test_name name = name_of("kind");
    const struct test_name target = name_of("target");
    cr_assert_eq(mkdir(name.path, 0700), 0);
    cr_expect_eq(attach_result(&name), -EMEDIUMTYPE);
    cr_expect_eq(create_result(&name), -EMEDIUMTYPE);
    cr_assert_eq(rmdir(name.path), 0);
    cr_assert_eq(mkfifo(name.path, 0600), 0);
    cr_expect_eq(attach_result(&name), -EMEDIUMTYPE);
    cr_expect_eq(create_result(&name), -EMEDIUMTYPE);
    cr_expect_eq(sv_segment_list(visit_none, NULL), 0, "a pipe must not stop the list");
    cr_assert_eq(unlink(name.path), 0);
    create_and_leave(&target);
    cr_assert_eq(symlink(target.path, name.path), 0);
    cr_expect_eq(attach_result(&name), -EMEDIUMTYPE);
    cr_expect_eq(create_result(&name), -EMEDIUMTYPE);
    cr_assert_eq(unlink(name.path), 0);
    cr_assert_eq(attach_result(&target), 0);
}

/*
 * Claim:   a segment of another layout version, or of another size of any shared type, is told
 *          from a corrupt one, and not replaced.
 */
Test(segment_refuse_unit, another_version_or_build_is_refused)
{
    const struct test_name name = name_of("version");
    create_and_leave(&name);
    const uint32_t version = SV_LAYOUT_VERSION + 1;
    const uint32_t right_version = SV_LAYOUT_VERSION;
    file_poke(&name, offsetof(struct sv_prefix, layout_version), &version, sizeof(version));
    expect_refused(&name, -EPROTO, -EEXIST, "another version");
    file_poke(&name, offsetof(struct sv_prefix, layout_version), &right_version, sizeof(version));
    for (int type = 0; type < SV_TYPE_COUNT; type++) {
        const off_t at =
            (off_t)offsetof(struct sv_header, type_bytes) + (off_t)sizeof(uint32_t) * type;
        uint32_t right = 0;
        file_peek(&name, at, &right, sizeof(right));
        const uint32_t wrong = right + 8;
        file_poke(&name, at, &wrong, sizeof(wrong));
        expect_refused(&name, -EPROTO, -EEXIST, "another size of a type");
        file_poke(&name, at, &right, sizeof(right));
    }
    cr_assert_eq(attach_result(&name), 0);
}

struct range {
    size_t from;
    size_t bytes;
};

/*
 * Claim:   no byte of what describes the segment can be wrong unnoticed.
 * Method:  change each byte of prefix, type sizes, configuration, directory and checksum, by one
 *          bit and by all; each must be refused, and the segment be sound again afterwards.
 */
Test(segment_refuse_unit, no_byte_of_the_header_can_be_wrong)
{
    const struct test_name name = name_of("bytes");
    const struct range ranges[] = {
        {offsetof(struct sv_header, prefix), sizeof(struct sv_prefix)},
        {offsetof(struct sv_header, type_bytes), SV_TYPE_COUNT * sizeof(uint32_t)},
        {offsetof(struct sv_header, config), sizeof(struct sv_config)},
        {offsetof(struct sv_header, directory), sizeof(struct sv_directory)},
        {offsetof(struct sv_header, checksum), sizeof(uint64_t)},
    };
    uint32_t tried = 0;
    create_and_leave(&name);
    for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
        for (size_t at = ranges[r].from; at < ranges[r].from + ranges[r].bytes; at++) {
            for (int mask = 1; mask < 512; mask += 254) {
                uint8_t right = 0;
                file_peek(&name, (off_t)at, &right, 1);
                const uint8_t wrong = right ^ (uint8_t)(mask & 255);
                file_poke(&name, (off_t)at, &wrong, 1);
                const int result = attach_result(&name);
                cr_assert(result == -SV_ECORRUPT || result == -EPROTO || result == -EMEDIUMTYPE ||
                              result == -EAGAIN,
                          "byte %zu made %x: %d", at, wrong, result);
                file_poke(&name, (off_t)at, &right, 1);
                tried++;
            }
        }
    }
    cr_assert_eq(attach_result(&name), 0);
    cr_assert_gt(tried, 1000);
}

/* Write this header to the file, with the checksum that belongs to it. */
static void put_header(const struct test_name *name, struct sv_header *header)
{
    header->checksum = sv_directory_checksum(header);
    file_poke(name, 0, header, offsetof(struct sv_header, slots_used));
}

/*
 * Claim:   a configuration that is not valid, or a directory that does not follow from it, is
 *          corrupt, even if the checksum agrees; so is a phase that there is not.
 */
Test(segment_refuse_unit, what_contradicts_itself_is_corrupt)
{
    const struct test_name name = name_of("config");
    struct sv_header right;
    create_and_leave(&name);
    file_peek(&name, 0, &right, sizeof(right));
    struct sv_header wrong = right;
    wrong.config.wraparound = 10;
    put_header(&name, &wrong);
    expect_refused(&name, -SV_ECORRUPT, -EEXIST, "not a multiple of capacity");
    wrong = right;
    wrong.config.intent_max = 0;
    put_header(&name, &wrong);
    expect_refused(&name, -SV_ECORRUPT, -EEXIST, "a default where the value should be");
    wrong = right;
    wrong.config.backends_max = 1024;
    put_header(&name, &wrong);
    expect_refused(&name, -SV_ECORRUPT, -EEXIST, "more slots than there is room for");
    wrong = right;
    wrong.directory.allocations[4].offset_bytes += 64;
    put_header(&name, &wrong);
    expect_refused(&name, -SV_ECORRUPT, -EEXIST, "a structure elsewhere");
    put_header(&name, &right);
    cr_assert_eq(attach_result(&name), 0);
    const uint32_t phase = 2;
    file_poke(&name, offsetof(struct sv_prefix, phase), &phase, sizeof(phase));
    expect_refused(&name, -SV_ECORRUPT, -SV_ECORRUPT, "a phase that there is not");
}

/* As another user: neither attach nor create, complete or empty. */
static int try_as_nobody(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    (void)segment;
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
        return 77;
    }
    struct sv_segment *mapped = NULL;
    const int attached = sv_segment_attach(name->text, &mapped);
    const int created = sv_segment_create(name->text, &small_world, &mapped);
    return attached == -EPERM && created == -EPERM ? 0 : 1;
}

/*
 * Claim:   a segment of another user's is told as such, to root too, which could open it; and is
 *          neither replaced nor emptied, half-built or not.
 * Method:  given away with chown; and tried by a child that is another user. Needs root.
 */
Test(segment_refuse_unit, another_users_segment_is_refused)
{
    struct test_name name = name_of("user");
    if (geteuid() != 0) {
        cr_skip("only root can give a file away");
    }
    create_and_leave(&name);
    cr_assert_eq(reap(fork_child(try_as_nobody, NULL, &name)), 0);
    cr_assert_eq(chmod(name.path, 0666), 0);
    cr_assert_eq(reap(fork_child(try_as_nobody, NULL, &name)), 0, "though it can be opened");
    cr_assert_eq(chown(name.path, 65534, 65534), 0);
    expect_refused(&name, -EPERM, -EPERM, "another user's");
    const uint32_t building = SV_SEGMENT_BUILDING;
    file_poke(&name, offsetof(struct sv_prefix, phase), &building, sizeof(building));
    expect_refused(&name, -EPERM, -EPERM, "another user's, half-built");
    cr_assert_eq(truncate(name.path, 0), 0);
    expect_refused(&name, -EPERM, -EPERM, "another user's, empty");
}
