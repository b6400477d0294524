/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Worlds: small segments between guard pages, with rows, messages, and what backends left that were
 * killed at some point of some session: locks held, intents declared, a commit half applied.
 *
 * The image of a segment in which nobody lives can be put back byte by byte, life locks included: a
 * dead one's says owner-dead again.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "corrupt/corrupt.h"
#include "shm/directory.h"

#define GUARD_BYTES         ((size_t)1 << 20)
#define DEATHS_MAX          3
#define POINTS_OF_A_SESSION 150

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "corrupt: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Move the mapping between two stretches that nobody may touch. */
static void put_between_guards(struct sv_segment *segment)
{
    const size_t bytes = segment->size_bytes;
    uint8_t *area = mmap(NULL, bytes + 2 * GUARD_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED || mremap(segment->base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                                     area + GUARD_BYTES) == MAP_FAILED) {
        give_up("no room for guard pages");
    }
    struct sv_directory directory;
    segment->base = area + GUARD_BYTES;
    sv_directory_compute(&segment->config, &directory);
    sv_directory_resolve(&directory, segment);
}

void world_make_empty(struct world *world, uint32_t lock_hold_max_ms)
{
    const struct sv_config config = {
        .backends_max = BACKENDS_MAX,
        .capacity = 16,
        .wraparound = 32,
        .intent_max = 4,
        .table_rows_max = TABLE_ROWS,
        .table_value_max = VALUE_MAX,
        .table_writes_max = 6,
        .lock_hold_max_ms = lock_hold_max_ms,
    };
    *world = (struct world){0};
    const int result = sv_segment_create(NULL, &config, &world->segment);
    if (result != 0) {
        errno = -result;
        give_up("no segment");
    }
    put_between_guards(world->segment);
}

/* A session in a process of its own that dies at a point; 0: that goes to its end. */
static void send_in(struct world *world, uint64_t seed, uint64_t die_at)
{
    int status = 0;
    (void)fflush(NULL);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) {
        give_up("fork");
    }
    if (pid == 0) {
        struct progress progress = {0};
        struct player player = {
            .segment = world->segment,
            .progress = &progress,
            .random = random_branch(seed, (uint32_t)die_at, RANDOM_TEST),
            .operations = 12,
            .rows = TABLE_ROWS + 6,
        };
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(END_ORPHAN);
        }
        fibers_die_at(die_at);
        player_session(&player);
        _exit(END_FINISHED);
    }
    while (waitpid(pid, &status, 0) != pid) {
    }
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && status != END_FINISHED) {
        errno = 0;
        give_up("a session in a sound segment went wrong");
    }
}

void world_make(struct world *world, uint64_t seed, uint32_t number)
{
    struct random random = random_branch(seed, number, RANDOM_PLAN);
    world_make_empty(world, number % 4 == 3 ? 20 : 0);
    send_in(world, random_next(&random), 0);
    for (uint32_t deaths = number % (DEATHS_MAX + 1); deaths > 0; deaths--) {
        send_in(world, random_next(&random), 1 + random_below(&random, POINTS_OF_A_SESSION));
    }
    world->image = malloc(world->segment->size_bytes);
    if (world->image == NULL) {
        give_up("no memory");
    }
    memcpy(world->image, world->segment->base, world->segment->size_bytes);
}

void world_restore(const struct world *world)
{
    memcpy(world->segment->base, world->image, world->segment->size_bytes);
}

bool world_intact(const struct world *world)
{
    return memcmp(world->segment->base, world->image, offsetof(struct sv_header, slots_used)) == 0;
}

void world_free(struct world *world)
{
    (void)munmap((uint8_t *)world->segment->base - GUARD_BYTES,
                 world->segment->size_bytes + 2 * GUARD_BYTES);
    if (world->segment->fd >= 0) {
        (void)close(world->segment->fd);
    }
    free(world->segment);
    free(world->image);
}
