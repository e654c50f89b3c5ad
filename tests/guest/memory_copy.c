// cflags: -march=armv8.6-a -Wa,-W
// FEAT_MOPS: what copies and sets do to memory and registers, faults and signals in their middle, and the kernel's
// answer to registers that another implementation has made.
#define _GNU_SOURCE
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

// For the assembler only: GCC 12's own use of these instructions loses the size.
__asm__(".arch_extension mops");

typedef struct {
    uint64_t to, from, size, nzcv;
} Operands;

#define OPERANDS(o) "+r"((o).to), "+r"((o).from), "+r"((o).size), "=r"((o).nzcv)
#define COPY3(name) name "p [%0]!, [%1]!, %2!\n" name "m [%0]!, [%1]!, %2!\n" name "e [%0]!, [%1]!, %2!\n"
#define SHOW_FLAGS "mrs %3, nzcv\n"
// All flags are set before.
#define RUN_ON(o, text)                                                                            \
    __asm__ volatile("cmn xzr, xzr\n msr nzcv, %4\n" text SHOW_FLAGS                               \
                     : OPERANDS(o) : "r"(0xf0000000ul) : "memory", "cc")

static Operands operands(const volatile void* to, const volatile void* from, uint64_t size) {
    return (Operands){(uint64_t)to, (uint64_t)from, size, 0};
}
static Operands copy_forward(volatile void* to, const volatile void* from, uint64_t size) {
    Operands o = operands(to, from, size);
    RUN_ON(o, COPY3("cpyf"));
    return o;
}
static Operands copy(volatile void* to, const volatile void* from, uint64_t size) {
    Operands o = operands(to, from, size);
    RUN_ON(o, COPY3("cpy"));
    return o;
}
static Operands set(volatile void* to, uint64_t byte, uint64_t size) {
    Operands o = operands(to, (void*)byte, size);
    RUN_ON(o, "setp [%0]!, %2!, %1\n setm [%0]!, %2!, %1\n sete [%0]!, %2!, %1\n");
    return o;
}

enum { kBytes = 3 * 4096 };
static volatile uint8_t memory[kBytes] __attribute__((aligned(4096)));
static uint8_t expected[kBytes];

static void fill(void) {
    for (unsigned i = 0; i < kBytes; ++i) {
        memory[i] = expected[i] = (uint8_t)(i * 7 + (i >> 8));
    }
}
static void expect_copy(unsigned to, unsigned from, unsigned size) {
    static uint8_t old[kBytes];
    for (unsigned i = 0; i < kBytes; ++i) {
        old[i] = expected[i];
    }
    for (unsigned i = 0; i < size; ++i) {
        expected[to + i] = old[from + i];
    }
}
static int memory_is_expected(void) {
    for (unsigned i = 0; i < kBytes; ++i) {
        if (memory[i] != expected[i]) {
            return 0;
        }
    }
    return 1;
}

static void is_advertised(void) {
    CHECK(getauxval(AT_HWCAP2) >> 43 & 1);
    uint64_t isar2;
    __asm__("mrs %0, s3_0_c0_c6_2" : "=r"(isar2));
    CHECK((isar2 >> 16 & 15) == 1);
}

static const unsigned kSizes[] = {0,  1,  2,  3,  4,  5,  7,  8,   9,   15,  16,  17,   31,   32,
                                  33, 47, 63, 64, 65, 66, 95, 127, 128, 500, 999, 4000, 4096, 4200};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void forward(void) {
    for (unsigned i = 0; i < COUNT(kSizes); ++i) {
        const unsigned size = kSizes[i];
        for (unsigned offset = 0; offset < 40; offset += 13) {
            const unsigned from = 4096 - 20 + offset, to = 4096 + 4200 - 30;
            const unsigned room = kBytes - to < size ? kBytes - to : size;
            fill();
            const Operands o = copy_forward(memory + to, memory + from, room);
            expect_copy(to, from, room);
            CHECK(memory_is_expected());
            CHECK(o.size == 0 && o.nzcv == 0);
            CHECK(o.to == (uint64_t)memory + to + room && o.from == (uint64_t)memory + from + room);
        }
    }
}

static void in_both_directions(void) {
    static const int kDistances[] = {-4000, -500, -65, -64, -33, -16, -8, -1, 0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 65, 200, 3000};
    for (unsigned i = 0; i < COUNT(kSizes); ++i) {
        for (unsigned k = 0; k < COUNT(kDistances); ++k) {
            const int from = 4096 - 10, to = from + kDistances[k], size = (int)kSizes[i];
            fill();
            const Operands o = copy(memory + to, memory + from, size);
            expect_copy(to, from, size);
            CHECK(memory_is_expected());
            const int backward = to > from && to < from + size;
            CHECK(o.size == 0 && o.nzcv == 0);
            CHECK(o.to == (uint64_t)memory + to + (backward ? 0 : size));
            CHECK(o.from == (uint64_t)memory + from + (backward ? 0 : size));
        }
    }
}

