// Runs batches of programs (tests/insn/machine.h) on whatever executes this Arm program: a byte on standard
// input starts the batch that is in the shared file, a byte on standard output says that it is done.
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

#include "../insn/machine.h"

// Loads every register from `in` and jumps to program `slot`, which ends by jumping to the leave page and
// from there to MACHINE_OUT, which stores every register to machine_out.
void machine_enter(const struct MachineState* in, uint64_t slot);
struct MachineState machine_out;
struct MachineState machine_c_state; // callee-saved registers of the C code
uint64_t machine_thread_pointer;

// The leave path needs one place for X30 that a program cannot see: TPIDR2_EL0 (FEAT_SME).
#define HIDDEN "S3_3_C13_C0_5"
// Of the rest of PSTATE, a program may change this (FEAT_DIT, FEAT_SSBS, FEAT_MTE).
#define DIT "S3_3_C4_C2_5"
#define SSBS "S3_3_C4_C2_6"
#define TCO "S3_3_C4_C2_7"

__asm__(
    ".text\n.global machine_enter\nmachine_enter:\n"
    "  adrp x2, machine_c_state\n  add x2, x2, :lo12:machine_c_state\n"
    "  stp x19, x20, [x2, #152]\n  stp x21, x22, [x2, #168]\n  stp x23, x24, [x2, #184]\n"
    "  stp x25, x26, [x2, #200]\n  stp x27, x28, [x2, #216]\n  stp x29, x30, [x2, #232]\n"
    "  mov x3, sp\n  str x3, [x2, #248]\n"
    "  stp d8, d9, [x2, #256]\n  stp d10, d11, [x2, #272]\n  stp d12, d13, [x2, #288]\n  stp d14, d15, [x2, #304]\n"
    "  adr x3, machine_slots\n  add x1, x3, x1, lsl #3\n"
    "  add x2, x0, #256\n"
    "  ldp q0, q1, [x2]\n  ldp q2, q3, [x2, #32]\n  ldp q4, q5, [x2, #64]\n  ldp q6, q7, [x2, #96]\n"
    "  ldp q8, q9, [x2, #128]\n  ldp q10, q11, [x2, #160]\n  ldp q12, q13, [x2, #192]\n  ldp q14, q15, [x2, #224]\n"
    "  ldp q16, q17, [x2, #256]\n  ldp q18, q19, [x2, #288]\n  ldp q20, q21, [x2, #320]\n  ldp q22, q23, [x2, #352]\n"
    "  ldp q24, q25, [x2, #384]\n  ldp q26, q27, [x2, #416]\n  ldp q28, q29, [x2, #448]\n  ldp q30, q31, [x2, #480]\n"
    "  ldr x3, [x2, #512]\n  lsl x3, x3, #28\n  msr nzcv, x3\n"
    "  ldr x3, [x2, #520]\n  msr fpcr, x3\n  ldr x3, [x2, #528]\n  msr fpsr, x3\n"
    "  ldr x3, [x2, #536]\n  msr tpidr_el0, x3\n"
    "  msr " DIT ", xzr\n  msr " SSBS ", xzr\n  msr " TCO ", xzr\n"
    "  ldr x3, [x0, #248]\n  mov sp, x3\n  clrex\n"
    "  ldp x2, x3, [x0, #16]\n  ldp x4, x5, [x0, #32]\n  ldp x6, x7, [x0, #48]\n  ldp x8, x9, [x0, #64]\n"
    "  ldp x10, x11, [x0, #80]\n  ldp x12, x13, [x0, #96]\n  ldp x14, x15, [x0, #112]\n  ldp x16, x17, [x0, #128]\n"
    "  ldp x18, x19, [x0, #144]\n  ldp x20, x21, [x0, #160]\n  ldp x22, x23, [x0, #176]\n  ldp x24, x25, [x0, #192]\n"
    "  ldp x26, x27, [x0, #208]\n  ldp x28, x29, [x0, #224]\n  ldr x30, [x0, #240]\n"
    "  br x1\n"
    // A way into each program that needs no register. The linker defines machine_code as MACHINE_CODE.
    "machine_slots:\n  .set slot, 0\n  .rept 16\n  ldp x0, x1, [x0]\n  b machine_code + slot\n  .set slot, slot + 4096\n  .endr\n"
    ".section .machine_out, \"ax\"\n" // which the linker puts at MACHINE_OUT
    "  msr " HIDDEN ", x30\n"
    "  adrp x30, machine_out\n  add x30, x30, :lo12:machine_out\n"
    "  stp x0, x1, [x30]\n  stp x2, x3, [x30, #16]\n  stp x4, x5, [x30, #32]\n  stp x6, x7, [x30, #48]\n"
    "  stp x8, x9, [x30, #64]\n  stp x10, x11, [x30, #80]\n  stp x12, x13, [x30, #96]\n  stp x14, x15, [x30, #112]\n"
    "  stp x16, x17, [x30, #128]\n  stp x18, x19, [x30, #144]\n  stp x20, x21, [x30, #160]\n  stp x22, x23, [x30, #176]\n"
    "  stp x24, x25, [x30, #192]\n  stp x26, x27, [x30, #208]\n  stp x28, x29, [x30, #224]\n"
    "  mrs x0, " HIDDEN "\n  str x0, [x30, #240]\n  mov x0, sp\n  str x0, [x30, #248]\n"
    "  mrs x0, nzcv\n  lsr x0, x0, #28\n  str x0, [x30, #768]\n  mrs x0, fpcr\n  str x0, [x30, #776]\n"
    "  mrs x0, fpsr\n  str x0, [x30, #784]\n  msr fpcr, xzr\n"
    "  mrs x0, tpidr_el0\n  str x0, [x30, #792]\n"
    "  adrp x1, machine_thread_pointer\n  ldr x1, [x1, :lo12:machine_thread_pointer]\n  msr tpidr_el0, x1\n"
    "  add x30, x30, #256\n"
    "  stp q0, q1, [x30]\n  stp q2, q3, [x30, #32]\n  stp q4, q5, [x30, #64]\n  stp q6, q7, [x30, #96]\n"
    "  stp q8, q9, [x30, #128]\n  stp q10, q11, [x30, #160]\n  stp q12, q13, [x30, #192]\n  stp q14, q15, [x30, #224]\n"
    "  stp q16, q17, [x30, #256]\n  stp q18, q19, [x30, #288]\n  stp q20, q21, [x30, #320]\n  stp q22, q23, [x30, #352]\n"
    "  stp q24, q25, [x30, #384]\n  stp q26, q27, [x30, #416]\n  stp q28, q29, [x30, #448]\n  stp q30, q31, [x30, #480]\n"
    "  adrp x2, machine_c_state\n  add x2, x2, :lo12:machine_c_state\n"
    "  ldp x19, x20, [x2, #152]\n  ldp x21, x22, [x2, #168]\n  ldp x23, x24, [x2, #184]\n"
    "  ldp x25, x26, [x2, #200]\n  ldp x27, x28, [x2, #216]\n  ldp x29, x30, [x2, #232]\n"
    "  ldr x3, [x2, #248]\n  mov sp, x3\n"
    "  ldp d8, d9, [x2, #256]\n  ldp d10, d11, [x2, #272]\n  ldp d12, d13, [x2, #288]\n  ldp d14, d15, [x2, #304]\n"
    "  ret\n.text\n");

