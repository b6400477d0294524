/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: one process tells another what went stale, through the installed
 * library alone. Exits with 0 if the message arrived.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sinval/sinval.h>

#define PAYLOAD UINT64_C(0x5eed)

static int send_one(struct sv_segment *segment)
{
    struct sv_backend *self = NULL;
    if (sv_backend_attach(segment, &(struct sv_backend_options){.send_only = true}, &self) != 0) {
        return EXIT_FAILURE;
    }
    const struct sv_message message = {.kind = SV_MESSAGE_APPLICATION, .payload = PAYLOAD};
    sv_queue_insert(self, &message, 1);
    sv_backend_detach(self);
    return EXIT_SUCCESS;
}

static int receive_one(struct sv_backend *self)
{
    struct sv_message message[4];
    uint32_t count = 0;
    if (sv_queue_read(self, message, 4, &count) != 0 || count != 1 ||
        message[0].payload != PAYLOAD) {
        (void)fprintf(stderr, "consumer: %u messages, and not the one that was sent\n", count);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

int main(void)
{
    struct sv_segment *segment = NULL;
    struct sv_backend *self = NULL;
    if (sv_segment_create(NULL, &(struct sv_config){.backends_max = 4}, &segment) != 0 ||
        sv_backend_attach(segment, &(struct sv_backend_options){0}, &self) != 0) {
        return EXIT_FAILURE;
    }
    const pid_t child = fork();
    if (child == 0) {
        _exit(send_one(segment));
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        return EXIT_FAILURE;
    }
    const int result = receive_one(self);
    sv_backend_detach(self);
    sv_segment_detach(segment);
    return result;
}
