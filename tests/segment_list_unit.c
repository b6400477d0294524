/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * What the list of segments passes over: files beside them that say nothing of any segment.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "segment_support.h"

TestSuite(segment_list_unit, .timeout = 60, .fini = unlink_all);

struct sought {
    const char *name;
    uint32_t found;
};

static int look_for(const char *name, void *argument)
{
    struct sought *sought = argument;
    sought->found += strcmp(name, sought->name) == 0;
    return 0;
}

/* How often the list has the name; UINT32_MAX: the list ends with an error. */
static uint32_t times_listed(const char *name)
{
    struct sought sought = {.name = name};
    return sv_segment_list(look_for, &sought) == 0 ? sought.found : UINT32_MAX;
}

static int list_as_nobody(struct sv_segment *segment, void *argument)
{
    const struct test_name *name = argument;
    (void)segment;
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
        return 1;
    }
    if (open(name->path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES) {
        return 2;
    }
    const uint32_t listed = times_listed(name->text);
    return listed == 0 ? 0 : listed == UINT32_MAX ? 3 : 4;
}

/*
 * Claim:   a segment that this user may not read is passed over; it does not end the list.
 * Method:  a child that is not its owner's, and a file that not even its owner may read.
 */
Test(segment_list_unit, a_segment_that_may_not_be_read_is_passed_over)
{
    struct test_name name = name_of("unreadable");
    create_and_leave(&name);
    cr_assert_eq(times_listed(name.text), 1);
    cr_assert_eq(chmod(name.path, 0), 0);
    const int status = reap(fork_child(list_as_nobody, NULL, &name));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    cr_assert_eq(sv_segment_unlink(name.text), 0);
}

/*
 * Claim:   a socket with a segment's name is passed over; it does not end the list.
 * Method:  one beside a segment, which is still listed.
 */
Test(segment_list_unit, a_socket_is_passed_over)
{
    struct test_name segment = name_of("segment");
    struct test_name name = name_of("socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_lt(strlen(name.path), sizeof(address.sun_path));
    memcpy(address.sun_path, name.path, strlen(name.path));
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    create_and_leave(&segment);
    cr_assert_eq(times_listed(name.text), 0);
    cr_assert_eq(times_listed(segment.text), 1);
    cr_assert_eq(close(fd), 0);
    cr_assert_eq(unlink(name.path), 0);
    cr_assert_eq(sv_segment_unlink(segment.text), 0);
}
