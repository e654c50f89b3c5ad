// cflags: -march=armv8.5-a+memtag
// With PEER in the environment it leaves out what a peer emulator is known to differ in from Linux.
// Memory tagging (FEAT_MTE2): tags of memory, checks of accesses, prctl, mappings, signals.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifndef PROT_MTE
#define PROT_MTE 0x20
#endif
#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL 55
#define PR_GET_TAGGED_ADDR_CTRL 56
#define PR_TAGGED_ADDR_ENABLE 1ul
#endif
#define SYNC (1ul << 1)
#define ASYNC (1ul << 2)
#define TAGS(mask) ((unsigned long)(mask) << 3)
#define ALL_TAGS TAGS(0xffff)
#define kExposeTagBits 0x800
enum { kRw = PROT_READ | PROT_WRITE, kPage = 4096, kPrivate = MAP_PRIVATE | MAP_ANONYMOUS };

static int peer;

static int control(unsigned long value) { return prctl(PR_SET_TAGGED_ADDR_CTRL, value, 0, 0, 0); }
static void set_control(unsigned long value) { CHECK(control(value) == 0); }

static char* map_pages(size_t pages, int protection) {
    char* at = mmap(NULL, pages * kPage, protection, kPrivate, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static char* tagged(const void* pointer, unsigned tag) {
    return (char*)(((uintptr_t)pointer & ~(0xful << 56)) | (uintptr_t)tag << 56);
}
static unsigned tag_in(const void* pointer) { return (uintptr_t)pointer >> 56 & 15; }
static char* untag(const void* pointer) { return (char*)((uintptr_t)pointer << 8 >> 8); }

static void stg(const void* pointer) { __asm__ volatile("stg %0, [%0]" : : "r"(pointer) : "memory"); }
static unsigned ldg(const void* pointer) {
    const void* result = pointer;
    __asm__ volatile("ldg %0, [%0]" : "+r"(result) : : "memory");
    return tag_in(result);
}
static void tag_range(char* pointer, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 16) {
        stg(pointer + i);
    }
}

// --- signals

static sigjmp_buf after;
static volatile sig_atomic_t raised;
static volatile int code;
static volatile uintptr_t fault_address, context_address, fault_pc;
static volatile uint64_t fault_esr, fault_pstate, handler_tco;

static void on_signal(int signal, siginfo_t* info, void* context) {
    const ucontext_t* uc = context;
    __asm__ volatile("mrs %0, tco" : "=r"(handler_tco));
    raised = signal;
    code = info->si_code;
    fault_address = (uintptr_t)info->si_addr;
    context_address = uc->uc_mcontext.fault_address;
    fault_pc = uc->uc_mcontext.pc;
    fault_pstate = uc->uc_mcontext.pstate;
    fault_esr = 0;
    const struct _aarch64_ctx* record = (const void*)uc->uc_mcontext.__reserved;
    while (record->magic != 0 && record->magic != ESR_MAGIC) {
        record = (const void*)((const char*)record + record->size);
    }
    if (record->magic == ESR_MAGIC) {
        fault_esr = ((const struct esr_context*)record)->esr;
    }
    siglongjmp(after, 1);
}

static void catch_signals(int flags) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER | flags};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK(sigaction(SIGBUS, &action, NULL) == 0);
}

// What a handler without SA_EXPOSE_TAGBITS sees.
static int fault_is_at(const char* address) {
    return fault_address == (uintptr_t)address || (peer && untag((void*)fault_address) == address);
}

