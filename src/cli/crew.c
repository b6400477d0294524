/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The crew: its processes, their pipes, and the end of both.
 *
 * The orders pipe is opened for reading and writing, so opening it waits for nobody; the answers
 * pipe is opened for reading before the member, which opens it for writing, is forked.
 */
#define _GNU_SOURCE /* pipe2 */

#include "cli/crew.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/talk.h"
#include "faults/injector.h"

enum { TABLE_ROWS = 1024, VALUE_BYTES = 128, ANSWER_MS = 10000 };

/* ---- the janitor ------------------------------------------------------------------------- */

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory != NULL) {
        for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
            (void)unlinkat(dirfd(directory), entry->d_name, 0); /* "." and ".." stay */
        }
        closedir(directory);
    }
    (void)rmdir(path);
}

/* Wait for the crew's process to end, or to let go, and remove what it has made. */
static _Noreturn void clean_up_afterwards(const struct crew *crew, int fd)
{
    char byte = 0;
    (void)setsid(); /* what is typed at the terminal is not for it */
    while (read(fd, &byte, 1) < 0 && errno == EINTR) {
    }
    remove_directory(crew->directory);
    if (crew->name != NULL) {
        (void)!sv_segment_unlink(crew->name);
    }
    _exit(EXIT_SUCCESS);
}

static int hire_janitor(struct crew *crew)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    fflush(NULL);
    crew->janitor = fork();
    if (crew->janitor == 0) {
        close(fds[1]);
        clean_up_afterwards(crew, fds[0]);
    }
    close(fds[0]);
    crew->janitor_fd = fds[1];
    if (crew->janitor < 0) {
        close(fds[1]);
        return -EAGAIN;
    }
    return 0;
}