static sigjmp_buf after_fault;
static struct MachineResult* result;

static void on_fault(int signal, siginfo_t* info, void* context) {
    uint64_t tpidr;
    __asm__ volatile("mrs %0, tpidr_el0\n\tmsr tpidr_el0, %1" : "=&r"(tpidr) : "r"(machine_thread_pointer));
    const mcontext_t* m = &((const ucontext_t*)context)->uc_mcontext;
    result->state.tpidr = tpidr;
    result->signal = (uint32_t)signal;
    if (signal == SIGSEGV || signal == SIGBUS) {
        result->code = (uint32_t)info->si_code;
        result->address = (uint64_t)info->si_addr;
    }
    result->pc = m->pc;
    memcpy(result->state.x, m->regs, sizeof m->regs);
    result->state.sp = m->sp;
    result->state.nzcv = m->pstate >> 28 & 15;
    const struct fpsimd_context* fp = (const struct fpsimd_context*)m->__reserved;
    while (fp->head.magic != FPSIMD_MAGIC && fp->head.magic != 0) {
        fp = (const void*)((const char*)fp + fp->head.size);
    }
    memcpy(result->state.v, fp->vregs, sizeof result->state.v);
    result->state.fpsr = fp->fpsr;
    result->state.fpcr = fp->fpcr;
    __asm__ volatile("msr fpcr, xzr");
    siglongjmp(after_fault, 1);
}

static void* map(uint64_t address, size_t bytes, int protection, int fd, uint64_t offset) {
    const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void* at = mmap((void*)address, bytes, protection, kind | (address ? MAP_FIXED_NOREPLACE : 0), fd, (off_t)offset);
    if (at == MAP_FAILED) {
        perror("peer_harness: mmap");
        _exit(1);
    }
    return at;
}

