// Runs fuzz cases from standard input on whatever executes this Arm program, and writes the results to
// standard output. One process serves thousands of cases.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "case.h"

// Loads every register from `in`, jumps to `code`, which ends by jumping to fuzz_leave, and stores every
// register to fuzz_out.
void fuzz_enter(const struct FuzzState* in, void* code);
void fuzz_leave(void);
struct FuzzState fuzz_out;
struct FuzzState fuzz_c_state; // callee-saved registers of the C code

__asm__(
    ".text\n.global fuzz_enter\nfuzz_enter:\n"
    "  adrp x2, fuzz_c_state\n  add x2, x2, :lo12:fuzz_c_state\n"
    "  stp x19, x20, [x2, #152]\n  stp x21, x22, [x2, #168]\n  stp x23, x24, [x2, #184]\n"
    "  stp x25, x26, [x2, #200]\n  stp x27, x28, [x2, #216]\n  stp x29, x30, [x2, #232]\n"
    "  mov x3, sp\n  str x3, [x2, #248]\n"
    "  stp d8, d9, [x2, #256]\n  stp d10, d11, [x2, #272]\n  stp d12, d13, [x2, #288]\n  stp d14, d15, [x2, #304]\n"
    "  msr tpidr_el0, x1\n" // the C library's thread pointer is restored by fuzz_run
    "  add x2, x0, #256\n"
    "  ldp q0, q1, [x2]\n  ldp q2, q3, [x2, #32]\n  ldp q4, q5, [x2, #64]\n  ldp q6, q7, [x2, #96]\n"
    "  ldp q8, q9, [x2, #128]\n  ldp q10, q11, [x2, #160]\n  ldp q12, q13, [x2, #192]\n  ldp q14, q15, [x2, #224]\n"
    "  ldp q16, q17, [x2, #256]\n  ldp q18, q19, [x2, #288]\n  ldp q20, q21, [x2, #320]\n  ldp q22, q23, [x2, #352]\n"
    "  ldp q24, q25, [x2, #384]\n  ldp q26, q27, [x2, #416]\n  ldp q28, q29, [x2, #448]\n  ldp q30, q31, [x2, #480]\n"
    "  ldr x3, [x2, #512]\n  lsl x3, x3, #28\n  msr nzcv, x3\n"
    "  ldr x3, [x2, #520]\n  msr fpcr, x3\n  ldr x3, [x2, #528]\n  msr fpsr, x3\n"
    "  ldr x3, [x0, #248]\n  mov sp, x3\n"
    "  ldp x2, x3, [x0, #16]\n  ldp x4, x5, [x0, #32]\n  ldp x6, x7, [x0, #48]\n  ldp x8, x9, [x0, #64]\n"
    "  ldp x10, x11, [x0, #80]\n  ldp x12, x13, [x0, #96]\n  ldp x14, x15, [x0, #112]\n  ldp x16, x17, [x0, #128]\n"
    "  ldp x18, x19, [x0, #144]\n  ldp x20, x21, [x0, #160]\n  ldp x22, x23, [x0, #176]\n  ldp x24, x25, [x0, #192]\n"
    "  ldp x26, x27, [x0, #208]\n  ldp x28, x29, [x0, #224]\n  ldr x30, [x0, #240]\n  ldp x0, x1, [x0]\n"
    "  b fuzz_jump\n"
    // The code lives at a fixed address, so that no register is needed to get there.
    ".global fuzz_leave\nfuzz_leave:\n"
    "  msr tpidr_el0, x30\n"
    "  adrp x30, fuzz_out\n  add x30, x30, :lo12:fuzz_out\n"
    "  stp x0, x1, [x30]\n  stp x2, x3, [x30, #16]\n  stp x4, x5, [x30, #32]\n  stp x6, x7, [x30, #48]\n"
    "  stp x8, x9, [x30, #64]\n  stp x10, x11, [x30, #80]\n  stp x12, x13, [x30, #96]\n  stp x14, x15, [x30, #112]\n"
    "  stp x16, x17, [x30, #128]\n  stp x18, x19, [x30, #144]\n  stp x20, x21, [x30, #160]\n  stp x22, x23, [x30, #176]\n"
    "  stp x24, x25, [x30, #192]\n  stp x26, x27, [x30, #208]\n  stp x28, x29, [x30, #224]\n"
    "  mrs x0, tpidr_el0\n  str x0, [x30, #240]\n  mov x0, sp\n  str x0, [x30, #248]\n"
    "  mrs x0, nzcv\n  lsr x0, x0, #28\n  str x0, [x30, #768]\n  mrs x0, fpcr\n  str x0, [x30, #776]\n"
    "  mrs x0, fpsr\n  str x0, [x30, #784]\n  msr fpcr, xzr\n  add x30, x30, #256\n"
    "  stp q0, q1, [x30]\n  stp q2, q3, [x30, #32]\n  stp q4, q5, [x30, #64]\n  stp q6, q7, [x30, #96]\n"
    "  stp q8, q9, [x30, #128]\n  stp q10, q11, [x30, #160]\n  stp q12, q13, [x30, #192]\n  stp q14, q15, [x30, #224]\n"
    "  stp q16, q17, [x30, #256]\n  stp q18, q19, [x30, #288]\n  stp q20, q21, [x30, #320]\n  stp q22, q23, [x30, #352]\n"
    "  stp q24, q25, [x30, #384]\n  stp q26, q27, [x30, #416]\n  stp q28, q29, [x30, #448]\n  stp q30, q31, [x30, #480]\n"
    "  adrp x2, fuzz_c_state\n  add x2, x2, :lo12:fuzz_c_state\n"
    "  ldp x19, x20, [x2, #152]\n  ldp x21, x22, [x2, #168]\n  ldp x23, x24, [x2, #184]\n"
    "  ldp x25, x26, [x2, #200]\n  ldp x27, x28, [x2, #216]\n  ldp x29, x30, [x2, #232]\n"
    "  ldr x3, [x2, #248]\n  mov sp, x3\n"
    "  ldp d8, d9, [x2, #256]\n  ldp d10, d11, [x2, #272]\n  ldp d12, d13, [x2, #288]\n  ldp d14, d15, [x2, #304]\n"
    "  ret\n"
    ".global fuzz_jump\n.set fuzz_jump, 0x10000000\n");

