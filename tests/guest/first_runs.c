// Code that is executed for the first, second and third time: signals, faults and exclusives must
// find the same state whether code is interpreted or translated, and also halfway between.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { kCodeBytes = 1 << 20, kTimes = 4 };

static uint32_t *code, *next_word;

// Instructions to be copied: name_code to name_end.
#define CODE(name, text)                                                                           \
    extern const char name##_code[], name##_end[];                                                 \
    __asm__(".text\n\t.balign 4\n\t.globl " #name "_code, " #name "_end\n" #name "_code:\n\t" text \
            "\n" #name "_end:\n\t.previous\n")

// A copy of code where nothing has been executed yet.
static void* copy_of(const char* from, const char* end) {
    const unsigned count = (unsigned)(end - from) / 4;
    if (code == NULL || next_word + count > code + kCodeBytes / 4) {
        code = mmap(NULL, kCodeBytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(code != MAP_FAILED);
        next_word = code;
    }
    uint32_t* const copy = next_word;
    memcpy(copy, from, count * 4);
    next_word += count;
    __builtin___clear_cache((char*)copy, (char*)next_word);
    return copy;
}
#define FRESH(name) copy_of(name##_code, name##_end)

static void install(int signal, void (*handler)(int, siginfo_t*, void*)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    CHECK(sigaction(signal, &action, NULL) == 0);
}

// --- faults that a handler repairs

static struct sigcontext seen;
static uint64_t cell;

static void repair(int signal, siginfo_t* info, void* context) {
    (void)signal;
    struct sigcontext* const machine = (void*)&((ucontext_t*)context)->uc_mcontext;
    CHECK(info->si_addr == (void*)machine->regs[1]);
    seen = *machine;
    machine->regs[1] = (uintptr_t)&cell;
    machine->regs[2] += 0x100;
}

CODE(loads, "mov x2, #1\n ldr x3, [x1]\n add x2, x2, x3\n str x2, [x1]\n add x0, x0, x2\n ret");
CODE(stores, "mov x2, #1\n str x2, [x1]\n ldr x3, [x1]\n add x2, x2, x3\n add x0, x0, x2\n ret");

static void faults(void) {
    install(SIGSEGV, repair);
    char* const nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(nothing != MAP_FAILED);
    for (int round = 0; round < 300; ++round) {
        uint64_t (*const by_load)(uint64_t, void*) = FRESH(loads);
        uint64_t (*const by_store)(uint64_t, void*) = FRESH(stores);
        for (int time = 0; time < kTimes; ++time) {
            char* const address = nothing + 8 * (round % 100);
            cell = 7;
            CHECK(by_load(1000, address) == 1000 + 0x101 + 7);
            CHECK(cell == 0x101 + 7);
            CHECK(seen.pc == (uintptr_t)by_load + 4 && seen.regs[2] == 1 && seen.regs[0] == 1000);
            CHECK(seen.regs[1] == (uintptr_t)address);
            CHECK(by_store(1000, address) == 1000 + 2 * 0x101);
            CHECK(cell == 0x101);
            CHECK(seen.pc == (uintptr_t)by_store + 4 && seen.regs[2] == 1);
        }
    }
    // Outside of all mappings, and where no address can be.
    uint64_t (*const by_load)(uint64_t, void*) = FRESH(loads);
    for (int time = 0; time < kTimes; ++time) {
        cell = 1;
        CHECK(by_load(1, (void*)16) == 0x103 && seen.pc == (uintptr_t)by_load + 4);
    }
    munmap(nothing, 4096);
}

// --- signals that come at any time

static volatile sig_atomic_t ticks;

static void tick(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info, (void)context;
    ++ticks;
    uint64_t clobbered[8];
    __asm__ volatile("mov x9, #-1\n\tmov x10, x9\n\tmov x11, x9\n\tmov x12, x9\n\tcmp x9, "
                     "#1\n\tfmov d8, x9\n\tfmov d9, x9"
                     : "=m"(clobbered)::"x9", "x10", "x11", "x12", "cc", "d8", "d9");
}

// Adds 5 to x0. Flags, a vector register and others live over the ends of blocks.
CODE(chain,
     "mov x9, #1\n fmov d8, x9\n cmp x9, x9\n b.ne 1f\n add x0, x0, #1\n1: b 2f\n"
     "2: csinc x0, x0, x0, ne\n b 3f\n"
     "3: mov x10, #1\n cbz x10, 4f\n add x0, x0, x10\n4: b 5f\n"
     "5: fmov x11, d8\n add x0, x0, x11\n b.ne 6f\n add x0, x0, x9\n6: ret");

static void interruptions(void) {
    install(SIGPROF, tick);
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    ticks = 0;
    CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0);
    const long long end = now_ms() + 20000;
    unsigned runs = 0;
    while (ticks < 200 && now_ms() < end) {
        uint64_t (*const add_5)(uint64_t) = FRESH(chain);
        for (int time = 0; time < 3; ++time, ++runs) {
            CHECK(add_5(40) == 45);
        }
    }
    CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0);
    CHECK(ticks >= 20 && runs > 100);
}

