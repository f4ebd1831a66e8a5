#include "support/amx_trap.h"

#include "support/amx_tiles.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#if defined(__x86_64__)

/* A VEX instruction of three prefix bytes, opcode map 2: what the tile instructions are.
 *
 *     C4 | ~R ~X ~B map | W ~vvvv L pp | opcode | mod reg rm | scale index base | displacement
 */
typedef struct instruction {
    unsigned prefix, opcode, mod, reg, rm, third; /* third: vvvv */
    uintptr_t address;                            /* of the base and the displacement */
    size_t stride, bytes;
} instruction;

enum { PREFIX_NONE, PREFIX_66, PREFIX_F3, PREFIX_F2 };
enum { OP_STATE = 0x49, OP_MOVE = 0x4b, OP_BF16 = 0x5c };

static struct sigaction before;
static size_t done;

static uint64_t of_register(const greg_t *registers, unsigned number)
{
    static const int PLACES[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                 REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)registers[PLACES[number]];
}

/* The displacement of 0, 1 or 4 bytes that ends the instruction. */
static uint64_t displacement(const unsigned char *at, size_t bytes)
{
    int32_t value = 0;
    memcpy(&value, at, bytes);
    return (uint64_t)(int64_t)(bytes == 1 ? (int8_t)at[0] : value);
}

static void decode_address(const unsigned char *code, const greg_t *registers, instruction *in)
{
    bool extended_index = (code[1] & 0x40) == 0, extended_base = (code[1] & 0x20) == 0;
    unsigned base = in->rm, index = 4;
    if (in->rm == 4) {
        base = code[5] & 7u;
        index = (code[5] >> 3 & 7u) + (extended_index ? 8u : 0u);
        in->stride = index == 4 ? 0 : of_register(registers, index) << (code[5] >> 6);
        in->bytes++;
    }
    bool no_base = in->mod == 0 && base == 5;
    size_t length = in->mod == 1 ? 1 : in->mod == 2 || no_base ? 4 : 0;
    in->address = displacement(code + in->bytes, length);
    in->bytes += length;
    if (!no_base)
        in->address += of_register(registers, base + (extended_base ? 8u : 0u));
    else if (in->rm == 5)
        in->address += (uint64_t)registers[REG_RIP] + in->bytes;
}

static bool decode(const greg_t *registers, instruction *in)
{
    unsigned char code[16];
    memcpy(code, (const void *)(uintptr_t)registers[REG_RIP], sizeof code); // NOLINT(performance-no-int-to-ptr)
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0)
        return false;
    *in = (instruction){.prefix = code[2] & 3,
                        .third = ~code[2] >> 3 & 15,
                        .opcode = code[3],
                        .mod = code[4] >> 6,
                        .reg = code[4] >> 3 & 7,
                        .rm = code[4] & 7,
                        .bytes = 5};
    if (in->mod != 3)
        decode_address(code, registers, in);
    return true;
}

static bool perform(const instruction *in)
{
    void *memory = (void *)in->address; // NOLINT(performance-no-int-to-ptr)
    unsigned what = in->opcode << 8 | in->prefix << 4 | (in->mod == 3 ? 1 : 0);
    switch (what) {
    case OP_STATE << 8 | PREFIX_NONE << 4:
        emulated_configure(memory);
        return true;
    case OP_STATE << 8 | PREFIX_NONE << 4 | 1:
        emulated_release();
        return true;
    case OP_STATE << 8 | PREFIX_F2 << 4 | 1:
        emulated_zero(in->reg);
        return true;
    case OP_MOVE << 8 | PREFIX_F2 << 4:
        emulated_load(in->reg, memory, in->stride);
        return true;
    case OP_MOVE << 8 | PREFIX_F3 << 4:
        emulated_store(in->reg, memory, in->stride);
        return true;
    case OP_BF16 << 8 | PREFIX_F3 << 4 | 1:
        emulated_multiply(in->reg, in->rm, in->third);
        return true;
    default:
        return false;
    }
}

/* What is no tile instruction runs again, under the handler that was there before. */
static void on_illegal(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    instruction in;
    if (decode(registers, &in) && perform(&in)) {
        registers[REG_RIP] += (greg_t)in.bytes;
        done++;
    } else {
        (void)sigaction(SIGILL, &before, NULL);
    }
}

void amx_trap_begin(void)
{
    struct sigaction action = {.sa_sigaction = on_illegal, .sa_flags = SA_SIGINFO};
    done = 0;
    (void)sigaction(SIGILL, &action, &before);
}

size_t amx_trap_end(void)
{
    (void)sigaction(SIGILL, &before, NULL);
    return done;
}

#endif