static sigjmp_buf after_fault;
static struct FuzzResult result;
static unsigned long thread_pointer;

static void on_fault(int signal, siginfo_t* info, void* context) {
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(thread_pointer));
    const mcontext_t* m = &((const ucontext_t*)context)->uc_mcontext;
    result.signal = (uint32_t)signal;
    result.code = (uint32_t)info->si_code;
    result.pc = m->pc;
    result.address = (uint64_t)info->si_addr;
    memcpy(result.state.x, m->regs, sizeof m->regs);
    result.state.sp = m->sp;
    result.state.nzcv = m->pstate >> 28;
    const struct fpsimd_context* fp = (const struct fpsimd_context*)m->__reserved;
    memcpy(result.state.v, fp->vregs, sizeof result.state.v);
    result.state.fpsr = fp->fpsr;
    result.state.fpcr = fp->fpcr;
    __asm__ volatile("msr fpcr, xzr");
    siglongjmp(after_fault, 1);
}

static int read_all(void* to, size_t bytes) {
    for (size_t got = 0; got < bytes;) {
        const ssize_t n = read(0, (char*)to + got, bytes - got);
        if (n <= 0) {
            return 0;
        }
        got += (size_t)n;
    }
    return 1;
}

int main(void) {
    uint32_t* code = mmap((void*)FUZZ_CODE_ADDRESS, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    uint8_t* data = mmap((void*)FUZZ_DATA_ADDRESS, kDataBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code == MAP_FAILED || data == MAP_FAILED) {
        perror("peer_harness: mmap");
        return 1;
    }
    static char stack[65536];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (const int* s = (const int[]){SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, 0}; *s; ++s) {
        sigaction(*s, &action, NULL);
    }
    __asm__("mrs %0, tpidr_el0" : "=r"(thread_pointer));

    struct FuzzCase test;
    while (read_all(&test, sizeof test)) {
        memcpy(code, test.words, test.count * 4u);
        // Leaves by LDR/BR-free means: a plain branch, in range because both are in the low 128 MiB.
        const int64_t distance = (int64_t)(uintptr_t)&fuzz_leave - (int64_t)(uintptr_t)&code[test.count];
        code[test.count] = 0x14000000u | ((uint32_t)(distance >> 2) & 0x03ffffffu);
        __builtin___clear_cache((char*)code, (char*)(code + test.count + 1));
        fill_data(data, test.data_seed);
        memset(&result, 0, sizeof result);
        if (sigsetjmp(after_fault, 1) == 0) {
            fuzz_enter(&test.state, code);
            __asm__ volatile("msr tpidr_el0, %0" ::"r"(thread_pointer) : "memory");
            result.state = fuzz_out;
        }
        result.data_hash = hash_data(data);
        if (write(1, &result, sizeof result) != (ssize_t)sizeof result) {
            return 1;
        }
    }
    return 0;
}
