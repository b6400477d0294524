/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Signals: they reach the holder of a life lock and nobody else, also when its pid or thread id
 * has gone to somebody else; and a poll does not miss one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "support.h"

TestSuite(os_signal_unit, .timeout = 60);

#define FOR_EVER_NS (UINT64_C(3600) * 1000000000)

struct shared {
    struct sv_life_lock life;
    struct sv_atomic32 there;   /* children, or threads, that are ready */
    struct sv_atomic32 handled; /* signals that reached anybody */
    struct sv_atomic32 pid;     /* of the last one that a signal reached */
    struct sv_atomic32 tid;
    struct sv_atomic32 stop;
};

/* What the handler writes to; its process's own, since a handler has no argument. */
static struct shared *seen_by_handler;

static void handle(int signal_number)
{
    (void)signal_number;
    sv_store_release32(&seen_by_handler->pid, sv_os_pid());
    sv_store_release32(&seen_by_handler->tid, sv_os_tid());
    (void)sv_fetch_add_seq32(&seen_by_handler->handled, 1);
    sv_os_wake(&seen_by_handler->handled, INT32_MAX);
}

static struct shared *share(void)
{
    void *area = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(area, MAP_FAILED);
    seen_by_handler = area;
    sv_os_life_init(&seen_by_handler->life);
    cr_assert_eq(sv_os_signal_install(SIGUSR1, handle), 0);
    return seen_by_handler;
}

static void say_there(struct shared *shared)
{
    (void)sv_fetch_add_seq32(&shared->there, 1);
    sv_os_wake(&shared->there, INT32_MAX);
}

static void wait_until(struct sv_atomic32 *word, uint32_t value)
{
    for (uint32_t seen; (seen = sv_load_acquire32(word)) < value;) {
        (void)sv_os_wait(word, seen, FOR_EVER_NS);
    }
}

static struct sv_signal_target target_of(const struct shared *shared, pid_t pid, pid_t tid)
{
    return (struct sv_signal_target){.life = &shared->life,
                                     .pid = (uint32_t)pid,
                                     .tid = (uint32_t)tid,
                                     .signal_number = SIGUSR1};
}

/* Wait for ever; with the life lock, or as a stranger without. */
static int stand_by(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    (void)segment;
    say_there(shared);
    while (sv_load_acquire32(&shared->stop) == 0) {
        (void)sv_os_wait(&shared->stop, 0, FOR_EVER_NS);
    }
    return 0;
}

static int hold(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    return sv_os_life_try(&shared->life) == SV_LIFE_BUSY ? 3 : stand_by(segment, shared);
}

/*
 * Claim:   a signal reaches the process whose thread holds the life lock.
 * Method:  a child that holds it counts what its handler gets: one.
 */
Test(os_signal_unit, a_signal_reaches_the_holder)
{
    struct shared *shared = share();
    const pid_t pid = fork_child(hold, NULL, shared);
    wait_until(&shared->there, 1);
    const struct sv_signal_target target = target_of(shared, pid, pid);
    cr_assert_eq(sv_os_signal(&target), 0);
    wait_until(&shared->handled, 1);
    cr_assert_eq(sv_load_seq32(&shared->pid), (uint32_t)pid);
    kill_and_reap(pid);
    cr_assert_eq(sv_load_seq32(&shared->handled), 1);
    cr_assert_eq(sv_os_signal(&target), -ESRCH, "it is dead and its lock says so");
}

/*
 * Claim:   no signal reaches whoever has, by now, the pid that a slot still names: -ESRCH.
 * Method:  strangers that would count a signal, under targets of each kind: the lock free, held by
 *          another thread id, its holder dead, thread id 0. The strangers end by themselves after
 *          all signals were sent, so one that was under way would have been counted.
 */
