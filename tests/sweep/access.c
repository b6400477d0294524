/* SPDX-FileCopyrightText: the sinval authors */
/* SPDX-License-Identifier: MIT */
/*
 * Decoding, with capstone. Code is read from this process: a child that was forked has the same
 * at the same address. Each address is decoded once.
 *
 * An access of an instruction is an operand in memory, or what a string instruction's registers
 * point to; that is shared when any of its bytes is. The stack's own pushes and pops
 * are none. An instruction that only computes an address (lea) is taken for one as well: one
 * boundary more.
 */
#include "tests/sweep/access.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <sys/user.h>

enum { PLACES = 1 << 16, OPERANDS_MAX = 4, INSTRUCTION_BYTES = 16 };

struct operand {
    uint16_t base;
    uint16_t index;
    uint8_t scale;
    uint8_t bytes;
    bool segmented; /* relative to fs or gs: not the shared segment */
    int64_t displacement;
};

struct place {
    uint64_t at; /* 0: free */
    uint8_t size_bytes;
    uint8_t operand_count;
    bool calls_kernel;
    struct operand operands[OPERANDS_MAX];
};

struct access_reader {
    csh handle;
    struct trace_region regions[TRACE_REGIONS];
    struct place places[PLACES];
};

struct access_reader *access_open(const struct trace_region regions[TRACE_REGIONS])
{
    struct access_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < TRACE_REGIONS; i++) {
        reader->regions[i] = regions[i];
    }
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &reader->handle) != CS_ERR_OK) {
        free(reader);
        return NULL;
    }
    (void)cs_option(reader->handle, CS_OPT_DETAIL, CS_OPT_ON);
    return reader;
}

void access_close(struct access_reader *reader)
{
    (void)cs_close(&reader->handle);
    free(reader);
}

static void note_operands(struct place *place, const cs_x86 *x86)
{
    for (uint8_t i = 0; i < x86->op_count && place->operand_count < OPERANDS_MAX; i++) {
        const cs_x86_op *from = &x86->operands[i];
        if (from->type == X86_OP_MEM) {
            place->operands[place->operand_count++] = (struct operand){
                .base = (uint16_t)from->mem.base,
                .index = (uint16_t)from->mem.index,
                .scale = (uint8_t)from->mem.scale,
                .bytes = from->size,
                .segmented = from->mem.segment == X86_REG_FS || from->mem.segment == X86_REG_GS,
                .displacement = from->mem.disp,
            };
        }
    }
}

static void decode(struct access_reader *reader, struct place *place, uint64_t at)
{
    cs_insn *instruction = NULL;
    *place = (struct place){.at = at, .size_bytes = 1};
    const uint8_t *code = (const uint8_t *)(uintptr_t)at; /* NOLINT(performance-no-int-to-ptr) */
    if (cs_disasm(reader->handle, code, INSTRUCTION_BYTES, at, 1, &instruction) != 1) {
        return;
    }
    place->size_bytes = (uint8_t)instruction->size;
    place->calls_kernel = instruction->id == X86_INS_SYSCALL;
    note_operands(place, &instruction->detail->x86);
    cs_free(instruction, 1);
}

/* Its place in the table; a full table decodes into the last one again and again. */
static const struct place *place_of(struct access_reader *reader, uint64_t at)
{
    const uint64_t start = at * UINT64_C(0x9e3779b97f4a7c15) >> 48;
    struct place *place = NULL;
    for (uint32_t i = 0; i < 64; i++) {
        place = &reader->places[(start + i) % PLACES];
        if (place->at == at) {
            return place;
        }
        if (place->at == 0) {
            break;
        }
    }
    decode(reader, place, at);
    return place;
}

static uint64_t value_of(const struct user_regs_struct *r, uint16_t name, uint64_t next)
{
    switch (name) {
    case X86_REG_RAX:
        return r->rax;
    case X86_REG_RBX:
        return r->rbx;
    case X86_REG_RCX:
        return r->rcx;
    case X86_REG_RDX:
        return r->rdx;
    case X86_REG_RSI:
        return r->rsi;
    case X86_REG_RDI:
        return r->rdi;
    case X86_REG_RBP:
        return r->rbp;
    case X86_REG_RSP:
        return r->rsp;
    case X86_REG_R8:
        return r->r8;
    case X86_REG_R9:
        return r->r9;
    case X86_REG_R10:
        return r->r10;
    case X86_REG_R11:
        return r->r11;
    case X86_REG_R12:
        return r->r12;
    case X86_REG_R13:
        return r->r13;
    case X86_REG_R14:
        return r->r14;
    case X86_REG_R15:
        return r->r15;
    case X86_REG_RIP:
        return next;
    default:
        return 0;
    }
}

static bool is_shared(const struct access_reader *reader, uint64_t first, uint64_t end)
{
    for (uint32_t i = 0; i < TRACE_REGIONS; i++) {
        if (first < reader->regions[i].end && end > reader->regions[i].first) {
            return true;
        }
    }
    return false;
}

uint8_t access_of(struct access_reader *reader, const struct user_regs_struct *registers)
{
    const struct place *place = place_of(reader, registers->rip);
    const uint64_t next = registers->rip + place->size_bytes;
    uint8_t touches = place->calls_kernel ? TOUCH_KERNEL : 0;
    for (uint32_t i = 0; i < place->operand_count; i++) {
        const struct operand *operand = &place->operands[i];
        const uint64_t first = value_of(registers, operand->base, next) +
                               value_of(registers, operand->index, next) * operand->scale +
                               (uint64_t)operand->displacement;
        if (!operand->segmented && is_shared(reader, first, first + operand->bytes)) {
            touches |= TOUCH_SHARED;
        }
    }
    return touches;
}