// Runs the statement; what it raises is in the variables above.
#define CATCH(statement)                                                                           \
    do {                                                                                           \
        raised = 0;                                                                                \
        code = 0;                                                                                  \
        if (sigsetjmp(after, 0) == 0) {                                                            \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

// --- instructions

static void arithmetic(void) {
    set_control(ALL_TAGS);
    char* const base = (char*)0x0300123456789ab0ul;
    char *result, *other;
    uint64_t flags, mask;
    __asm__("addg %0, %1, #32, #2" : "=r"(result) : "r"(base));
    CHECK(result == (char*)0x0500123456789ad0ul);
    __asm__("subg %0, %1, #1008, #15" : "=r"(result) : "r"(base));
    CHECK(result == (char*)0x02001234567896c0ul);
    __asm__("gmi %0, %1, %2" : "=r"(mask) : "r"(base), "r"(0x8001ul));
    CHECK(mask == 0x8009);
    other = (char*)0xff00123456789ab8ul;
    __asm__("subp %0, %1, %2" : "=r"(result) : "r"(other), "r"(base));
    CHECK(result == (char*)8);
    __asm__("subps %0, %2, %3\n\tmrs %1, nzcv" : "=r"(result), "=r"(flags) : "r"(base), "r"(other) : "cc");
    CHECK(result == (char*)-8 && flags == 0x80000000);
    for (unsigned tag = 0; tag < 16; ++tag) { // all others are excluded
        __asm__("irg %0, %1, %2" : "=r"(result) : "r"(base), "r"(0xfffful & ~(1ul << tag)));
        CHECK(result == tagged(base, tag));
    }
    unsigned seen = 0;
    for (int i = 0; i < 1000; ++i) {
        __asm__ volatile("irg %0, %1, %2" : "=r"(result) : "r"(base), "r"(0x00fful));
        CHECK(untag(result) == untag(base));
        seen |= 1u << tag_in(result);
    }
    CHECK(seen == 0xff00);
    set_control(TAGS(1 << 4 | 1 << 7)); // now the kernel excludes
    __asm__("irg %0, %1, %2" : "=r"(result) : "r"(base), "r"(1ul << 7));
    CHECK(tag_in(result) == 4);
    __asm__("addg %0, %1, #0, #1" : "=r"(result) : "r"(base));
    CHECK(tag_in(result) == 4);
    __asm__("addg %0, %1, #0, #2" : "=r"(result) : "r"(base));
    CHECK(tag_in(result) == 7);
    __asm__("addg %0, %1, #0, #0" : "=r"(result) : "r"(base));
    CHECK(tag_in(result) == 4);
    set_control(0);
    __asm__("irg %0, %1" : "=r"(result) : "r"(base));
    CHECK(tag_in(result) == 0);
}

static void loads_and_stores_of_tags(void) {
    char* const page = map_pages(2, kRw | PROT_MTE);
    CHECK(ldg(page) == 0);
    stg(tagged(page, 5));
    CHECK(ldg(page) == 5 && ldg(page + 15) == 5 && ldg(page + 16) == 0);
    char* at = page + 32;
    __asm__ volatile("st2g %1, [%0], #64" : "+r"(at) : "r"(tagged(0, 6)) : "memory");
    CHECK(at == page + 96 && ldg(page + 32) == 6 && ldg(page + 48) == 6 && ldg(page + 64) == 0);
    memset(page, 0xaa, 256);
    __asm__ volatile("stzg %1, [%0, #-16]!" : "+r"(at) : "r"(tagged(0, 7)) : "memory");
    CHECK(at == page + 80 && ldg(at) == 7 && at[-1] == (char)0xaa && at[0] == 0 && at[15] == 0 && at[16] == (char)0xaa);
    __asm__ volatile("stz2g %1, [%0, #32]" : : "r"(at), "r"(tagged(0, 8)) : "memory");
    CHECK(ldg(page + 112) == 8 && ldg(page + 128) == 8 && page[111] == (char)0xaa && page[112] == 0 &&
          page[143] == 0 && page[144] == (char)0xaa);
    at = tagged(page + 160, 9);
    __asm__ volatile("stgp %1, %2, [%0], #-16" : "+r"(at) : "r"(1ul), "r"(2ul) : "memory");
    CHECK(at == tagged(page + 144, 9) && ldg(page + 160) == 9);
    CHECK(((uint64_t*)(page + 160))[0] == 1 && ((uint64_t*)(page + 160))[1] == 2);
    uint64_t dczid;
    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    const size_t block = 4ul << (dczid & 15);
    at = page + kPage;
    __asm__ volatile("dc gva, %0" : : "r"(tagged(at + 17, 10)) : "memory");
    CHECK(ldg(at) == 10 && ldg(at + block - 1) == 10 && ldg(at + block) == 0);
    memset(at, 0xbb, 2 * block);
    __asm__ volatile("dc gzva, %0" : : "r"(tagged(at + block + 5, 11)) : "memory");
    CHECK(ldg(at + block) == 11 && ldg(at + 2 * block - 1) == 11 && at[block - 1] == (char)0xbb && at[block] == 0 &&
          at[2 * block - 1] == 0);
    // LDG keeps the rest of its register.
    uint64_t value = 0xf0123456789abcdeul;
    __asm__ volatile("ldg %0, [%1]" : "+r"(value) : "r"(page));
    CHECK(value == 0xf5123456789abcdeul);
    CHECK(munmap(page, 2 * kPage) == 0);
    // Without PROT_MTE there is nothing to store.
    char* const plain = map_pages(1, kRw);
    stg(tagged(plain, 3));
    CHECK(ldg(plain) == 0);
    CATCH(stg(plain + 8));
    CHECK(raised == SIGBUS && code == BUS_ADRALN);
    CHECK(mprotect(plain, kPage, PROT_READ) == 0 && ldg(plain) == 0);
    CATCH(stg(plain));
    CHECK(raised == SIGSEGV && code == SEGV_ACCERR && fault_address == (uintptr_t)plain);
    CHECK(munmap(plain, kPage) == 0);
    CATCH(ldg(plain));
    CHECK(raised == SIGSEGV && code == SEGV_MAPERR);
}

// --- checks

// One access each; X0 is the pointer, X1 another register.
#define ACCESS(name, text)                                                                         \
    static void name(const void* pointer) {                                                        \
        register const void* x0 __asm__("x0") = pointer;                                           \
        __asm__ volatile(text : "+r"(x0) : : "x1", "x2", "x3", "x4", "x5", "v0", "v1", "v2", "v3", "memory"); \
    }
ACCESS(ldrb, "ldrb w1, [x0]")
ACCESS(ldr, "ldr x1, [x0]")
ACCESS(ldr_offset, "ldr x1, [x0, #64]")
ACCESS(ldr_index, "mov x2, #4\n\tldr x1, [x0, x2, lsl #3]")
ACCESS(ldr_post, "ldr x1, [x0], #8")
ACCESS(str, "mov x1, #0\n\tstr x1, [x0]")
ACCESS(strb, "mov x1, #0\n\tstrb w1, [x0]")
ACCESS(ldp, "ldp x1, x2, [x0]")
ACCESS(stp, "mov x1, #0\n\tstp x1, x1, [x0]")
ACCESS(ldr_q, "ldr q0, [x0]")
ACCESS(stp_q, "stp q0, q1, [x0]")
ACCESS(ld1, "ld1 {v0.16b, v1.16b, v2.16b, v3.16b}, [x0]")
ACCESS(st4, "st4 {v0.2s, v1.2s, v2.2s, v3.2s}, [x0]")
ACCESS(ld1_lane, "ld1 {v0.s}[1], [x0]")
ACCESS(ldxr, "ldxr x1, [x0]")
ACCESS(ldar, "ldar x1, [x0]")
ACCESS(stlr, "stlr x1, [x0]")
ACCESS(ldadd, "mov x1, #0\n\tldadd x1, x2, [x0]")
ACCESS(cas, "mov x1, #0\n\tcas x1, x1, [x0]")
ACCESS(casp, "mov x4, #0\n\tmov x5, #0\n\tmov x2, #0\n\tmov x3, #0\n\tcasp x2, x3, x4, x5, [x0]")
ACCESS(zva, "dc zva, x0")
ACCESS(prfm, "prfm pldl1keep, [x0]")
ACCESS(unchecked_ldg, "ldg x1, [x0]")
ACCESS(unchecked_stgp, "stgp x1, x1, [x0]")
ACCESS(sp_offset, "mov x1, sp\n\tmov sp, x0\n\tldr x2, [sp, #16]\n\tmov sp, x1")
ACCESS(sp_pair, "mov x1, sp\n\tmov sp, x0\n\tldp x2, x3, [sp]\n\tmov sp, x1")
ACCESS(sp_index, "mov x1, sp\n\tmov sp, x0\n\tmov x2, #8\n\tldr x2, [sp, x2]\n\tmov sp, x1")
ACCESS(tco_ldr, "msr tco, #1\n\tldr x1, [x0]\n\tmsr tco, #0")

static const struct {
    const char* name;
    void (*access)(const void*);
    int offset; // of the pointer
} kAccesses[] = {
    {"ldrb", ldrb, 0},           {"ldrb", ldrb, 31},     {"ldr", ldr, 0},          {"ldr", ldr, 9},
    {"ldr across", ldr, 28},     {"ldr offset", ldr_offset, 0}, {"ldr index", ldr_index, 8}, {"ldr post", ldr_post, 8},
    {"str", str, 0},             {"strb", strb, 17},     {"str across", str, 25},  {"ldp", ldp, 0},
    {"ldp across", ldp, 24},     {"stp", stp, 16},       {"stp across", stp, 24},  {"ldr q", ldr_q, 0},
    {"ldr q across", ldr_q, 24}, {"stp q", stp_q, 0},    {"stp q across", stp_q, 8}, {"ld1", ld1, 0},
    {"ld1 across", ld1, 1},      {"st4", st4, 0},        {"ld1 lane", ld1_lane, 4}, {"ldxr", ldxr, 8},
    {"ldar", ldar, 0},           {"stlr", stlr, 8},      {"ldadd", ldadd, 0},      {"cas", cas, 8},
    {"casp", casp, 16},          {"zva", zva, 0},        {"zva inside", zva, 40},  {"prfm", prfm, 0},
    {"ldg", unchecked_ldg, 0},   {"stgp", unchecked_stgp, 16}, {"tco", tco_ldr, 0},
};

// Every access with the tag of the memory; with another one; and with memory that changes its tag after
// two, three or four granules.
static void synchronous(void) {
    set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ALL_TAGS);
    catch_signals(kExposeTagBits);
    char* const page = map_pages(1, kRw | PROT_MTE);
    for (unsigned i = 0; i < sizeof kAccesses / sizeof *kAccesses; ++i) {
        if (peer && (kAccesses[i].access == ld1 || kAccesses[i].access == zva)) {
            continue; // QEMU 10.0 looks at the first two granules only, and does not ignore the tag
        }
        for (volatile int wrong_from = 0; wrong_from <= 128; wrong_from += wrong_from == 0 ? 32 : 16) {
            char* const volatile pointer = tagged(page + 256 + kAccesses[i].offset, 6);
            tag_range(tagged(page + 256, 6), (size_t)wrong_from);
            tag_range(tagged(page + 256 + wrong_from, 9), 192 - (size_t)wrong_from);
            CATCH(kAccesses[i].access(pointer));
            if (raised == 0) {
                printf("%s wrong from %d: made\n", kAccesses[i].name, wrong_from);
                continue;
            }
            CHECK(raised == SIGSEGV && (peer || context_address == (uintptr_t)untag((void*)fault_address)));
            printf("%s wrong from %d: code %d at %ld, tag %u\n", kAccesses[i].name, wrong_from, code,
                   (long)(untag((void*)fault_address) - (page + 256)), tag_in((void*)fault_address));
            const unsigned long kDataAbort = 0x92000000, kTagCheckFault = 0x11, kWriteNotRead = 0x40;
            const char* const name = kAccesses[i].name;
            const int stores = strncmp(name, "st", 2) == 0 || strncmp(name, "zva", 3) == 0;
            CHECK(peer || fault_esr == (kDataAbort | kTagCheckFault | (stores ? kWriteNotRead : 0)));
        }
    }
    tag_range(tagged(page, 4), kPage);
    CATCH(ldr(tagged(page, 4)));
    CHECK(raised == 0);
    // Which instruction, and what an ordinary handler sees.
    catch_signals(0);
    CATCH(ldr_index(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == 9 && fault_is_at(page + 32));
    CHECK(*(const uint32_t*)fault_pc == 0xf8627801);
    // Access permissions come first.
    CHECK(mprotect(page, kPage, PROT_READ) == 0);
    CATCH(str(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == SEGV_ACCERR);
    CATCH(ldr(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == 9);
    CHECK(mprotect(page, kPage, PROT_NONE) == 0);
    CATCH(ldr(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == SEGV_ACCERR);
    CHECK(mprotect(page, kPage, kRw) == 0);
    CATCH(ldxr(tagged(page + 13, 5)));
    CHECK(raised == SIGBUS && code == BUS_ADRALN);
    // Memory without tags takes any pointer; so does memory that is not there.
    char* const plain = map_pages(1, kRw);
    CATCH(ldr(tagged(plain, 5)); str(tagged(plain, 11)));
    CHECK(raised == 0);
    CHECK(munmap(plain, kPage) == 0);
    CATCH(ldr(tagged(plain, 5)));
    CHECK(raised == SIGSEGV && code == SEGV_MAPERR);
    CATCH(ldr((void*)0x0500800000000000ul));
    CHECK(raised == SIGSEGV && code == SEGV_MAPERR);
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
}

// FEAT_MOPS: X0 destination, X1 source or value, X2 size; prologue, main, epilogue.
static void run_mops(void* to, uintptr_t from, size_t bytes, int which) {
    register void* x0 __asm__("x0") = to;
    register uintptr_t x1 __asm__("x1") = from;
    register size_t x2 __asm__("x2") = bytes;
#define MOPS(p, m, e)                                                                              \
    __asm__ volatile(".inst " #p "\n.inst " #m "\n.inst " #e                                       \
                     : "+r"(x0), "+r"(x1), "+r"(x2) : : "memory", "cc")
    switch (which) {
    case 0:
        MOPS(0x19010440, 0x19410440, 0x19810440); // cpyf [x0]!, [x1]!, x2!
        break;
    case 1:
        MOPS(0x1d010440, 0x1d410440, 0x1d810440); // cpy
        break;
    case 2:
        MOPS(0x19c10440, 0x19c14440, 0x19c18440); // set [x0]!, x2!, x1
        break;
    default:
        MOPS(0x1dc10440, 0x1dc14440, 0x1dc18440); // setg
        break;
    }
#undef MOPS
    CHECK(x2 == 0);
}
enum { CPYF, CPY, SET, SETG };

static void memory_copies(void) {
    if ((getauxval(AT_HWCAP2) >> 43 & 1) == 0 && !peer) {
        return; // no MOPS
    }
    set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ALL_TAGS);
    catch_signals(kExposeTagBits);
    char* const page = map_pages(1, kRw | PROT_MTE);
    char* const a = tagged(page + 64, 5);
    char* const b = tagged(page + 512, 6);
    // SETG: data and tags, and nothing beside them.
    run_mops(a, 0x1ab, 128, SETG);
    CHECK(ldg(a) == 5 && ldg(a + 112) == 5 && ldg(a + 128) == 0 && ldg(a - 16) == 0);
    for (int i = 0; i < 128; ++i) {
        CHECK((unsigned char)a[i] == 0xab);
    }
    CATCH(run_mops(a, 1, 24, SETG));
    CHECK(raised == SIGBUS && code == BUS_ADRALN);
    CATCH(run_mops(a + 8, 1, 32, SETG));
    CHECK(raised == SIGBUS && code == BUS_ADRALN && (unsigned char)a[8] == 0xab);
    run_mops(a + 8, 1, 0, SETG);
    // Copies and sets with the right tags, in both directions.
    run_mops(b, 0, 128, SETG);
    for (int i = 0; i < 128; ++i) {
        a[i] = (char)i;
    }
    run_mops(b, (uintptr_t)a, 100, CPYF);
    CHECK(memcmp(b, a, 100) == 0 && b[100] == 0);
    run_mops(a + 7, (uintptr_t)a, 90, CPY);
    for (int i = 0; i < 90; ++i) {
        CHECK(a[i + 7] == i);
    }
    run_mops(b + 3, 0x77, 50, SET);
    CHECK(b[2] == 2 && b[3] == 0x77 && b[52] == 0x77 && b[53] == 53);
    // A wrong tag in the fourth granule of either side.
    stg(tagged(b + 48, 9));
    for (volatile int which = CPYF; which <= SET; ++which) {
        CATCH(run_mops(b, which == SET ? 1 : (uintptr_t)a, 100, which));
        printf("mops %d to a wrong tag: signal %d code %d at %ld\n", which, raised, code,
               (long)(untag((void*)fault_address) - (page + 512)));
        CHECK(raised == SIGSEGV && code == 9 && untag((void*)fault_address) == page + 512 + 48);
    }
    CATCH(run_mops(a, (uintptr_t)b, 100, CPYF));
    printf("mops from a wrong tag: signal %d code %d at %ld\n", raised, code,
           (long)(untag((void*)fault_address) - (page + 512)));
    CHECK(raised == SIGSEGV && code == 9 && untag((void*)fault_address) == page + 512 + 48);
    // SETG is not checked.
    CATCH(run_mops(b, 3, 64, SETG));
    CHECK(raised == 0 && ldg(b + 48) == 6 && b[63] == 3);
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
    catch_signals(0);
}

// A base register SP with an immediate offset is not checked, with an index it is.
static void stack_pointer(void) {
    set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ALL_TAGS);
    catch_signals(SA_ONSTACK);
    static char stack[65536];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&alternate, NULL) == 0);
    char* const page = map_pages(1, kRw | PROT_MTE);
    tag_range(tagged(page, 4), kPage);
    CATCH(sp_offset(tagged(page + 1024, 5)); sp_pair(tagged(page + 1024, 5)));
    CHECK(raised == 0);
    CATCH(sp_index(tagged(page + 1024, 5)));
    CHECK(raised == SIGSEGV && code == 9 && fault_is_at(page + 1032));
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
}

static volatile sig_atomic_t async_faults;
static void on_async(int signal, siginfo_t* info, void* context) {
    (void)context;
    CHECK(signal == SIGSEGV && info->si_code == 8 && info->si_addr == NULL);
    ++async_faults;
}

static void asynchronous(void) {
    set_control(PR_TAGGED_ADDR_ENABLE | ASYNC | ALL_TAGS);
    struct sigaction action = {.sa_sigaction = on_async, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    char* const page = map_pages(1, kRw | PROT_MTE);
    stg(tagged(page, 4));
    getppid();
    CHECK(async_faults == 0);
    *(volatile int*)tagged(page, 5) = 77; // is made
    getppid();
    CHECK(async_faults == 1 && *(int*)tagged(page, 4) == 77);
    (void)*(volatile int*)tagged(page, 6);
    *(volatile int*)tagged(page, 7) = 78; // both before the kernel looks
    getppid();
    CHECK(async_faults == 2 || async_faults == 3);
    // It need not be a system call.
    async_faults = 0;
    (void)*(volatile int*)tagged(page, 6);
    while (async_faults == 0) {
    }
    if (!peer) { // the signal can be blocked
        sigset_t set, old;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
        async_faults = 0;
        (void)*(volatile int*)tagged(page, 6);
        const int parent = getppid(); // Linux 6.1 does not make the call again: -ERESTARTNOINTR
        CHECK((parent > 0 || parent == -513) && async_faults == 0);
        CHECK(sigpending(&set) == 0 && sigismember(&set, SIGSEGV));
        CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && async_faults == 1);
    }
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
    catch_signals(0);
}

// Both modes: loads raise at once; what stores do is the system's choice.
static void both_modes(void) {
    set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ASYNC | ALL_TAGS);
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == (long)(PR_TAGGED_ADDR_ENABLE | SYNC | ASYNC | ALL_TAGS));
    catch_signals(0);
    char* const page = map_pages(1, kRw | PROT_MTE);
    stg(tagged(page, 4));
    CATCH(ldr(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == 9);
    CATCH(str(tagged(page, 5)); getppid());
    CHECK(raised == SIGSEGV && (code == 8 || code == 9));
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
}

