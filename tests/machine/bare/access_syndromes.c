// machine: -M virtualization=on
// The syndromes of stage 2 aborts, by which a hypervisor emulates what EL1 wanted of a device.
#include "paging.h"

#define ACCESSES(X)                                                                                \
    X("ldr w3, [x0, #4]")                                                                          \
    X("str x4, [x0]")                                                                              \
    X("ldursw x5, [x0, #4]")                                                                      \
    X("sttrb w6, [x0]")                                                                            \
    X("ldtrh w6, [x0]")                                                                            \
    X("ldrsb w7, [x0, x1]")                                                                        \
    X("ldrsh x7, [x0, w1, sxtw #1]")                                                               \
    X("str wzr, [x0]")                                                                             \
    X("ldr x8, [x0], #8")                                                                          \
    X("str w9, [x0, #4]!")                                                                         \
    X("ldr w3, . + 0x1000")                                                                        \
    X("ldr x3, . + 0x1000")                                                                        \
    X("ldrsw x3, . + 0x1000")                                                                      \
    X("prfm pldl1keep, [x0]")                                                                      \
    X("ldr q0, [x0]")                                                                              \
    X("str d1, [x0]")                                                                              \
    X("ldp x2, x3, [x0]")                                                                          \
    X("ldpsw x2, x3, [x0]")                                                                        \
    X("ldar w10, [x0]")                                                                            \
    X("ldar x10, [x0]")                                                                            \
    X("ldarb w11, [x0]")                                                                           \
    X("stlrh w12, [x0]")                                                                           \
    X("stlr x13, [x0]")                                                                            \
    X("ldapr w14, [x0]")                                                                           \
    X("ldaprb w14, [x0]")                                                                          \
    X("ldapr x14, [x0]")                                                                           \
    X("ldapur x15, [x0, #8]")                                                                      \
    X("ldapursb w16, [x0, #1]")                                                                    \
    X("ldapursw x16, [x0]")                                                                        \
    X("stlur w17, [x0, #4]")                                                                       \
    X("stlurb w18, [x0]")                                                                          \
    X("ldlar x19, [x0]")                                                                           \
    X("stllrb w20, [x0]")                                                                          \
    X("ldxr x21, [x0]")                                                                            \
    X("ldaxrb w21, [x0]")                                                                          \
    X("ldadd w22, w23, [x0]")                                                                      \
    X("swpal x22, x23, [x0]")                                                                      \
    X("cas x24, x25, [x0]")                                                                        \
    X("ldraa x26, [x0]")                                                                           \
    X("ldraa x26, [x0, #8]!")                                                                      \
    X("dc zva, x0")                                                                                \
    X("ld1 {v0.8b}, [x0]")

#define WORD(text) text "\n"
extern const u32 words[];
asm(".pushsection .rodata\n.balign 4\n.arch armv8.5-a+lor\nwords:\n" ACCESSES(WORD) ".popsection");
#define NAME(text) text,
static const char* const names[] = {ACCESSES(NAME)};

#define S2_RAM (0xful << 2 | 3ul << 6 | kAccessed | kInner)

static int watch(struct Frame* frame) {
    if (frame->esr >> 26 == 0x24) {
        print("%x", frame->esr & 0x1ffffff);
        leave_lower(0);
    }
    return 0;
}

void main(void) {
    on_synchronous = watch;
    const u64 code = 0x44000000, nothing = 0x44001000;
    const struct Space space = new_space(12, 39);
    for (u64 at = 0x40000000; at < code; at += 0x200000) {
        map(space, at, at, 2, S2_RAM);
    }
    map(space, code, code, 3, S2_RAM);
    write_register("sctlr_el1", 0x30d00800);
    write_register("vtcr_el2",
                   1ul << 31 | 5ul << 16 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 1ul << 6 | 25);
    write_register("vttbr_el2", space.root);
    write_register("hcr_el2", 1ul << 31 | 1);
    asm volatile("dsb ishst\n tlbi vmalls12e1is\n dsb ish\n isb" ::: "memory");
    for (u64 i = 0; i < sizeof names / sizeof *names; ++i) {
        const u32 program[] = {words[i], 0xd4000002}; // HVC #0
        write_code((volatile u32*)code, program, 2);
        print("%s: ", names[i]);
        run_lower((const void*)code, kEl1h, nothing, 0);
        print("\n");
    }
}
