/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Talking to a member. Every wait is bounded, ends with the member's death, and looks at whether
 * the program is to end. A stopped member is told nothing, so none of its answers comes late; one
 * whose answer did not come in time is given time again before it is told anything else.
 */
#define _GNU_SOURCE /* sigabbrev_np */

#include "cli/talk.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

enum { LINE_BYTES_MAX = 1024 };

/* What ended a wait for an answer. */
enum ended { ENDED_ANSWER, ENDED_DEATH, ENDED_STOPPED, ENDED_TIME, ENDED_SIGNAL };

/* Its answer as it comes in. */
struct incoming {
    char line[LINE_BYTES_MAX];
    size_t length;
    bool complete; /* the end was seen */
};

static void reap(struct member *member, int *status)
{
    while (waitpid(member->pid, status, 0) < 0 && errno == EINTR) {
    }
    member->state = MEMBER_DEAD;
    member->owes = false;
    close(member->orders_fd);
    close(member->answers_fd);
    close(member->life_fd);
}

/* Did it stop, by a signal from somewhere? */
static bool has_stopped(struct member *member)
{
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)member->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0) {
        member->state = MEMBER_STOPPED;
        return true;
    }
    return false;
}

static void take_byte(struct crew *crew, uint32_t number, struct incoming *incoming, char byte)
{
    if (byte != '\n') {
        if (incoming->length < sizeof(incoming->line) - 1) {
            incoming->line[incoming->length++] = byte;
        }
        return;
    }
    incoming->line[incoming->length] = '\0';
    incoming->length = 0;
    if (strcmp(incoming->line, ANSWER_END) == 0) {
        incoming->complete = true;
    } else {
        fprintf(crew->out, "%" PRIu32 ": %s\n", number, incoming->line);
    }
}