// --- exclusives in two blocks, one of which was executed before

// Loads, and if x5 is 0, stores, in another block, at kStoreAt.
#define EXCLUSIVES(name, load, store)                                                              \
    CODE(name, load ", [x0]\n cbz x5, 1f\n mov x0, #0\n ret\n1: b 2f\n2: " store                   \
                    ", [x0]\n mov w0, w3\n ret")
EXCLUSIVES(byte, "ldxrb w2", "stxrb w3, w1");
EXCLUSIVES(half, "ldxrh w2", "stxrh w3, w1");
EXCLUSIVES(word, "ldxr w2", "stxr w3, w1");
EXCLUSIVES(whole, "ldxr x2", "stxr w3, x1");
EXCLUSIVES(words, "ldxp w2, w4", "stxp w3, w1, w4");
EXCLUSIVES(wholes, "ldxp x2, x4", "stxp w3, x1, x4");
enum { kStoreAt = 20 };

typedef struct {
    uint64_t status, low, high;
} Exclusive;

static Exclusive call(char* entry, void* memory, uint64_t value, uint64_t stops) {
    static _Alignas(16) const uint64_t kOnes[2] = {~0ull, ~0ull};
    register uint64_t x0 __asm__("x0") = (uintptr_t)memory;
    register uint64_t x1 __asm__("x1") = value;
    register uint64_t x5 __asm__("x5") = stops;
    Exclusive result;
    // What a wider one has left in the monitor must not count.
    __asm__ volatile("ldxp x2, x4, [%4]\n\tclrex\n\tblr %3\n\tclrex\n\tmov %1, x2\n\tmov %2, x4"
                     : "+r"(x0), "=&r"(result.low), "=&r"(result.high)
                     : "r"(entry), "r"(kOnes), "r"(x1), "r"(x5)
                     : "x2", "x3", "x4", "x30", "cc", "memory");
    result.status = x0;
    return result;
}

static void exclusives(void) {
    const struct {
        const char *code, *end;
        unsigned bytes; // of one register
    } kForms[] = {{byte_code, byte_end, 1},   {half_code, half_end, 2},
                  {word_code, word_end, 4},   {whole_code, whole_end, 8},
                  {words_code, words_end, 4}, {wholes_code, wholes_end, 8}};
    _Alignas(16) unsigned char memory[16], expected[16];
    for (unsigned form = 0; form < sizeof kForms / sizeof *kForms; ++form) {
        for (int before = 0; before < 16; ++before) { // how often each part has been executed
            char* const both = copy_of(kForms[form].code, kForms[form].end);
            for (int i = 0; i < before % 4; ++i) {
                call(both, memory, 0, 1);
            }
            for (int i = 0; i < before / 4; ++i) {
                CHECK(call(both + kStoreAt, memory, 0, 1).status == 1); // the monitor is open
            }
            for (int i = 0; i < 16; ++i) {
                memory[i] = expected[i] = (unsigned char)(0x81 + i);
            }
            const uint64_t value = 0x1122334455667788;
            const Exclusive result = call(both, memory, value, 0);
            CHECK(result.status == 0);
            CHECK(memcmp(&result.low, expected, kForms[form].bytes) == 0);
            memcpy(expected, &value, kForms[form].bytes); // of a pair the second one stays
            CHECK(memcmp(memory, expected, sizeof memory) == 0);
        }
    }
}

// --- FPSR and FPCR over blocks of both kinds

CODE(divide, "fdiv d0, d0, d1\n ret");
CODE(read_fpsr, "mrs x0, fpsr\n ret");
CODE(write_fpsr, "msr fpsr, x0\n ret");
CODE(write_fpcr, "msr fpcr, x0\n ret");

