/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * The stack of who does not run is where it was left: from the frame pointer that is saved on it
 * each frame tells of the one before (all code here is compiled so). Frames of the machine are left
 * out: the innermost that is shown is the access, or the call of the operating system, that came
 * last.
 */
#include "faults/explore/stacks.h"

#include <stdio.h>
#include <string.h>

#include "faults/explore/machine_own.h"
#include "faults/explore/sources.h"

#define FRAMES_MAX 40

static uint32_t walk(const struct fiber *fiber, const void **addresses)
{
    const uint8_t *top = fiber_top(fiber);
    const struct fiber_frame *frame = fiber_frame(fiber);
    uint32_t count = 0;

    while (count < FRAMES_MAX && (const uint8_t *)frame > top - fiber->stack_bytes &&
           (const uint8_t *)(frame + 1) <= top && frame->returns_to != NULL) {
        addresses[count++] = frame->returns_to;
        if (frame->before <= frame) {
            break;
        }
        frame = frame->before;
    }
    return count;
}

static bool is_machinery(const char *text)
{
    static const char *const files[] = {
        ", choose.c:",  ", rest.c:",    ", machine.c:",   ", fiber.h:",
        ", runtime.h:", ", runtime.c:", ", step_judge.c:"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strstr(text, files[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void print_frames(const struct fiber *fiber)
{
    static struct source sources[FRAMES_MAX];
    const void *frames[FRAMES_MAX];
    const uint32_t count = walk(fiber, frames);

    sources_find(frames, count, sources);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < sources[i].depth; j++) {
            if (!is_machinery(sources[i].text[j])) {
                (void)printf("    %s\n", sources[i].text[j]);
            }
        }
    }
}

static void print_state(uint32_t backend)
{
    const struct process *process = &machine.processes[backend];
    char place[PLACE_MAX] = "";

    switch (process->state) {
    case ASLEEP:
        (void)machine.settings.where(
            (uint32_t)((const uint8_t *)process->bed.word - (uint8_t *)machine.settings.base),
            place, sizeof(place));
        (void)printf("backend %u sleeps on %s:\n", backend, place);
        return;
    case DEAD:
        (void)printf("backend %u has died:\n", backend);
        return;
    case OVER:
        (void)printf("backend %u has finished\n", backend);
        return;
    case READY:
        (void)printf("backend %u%s:\n", backend,
                     process->steps == 0 && backend != machine.self ? " has not begun" : "");
        return;
    }
}

void stacks_print(void)
{
    for (uint32_t i = 0; i < machine.settings.backends; i++) {
        print_state(i);
        if (machine.processes[i].state != OVER) {
            print_frames(&machine.processes[i].fiber);
        }
    }
}
