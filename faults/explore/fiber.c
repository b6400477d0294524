/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * A switch saves what a called function must keep (System V ABI: rbx, rbp, r12 to r15; AAPCS64: x19
 * to x30, d8 to d15) on the stack it leaves, and takes it from the stack it enters. The control
 * words of the floating point units are the same for all and are not saved.
 *
 * A stack that was never entered is made to look as if it had been left just before the first
 * instruction of entry.
 */
#include "faults/explore/fiber.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t guard_bytes(void)
{
    static size_t bytes;

    if (bytes == 0) {
        bytes = (size_t)sysconf(_SC_PAGESIZE);
    }
    return bytes;
}

static size_t mapping_bytes(const struct fiber *fiber)
{
    return guard_bytes() + fiber->stack_bytes + fiber->above_bytes;
}

int fiber_create(struct fiber *fiber, size_t stack_bytes, size_t above_bytes)
{
    *fiber = (struct fiber){.stack_bytes = stack_bytes, .above_bytes = above_bytes};
    void *mapping = mmap(NULL, mapping_bytes(fiber), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED) {
        return -ENOMEM;
    }
    fiber->mapping = mapping;
    if (mprotect(mapping, guard_bytes(), PROT_NONE) != 0) {
        fiber_free(fiber);
        return -ENOMEM;
    }
    return 0;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber->mapping != NULL) {
        (void)munmap(fiber->mapping, mapping_bytes(fiber));
        fiber->mapping = NULL;
    }
}

uint8_t *fiber_top(const struct fiber *fiber)
{
    return fiber->mapping + guard_bytes() + fiber->stack_bytes;
}

void fiber_clear(struct fiber *fiber, size_t bytes)
{
    memset(fiber_top(fiber) - bytes, 0, bytes);
}

#if defined(SV_FIBER_UCONTEXT)

const struct fiber_frame *fiber_frame(const struct fiber *fiber)
{
    (void)fiber;
    return NULL; /* the context has it in a place of each architecture's own */
}

void fiber_reset(struct fiber *fiber, void (*entry)(void))
{
    (void)getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->mapping + guard_bytes();
    fiber->context.uc_stack.ss_size = fiber->stack_bytes;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, entry, 0);
}

#else

#    if defined(__x86_64__)
#        define SAVED_WORDS 8 /* r15 r14 r13 r12 rbx rbp, entry, where entry would return to */
#        define ENTRY_WORD  6
__asm__(".pushsection .text\n"
        ".globl fiber_exchange\n"
        ".hidden fiber_exchange\n"
        ".type fiber_exchange, @function\n"
        "fiber_exchange:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_exchange, . - fiber_exchange\n"
        ".globl fiber_look\n"
        ".hidden fiber_look\n"
        ".type fiber_look, @function\n"
        "fiber_look:\n"
        "    movq %rbx, (%rdi)\n"
        "    movq %rbp, 8(%rdi)\n"
        "    movq %r12, 16(%rdi)\n"
        "    movq %r13, 24(%rdi)\n"
        "    movq %r14, 32(%rdi)\n"
        "    movq %r15, 40(%rdi)\n"
        "    leaq 8(%rsp), %rax\n"
        "    ret\n"
        ".size fiber_look, . - fiber_look\n"
        ".popsection\n");
#    else
#        define SAVED_WORDS 20 /* x19 to x30, d8 to d15 */
#        define ENTRY_WORD  11 /* x30, the link register */
__asm__(".pushsection .text\n"
        ".globl fiber_exchange\n"
        ".hidden fiber_exchange\n"
        ".type fiber_exchange, %function\n"
        "fiber_exchange:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x2, sp\n"
        "    str x2, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n"
        "    ret\n"
        ".size fiber_exchange, . - fiber_exchange\n"
        ".globl fiber_look\n"
        ".hidden fiber_look\n"
        ".type fiber_look, @function\n"
        "fiber_look:\n"
        "    stp x19, x20, [x0, #0]\n"
        "    stp x21, x22, [x0, #16]\n"
        "    stp x23, x24, [x0, #32]\n"
        "    stp x25, x26, [x0, #48]\n"
        "    stp x27, x28, [x0, #64]\n"
        "    str x29, [x0, #80]\n"
        "    stp d8, d9, [x0, #88]\n"
        "    stp d10, d11, [x0, #104]\n"
        "    stp d12, d13, [x0, #120]\n"
        "    stp d14, d15, [x0, #136]\n"
        "    mov x0, sp\n"
        "    ret\n"
        ".size fiber_look, . - fiber_look\n"
        ".popsection\n");
#    endif

/* The top is a multiple of 16, as both ABIs want it where a function is entered. */
void fiber_reset(struct fiber *fiber, void (*entry)(void))
{
    uintptr_t *words = (uintptr_t *)(void *)fiber_top(fiber) - SAVED_WORDS;

    memset(words, 0, SAVED_WORDS * sizeof(*words));
    words[ENTRY_WORD] = (uintptr_t)entry;
    fiber->stack_pointer = words;
}

/* Before the address to return to, the frame pointer is saved. */
const struct fiber_frame *fiber_frame(const struct fiber *fiber)
{
    const struct fiber_frame *const *words = fiber->stack_pointer;

    return words != NULL ? words[ENTRY_WORD - 1] : NULL;
}

#endif
