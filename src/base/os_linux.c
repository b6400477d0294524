/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The OS seam on Linux.
 *
 * Life locks. A robust, process-shared mutex: when the thread that holds it ends in whatever way,
 * the kernel walks its robust list and marks the futex word. The next trylock gets EOWNERDEAD and
 * the mutex; it is made consistent at once, so that a later unlock does not lose it for good, and
 * a holder that dies is found again by the same means.
 *
 * Signals reach no stranger. The word of a robust mutex is kernel ABI: it holds the thread id of
 * its owner, or none and a mark that the owner died. So as long as it holds tid, that very thread
 * lives, and with it the process that had pid when the slot was filled in. For another process:
 *     1. open a pidfd of pid: it names whichever process has that pid now, for good;
 *     2. ask the kernel whether tid is a thread of pid: pid itself is a word that anybody may have
 *        overwritten;
 *     3. look at the life lock: if tid still holds it, the backend lived after steps 1 and 2, so pid
 *        was its own then, and the pidfd names its process;
 *     4. signal through the pidfd: if the process has died meanwhile, nobody gets it.
 * A thread of one's own process is signalled by tgkill after the same look; a thread id that was
 * reused in between is a thread of this process still. Ids are those of one pid namespace.
 *
 * Waiting. Futexes without the private flag work between processes. A sleep that is interrupted goes
 * on for the rest of its time: who sleeps for 10 ms and then asks whether the holder is alive would
 * never ask in a program whose profiler interrupts it every 5. One that cannot begin counts as over,
 * so that its caller looks; a wake that fails costs that sleep's time. sv_os_poll closes the window
 * between the look at the word and the sleep by keeping the signal blocked until ppoll itself
 * unblocks it.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/annotate.h"
#include "base/assert.h"
#include "base/os.h"

#define NS_PER_S UINT64_C(1000000000)

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

uint64_t sv_os_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void sv_os_spin(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool sv_os_wait(struct sv_atomic32 *word, uint32_t expected, uint64_t timeout_ns)
{
    const uint64_t began_ns = sv_os_now_ns();
    for (uint64_t passed_ns = 0;; passed_ns = sv_os_now_ns() - began_ns) {
        if (passed_ns >= timeout_ns) {
            return true;
        }
        const struct timespec left = to_timespec(timeout_ns - passed_ns);
        SV_ANNOTATE_FUTEX_BEGIN();
        const long result = syscall(SYS_futex, &word->value, FUTEX_WAIT, expected, &left, NULL, 0);
        SV_ANNOTATE_FUTEX_END();
        if (result == 0 || errno == EAGAIN) {
            return false;
        }
        if (errno != EINTR) {
            return true;
        }
    }
}

void sv_os_wake(struct sv_atomic32 *word, uint32_t count)
{
    SV_ANNOTATE_FUTEX_BEGIN();
    (void)syscall(SYS_futex, &word->value, FUTEX_WAKE, count, NULL, NULL, 0);
    SV_ANNOTATE_FUTEX_END();
}

void sv_os_life_init(struct sv_life_lock *life)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    error |= pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    error |= pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    error |= pthread_mutex_init(&life->mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    sv_assert(error == 0, "robust mutexes are not to be had: %d", error);
}

enum sv_life sv_os_life_try(struct sv_life_lock *life)
{
    const int error = pthread_mutex_trylock(&life->mutex);
    if (error == 0) {
        return SV_LIFE_TAKEN;
    }
    if (error != EOWNERDEAD) {
        return SV_LIFE_BUSY;
    }
    (void)pthread_mutex_consistent(&life->mutex);
    SV_ANNOTATE_ACQUIRE(life); /* the release is the kernel's, when it tears the holder down */
    return SV_LIFE_DEAD;
}

void sv_os_life_release(struct sv_life_lock *life)
{
    const int error = pthread_mutex_unlock(&life->mutex);
    sv_assert(error == 0, "a life lock is released by who does not hold it: %d", error);
}

uint32_t sv_os_life_holder(const struct sv_life_lock *life)
{
    const uint32_t word = (uint32_t)__atomic_load_n(&life->mutex.__data.__lock, __ATOMIC_ACQUIRE);
    return word & FUTEX_TID_MASK; /* which the kernel clears when it marks the owner dead */
}

uint32_t sv_os_pid(void)
{
    return (uint32_t)getpid();
}

uint32_t sv_os_tid(void)
{
    return (uint32_t)gettid();
}

static int result_of(long returned)
{
    return returned < 0 ? -errno : 0;
}

#if defined(SV_ANNOTATE_VALGRIND) && defined(__x86_64__)
/* Runs on the machine itself: no errno, no library. thread is valgrind's number of the caller. */
static long past_valgrind(long thread, long number, long first, long second)
{
    register long flags __asm__("r10") = 0;
    long result = number;
    (void)thread;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(first), "S"(second), "d"(0L), "r"(flags)
                     : "rcx", "r11", "memory");
    return result;
}
#endif