Test(os_signal_unit, no_signal_reaches_a_stranger)
{
    struct shared *shared = share();
    const pid_t stranger = fork_child(stand_by, NULL, shared);
    wait_until(&shared->there, 1);
    struct sv_signal_target target = target_of(shared, stranger, stranger);
    cr_expect_eq(sv_os_signal(&target), -ESRCH, "nobody holds the lock");
    target.tid = 0;
    cr_expect_eq(sv_os_signal(&target), -ESRCH, "nobody holds the lock, nobody is named");
    const pid_t holder = fork_child(hold, NULL, shared);
    wait_until(&shared->there, 2);
    target.tid = (uint32_t)stranger;
    cr_expect_eq(sv_os_signal(&target), -ESRCH, "somebody else holds the lock");
    kill_and_reap(holder);
    target.tid = (uint32_t)holder;
    cr_expect_eq(sv_os_signal(&target), -ESRCH, "the holder is dead, its pid went to a stranger");
    sv_store_release32(&shared->stop, 1);
    sv_os_wake(&shared->stop, INT32_MAX);
    cr_assert_eq(reap(stranger), 0);
    cr_assert_eq(sv_load_seq32(&shared->handled), 0);
}

/* Make the kernel give the next process this pid. Returns: whether it can be asked to. */
static bool next_pid_will_be(pid_t pid)
{
    char text[16];
    const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const int length = snprintf(text, sizeof(text), "%d", (int)pid - 1);
    const bool done = write(fd, text, (size_t)length) == length;
    (void)close(fd);
    return done;
}

/*
 * Claim:   a pid that the kernel has truly given to another process is not signaled.
 * Method:  kill the holder, have its pid given to a new child, signal the slot's target. Others
 *          start processes too, so it is tried until a child has got it. Needs root.
 */
Test(os_signal_unit, a_reused_pid_is_not_signaled)
{
    struct shared *shared = share();
    for (uint32_t there = 1;; there += 2) {
        const pid_t pid = fork_child(hold, NULL, shared);
        wait_until(&shared->there, there);
        kill_and_reap(pid);
        if (!next_pid_will_be(pid)) {
            cr_skip("the next pid can be chosen by root only");
        }
        const pid_t other = fork_child(stand_by, NULL, shared);
        wait_until(&shared->there, there + 1);
        if (other == pid) {
            const struct sv_signal_target target = target_of(shared, pid, pid);
            cr_assert_eq(sv_os_signal(&target), -ESRCH);
            sv_store_release32(&shared->stop, 1);
            sv_os_wake(&shared->stop, INT32_MAX);
            cr_assert_eq(reap(other), 0);
            break;
        }
        kill_and_reap(other);
    }
    cr_assert_eq(sv_load_seq32(&shared->handled), 0);
}

static void *hold_in_thread(void *argument)
{
    struct shared *shared = argument;
    if (sv_os_life_try(&shared->life) == SV_LIFE_BUSY) {
        return NULL;
    }
    sv_store_release32(&shared->tid, sv_os_tid());
    say_there(shared);
    while (sv_load_acquire32(&shared->stop) == 0) {
        (void)sv_os_wait(&shared->stop, 0, FOR_EVER_NS);
    }
    return NULL;
}

/*
 * Claim:   of several threads of one process the signal reaches the one that holds the life lock;
 *          once it has ended, none.
 */
Test(os_signal_unit, a_signal_reaches_the_very_thread)
{
    struct shared *shared = share();
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, hold_in_thread, shared), 0);
    wait_until(&shared->there, 1);
    const uint32_t tid = sv_load_acquire32(&shared->tid);
    cr_assert_neq(tid, sv_os_tid());
    const struct sv_signal_target target = target_of(shared, getpid(), (pid_t)tid);
    sv_store_release32(&shared->tid, 0);
    cr_assert_eq(sv_os_signal(&target), 0);
    wait_until(&shared->handled, 1);
    cr_assert_eq(sv_load_seq32(&shared->tid), tid);
    sv_store_release32(&shared->stop, 1);
    sv_os_wake(&shared->stop, INT32_MAX);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(sv_os_signal(&target), -ESRCH);
    const struct sv_signal_target main_thread = target_of(shared, getpid(), getpid());
    cr_assert_eq(sv_os_signal(&main_thread), -ESRCH, "it lives, and does not hold the lock");
    cr_assert_eq(sv_load_seq32(&shared->handled), 1);
}