// --- PSTATE.TCO

static void check_override(void) {
    set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ALL_TAGS);
    catch_signals(0);
    char* const page = map_pages(1, kRw | PROT_MTE);
    stg(tagged(page, 4));
    uint64_t tco;
    __asm__ volatile("msr tco, #1\n\tmrs %0, tco" : "=r"(tco));
    CHECK(tco == 1ul << 25);
    ldr(tagged(page, 5));
    __asm__ volatile("msr tco, %0" : : "r"(0ul));
    CATCH(ldr(tagged(page, 5)));
    CHECK(raised == SIGSEGV && code == 9 && !(fault_pstate & 1ul << 25));
    if (!peer) { // a handler starts with checks
        __asm__ volatile("msr tco, %0" : : "r"(~0ul));
        CATCH((void)*(volatile char*)NULL);
        CHECK(raised == SIGSEGV && code == SEGV_MAPERR && (fault_pstate & 1ul << 25) && handler_tco == 0);
        CATCH(ldr(tagged(page, 5))); // siglongjmp out of the handler: TCO is 0
        CHECK(raised == SIGSEGV && code == 9);
    }
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
}

// --- mappings

static void mappings(void) {
    // Not of files.
    int fd = open("/proc/self/exe", O_RDONLY);
    CHECK(fd >= 0);
    if (!peer) {
        struct statfs system;
        CHECK(fstatfs(fd, &system) == 0);
        if (system.f_type != TMPFS_MAGIC) { // as an initial RAM disk is
            errno = 0;
            CHECK(mmap(NULL, kPage, PROT_READ | PROT_MTE, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
            char* const file = mmap(NULL, kPage, PROT_READ, MAP_PRIVATE, fd, 0);
            CHECK(file != MAP_FAILED && mprotect(file, kPage, PROT_READ | PROT_MTE) == -1 && errno == EINVAL);
            CHECK(munmap(file, kPage) == 0);
        }
        const int memory = memfd_create("tags", 0);
        CHECK(memory >= 0 && ftruncate(memory, kPage) == 0);
        char* const shared = mmap(NULL, kPage, kRw | PROT_MTE, MAP_SHARED, memory, 0);
        CHECK(shared != MAP_FAILED);
        stg(tagged(shared, 3));
        CHECK(ldg(shared) == 3 && munmap(shared, kPage) == 0);
        close(memory);
    }
    close(fd);
    // mprotect adds tags and does not take them.
    char* page = map_pages(4, kRw);
    stg(tagged(page, 5));
    CHECK(ldg(page) == 0 && mprotect(page, 4 * kPage, kRw | PROT_MTE) == 0 && ldg(page) == 0);
    for (int i = 0; i < 4; ++i) {
        stg(tagged(page + i * kPage, 5 + (unsigned)i));
    }
    CHECK(mprotect(page, 4 * kPage, PROT_READ) == 0 && ldg(page) == 5);
    CHECK(mprotect(page, 4 * kPage, kRw) == 0 && ldg(page + kPage) == 6);
    if (!peer) {
        stg(tagged(page + 16, 9)); // PROT_MTE stays
        CHECK(ldg(page + 16) == 9);
        // New pages have new tags.
        CHECK(madvise(page + kPage, kPage, MADV_DONTNEED) == 0 && ldg(page + kPage) == 0 && ldg(page + 2 * kPage) == 7);
        CHECK(ldg(page) == 5);
        // Tags move with the pages.
        char* const room = map_pages(5, PROT_NONE);
        char* const moved = mremap(page, 4 * kPage, 5 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, room);
        CHECK(moved == room);
        CHECK(ldg(moved) == 5 && ldg(moved + kPage) == 0 && ldg(moved + 3 * kPage) == 8 && ldg(moved + 4 * kPage) == 0);
        stg(tagged(moved + 4 * kPage, 2));
        CHECK(ldg(moved + 4 * kPage) == 2);
        CHECK(mmap(page, kPage, kRw | PROT_MTE, kPrivate | MAP_FIXED, -1, 0) == page && ldg(page) == 0);
        CHECK(munmap(page, kPage) == 0);
        page = moved;
    }
    CHECK(munmap(page, 4 * kPage) == 0);
    CHECK(mmap(page, 4 * kPage, kRw | PROT_MTE, kPrivate | MAP_FIXED, -1, 0) == page);
    CHECK(ldg(page) == 0 && ldg(page + 2 * kPage) == 0);
    CHECK(munmap(page, 4 * kPage) == 0);
}

static void smaps(void) {
    char* const page = map_pages(1, kRw | PROT_MTE);
    char line[512], start[32];
    snprintf(start, sizeof start, "%lx-", (unsigned long)page);
    FILE* file = fopen("/proc/self/smaps", "r");
    int inside = 0, found = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strchr(line, '-') != NULL && strchr(line, ':') != strchr(line, '\n')) {
            inside = strncmp(line, start, strlen(start)) == 0 ? 1 : strncmp(line, "VmFlags", 7) == 0 ? inside : inside;
        }
        if (strncmp(line, start, strlen(start)) == 0) {
            inside = 1;
        }
        if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, " mt") != NULL;
            break;
        }
    }
    fclose(file);
    CHECK(found);
    CHECK(munmap(page, kPage) == 0);
}

