/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Becoming another program that comes with this one: the same command, linked with the library in
 * another flavour.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "faults/carrier.h"
#include "faults/token.h"

int become(const char *program, char *command, int argc, char **argv)
{
    static char name[] = "sinval";
    char path[4096];
    char file[64];

    (void)snprintf(file, sizeof(file), "libexec/sinval/%s", program);
    if (beside_program(file, path, sizeof(path)) == NULL &&
        beside_program(program, path, sizeof(path)) == NULL) {
        return complain(STATUS_ENVIRONMENT,
                        "the program %s is neither in ../libexec/sinval nor beside sinval; build "
                        "or install all of it",
                        program);
    }
    char **whole = calloc((size_t)argc + 2, sizeof(*whole));
    if (whole == NULL) {
        return complain(STATUS_ENVIRONMENT, "no memory");
    }
    whole[0] = name;
    whole[1] = command;
    memcpy(&whole[2], &argv[1], ((size_t)argc - 1) * sizeof(*whole));
    execv(path, whole);
    free(whole);
    return complain(STATUS_ENVIRONMENT, "%s: %s", path, strerror(errno));
}

bool is_carried_elsewhere(const char *carrier, const char *word)
{
    static struct token token;
    char message[PLAN_MESSAGE_MAX];

    if (word != NULL && token_decode(word, &token, message, sizeof(message)) == 0) {
        carrier = token.carrier;
    }
    return carrier != NULL && carrier_find(carrier, false) == NULL && strcmp(carrier, "fiber") == 0;
}

int become_carrier(char *command, int argc, char **argv)
{
    return become("sinval-fiber", command, argc, argv);
}
