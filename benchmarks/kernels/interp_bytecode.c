// A bytecode interpreter with computed goto: one indirect branch per three or four instructions.
#include "kernel.h"
enum { ADD, SUB, MUL, LOADI, JNZ, MOV, XOR, HALT };
typedef struct {
    uint8_t op, a, b, c;
    int32_t imm;
} Insn;
static const Insn program[] = {
    {LOADI, 0, 0, 0, 20000000}, {LOADI, 1, 0, 0, 1}, {LOADI, 2, 0, 0, 3}, {LOADI, 3, 0, 0, 0},
    {ADD, 3, 3, 2, 0}, {MUL, 4, 3, 2, 0}, {XOR, 5, 3, 0, 0}, {SUB, 0, 0, 1, 0}, {MOV, 2, 5, 0, 0}, {JNZ, 0, 0, 0, -5},
    {HALT, 0, 0, 0, 0},
};
uint64_t kernel(void) {
    static const void* const labels[] = {&&add, &&sub, &&mul, &&loadi, &&jnz, &&mov, &&xor_, &&halt};
    uint64_t r[8] = {0};
    const Insn* pc = program;
#define NEXT goto* labels[pc->op]
    NEXT;
add: r[pc->a] = r[pc->b] + r[pc->c]; ++pc; NEXT;
sub: r[pc->a] = r[pc->b] - r[pc->c]; ++pc; NEXT;
mul: r[pc->a] = r[pc->b] * r[pc->c]; ++pc; NEXT;
loadi: r[pc->a] = (uint64_t)(int64_t)pc->imm; ++pc; NEXT;
jnz: pc += r[pc->a] ? pc->imm : 1; NEXT;
mov: r[pc->a] = r[pc->b]; ++pc; NEXT;
xor_: r[pc->a] = r[pc->b] ^ r[pc->c]; ++pc; NEXT;
halt: return mix(r[3], r[5]);
}