// --- processes and threads

static void* thread_control(void* argument) {
    *(long*)argument = prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0);
    set_control(TAGS(2));
    return NULL;
}

static void inheritance(void) {
    const unsigned long mine = PR_TAGGED_ADDR_ENABLE | SYNC | TAGS(0x30);
    char* const page = map_pages(1, kRw | PROT_MTE);
    stg(tagged(page, 4));
    set_control(mine);
    pthread_t thread;
    long of_thread = 0;
    CHECK(pthread_create(&thread, NULL, thread_control, &of_thread) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(of_thread == (long)mine && prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == (long)mine);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == (long)mine);
        CHECK(ldg(page) == 4);
        stg(tagged(page, 6));
        CHECK(ldg(page) == 6);
        CATCH(ldr(tagged(page, 4)));
        CHECK(raised == SIGSEGV && code == 9);
        if (peer) { // it cannot execute itself
            _exit(0);
        }
        char* const argv[] = {"memory_tags", "executed", NULL};
        execv("/proc/self/exe", argv);
        _exit(3);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(ldg(page) == 4);
    CHECK(munmap(page, kPage) == 0);
    set_control(0);
}

static void executed(void) {
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == 0);
    char* result;
    __asm__("irg %0, %1" : "=r"(result) : "r"(0ul));
    CHECK(result == NULL);
}