static void sets(void) {
    for (unsigned i = 0; i < COUNT(kSizes); ++i) {
        for (unsigned offset = 0; offset < 40; offset += 3) {
            const unsigned to = 4096 - 20 + offset, size = kSizes[i];
            fill();
            const Operands o = set(memory + to, 0xabcdef5a, size);
            for (unsigned n = 0; n < size; ++n) {
                expected[to + n] = 0x5a;
            }
            CHECK(memory_is_expected());
            CHECK(o.size == 0 && o.nzcv == 0 && o.to == (uint64_t)memory + to + size);
        }
    }
    fill();
    uint64_t to = (uint64_t)memory, size = 3;
    __asm__ volatile("setp [%0]!, %1!, xzr\n setm [%0]!, %1!, xzr\n sete [%0]!, %1!, xzr"
                     : "+r"(to), "+r"(size) :: "memory", "cc");
    CHECK(memory[0] == 0 && memory[1] == 0 && memory[2] == 0 && memory[3] == expected[3]);
}

static void prologues(void) {
    Operands o = operands(memory + 8, memory, ~0ul); // saturates
    RUN_ON(o, "cpyfp [%0]!, [%1]!, %2!\n");
    CHECK(o.size == -0x7ffffffffffffffful && o.to == (uint64_t)memory + 8 + 0x7ffffffffffffffful);
    o = operands(memory, memory + 8, ~0ul);
    RUN_ON(o, "cpyp [%0]!, [%1]!, %2!\n");
    CHECK(o.size == -0x007ffffffffffffful && o.nzcv == 0);
    o = operands(memory + 8, memory, 100); // from the last byte down
    RUN_ON(o, "cpyp [%0]!, [%1]!, %2!\n");
    CHECK(o.size == 100 && o.to == (uint64_t)memory + 8 && o.from == (uint64_t)memory && o.nzcv == 0);
    o = operands(memory + 8, memory, 5);
    RUN_ON(o, "setp [%0]!, %2!, %1\n");
    CHECK(o.size == -5ul && o.to == (uint64_t)memory + 13 && o.nzcv == 0);
}

// --- faults

static volatile char* pages; // three, the middle one protected
static volatile int faults;
static uint64_t fault_address, fault_pc, fault_regs[3];
extern const char copy_main[], copy_down_main[], set_main[];

static void repair(int signal, siginfo_t* info, void* context) {
    (void)signal;
    const mcontext_t* const machine = &((ucontext_t*)context)->uc_mcontext;
    ++faults;
    fault_address = (uint64_t)info->si_addr;
    fault_pc = machine->pc;
    for (int i = 0; i < 3; ++i) {
        fault_regs[i] = machine->regs[i];
    }
    if (mprotect((void*)(pages + 4096), 4096, PROT_READ | PROT_WRITE) != 0) {
        _exit(3);
    }
}

__attribute__((noinline)) static void fixed_copy(volatile void* to, const volatile void* from, uint64_t size) {
    register uint64_t x0 __asm__("x0") = (uint64_t)to, x1 __asm__("x1") = (uint64_t)from, x2 __asm__("x2") = size;
    __asm__ volatile("cpyfp [x0]!, [x1]!, x2!\n .global copy_main\ncopy_main: cpyfm [x0]!, [x1]!, x2!\n cpyfe [x0]!, [x1]!, x2!"
                     : "+r"(x0), "+r"(x1), "+r"(x2) :: "memory", "cc");
    CHECK(x2 == 0);
}
__attribute__((noinline)) static void fixed_copy_down(volatile void* to, const volatile void* from, uint64_t size) {
    register uint64_t x0 __asm__("x0") = (uint64_t)to, x1 __asm__("x1") = (uint64_t)from, x2 __asm__("x2") = size;
    __asm__ volatile("cpyp [x0]!, [x1]!, x2!\n .global copy_down_main\ncopy_down_main: cpym [x0]!, [x1]!, x2!\n cpye [x0]!, [x1]!, x2!"
                     : "+r"(x0), "+r"(x1), "+r"(x2) :: "memory", "cc");
    CHECK(x2 == 0);
}
__attribute__((noinline)) static void fixed_set(volatile void* to, uint64_t byte, uint64_t size) {
    register uint64_t x0 __asm__("x0") = (uint64_t)to, x1 __asm__("x1") = byte, x2 __asm__("x2") = size;
    __asm__ volatile("setp [x0]!, x2!, x1\n .global set_main\nset_main: setm [x0]!, x2!, x1\n sete [x0]!, x2!, x1"
                     : "+r"(x0), "+r"(x2) : "r"(x1) : "memory", "cc");
    CHECK(x2 == 0);
}