/*
 * Claim:   signalling leaves no descriptor behind, whatever it answers; with none left it says so.
 * Method:  the lowest free descriptor before and after each answer; then none is allowed.
 */
Test(os_signal_unit, signalling_leaks_no_descriptor)
{
    struct shared *shared = share();
    const pid_t pid = fork_child(hold, NULL, shared);
    wait_until(&shared->there, 1);
    const int lowest = dup(0);
    cr_assert_eq(close(lowest), 0);
    const struct sv_signal_target target = target_of(shared, pid, pid);
    struct sv_signal_target bad = target;
    bad.signal_number = 1000;
    cr_assert_eq(sv_os_signal(&target), 0);
    cr_assert_eq(sv_os_signal(&bad), -EINVAL);
    const struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = (rlim_t)lowest};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    cr_assert_eq(sv_os_signal(&target), -EMFILE);
    kill_and_reap(pid);
    cr_assert_eq(sv_os_signal(&target), -ESRCH);
    cr_assert_eq(fcntl(lowest, F_GETFD), -1, "descriptor %d is open", lowest);
}

/*
 * Claim:   a handler is installed for good and does not interrupt what can be restarted; what
 *          cannot be caught is refused.
 * Method:  a child signals its parent, which is in a read, and only after the handler has run
 *          writes what the read waits for.
 */
static int signal_then_write(struct sv_segment *segment, void *argument)
{
    const int fd = *(const int *)argument;
    (void)segment;
    for (uint32_t i = 0; i < 3; i++) {
        if (kill(getppid(), SIGUSR1) != 0) {
            return 1;
        }
        wait_until(&seen_by_handler->handled, i + 1);
    }
    return write(fd, "x", 1) == 1 ? 0 : 2;
}

Test(os_signal_unit, a_handler_restarts_what_it_interrupts)
{
    (void)share();
    int ends[2];
    char byte = 0;
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = fork_child(signal_then_write, NULL, &ends[1]);
    cr_assert_eq(read(ends[0], &byte, 1), 1, "interrupted: %s", strerror(errno));
    cr_assert_eq(byte, 'x');
    cr_assert_eq(reap(pid), 0);
    cr_assert_eq(sv_os_signal_install(SIGKILL, handle), -EINVAL);
}

/*
 * Claim:   a signal that arrives after the look at the word and before the sleep ends the poll; the
 *          mask is what it was before.
 * Method:  the signal is blocked and sent to oneself first, so that it is pending when poll comes
 *          to sleep: were it not unblocked by the sleep itself, the test would sleep for ever.
 */
Test(os_signal_unit, poll_misses_no_signal)
{
    struct shared *shared = share();
    struct sv_atomic32 word = {0};
    struct sv_os_poll poll = {.fds = {-1, -1}};
    sigset_t mask;
    sigset_t after;
    cr_assert_eq(sigemptyset(&mask), 0);
    cr_assert_eq(sigaddset(&mask, SIGUSR1), 0);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &mask, NULL), 0);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert_eq(raise(SIGUSR1), 0);
        cr_assert_eq(sv_load_seq32(&shared->handled), i, "it is blocked");
        cr_assert_eq(sv_os_poll(&poll, &word, 0, SIGUSR1, FOR_EVER_NS), 0);
        cr_assert_eq(sv_load_seq32(&shared->handled), i + 1);
        cr_assert_eq(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
        cr_assert_eq(sigismember(&after, SIGUSR1), 1, "still blocked");
    }
    cr_assert_eq(pthread_sigmask(SIG_UNBLOCK, &mask, NULL), 0);
    cr_assert_eq(sv_os_poll(&poll, &word, 0, SIGUSR1, 1000000), 0);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    cr_assert_eq(sigismember(&after, SIGUSR1), 0, "still not blocked");
}