static void controls(void) {
    CHECK(getauxval(AT_HWCAP2) & 1 << 18);
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_TAGGED_ADDR_CTRL, 1ul << 40, 0, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(PR_SET_TAGGED_ADDR_CTRL, 1, 1, 0, 0) == -1 && errno == EINVAL);
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 1, 0, 0, 0) == -1 && errno == EINVAL);
    set_control(PR_TAGGED_ADDR_ENABLE | ASYNC | TAGS(0x1234));
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == (long)(PR_TAGGED_ADDR_ENABLE | ASYNC | TAGS(0x1234)));
    set_control(0);
    CHECK(prctl(PR_GET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == 0);
}

// --- the kernel's accesses

static void system_calls(void) {
    char* const page = map_pages(1, kRw | PROT_MTE);
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    tag_range(tagged(page, 4), 64);
    strcpy(page, "/");
    char* const right = tagged(page, 4);
    if (!peer) { // without the ABI
        CHECK(write(ends[0], right, 1) == -1 && errno == EFAULT);
        CHECK(access(right, F_OK) == -1 && errno == EFAULT);
    }
    set_control(PR_TAGGED_ADDR_ENABLE);
    CHECK(write(ends[0], right, 1) == 1 && read(ends[1], right, 1) == 1 && access(right, F_OK) == 0);
    struct iovec parts[2] = {{right, 1}, {tagged(page + 1, 4), 2}};
    CHECK(writev(ends[0], parts, 2) == 3);
    struct msghdr message = {.msg_iov = (void*)(page + 128), .msg_iovlen = 2};
    memcpy(page + 128, parts, sizeof parts);
    CHECK(recvmsg(ends[1], &message, 0) == 3 && message.msg_flags == 0);
    CHECK(sendmsg(ends[0], &message, 0) == 3);
    message.msg_iovlen = 1;
    CHECK(recvmsg(ends[1], &message, 0) == 1 && message.msg_flags == MSG_TRUNC);
    struct timespec* const time = (struct timespec*)tagged(page + 32, 4);
    CHECK(clock_gettime(CLOCK_REALTIME, time) == 0 && time->tv_sec > 0);
    CHECK(mprotect(tagged(page, 4), kPage, kRw | PROT_MTE) == 0);
    if (!peer) { // synchronous checks of the kernel's copies
        char* const wrong = tagged(page, 5);
        set_control(PR_TAGGED_ADDR_ENABLE | SYNC | ALL_TAGS);
        CHECK(access(wrong, F_OK) == -1 && errno == EFAULT);
        CHECK(write(ends[0], wrong, 1) == -1 && errno == EFAULT);
        CHECK(syscall(113, CLOCK_REALTIME, tagged(page + 32, 5)) == -1 && errno == EFAULT);
        CHECK(syscall(113, CLOCK_REALTIME, tagged(page + 32, 4)) == 0);
        set_control(PR_TAGGED_ADDR_ENABLE | ASYNC | ALL_TAGS);
        CHECK(access(wrong, F_OK) == 0);
        CHECK(mmap(tagged(page, 4), kPage, kRw, kPrivate | MAP_FIXED, -1, 0) == MAP_FAILED);
    }
    set_control(PR_TAGGED_ADDR_ENABLE);
    CHECK(munmap(right, kPage) == 0);
    close(ends[0]);
    close(ends[1]);
    set_control(0);
}

