/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The shared segment: creating, attaching, finding structures.
 *
 * The ideal: a segment is either not there or complete. The real one is built in steps by a
 * process that may be killed at any of them, so:
 *
 *   - The header's phase says READY, by a release store, only when all else is in place. Who
 *     attaches reads it first and takes anything else for "not there yet".
 *   - A creator holds an exclusive flock on the file while it builds; the kernel releases it when
 *     the creator ends in whatever way. The next creator who gets that lock and finds a segment
 *     that is not READY has found an abandoned one: it unlinks it and starts anew.
 *   - Between creating the file and locking it there is a window in which another creator takes it
 *     for abandoned and unlinks it. So whoever has locked a file checks that the name still leads
 *     to that very file, and starts anew if not. Only a holder of the lock of the file that the
 *     name leads to ever unlinks it or declares it READY.
 *
 * An anonymous segment is a memfd; nobody can find it before it is complete. Both have their
 * blocks reserved (posix_fallocate), and the memfd is sealed against resizing: nobody can be given
 * a SIGBUS.
 *
 * What is where follows from the configuration alone (lay_out). The directory in the header is for
 * people and for checks: an attacher computes it afresh and refuses a segment that says otherwise.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/point.h"

#define NAME_PREFIX    "/sinval."
#define NAME_BYTES_MAX 200

struct path {
    char text[sizeof(NAME_PREFIX) + NAME_BYTES_MAX];
};

/* ---- layout ------------------------------------------------------------------------------ */

struct layout {
    struct sv_allocation allocations[SV_ALLOCATIONS_MAX];
    uint32_t count;
    uint64_t size_bytes;
};

static void lay(struct layout *layout, const char *name, uint64_t size_bytes)
{
    struct sv_allocation *allocation = &layout->allocations[layout->count++];
    (void)snprintf(allocation->name, sizeof(allocation->name), "%s", name);
    allocation->offset_bytes = layout->size_bytes;
    allocation->size_bytes = size_bytes;
    layout->size_bytes += sv_round_up(size_bytes, SV_CACHE_LINE);
}

static struct layout lay_out(const struct sv_config *config)
{
    struct layout layout = {0};
    lay(&layout, "header", sizeof(struct sv_header));
    lay(&layout, "slots", (uint64_t)config->backends_max * sizeof(struct sv_slot));
    lay(&layout, "locks", SV_LOCK_COUNT * sizeof(struct sv_lock_word));
    lay(&layout, "queue", sizeof(struct sv_queue));
    lay(&layout, "ring", (uint64_t)config->capacity * sizeof(struct sv_message));
    lay(&layout, "intents", (uint64_t)config->backends_max * sv_intent_stride(config));
    if (config->table_rows_max > 0) {
        const uint64_t stride = sv_table_row_stride(config);
        lay(&layout, "table", sizeof(struct sv_table));
        lay(&layout, "table_rows", config->table_rows_max * stride);
        lay(&layout, "table_redo", config->table_writes_max * stride);
    }
    layout.size_bytes = sv_round_up(layout.size_bytes, (size_t)sysconf(_SC_PAGESIZE));
    return layout;
}

/* The structure of that name; NULL if the configuration has none. */
static void *find(const struct sv_segment *segment, const struct layout *layout, const char *name)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        if (strcmp(layout->allocations[i].name, name) == 0) {
            return (uint8_t *)segment->base + layout->allocations[i].offset_bytes;
        }
    }
    return NULL;
}

static void find_all(struct sv_segment *segment, const struct layout *layout)
{
    segment->header = find(segment, layout, "header");
    segment->slots = find(segment, layout, "slots");
    segment->locks = find(segment, layout, "locks");
    segment->queue = find(segment, layout, "queue");
    segment->ring = find(segment, layout, "ring");
    segment->intents = find(segment, layout, "intents");
    segment->table = find(segment, layout, "table");
    segment->table_rows = find(segment, layout, "table_rows");
    segment->table_redo = find(segment, layout, "table_redo");
}

/* ---- mapping ----------------------------------------------------------------------------- */

/* Map fd, and hand it over: *segment owns it where keep_fd is true, else it stays the caller's. */
static int map(int fd, const struct layout *layout, const struct sv_config *config,
               const char *name, struct sv_segment **segment)
{
    struct sv_segment *mapped = calloc(1, sizeof(*mapped));
    if (mapped == NULL) {
        return -ENOMEM;
    }
    mapped->base = mmap(NULL, layout->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped->base == MAP_FAILED) {
        const int error = errno;
        free(mapped);
        return -error;
    }
    mapped->size_bytes = layout->size_bytes;
    mapped->fd = -1;
    mapped->config = *config;
    (void)snprintf(mapped->name, sizeof(mapped->name), "%s", name);
    find_all(mapped, layout);
    *segment = mapped;
    return 0;
}

