// Synchronous signals: what siginfo and the frame say, and handlers that repair and resume.
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

siginfo_t info_seen;
struct sigcontext context_seen;
uint64_t esr_seen;
static sigjmp_buf landing;

static uint64_t find_esr(struct sigcontext* context) {
    struct _aarch64_ctx* head = (void*)context->__reserved;
    for (; head->magic != 0; head = (void*)((char*)head + head->size)) {
        if (head->magic == ESR_MAGIC) {
            return ((struct esr_context*)head)->esr;
        }
    }
    return 0;
}

static void look(int signal, siginfo_t* info, void* context) {
    (void)signal;
    info_seen = *info;
    struct sigcontext* machine = (void*)&((ucontext_t*)context)->uc_mcontext;
    memcpy(&context_seen, machine, sizeof context_seen);
    esr_seen = find_esr(machine);
    siglongjmp(landing, 1);
}

static void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(signal, &action, NULL) == 0);
}

#define FAULTS(statement)                                                                          \
    do {                                                                                           \
        if (sigsetjmp(landing, 1) == 0) {                                                          \
            statement;                                                                             \
            CHECK(!"no fault");                                                                    \
        }                                                                                          \
    } while (0)

static volatile char* page;
enum { kPage = 4096 };

static void data_faults(void) {
    install(SIGSEGV, look);
    page = mmap(NULL, 2 * kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap((void*)(page + kPage), kPage);
    FAULTS(page[kPage + 5]);
    CHECK(info_seen.si_signo == SIGSEGV && info_seen.si_code == SEGV_MAPERR);
    CHECK(info_seen.si_addr == page + kPage + 5);
    CHECK(context_seen.fault_address == (uintptr_t)page + kPage + 5);
    CHECK(esr_seen >> 26 == 0x24 && !(esr_seen & 0x40)); // data abort from a lower level, read
    FAULTS(page[7] = 1);
    CHECK(info_seen.si_code == SEGV_ACCERR && info_seen.si_addr == page + 7);
    CHECK(esr_seen >> 26 == 0x24 && (esr_seen & 0x40)); // write
    mprotect((void*)page, kPage, PROT_NONE);
    FAULTS(page[9]);
    CHECK(info_seen.si_code == SEGV_ACCERR && info_seen.si_addr == page + 9);
}

static void every_access_is_precise(void) {
    // The faulting instruction has changed nothing: base register write-back, pairs, vectors.
    mprotect((void*)page, kPage, PROT_READ | PROT_WRITE);
    char* const last = (char*)page + kPage - 8;
    if (sigsetjmp(landing, 1) == 0) {
        asm volatile("mov x19, %[address]\n mov x20, #77\n ldp x21, x20, [x19], #16\n"
                     :: [address] "r"(last)
                     : "x19", "x20", "x21", "memory");
        CHECK(!"no fault");
    }
    CHECK(context_seen.regs[19] == (uintptr_t)last && context_seen.regs[20] == 77);
    CHECK(info_seen.si_addr == last + 8 || info_seen.si_addr == last);
    if (sigsetjmp(landing, 1) == 0) {
        asm volatile("mov x19, %[address]\n stp x20, x20, [x19, #16]!\n"
                     :: [address] "r"(last - 8)
                     : "x19", "memory");
        CHECK(!"no fault");
    }
    CHECK(context_seen.regs[19] == (uintptr_t)last - 8);
    if (sigsetjmp(landing, 1) == 0) {
        asm volatile("mov x19, %[address]\n movi v9.16b, #3\n ld1 {v8.16b, v9.16b}, [x19], #32\n"
                     :: [address] "r"(last - 8)
                     : "x19", "v8", "v9", "memory");
        CHECK(!"no fault");
    }
    CHECK(context_seen.regs[19] == (uintptr_t)last - 8);
}

static void fetch_faults(void) {
    install(SIGSEGV, look);
    void (*function)(void);
    const volatile uintptr_t nowhere = 0x1000;
    function = (void (*)(void))nowhere;
    FAULTS(function());
    CHECK(info_seen.si_code == SEGV_MAPERR && info_seen.si_addr == (void*)0x1000);
    CHECK(context_seen.pc == 0x1000 && esr_seen >> 26 == 0x20); // instruction abort
    function = (void (*)(void))(uintptr_t)page;
    mprotect((void*)page, kPage, PROT_READ | PROT_WRITE);
    *(volatile uint32_t*)page = 0xd65f03c0; // ret
    FAULTS(function());
    CHECK(info_seen.si_code == SEGV_ACCERR && info_seen.si_addr == page);
    mprotect((void*)page, kPage, PROT_READ | PROT_EXEC);
    __builtin___clear_cache((char*)page, (char*)page + 4);
    function();
    mprotect((void*)page, kPage, PROT_READ);
    FAULTS(function());
    CHECK(info_seen.si_code == SEGV_ACCERR && info_seen.si_addr == page);
}

static void misaligned_pc(void) {
    install(SIGBUS, look);
    const volatile uintptr_t odd = (uintptr_t)&misaligned_pc + 2;
    FAULTS(((void (*)(void))odd)());
    CHECK(info_seen.si_signo == SIGBUS && info_seen.si_code == BUS_ADRALN);
    CHECK(info_seen.si_addr == (void*)odd && context_seen.pc == odd);
}

static void beyond_the_file(void) {
    install(SIGBUS, look);
    FILE* file = tmpfile();
    CHECK(file && ftruncate(fileno(file), 10) == 0);
    volatile char* map = mmap(NULL, 2 * kPage, PROT_READ, MAP_SHARED, fileno(file), 0);
    CHECK(map != MAP_FAILED && map[0] == 0);
    FAULTS(map[kPage + 1]);
    CHECK(info_seen.si_signo == SIGBUS && info_seen.si_code == BUS_ADRERR);
    CHECK(info_seen.si_addr == map + kPage + 1);
    munmap((void*)map, 2 * kPage);
    fclose(file);
}

static void undefined_and_breakpoint(void) {
    install(SIGILL, look);
    install(SIGTRAP, look);
    uintptr_t at = 0;
    if (sigsetjmp(landing, 1) == 0) {
        asm volatile("adr %0, 1f\n 1: udf #7" : "=r"(at));
        CHECK(!"no fault");
    }
    CHECK(info_seen.si_signo == SIGILL && info_seen.si_code == ILL_ILLOPC);
    CHECK(info_seen.si_addr == (void*)context_seen.pc);
    FAULTS(asm volatile("brk #42"));
    CHECK(info_seen.si_signo == SIGTRAP && info_seen.si_code == TRAP_BRKPT);
    CHECK(info_seen.si_addr == (void*)context_seen.pc);
}

// --- repair and resume

static volatile int repairs;
static void unprotect(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    ++repairs;
    CHECK(mprotect((void*)((uintptr_t)info->si_addr & -4096L), kPage, PROT_READ | PROT_WRITE) == 0);
}

static void repair_and_resume(void) {
    install(SIGSEGV, unprotect);
    enum { kPages = 64 };
    char* area = mmap(NULL, kPages * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    repairs = 0;
    for (int i = 0; i < kPages * kPage; ++i) {
        area[i] = (char)i;
    }
    CHECK(repairs == kPages);
    long sum = 0;
    for (int i = 0; i < kPages * kPage; ++i) {
        sum += (unsigned char)area[i];
    }
    CHECK(sum == 255L * 128 * kPages * (kPage / 256));
    munmap(area, kPages * kPage);
}

static void skip_instruction(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    struct sigcontext* machine = (void*)&((ucontext_t*)context)->uc_mcontext;
    machine->pc += 4;
    machine->regs[0] = 1234;
    ++repairs;
}

static long probe(volatile long* address) {
    long value;
    asm volatile("mov x0, %1\n ldr x0, [x0]\n mov %0, x0" : "=r"(value) : "r"(address) : "x0", "memory");
    return value;
}

static void skip_and_resume(void) {
    install(SIGSEGV, skip_instruction);
    install(SIGILL, skip_instruction);
    install(SIGTRAP, skip_instruction);
    repairs = 0;
    for (int i = 0; i < 20000; ++i) {
        CHECK(probe((volatile long*)16) == 1234);
    }
    asm volatile("udf #0" ::: "x0");
    asm volatile("brk #0" ::: "x0");
    CHECK(repairs == 20002);
}

static char alt[65536];
static void deep(int depth) {
    volatile char here[1024];
    here[0] = (char)depth;
    if (depth > 0) {
        deep(depth - 1);
    }
    here[1] = here[0];
}
static void stack_overflow(void) {
    const stack_t stack = {.ss_sp = alt, .ss_size = sizeof alt};
    CHECK(sigaltstack(&stack, NULL) == 0);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = look;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    FAULTS(deep(1 << 20));
    CHECK(info_seen.si_signo == SIGSEGV);
    FAULTS(deep(1 << 20)); // and again
    CHECK(info_seen.si_signo == SIGSEGV);
}

static void system_calls_fault_softly(void) {
    int fds[2];
    const volatile uintptr_t bad = 16;
    install(SIGSEGV, look);
    CHECK(pipe(fds) == 0);
    CHECK(write(fds[1], (void*)bad, 1) < 0 && errno == EFAULT);
    CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8) < 0 && errno == EFAULT);
    CHECK(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad, 8) < 0 && errno == EFAULT);
    CHECK(syscall(SYS_rt_sigsuspend, bad, 8) < 0 && errno == EFAULT);
}