/*
 * A system call on process descriptors. Valgrind 3.19 does not know them and would answer ENOSYS,
 * and every signal to another process would be lost. Returns: what it returns; -errno.
 */
static long pidfd_call(long number, long first, long second)
{
#if defined(SV_ANNOTATE_VALGRIND) && defined(__x86_64__)
    if (RUNNING_ON_VALGRIND) {
        return (long)VALGRIND_NON_SIMD_CALL3(past_valgrind, number, first, second);
    }
#endif
    const long result = syscall(number, first, second, NULL, 0);
    return result < 0 ? -errno : result;
}

static bool lives(const struct sv_signal_target *target)
{
    return target->tid != 0 && sv_os_life_holder(target->life) == target->tid;
}

int sv_os_signal(const struct sv_signal_target *target)
{
    if (target->pid == sv_os_pid()) {
        return lives(target) ? result_of(tgkill((pid_t)target->pid, (pid_t)target->tid,
                                                target->signal_number))
                             : -ESRCH;
    }
    const int fd = sv_os_process_watch(target->pid);
    int result = result_of(tgkill((pid_t)target->pid, (pid_t)target->tid, 0));
    if (result == -EINVAL || !lives(target)) { /* ids that nobody has; only now: see above */
        result = -ESRCH;
    }
    if (result == 0) {
        result = fd < 0 ? fd : (int)pidfd_call(SYS_pidfd_send_signal, fd, target->signal_number);
    }
    if (fd >= 0) {
        sv_os_close(fd);
    }
    return result;
}

int sv_os_signal_install(int signal_number, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    (void)sigemptyset(&action.sa_mask);
    return result_of(sigaction(signal_number, &action, NULL));
}

int sv_os_process_watch(uint32_t pid)
{
    return (int)pidfd_call(SYS_pidfd_open, (pid_t)pid, 0);
}

void sv_os_close(int fd)
{
    (void)close(fd);
}

int sv_os_poll(struct sv_os_poll *poll, struct sv_atomic32 *word, uint32_t expected,
               int signal_number, uint64_t timeout_ns)
{
    struct pollfd fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = (struct pollfd){.fd = poll->fds[i], .events = POLLIN};
        poll->ready[i] = false;
    }
    sigset_t blocked;
    sigset_t before;
    (void)sigemptyset(&blocked);
    if (signal_number != 0) {
        (void)sigaddset(&blocked, signal_number);
    }
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    sigset_t inside = before;
    if (signal_number != 0) {
        (void)sigdelset(&inside, signal_number);
    }
    const struct timespec timeout = to_timespec(sv_load_seq32(word) == expected ? timeout_ns : 0);
    const int count = ppoll(fds, 2, &timeout, &inside);
    const int error = count < 0 && errno != EINTR ? -errno : 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < 2 && count > 0; i++) {
        poll->ready[i] = fds[i].revents != 0;
    }
    return error;
}

int sv_os_poll_many(const int *fds, uint32_t count, uint64_t timeout_ns)
{
    struct pollfd *polled = calloc((size_t)count + 1, sizeof(*polled));
    if (polled == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    const struct timespec timeout = to_timespec(timeout_ns);
    const int error = ppoll(polled, count, &timeout, NULL) < 0 && errno != EINTR ? -errno : 0;
    free(polled);
    return error;
}
