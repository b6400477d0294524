/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/* Values pass through volatiles, so that no compiler does away with a bug. */
#include "canary/bugs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES = 200, BITS = 40, LEAKS = 10, LEAK_BYTES = 100, ALLOCATED_BYTES = 8 };

static volatile int sink;
static void *volatile allocated;
static volatile size_t some_bytes = ALLOCATED_BYTES;
static volatile int some_bits = BITS;

static void overflow(struct sv_backend *self)
{
    char *bytes = malloc(some_bytes);
    (void)self;
    allocated = bytes;
    if (bytes != NULL) {
        bytes[some_bytes] = 1;
    }
    free(bytes);
    allocated = NULL;
}

static void leak(struct sv_backend *self)
{
    (void)self;
    for (int i = 0; i < LEAKS; i++) {
        allocated = malloc(LEAK_BYTES);
    }
    allocated = NULL;
}

static void shift(struct sv_backend *self)
{
    (void)self;
    sink = 1 << some_bits;
}

static void *change(void *unused)
{
    for (int i = 0; i < TIMES; i++) {
        sink = sink + 1;
    }
    return unused;
}

static void race(struct sv_backend *self)
{
    pthread_t other;
    (void)self;
    if (pthread_create(&other, NULL, change, NULL) == 0) {
        (void)change(NULL);
        (void)pthread_join(other, NULL);
    }
}

static void branch(struct sv_backend *self)
{
    (void)self;
    allocated = malloc(some_bytes);
    char *bytes = allocated;
    if (bytes != NULL && bytes[1] == 1) {
        sink = 1;
    }
    free(bytes);
    allocated = NULL;
}

static void message(struct sv_backend *self)
{
    struct sv_message *unset = malloc(sizeof(*unset));
    allocated = unset;
    if (unset != NULL && self != NULL) {
        unset->kind = SV_MESSAGE_APPLICATION;
        sv_queue_insert(self, unset, 1);
    }
    free(unset);
    allocated = NULL;
}

static void none(struct sv_backend *self)
{
    (void)self;
}

void canary_bug(struct sv_backend *self)
{
    static const struct {
        const char *name;
        void (*function)(struct sv_backend *self);
    } bugs[] = {{"none", none}, {"overflow", overflow}, {"leak", leak},      {"shift", shift},
                {"race", race}, {"branch", branch},     {"message", message}};

    const char *name = getenv("SV_CANARY");

    for (size_t i = 0; name != NULL && i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        if (strcmp(bugs[i].name, name) == 0) {
            bugs[i].function(self);
            return;
        }
    }
    (void)fprintf(stderr, "SV_CANARY: '%s' is no bug\n", name != NULL ? name : "");
    exit(2);
}