/* Read what there is. */
static void take(struct crew *crew, uint32_t number, struct incoming *incoming)
{
    char bytes[512];
    ssize_t count = 0;
    while (!incoming->complete &&
           (count = read(crew->members[number].answers_fd, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < count && !incoming->complete; i++) {
            take_byte(crew, number, incoming, bytes[i]);
        }
    }
}

static enum ended listen(struct crew *crew, uint32_t number)
{
    struct member *member = &crew->members[number];
    struct incoming incoming = {.length = 0};
    const uint64_t end_ns = sv_os_now_ns() + (uint64_t)crew->timeout_ms * 1000000;
    for (;;) {
        struct pollfd fds[2] = {{.fd = member->answers_fd, .events = POLLIN},
                                {.fd = member->life_fd, .events = POLLIN}};
        const uint64_t now_ns = sv_os_now_ns();
        if (*crew->interrupted != 0) {
            return ENDED_SIGNAL;
        }
        const bool late = now_ns >= end_ns;
        const int left_ms = late ? 0 : (int)((end_ns - now_ns) / 1000000) + 1;
        const int ready = poll(fds, 2, left_ms < 100 ? left_ms : 100);
        take(crew, number, &incoming);
        if (incoming.complete) {
            return ENDED_ANSWER;
        }
        if (ready > 0 && fds[1].revents != 0) {
            take(crew, number, &incoming); /* what it said before it died */
            return incoming.complete ? ENDED_ANSWER : ENDED_DEATH;
        }
        if (has_stopped(member)) {
            return ENDED_STOPPED;
        }
        if (late) {
            return ENDED_TIME;
        }
    }
}

static void tell_death(const struct crew *crew, uint32_t number, const char *order, int status)
{
    if (WIFSIGNALED(status)) {
        fprintf(crew->out, "%" PRIu32 ": dies in `%s', of SIG%s\n", number, order,
                sigabbrev_np(WTERMSIG(status)));
    } else {
        fprintf(crew->out, "%" PRIu32 ": ends in `%s', with status %d\n", number, order,
                WEXITSTATUS(status));
    }
}

bool talk_answer(struct crew *crew, uint32_t number, const char *order)
{
    struct member *member = &crew->members[number];
    int status = 0;
    switch (listen(crew, number)) {
    case ENDED_ANSWER:
        member->owes = false;
        return true;
    case ENDED_DEATH:
        reap(member, &status);
        tell_death(crew, number, order, status);
        return true;
    case ENDED_STOPPED:
        member->owes = true;
        fprintf(crew->out,
                "%" PRIu32 ": does not answer: stopped; `cont %" PRIu32 "' lets it go on\n", number,
                number);
        return true;
    case ENDED_TIME:
        member->owes = true;
        fprintf(crew->out, "%" PRIu32 ": does not answer within %d ms\n", number, crew->timeout_ms);
        return true;
    default:
        return false; /* the program is to end */
    }
}

/* Is there somebody to be told something? Else it is said why not. */
static bool is_attentive(struct crew *crew, uint32_t number)
{
    const struct member *member = &crew->members[number];
    switch (member->state) {
    case MEMBER_ALIVE:
        return true;
    case MEMBER_STOPPED:
        fprintf(crew->out,
                "%" PRIu32 ": does not answer: stopped; `cont %" PRIu32 "' lets it go on\n", number,
                number);
        return false;
    default:
        fprintf(crew->out, "%" PRIu32 ": %s; `start %" PRIu32 "' comes first\n", number,
                member->state == MEMBER_DEAD ? "is dead" : "has not been started", number);
        return false;
    }
}

static bool send_order(const struct member *member, const char *order)
{
    char line[ORDER_BYTES_MAX + 2];
    const int length = snprintf(line, sizeof(line), "%s\n", order);
    return length > 0 && (size_t)length < sizeof(line) &&
           write(member->orders_fd, line, (size_t)length) == length;
}

bool crew_order(struct crew *crew, uint32_t number, const char *order)
{
    struct member *member = &crew->members[number];
    if (!is_attentive(crew, number)) {
        return true;
    }
    if (member->owes) {
        if (!talk_answer(crew, number, order)) {
            return false;
        }
        if (member->owes || member->state != MEMBER_ALIVE) {
            return true;
        }
    }
    if (!send_order(member, order)) {
        complain(STATUS_ENVIRONMENT, "telling %" PRIu32 ": %s", number, strerror(errno));
        return false;
    }
    return talk_answer(crew, number, order);
}

void talk_quit(struct crew *crew, struct member *member)
{
    struct pollfd life = {.fd = member->life_fd, .events = POLLIN};
    int status = 0;
    if (send_order(member, "quit") && poll(&life, 1, crew->timeout_ms) == 1) {
        reap(member, &status);
    } else {
        talk_kill(member);
    }
    member->state = MEMBER_NONE;
}

void talk_kill(struct member *member)
{
    int status = 0;
    (void)kill(member->pid, SIGKILL);
    reap(member, &status);
}

bool crew_quit(struct crew *crew, uint32_t number)
{
    struct member *member = &crew->members[number];
    if (!is_attentive(crew, number)) {
        return true;
    }
    if (!crew_order(crew, number, "quit")) {
        return false;
    }
    if (member->state == MEMBER_ALIVE && !member->owes) {
        int status = 0;
        reap(member, &status);
        member->state = MEMBER_NONE;
    }
    return true;
}

bool crew_kill(struct crew *crew, uint32_t number)
{
    struct member *member = &crew->members[number];
    if (member->state != MEMBER_STOPPED && !is_attentive(crew, number)) {
        return true;
    }
    talk_kill(member);
    fprintf(crew->out, "%" PRIu32 ": killed\n", number);
    return true;
}

bool crew_stop(struct crew *crew, uint32_t number)
{
    struct member *member = &crew->members[number];
    if (!is_attentive(crew, number)) {
        return true;
    }
    siginfo_t info = {0};
    (void)kill(member->pid, SIGSTOP);
    while (waitid(P_PID, (id_t)member->pid, &info, WSTOPPED | WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    if (info.si_code == CLD_STOPPED) {
        member->state = MEMBER_STOPPED;
        fprintf(crew->out, "%" PRIu32 ": stopped\n", number);
    } else {
        int status = 0;
        reap(member, &status);
        tell_death(crew, number, "stop", status);
    }
    return true;
}

bool crew_continue(struct crew *crew, uint32_t number)
{
    struct member *member = &crew->members[number];
    if (member->state != MEMBER_STOPPED) {
        if (is_attentive(crew, number)) {
            fprintf(crew->out, "%" PRIu32 ": is not stopped\n", number);
        }
        return true;
    }
    (void)kill(member->pid, SIGCONT);
    siginfo_t info = {0};
    while (waitid(P_PID, (id_t)member->pid, &info, WCONTINUED | WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    member->state = MEMBER_ALIVE;
    fprintf(crew->out, "%" PRIu32 ": goes on\n", number);
    /* What it was asked before it stopped, it answers now. */
    return !member->owes || talk_answer(crew, number, "cont");
}