// Code is read-only at its place, as in the other process, and written through another mapping.
static uint32_t* writable_code;

static void install(uint32_t slot, const struct MachineProgram* program) {
    static uint32_t used[kPrograms];
    const uint64_t start = MACHINE_CODE + (uint64_t)slot * kCodeBytes;
    uint32_t* code = writable_code + (start - MACHINE_LEAVE) / 4;
    // Programs end by falling into a branch to the leave page, which is the same word in every process.
    const uint64_t end = start + program->count * 4u;
    memcpy(code, program->words, program->count * 4u);
    code[program->count] = machine_branch(end, MACHINE_LEAVE);
    for (uint32_t i = program->count + 1; i < used[slot]; ++i) {
        code[i] = MACHINE_BRK;
    }
    const uint32_t touched = used[slot] > program->count + 1 ? used[slot] : program->count + 1;
    used[slot] = program->count + 1;
    __builtin___clear_cache((char*)start, (char*)(start + touched * 4u));
}

static void run(struct MachineRun* one) {
    memset(&one->out, 0, sizeof one->out);
    result = &one->out;
    if (sigsetjmp(after_fault, 0) == 0) {
        machine_enter(&one->in, one->program);
        one->out.state = machine_out;
        one->out.pc = MACHINE_LEAVE;
    }
}

int main(int argc, char** argv) {
    const int fd = argc > 1 ? open(argv[1], O_RDWR) : -1;
    if (fd < 0) {
        perror("peer_harness: shared file");
        return 1;
    }
    // GCR_EL1.Exclude = 0, as on our side; what may be tagged has no tags.
    const unsigned long kSetTaggedAddressControl = 55, kAllTags = 0xfffful << 3;
    prctl((int)kSetTaggedAddressControl, kAllTags, 0, 0, 0);
    struct MachineBatch* batch = map(0, MACHINE_BATCH_BYTES, PROT_READ | PROT_WRITE, fd, 0);
    const uint64_t code_offset = MACHINE_BATCH_BYTES + MACHINE_WINDOWS_BYTES;
    writable_code = map(0, MACHINE_EXECUTABLE_BYTES, PROT_READ | PROT_WRITE, fd, code_offset);
    for (uint32_t i = 0; i < MACHINE_EXECUTABLE_BYTES / 4; ++i) {
        writable_code[i] = machine_initial_word(i);
    }
    map(MACHINE_LEAVE, MACHINE_EXECUTABLE_BYTES, PROT_READ | PROT_EXEC, fd, code_offset);
    for (uint64_t i = 0; i < kRuns; ++i) {
        const uint64_t address = MACHINE_DATA + i * kWindowStride, offset = MACHINE_BATCH_BYTES + i * kWindowBytes;
        map(address, kDataBytes, PROT_READ | PROT_WRITE, fd, offset);
        map(address + kDataBytes, kReadOnlyBytes, PROT_READ, fd, offset + kDataBytes);
    }
    static char stack[1 << 18];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    for (const int* s = (const int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, 0}; *s; ++s) {
        sigaction(*s, &action, NULL);
    }
    __asm__("mrs %0, tpidr_el0" : "=r"(machine_thread_pointer));
    __asm__("mrs %0, dczid_el0" : "=r"(batch->dczid));
    __asm__("mrs %0, ctr_el0" : "=r"(batch->ctr));
    memcpy(batch->random, (const void*)getauxval(AT_RANDOM), sizeof batch->random);

    char byte;
    uint32_t only_first = 0;
    while (read(0, &byte, 1) == 1) {
        if (batch->only_first_window != only_first) {
            only_first = batch->only_first_window;
            for (uint64_t i = 1; i < kRuns; ++i) {
                void* window = (void*)(MACHINE_DATA + i * kWindowStride);
                mprotect(window, kDataBytes, only_first ? PROT_NONE : PROT_READ | PROT_WRITE);
                mprotect((char*)window + kDataBytes, kReadOnlyBytes, only_first ? PROT_NONE : PROT_READ);
            }
        }
        for (uint32_t i = 0; i < batch->program_count; ++i) {
            install(i, &batch->programs[i]);
        }
        for (uint32_t i = 0; i < batch->run_count; ++i) {
            run(&batch->runs[i]);
        }
        if (write(1, &byte, 1) != 1) {
            return 1;
        }
    }
    return 0;
}