static void floating_point(void) {
    enum { kDivideByZero = 2, kInexact = 16, kUp = 1 << 22 };
    double (*warm_divide)(double, double) = FRESH(divide);
    uint64_t (*warm_read)(void) = FRESH(read_fpsr);
    void (*warm_write)(uint64_t) = FRESH(write_fpsr);
    void (*warm_mode)(uint64_t) = FRESH(write_fpcr);
    for (int i = 0; i < kTimes; ++i) {
        warm_write(0);
        warm_mode(0);
        warm_divide(1, 1);
        warm_read();
    }
    const double down = warm_divide(1, 3);
    for (int which = 0; which < 16; ++which) {
        double (*const any_divide)(double, double) = which & 1 ? warm_divide : FRESH(divide);
        uint64_t (*const any_read)(void) = which & 2 ? warm_read : FRESH(read_fpsr);
        void (*const any_write)(uint64_t) = which & 4 ? warm_write : FRESH(write_fpsr);
        void (*const any_mode)(uint64_t) = which & 8 ? warm_mode : FRESH(write_fpcr);
        any_write(0);
        CHECK(any_read() == 0);
        any_divide(1, 0);
        CHECK(any_read() == kDivideByZero);
        warm_divide(1, 3);
        CHECK(warm_read() == (kDivideByZero | kInexact));
        any_write(0);
        CHECK(warm_read() == 0);
        any_mode(kUp);
        const double up = any_divide(1, 3), warm_up = warm_divide(1, 3);
        warm_mode(0);
        CHECK(up == warm_up && up > down && warm_divide(1, 3) == down && any_divide(1, 3) == down);
    }
}

// --- code that is replaced before it was executed twice

CODE(constant, "mov x0, #0\n ret");

static void leave(int signal, siginfo_t* info, void* context) {
    const struct sigcontext* const machine = (void*)&((ucontext_t*)context)->uc_mcontext;
    _exit(signal == SIGSEGV && info->si_addr == (void*)machine->pc ? 3 : 4);
}

static void replaced_code(void) {
    uint64_t (*const function)(void) = FRESH(constant);
    const uint32_t first = *(const uint32_t*)constant_code;
    for (unsigned n = 0; n < 2000; ++n) {
        *(uint32_t*)function = first | n << 5;
        __builtin___clear_cache((char*)function, (char*)function + 4);
        for (unsigned i = 0; i <= n % 3; ++i) {
            CHECK(function() == n);
        }
    }
    // Unmapped, and mapped anew: a fetch fault in between.
    install(SIGSEGV, leave);
    for (int i = 0; i < 3; ++i) {
        char* const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(page, constant_code, 8);
        *(uint32_t*)page = first | (unsigned)i << 5;
        __builtin___clear_cache(page, page + 8);
        CHECK(((uint64_t(*)(void))page)() == (uint64_t)i);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(munmap(page, 4096) == 0);
            ((uint64_t(*)(void))page)();
            _exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
        CHECK(munmap(page, 4096) == 0);
    }
}

// --- threads that meet the same new code, and children that are forked meanwhile

static pthread_barrier_t barrier;
static uint64_t (*volatile shared)(uint64_t);
static volatile int last;

CODE(steps,
     "add x0, x0, #1\n b 1f\n1: add x0, x0, #2\n b 2f\n2: add x0, x0, #3\n b 3f\n3: add x0, x0, "
     "#1\n ret");

static void* meet(void* argument) {
    (void)argument;
    for (;;) {
        pthread_barrier_wait(&barrier);
        if (last) {
            return NULL;
        }
        for (int i = 0; i < 3; ++i) {
            CHECK(shared(5) == 12);
        }
        pthread_barrier_wait(&barrier);
    }
}

static void threads_and_children(void) {
    enum { kThreads = 4, kRounds = 300 };
    pthread_t threads[kThreads];
    CHECK(pthread_barrier_init(&barrier, NULL, kThreads + 1) == 0);
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_create(&threads[i], NULL, meet, NULL) == 0);
    }
    for (int round = 0; round < kRounds; ++round) {
        shared = FRESH(steps);
        pthread_barrier_wait(&barrier);
        if (round % 10 == 0) {
            const pid_t child = fork();
            if (child == 0) {
                for (int i = 0; i < 3; ++i) {
                    uint64_t (*const own)(uint64_t) = FRESH(steps);
                    CHECK(own(1) == 8 && shared(5) == 12 && own(1) == 8);
                }
                _exit(9);
            }
            int status;
            CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                  WEXITSTATUS(status) == 9);
        }
        pthread_barrier_wait(&barrier);
    }
    last = 1;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < kThreads; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

int main(void) {
    RUN(faults);
    RUN(interruptions);
    RUN(exclusives);
    RUN(floating_point);
    RUN(replaced_code);
    RUN(threads_and_children);
    return 0;
}