static long number_in(const char* path) {
    char text[32] = "";
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    CHECK(read(file, text, sizeof text - 1) > 0 && close(file) == 0);
    return atol(text);
}

// Where the kernel merges equal pages, it leaves those with tags alone.
static void merging(void) {
    enum { kPages = 64 };
    char* const plain = map_pages(kPages, kRw);
    char* const pages = map_pages(kPages, kRw | PROT_MTE);
    memset(plain, 0x5a, kPages * kPage);
    memset(pages, 0xa5, kPages * kPage);
    const int wanted = madvise(plain, kPages * kPage, MADV_MERGEABLE);
    CHECK(madvise(pages, kPages * kPage, MADV_MERGEABLE) == wanted && (wanted == 0 || errno == EINVAL));
    if (wanted == 0 && number_in("/sys/kernel/mm/ksm/run") == 1) {
        const long long end = now_ms() + 2000;
        while (number_in("/proc/self/ksm_merging_pages") < kPages && now_ms() < end) {
            sleep_ms(20);
        }
        sleep_ms(100);
        CHECK(number_in("/proc/self/ksm_merging_pages") <= kPages);
    }
    CHECK(munmap(plain, kPages * kPage) == 0 && munmap(pages, kPages * kPage) == 0);
}

int main(int argc, char** argv) {
    peer = getenv("PEER") != NULL;
    catch_signals(0);
    if (argc > 1 && strcmp(argv[1], "executed") == 0) {
        executed();
        return 0;
    }
    RUN(controls);
    RUN(arithmetic);
    RUN(loads_and_stores_of_tags);
    RUN(synchronous);
    RUN(memory_copies);
    RUN(stack_pointer);
    RUN(asynchronous);
    if (!peer) {
        RUN(both_modes);
    }
    RUN(check_override);
    RUN(mappings);
    if (!peer) {
        RUN(smaps);
        RUN(merging);
    }
    RUN(inheritance);
    RUN(system_calls);
    return 0;
}