static void prepare_pages(int protection) {
    for (unsigned i = 0; i < kBytes; ++i) {
        pages[i] = expected[i] = (char)(i * 13 + (i >> 7));
    }
    faults = 0;
    CHECK(mprotect((void*)(pages + 4096), 4096, protection) == 0);
}
static void expect_pages(void) {
    CHECK(faults == 1);
    for (unsigned i = 0; i < kBytes; ++i) {
        CHECK((uint8_t)pages[i] == expected[i]);
    }
}

static void faults_are_repaired(void) {
    struct sigaction action = {.sa_sigaction = repair, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    pages = mmap(NULL, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const uint64_t middle = (uint64_t)pages + 4096;
    static uint8_t source[kBytes];
    for (unsigned i = 0; i < kBytes; ++i) {
        source[i] = (uint8_t)(i * 3 + 1);
    }
    static const unsigned kLengths[] = {7, 8, 20, 40, 64, 100, 3000};
    for (unsigned i = 0; i < COUNT(kLengths); ++i) {
        const unsigned size = kLengths[i], before = size / 2;
        // the store faults; then the load
        for (int loads = 0; loads < 2; ++loads) {
            prepare_pages(loads ? PROT_NONE : PROT_READ);
            volatile char* const edge = pages + 4096 - before;
            if (loads) {
                fixed_copy(source, edge, size);
                CHECK(memcmp(source, (char*)edge, size) == 0);
            } else {
                fixed_copy(edge, source, size);
                memcpy(expected + 4096 - before, source, size);
            }
            expect_pages();
            CHECK(fault_address == middle && fault_pc == (uint64_t)copy_main);
            CHECK(fault_regs[2] == -(uint64_t)(size - before));
            CHECK(fault_regs[loads] == (uint64_t)edge + size);
            CHECK(fault_regs[!loads] == (uint64_t)source + size);
        }
        // from the last byte down: the destination's lower part is protected
        prepare_pages(PROT_READ);
        const unsigned from = 8192 - before - 3, to = 8192 - before;
        fixed_copy_down(pages + to, pages + from, size);
        memmove(expected + to, expected + from, size);
        expect_pages();
        CHECK(fault_address == middle + 4095 && fault_pc == (uint64_t)copy_down_main);
        CHECK(fault_regs[2] == before);
        CHECK(fault_regs[0] == (uint64_t)pages + to && fault_regs[1] == (uint64_t)pages + from);
        // a set
        prepare_pages(PROT_READ);
        fixed_set(pages + 4096 - before, 0x77, size);
        memset(expected + 4096 - before, 0x77, size);
        expect_pages();
        CHECK(fault_address == middle && fault_pc == (uint64_t)set_main);
        CHECK(fault_regs[2] == -(uint64_t)(size - before));
    }
    // an overlapping copy in small steps
    prepare_pages(PROT_READ);
    fixed_copy(pages + 4000, pages + 4003, 300);
    memmove(expected + 4000, expected + 4003, 300);
    expect_pages();
    CHECK(fault_regs[2] == -204ul && fault_address == middle);
    // tags are ignored
    prepare_pages(PROT_READ | PROT_WRITE);
    fixed_copy((char*)((uint64_t)pages | 0x12ul << 56), (char*)((uint64_t)source | 0x34ul << 56), 5000);
    memcpy(expected, source, 5000);
    faults = 1;
    expect_pages();
}

// --- signals

static volatile uint64_t interrupted_at;
static volatile int stop;
static pthread_t main_thread;

static void on_signal(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)info;
    const mcontext_t* const machine = &((ucontext_t*)context)->uc_mcontext;
    if (machine->pc == (uint64_t)copy_main || machine->pc == (uint64_t)set_main ||
        machine->pc == (uint64_t)copy_down_main) {
        const uint64_t left = machine->regs[2] >> 63 ? -machine->regs[2] : machine->regs[2];
        if (left != 0 && left != 8u << 20) {
            interrupted_at = left;
        }
    }
}
static void* shoot(void* unused) {
    while (!stop) {
        pthread_kill(main_thread, SIGUSR1);
        usleep(300);
    }
    return unused;
}

static void signals_interrupt(void) {
    enum { kLarge = 8 << 20 };
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    uint8_t* const large = mmap(NULL, 2ul * kLarge + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < kLarge; i += 64) {
        large[i] = (uint8_t)(i >> 6);
        large[i + 7] = (uint8_t)(i >> 16);
    }
    main_thread = pthread_self();
    pthread_t shooter;
    for (int kind = 0; kind < 3; ++kind) {
        stop = 0;
        interrupted_at = 0;
        CHECK(pthread_create(&shooter, NULL, shoot, NULL) == 0);
        int tries = 0;
        for (; tries < 200 && interrupted_at == 0; ++tries) {
            if (kind == 0) {
                fixed_copy(large + kLarge, large, kLarge);
            } else if (kind == 1) {
                fixed_copy_down(large + 4096, large, kLarge);
                fixed_copy(large, large + 4096, kLarge);
            } else {
                fixed_set(large + kLarge, 0x33, kLarge);
            }
        }
        stop = 1;
        pthread_join(shooter, NULL);
        CHECK(interrupted_at != 0);
        for (unsigned i = 0; i < kLarge; i += 64) {
            CHECK(large[i] == (uint8_t)(i >> 6) && large[i + 7] == (uint8_t)(i >> 16));
            CHECK(kind != 2 || large[kLarge + i] == 0x33);
        }
    }
}

// --- registers of option B, as after a migration: the kernel starts over

static void kernel_restarts(void) {
    // Forward: what has been copied is behind the pointers.
    for (int epilogue = 0; epilogue < 2; ++epilogue) {
        fill();
        Operands o = operands(memory + 5000, memory + 100, 200);
        const uint64_t flags = 2ul << 28;
        if (epilogue) {
            __asm__ volatile("msr nzcv, %4\n b 1f\n cpyfp [%0]!, [%1]!, %2!\n cpyfm [%0]!, [%1]!, %2!\n"
                             "1: cpyfe [%0]!, [%1]!, %2!\n" SHOW_FLAGS
                             : OPERANDS(o) : "r"(flags) : "memory", "cc");
        } else {
            __asm__ volatile("msr nzcv, %4\n b 1f\n cpyfp [%0]!, [%1]!, %2!\n1: cpyfm [%0]!, [%1]!, %2!\n"
                             "cpyfe [%0]!, [%1]!, %2!\n" SHOW_FLAGS
                             : OPERANDS(o) : "r"(flags) : "memory", "cc");
        }
        expect_copy(5000, 100, 200);
        CHECK(memory_is_expected());
        CHECK(o.size == 0 && o.nzcv == 0 && o.to == (uint64_t)memory + 5200 && o.from == (uint64_t)memory + 300);
    }
    // Backward: the pointers are behind what has not been copied.
    fill();
    Operands o = operands(memory + 1000 + 30, memory + 1000, 30);
    __asm__ volatile("msr nzcv, %4\n b 1f\n cpyp [%0]!, [%1]!, %2!\n1: cpym [%0]!, [%1]!, %2!\n"
                     "cpye [%0]!, [%1]!, %2!\n" SHOW_FLAGS
                     : OPERANDS(o) : "r"(0xaul << 28) : "memory", "cc");
    expect_copy(1000, 970, 30);
    CHECK(memory_is_expected());
    // A set of option B.
    fill();
    o = operands(memory + 50, (void*)9, 77);
    __asm__ volatile("msr nzcv, %4\n b 1f\n setp [%0]!, %2!, %1\n1: setm [%0]!, %2!, %1\n"
                     "sete [%0]!, %2!, %1\n" SHOW_FLAGS
                     : OPERANDS(o) : "r"(2ul << 28) : "memory", "cc");
    for (unsigned i = 0; i < 77; ++i) {
        expected[50 + i] = 9;
    }
    CHECK(memory_is_expected() && o.size == 0 && o.nzcv == 0);
}

static void epilogue_alone(void) {
    fill();
    Operands o = operands(memory + 6000, memory + 30, 900);
    RUN_ON(o, "cpyfp [%0]!, [%1]!, %2!\n cpyfe [%0]!, [%1]!, %2!\n");
    expect_copy(6000, 30, 900);
    CHECK(memory_is_expected() && o.size == 0);
}

int main(void) {
    RUN(is_advertised);
    RUN(forward);
    RUN(in_both_directions);
    RUN(sets);
    RUN(prologues);
    RUN(faults_are_repaired);
    RUN(signals_interrupt);
    RUN(kernel_restarts);
    RUN(epilogue_alone);
    return 0;
}