// What crash handlers do: the same siginfo to the same thread once more.
static void resend(void) {
    install(SIGSEGV, look);
    const volatile uintptr_t bad = 0x2008;
    FAULTS(*(volatile char*)bad = 1);
    siginfo_t info = info_seen;
    CHECK(info.si_code == SEGV_MAPERR);
    memset(&info_seen, 0, sizeof info_seen);
    FAULTS(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV, &info));
    CHECK(info_seen.si_code == SEGV_MAPERR && info_seen.si_addr == (void*)bad);
}

// Addresses of the kernel have no tag: not even si_addr hides their upper byte. (Of those that are
// not canonical on the host it says nothing: runtime/user/thread.cpp.)
static void kernel_addresses(void) {
    install(SIGSEGV, look);
    static const uintptr_t kAddresses[] = {(uintptr_t)-8, 0xffff800000000010};
    for (unsigned i = 0; i < 2; ++i) {
        const volatile uintptr_t at = kAddresses[i];
        FAULTS(*(volatile char*)at);
        CHECK(info_seen.si_code == SEGV_MAPERR && info_seen.si_addr == (void*)at);
    }
}

// Tables of branch targets have an entry for every address, when a target has been forgotten, too.
static void branch_to_the_last_address(void) {
    enum { kBytes = 1 << 15 };
    const uint32_t ret = 0xd65f03c0;
    char* const code = mmap(NULL, kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    // One of them has the last entry of a table of 4096, and one that of a table of 1024.
    for (int at = 0xffc; at < kBytes; at += 4096) {
        *(uint32_t*)(code + at) = ret;
        __builtin___clear_cache(code + at, code + at + 4);
        void (*volatile function)(void) = (void (*)(void))(code + at);
        for (int i = 0; i < 100; ++i) {
            function();
        }
        __builtin___clear_cache(code + at, code + at + 4);
    }
    install(SIGBUS, look);
    void (*volatile nowhere)(void) = (void (*)(void))~0ul;
    FAULTS(nowhere());
    CHECK(info_seen.si_code == BUS_ADRALN && info_seen.si_addr == (void*)~0ul);
    CHECK(munmap(code, kBytes) == 0);
}

static uint64_t frame_at;
static void spoil_frame(int signal, siginfo_t* info, void* context) {
    (void)signal;
    ((struct sigcontext*)&((ucontext_t*)context)->uc_mcontext)->pstate |= 0x80; // interrupts masked
    frame_at = (uintptr_t)info;
}

// The kernel says that there is a mapping above the stack pointer, not what is wrong.
static void spoiled_frame(void) {
    install(SIGSEGV, look);
    install(SIGUSR1, spoil_frame);
    FAULTS(raise(SIGUSR1));
    CHECK(info_seen.si_code == SEGV_ACCERR && info_seen.si_addr == (void*)frame_at);
    CHECK(context_seen.sp == frame_at);
}

int main(void) {
    RUN(data_faults);
    RUN(every_access_is_precise);
    RUN(fetch_faults);
    RUN(misaligned_pc);
    RUN(beyond_the_file);
    RUN(undefined_and_breakpoint);
    RUN(repair_and_resume);
    RUN(skip_and_resume);
    RUN(stack_overflow);
    RUN(system_calls_fault_softly);
    RUN(resend);
    RUN(kernel_addresses);
    RUN(branch_to_the_last_address);
    RUN(spoiled_frame);
    return 0;
}