/* Everything but READY. The memory is zero. */
static void build(struct sv_segment *segment, const struct layout *layout)
{
    struct sv_header *header = segment->header;
    header->layout_version = SV_LAYOUT_VERSION;
    header->header_bytes = sizeof(struct sv_header);
    header->slot_bytes = sizeof(struct sv_slot);
    header->queue_bytes = sizeof(struct sv_queue);
    header->life_lock_bytes = sizeof(struct sv_life_lock);
    header->creator_uid = geteuid();
    header->size_bytes = layout->size_bytes;
    header->config = segment->config;
    header->allocation_count = layout->count;
    memcpy(header->allocations, layout->allocations, sizeof(header->allocations));
    sv_os_life_init(&header->postmaster_life);
    for (uint32_t i = 0; i < segment->config.backends_max; i++) {
        sv_os_life_init(&segment->slots[i].life);
    }
    sv_store_relaxed32(&segment->queue->next_threshold, segment->config.cleanup_min);
    header->magic = SV_MAGIC;
    SV_POINT(segment_create_ready);
    sv_store_release32(&header->phase, SV_SEGMENT_READY);
}

/* Reserve, map and build the empty file fd. */
static int fill(int fd, const struct sv_config *config, const char *name,
                struct sv_segment **segment)
{
    const struct layout layout = lay_out(config);
    int error = posix_fallocate(fd, 0, (off_t)layout.size_bytes);
    if (SV_POINT_ANSWER(segment_create_sized) == SV_POINT_FAIL) {
        error = ENOSPC;
    }
    if (error != 0) {
        return -error;
    }
    const int result = map(fd, &layout, config, name, segment);
    if (result == 0) {
        build(*segment, &layout);
    }
    return result;
}

/* ---- names ------------------------------------------------------------------------------- */

static int path_of(const char *name, struct path *path)
{
    const size_t length = strlen(name);
    if (length == 0 || length > NAME_BYTES_MAX || strchr(name, '/') != NULL) {
        return -EINVAL;
    }
    (void)snprintf(path->text, sizeof(path->text), NAME_PREFIX "%s", name);
    return 0;
}

/* Does path still lead to the file fd? */
static bool leads_to(const struct path *path, int fd)
{
    struct stat here;
    struct stat there;
    const int other = shm_open(path->text, O_RDONLY | O_CLOEXEC, 0);
    if (other < 0) {
        return false;
    }
    const bool same = fstat(fd, &here) == 0 && fstat(other, &there) == 0 &&
                      here.st_ino == there.st_ino && here.st_dev == there.st_dev;
    (void)close(other);
    return same;
}

/* Is the file a segment that somebody finished? Read, not mapped: it may be too short. */
static bool is_ready(int fd)
{
    struct sv_header header;
    memset(&header, 0, sizeof(header));
    return pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
           header.magic == SV_MAGIC && sv_load_acquire32(&header.phase) == SV_SEGMENT_READY;
}

/*
 * A new, empty, locked file under path; an abandoned one is replaced.
 * Returns: a descriptor; -EEXIST, -EAGAIN (another creator is at it), -errno.
 */