#if defined(__x86_64__)

#ifdef __SANITIZE_ADDRESS__
#    define STRIDE 16 /* most of the steps are the sanitizer's own */
#else
#    define STRIDE 1
#endif

static int poll_stepped(struct sv_segment *segment, void *argument)
{
    struct shared *shared = argument;
    struct sv_os_poll poll = {.fds = {-1, -1}};
    (void)segment;
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        return 77;
    }
    (void)kill(getpid(), SIGSTOP);
    return sv_os_poll(&poll, &shared->stop, 0, SIGUSR1, FOR_EVER_NS) == 0 ? 0 : 1;
}

/* A number where ptrace wants a pointer. */
static void *as_pointer(uintptr_t number)
{
    void *pointer = NULL;
    memcpy(&pointer, &number, sizeof(pointer));
    return pointer;
}

/* Is its next instruction the system call that sleeps? */
static bool about_to_sleep(pid_t pid)
{
    struct user_regs_struct registers;
    cr_assert_eq(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
    errno = 0;
    const long code = ptrace(PTRACE_PEEKTEXT, pid, as_pointer(registers.rip), NULL);
    return errno == 0 && (code & 0xffff) == 0x050f && registers.rax == SYS_ppoll;
}

/* Let it run until it is through with blocking signals, the first thing a poll does. */
static void run_until_blocked(pid_t pid)
{
    struct user_regs_struct registers = {0};
    int status = 0;
    for (uint32_t stops = 0; stops % 2 != 0 || registers.orig_rax != SYS_rt_sigprocmask; stops++) {
        cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSTOPPED(status), "it ended with status %x", status);
        cr_assert_eq(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
    }
}

/* Let it run, and hand it the signals it is stopped for. Returns: its status. */
static int run_to_its_end(pid_t pid)
{
    int status = 0;
    int signal_number = 0;
    do {
        cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, as_pointer((uintptr_t)signal_number)), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        signal_number = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    } while (WIFSTOPPED(status));
    return status;
}

/*
 * Claim:   whoever sets the word and then signals always ends the poll, wherever it is.
 * Method:  a child polls without a time limit, step by step from where it has blocked the signal
 *          (what comes earlier comes before the look at the word); after k steps the word is set,
 *          the signal sent, and the child let go: for k = 0, 1, 2, ... until the next step would
 *          be the sleep itself. A missed one hangs.
 */
Test(os_signal_unit, set_and_signal_ends_the_poll_at_any_instruction)
{
    struct shared *shared = share();
    struct sv_os_poll warm = {.fds = {-1, -1}};
    cr_assert_eq(sv_os_poll(&warm, &shared->stop, 1, SIGUSR1, 0), 0, "binds what it calls");
    bool asleep = false;
    uint32_t k = 0;
    for (; !asleep; k += STRIDE) {
        int status = 0;
        sv_store_release32(&shared->stop, 0);
        sv_store_release32(&shared->handled, 0);
        const pid_t pid = fork_child(poll_stepped, NULL, shared);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            cr_skip("ptrace is not allowed");
        }
        run_until_blocked(pid);
        for (uint32_t step = 0; step < k && !(asleep = about_to_sleep(pid)); step++) {
            cr_assert_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
            cr_assert_eq(waitpid(pid, &status, 0), pid);
            cr_assert(WIFSTOPPED(status), "it ended after %" PRIu32 " steps", step);
        }
        sv_store_seq32(&shared->stop, 1);
        cr_assert_eq(kill(pid, SIGUSR1), 0);
        status = run_to_its_end(pid);
        cr_assert_eq(status, 0, "signalled after %" PRIu32 " steps", k);
        cr_assert_eq(sv_load_seq32(&shared->handled), 1);
    }
    cr_assert_gt(k, 20, "%" PRIu32 " steps are too few", k);
}

#endif