static void dismiss_janitor(const struct crew *crew)
{
    close(crew->janitor_fd);
    while (waitpid(crew->janitor, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* ---- the crew ---------------------------------------------------------------------------- */

static int make_segment(struct crew *crew, const struct sv_config *wanted)
{
    struct sv_config config = *wanted;
    char message[256];
    config.table_rows_max = TABLE_ROWS;
    config.table_value_max = VALUE_BYTES;
    if (sv_config_complete(&config, message, sizeof(message)) != 0) {
        return complain(STATUS_BAD_INPUT, "%s", message);
    }
    const int result = sv_segment_create(crew->name, &config, &crew->segment);
    if (result != 0) {
        const bool bad = crew->name != NULL && (result == -EEXIST || result == -EINVAL);
        return complain(bad ? STATUS_BAD_INPUT : STATUS_ENVIRONMENT, "%s: %s",
                        crew->name != NULL ? crew->name : "segment", sv_segment_error(result));
    }
    return STATUS_FINE;
}

static int make_directory(struct crew *crew)
{
    const char *parent = getenv("TMPDIR");
    const int length = snprintf(crew->directory, sizeof(crew->directory), "%s/sinval-shell.XXXXXX",
                                parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    if (length < 0 || (size_t)length >= sizeof(crew->directory)) {
        errno = ENAMETOOLONG;
    } else if (mkdtemp(crew->directory) != NULL) {
        return STATUS_FINE;
    }
    return complain(STATUS_ENVIRONMENT, "%s: %s", crew->directory, strerror(errno));
}

int crew_create(struct crew *crew, const struct sv_config *config)
{
    static const sig_atomic_t never;
    crew->timeout_ms = crew->timeout_ms > 0 ? crew->timeout_ms : ANSWER_MS;
    crew->interrupted = crew->interrupted != NULL ? crew->interrupted : &never;
    crew->members = calloc(CREW_MAX + 1, sizeof(*crew->members));
    if (crew->members == NULL || injector_init() != 0) {
        free(crew->members);
        return complain(STATUS_ENVIRONMENT, "%s", strerror(ENOMEM));
    }
    int status = make_segment(crew, config);
    if (status == STATUS_FINE) {
        status = make_directory(crew);
        if (status == STATUS_FINE && hire_janitor(crew) != 0) {
            (void)rmdir(crew->directory);
            status = complain(STATUS_ENVIRONMENT, "no further process");
        }
        if (status != STATUS_FINE) {
            (void)!(crew->name == NULL || sv_segment_unlink(crew->name) == 0);
            sv_segment_detach(crew->segment);
        }
    }
    if (status != STATUS_FINE) {
        free(crew->members);
        crew->members = NULL;
    }
    return status;
}

void crew_destroy(struct crew *crew)
{
    for (uint32_t i = 0; i <= CREW_MAX; i++) {
        struct member *member = &crew->members[i];
        if (member->state == MEMBER_ALIVE && !member->owes && *crew->interrupted == 0) {
            talk_quit(crew, member);
        } else if (member->state == MEMBER_ALIVE || member->state == MEMBER_STOPPED) {
            talk_kill(member);
        }
    }
    (void)sv_backend_settle_dead(crew->segment);
    dismiss_janitor(crew);
    sv_segment_detach(crew->segment);
    free(crew->members);
    crew->members = NULL;
}

/* ---- a member ---------------------------------------------------------------------------- */

static void pipe_path(const struct crew *crew, uint32_t number, const char *which, char *path,
                      size_t size)
{
    snprintf(path, size, "%s/%" PRIu32 ".%s", crew->directory, number, which);
}

/* In the child: let go of what belongs to the crew and to the other members. */
static void forget_crew(const struct crew *crew)
{
    close(crew->janitor_fd);
    for (uint32_t i = 0; i <= CREW_MAX; i++) {
        const struct member *member = &crew->members[i];
        if (member->state == MEMBER_ALIVE || member->state == MEMBER_STOPPED) {
            close(member->orders_fd);
            close(member->answers_fd);
            close(member->life_fd);
        }
    }
}

static _Noreturn void live(const struct crew *crew, uint32_t number, bool send_only, pid_t parent)
{
    char path[96];
    signal(SIGINT, SIG_IGN); /* typed at the terminal: the crew's process decides */
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(STATUS_ENVIRONMENT);
    }
    forget_crew(crew);
    pipe_path(crew, number, "orders", path, sizeof(path));
    FILE *orders = fopen(path, "re");
    pipe_path(crew, number, "answers", path, sizeof(path));
    FILE *answers = fopen(path, "we");
    if (orders == NULL || answers == NULL) {
        _exit(STATUS_ENVIRONMENT);
    }
    const int status = member_run(crew->segment, send_only, orders, answers);
    fflush(answers);
    _exit(status);
}

static int make_pipes(const struct crew *crew, uint32_t number, struct member *member)
{
    char path[96];
    pipe_path(crew, number, "orders", path, sizeof(path));
    if (mkfifo(path, S_IRUSR | S_IWUSR) != 0) {
        return -errno;
    }
    member->orders_fd = open(path, O_RDWR | O_CLOEXEC);
    pipe_path(crew, number, "answers", path, sizeof(path));
    if (member->orders_fd < 0 || mkfifo(path, S_IRUSR | S_IWUSR) != 0) {
        return -errno;
    }
    member->answers_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return member->answers_fd < 0 ? -errno : 0;
}

static void remove_pipes(const struct crew *crew, uint32_t number)
{
    char path[96];
    pipe_path(crew, number, "orders", path, sizeof(path));
    (void)unlink(path);
    pipe_path(crew, number, "answers", path, sizeof(path));
    (void)unlink(path);
}

static int give_birth(struct crew *crew, uint32_t number, bool send_only)
{
    struct member *member = &crew->members[number];
    *member = (struct member){.orders_fd = -1, .answers_fd = -1, .slot = SV_SLOT_NONE};
    remove_pipes(crew, number); /* of one that was killed */
    int result = make_pipes(crew, number, member);
    if (result == 0) {
        const pid_t parent = getpid();
        fflush(NULL);
        member->pid = fork();
        if (member->pid == 0) {
            live(crew, number, send_only, parent);
        }
        result = member->pid < 0 ? -errno : 0;
    }
    if (result == 0) {
        member->life_fd = sv_os_process_watch((uint32_t)member->pid);
        member->state = MEMBER_ALIVE;
        return 0;
    }
    close(member->orders_fd);
    close(member->answers_fd);
    return result;
}

/* The slot that its process has; who is settled and replaced has none. */
static uint32_t find_slot(const struct crew *crew, pid_t pid)
{
    struct sv_slot_state state;
    for (uint32_t i = 0; i < sv_segment_config(crew->segment)->backends_max; i++) {
        sv_slot_look(crew->segment, i, &state);
        if (state.in_use && state.pid == pid) {
            return i;
        }
    }
    return SV_SLOT_NONE;
}

bool crew_start(struct crew *crew, uint32_t number, bool send_only)
{
    struct member *member = &crew->members[number];
    if (member->state == MEMBER_ALIVE || member->state == MEMBER_STOPPED) {
        fprintf(crew->out, "%" PRIu32 ": is there already; `quit' or `kill' it first\n", number);
        return true;
    }
    const int result = give_birth(crew, number, send_only);
    if (result != 0) {
        complain(STATUS_ENVIRONMENT, "starting %" PRIu32 ": %s", number, strerror(-result));
        return false;
    }
    if (!talk_answer(crew, number, "start")) {
        return false;
    }
    if (member->state == MEMBER_ALIVE) {
        member->slot = find_slot(crew, member->pid);
        if (member->slot == SV_SLOT_NONE && !member->owes) { /* it could not attach */
            talk_kill(member);
            member->state = MEMBER_NONE;
        }
    }
    return true;
}

void crew_settle(struct crew *crew)
{
    uint64_t before[SV_STAT_COUNT];
    uint64_t after[SV_STAT_COUNT];
    sv_stat_total(crew->segment, before);
    fprintf(crew->out, "settled: %" PRIu32, sv_backend_settle_dead(crew->segment));
    sv_stat_total(crew->segment, after);
    crew_print_moved(crew->out, before, after);
}

/* ---- stat -------------------------------------------------------------------------------- */

static void print_member(const struct crew *crew, uint32_t number)
{
    const struct member *member = &crew->members[number];
    struct sv_slot_state state;
    fprintf(crew->out, "%" PRIu32 ": ", number);
    if (member->slot == SV_SLOT_NONE) {
        fputs("has no slot\n", crew->out);
        return;
    }
    sv_slot_look(crew->segment, member->slot, &state);
    if (!state.in_use || state.pid != member->pid) {
        fputs("dead and settled\n", crew->out);
        return;
    }
    fprintf(crew->out, "slot %" PRIu32 ", next %" PRId64, state.slot, state.next_number);
    if (!state.reset && !state.send_only) {
        fprintf(crew->out, ", behind %" PRIu32, state.behind);
    }
    fprintf(crew->out, "%s%s%s%s", state.reset ? ", marked for reset" : "",
            state.signaled ? ", asked to catch up" : "", state.send_only ? ", send-only" : "",
            member->state == MEMBER_STOPPED ? ", stopped" : "");
    if (state.intent == UINT32_MAX) {
        fputs(", intent: reset everyone", crew->out);
    } else if (state.intent > 0) {
        fprintf(crew->out, ", intent: %" PRIu32, state.intent);
    }
    fputs(member->state == MEMBER_DEAD ? ", dead, to be settled\n" : "\n", crew->out);
}

void crew_stat(struct crew *crew)
{
    struct sv_queue_state queue;
    sv_queue_look(crew->segment, &queue);
    fprintf(crew->out,
            "queue: min %" PRId64 ", max %" PRId64 ", next threshold %" PRIu32
            ", wraparounds %" PRIu32 "\n",
            queue.min_number, queue.max_number, queue.next_threshold, queue.wraparounds);
    for (int lock = 0; lock < SV_LOCK_COUNT; lock++) {
        uint32_t shared = 0;
        const uint32_t owner = sv_lwlock_owner(crew->segment, (enum sv_lock)lock, &shared);
        if (owner != SV_SLOT_NONE) {
            fprintf(crew->out, "lock %s: held by slot %" PRIu32 "\n",
                    sv_lwlock_name((enum sv_lock)lock), owner);
        } else if (shared > 0) {
            fprintf(crew->out, "lock %s: shared by %" PRIu32 "\n",
                    sv_lwlock_name((enum sv_lock)lock), shared);
        }
    }
    for (uint32_t i = 0; i <= CREW_MAX; i++) {
        if (crew->members[i].state != MEMBER_NONE) {
            print_member(crew, i);
        }
    }
}