static int create_file(const struct path *path)
{
    for (;;) {
        const int made = shm_open(path->text, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        const int fd =
            made >= 0 || errno != EEXIST ? made : shm_open(path->text, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0) {
            if (errno == ENOENT) {
                continue; /* it was there and is gone */
            }
            return -errno;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            (void)close(fd);
            return -EAGAIN;
        }
        if (leads_to(path, fd)) {
            if (made >= 0) {
                return fd;
            }
            if (is_ready(fd)) {
                (void)close(fd);
                return -EEXIST;
            }
            (void)shm_unlink(path->text);
        }
        (void)close(fd);
    }
}

static int create_named(const char *name, const struct sv_config *config,
                        struct sv_segment **segment)
{
    struct path path;
    int result = path_of(name, &path);
    if (result != 0) {
        return result;
    }
    const int fd = create_file(&path);
    if (fd < 0) {
        return fd;
    }
    result = fill(fd, config, name, segment);
    if (result != 0) {
        (void)shm_unlink(path.text);
    }
    (void)close(fd);
    return result;
}

static int create_anonymous(const struct sv_config *config, struct sv_segment **segment)
{
    const int fd = memfd_create("sinval", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    const int result = fill(fd, config, "(anonymous)", segment);
    if (result != 0) {
        (void)close(fd);
        return result;
    }
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    (*segment)->fd = fd;
    return 0;
}

int sv_segment_create(const char *name, const struct sv_config *config, struct sv_segment **segment)
{
    struct sv_config complete = *config;
    char message[200];
    const int result = sv_config_complete(&complete, message, sizeof(message));
    if (result != 0) {
        return result;
    }
    return name == NULL ? create_anonymous(&complete, segment)
                        : create_named(name, &complete, segment);
}

/* Is this header, read from a file of that size, one of ours, complete and consistent? */
static int judge(const struct sv_header *header, uint64_t file_bytes)
{
    if (header->magic != SV_MAGIC) {
        return header->magic == 0 ? -EAGAIN : -EMEDIUMTYPE;
    }
    if (header->layout_version != SV_LAYOUT_VERSION ||
        header->header_bytes != sizeof(struct sv_header) ||
        header->slot_bytes != sizeof(struct sv_slot) ||
        header->queue_bytes != sizeof(struct sv_queue) ||
        header->life_lock_bytes != sizeof(struct sv_life_lock)) {
        return -EPROTO;
    }
    if (sv_load_acquire32(&header->phase) != SV_SEGMENT_READY) {
        return -EAGAIN;
    }
    struct sv_config config = header->config;
    char message[200];
    if (sv_config_complete(&config, message, sizeof(message)) != 0 ||
        memcmp(&config, &header->config, sizeof(config)) != 0) {
        return -SV_ECORRUPT;
    }
    const struct layout layout = lay_out(&config);
    const bool consistent =
        header->size_bytes == layout.size_bytes && file_bytes == layout.size_bytes &&
        header->allocation_count == layout.count &&
        memcmp(header->allocations, layout.allocations, sizeof(layout.allocations)) == 0;
    return consistent ? 0 : -SV_ECORRUPT;
}

static int attach_file(int fd, const char *name, struct sv_segment **segment)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (status.st_uid != geteuid()) {
        return -EPERM;
    }
    struct sv_header header;
    memset(&header, 0, sizeof(header));
    if (pread(fd, &header, sizeof(header), 0) < 0) {
        return -errno;
    }
    if (status.st_size > 0 && (size_t)status.st_size < sizeof(header) && header.magic == SV_MAGIC) {
        return -SV_ECORRUPT;
    }
    const int result = judge(&header, (uint64_t)status.st_size);
    if (result != 0) {
        return result;
    }
    const struct layout layout = lay_out(&header.config);
    return map(fd, &layout, &header.config, name, segment);
}

int sv_segment_attach(const char *name, struct sv_segment **segment)
{
    struct path path;
    const int bad = path_of(name, &path);
    if (bad != 0) {
        return bad;
    }
    const int fd = shm_open(path.text, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) {
        return errno == EACCES ? -EPERM : -errno;
    }
    const int result = attach_file(fd, name, segment);
    (void)close(fd);
    return result;
}

void sv_segment_detach(struct sv_segment *segment)
{
    sv_assert(sv_load_acquire32(&segment->attached) == 0, "%u backends are still attached to %s",
              sv_load_acquire32(&segment->attached), segment->name);
    (void)munmap(segment->base, segment->size_bytes);
    if (segment->fd >= 0) {
        (void)close(segment->fd);
    }
    free(segment);
}

int sv_segment_unlink(const char *name)
{
    struct path path;
    const int result = path_of(name, &path);
    if (result != 0) {
        return result;
    }
    return shm_unlink(path.text) == 0 ? 0 : -errno;
}

/* ---- looking ----------------------------------------------------------------------------- */

const struct sv_config *sv_segment_config(const struct sv_segment *segment)
{
    return &segment->config;
}

const char *sv_segment_name(const struct sv_segment *segment)
{
    return segment->name;
}

size_t sv_segment_size_bytes(const struct sv_segment *segment)
{
    return segment->size_bytes;
}

uint32_t sv_segment_allocation(const struct sv_segment *segment, uint32_t index,
                               struct sv_allocation *allocation)
{
    const struct layout layout = lay_out(&segment->config);
    if (index < layout.count) {
        *allocation = layout.allocations[index];
    }
    return layout.count;
}

struct sv_slot *sv_segment_slot(struct sv_segment *segment, uint32_t index)
{
    sv_assert(index < segment->config.backends_max, "slot %u of %u", index,
              segment->config.backends_max);
    return &segment->slots[index];
}

struct sv_intent *sv_segment_intent(struct sv_segment *segment, uint32_t index)
{
    sv_assert(index < segment->config.backends_max, "intent %u of %u", index,
              segment->config.backends_max);
    return (struct sv_intent *)(segment->intents + index * sv_intent_stride(&segment->config));
}
