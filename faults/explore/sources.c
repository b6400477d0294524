/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif
#include "faults/explore/sources.h"

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PER_COMMAND 256 /* addresses */

static int find_load_address(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    *(uintptr_t *)argument = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

static void add_line(struct source *source, const char *function, const char *place)
{
    const bool wrapper = strncmp(place, "atomic.h:", 9) == 0;

    if (function[0] != '?' && !wrapper && source->depth < SOURCE_DEPTH_MAX) {
        (void)snprintf(source->text[source->depth++], SOURCE_TEXT_MAX, "%.60s, %.*s", function,
                       (int)strcspn(place, " "), place);
    }
}

/* Before what is of an address comes the address. */
static void read_lines(FILE *pipe, uint32_t count, struct source *sources)
{
    char function[256];
    char place[256];
    uint32_t found = 0;

    while (fgets(function, sizeof(function), pipe) != NULL) {
        if (strncmp(function, "0x", 2) == 0) {
            found++;
            continue;
        }
        if (fgets(place, sizeof(place), pipe) == NULL || found == 0 || found > count) {
            return;
        }
        function[strcspn(function, "\n")] = '\0';
        place[strcspn(place, "\n")] = '\0';
        add_line(&sources[found - 1], function, place);
    }
}

static void find_some(const void *const *addresses, uint32_t count, struct source *sources,
                      uintptr_t load_address)
{
    char command[64 + PER_COMMAND * 20];
    int used =
        snprintf(command, sizeof(command), "addr2line -a -i -f -s -e /proc/%d/exe", (int)getpid());

    for (uint32_t i = 0; i < count; i++) {
        const uintptr_t address = (uintptr_t)addresses[i];
        used += snprintf(command + used, sizeof(command) - (size_t)used, " %llx",
                         (unsigned long long)(address != 0 ? address - 1 - load_address : 0));
    }
    (void)snprintf(command + used, sizeof(command) - (size_t)used, " 2>/dev/null");
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of our own words and numbers */
    if (pipe != NULL) {
        read_lines(pipe, count, sources);
        (void)pclose(pipe);
    }
}

void sources_find(const void *const *addresses, uint32_t count, struct source *sources)
{
    uintptr_t load_address = 0;

    memset(sources, 0, count * sizeof(*sources));
    (void)dl_iterate_phdr(find_load_address, &load_address);
    for (uint32_t i = 0; i < count; i += PER_COMMAND) {
        const uint32_t some = count - i < PER_COMMAND ? count - i : PER_COMMAND;
        find_some(&addresses[i], some, &sources[i], load_address);
    }
}
