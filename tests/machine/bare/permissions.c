// Permissions of stage 1: every AP, UXN, PXN combination at EL1 and EL0, hierarchical bits, WXN,
// PAN, LDTR; and access flag and dirty state by hardware.
#include "paging.h"

static const u64 kVa = 0x4080000000;
static const u64 kEl0Code = 0x5080000000, kEl0Stack = 0x5090000000;
static struct Space space;

extern const char el0_load[], el0_store[], el0_jump[], el0_end[];
asm(".pushsection .text\n .balign 64\n"
    "el0_load: ldr x0, [x0]\n svc #0\n"
    "el0_store: str xzr, [x0]\n svc #0\n"
    "el0_jump: br x0\n"
    "el0_end:\n"
    ".popsection");

// Code that returns to the caller, at EL1 (RET) or EL0 (SVC).
enum { kRet = 0xd65f03c0, kSvc = 0xd4000001 };

static void put_code(u32 word) { write_code((volatile u32*)0x44000000, &word, 1); }

static void el0(const char* code, u64 address) {
    run_lower((const char*)kEl0Code + (code - el0_load), kEl0, address, 0);
}

static void combinations(void) {
    for (u64 i = 0; i < 16; ++i) {
        const u64 bits =
            (i & 1 ? kUser : 0) | (i & 2 ? kReadOnly : 0) | (i & 4 ? kPxn : 0) | (i & 8 ? kUxn : 0);
        print("EL0 %d, read-only %d, PXN %d, UXN %d\n", i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3);
        map(space, kVa, 0x44000000, 3, kAccessed | kInner | bits);
        tlbi_va(kVa, 0);
        TRY("ldr x0, [x0]\n", kVa, 0);
        TRY("str wzr, [x0]\n", kVa + 8, 0);
        TRY("ldtr x0, [x0]\n", kVa, 0);
        TRY("sttr xzr, [x0]\n", kVa + 8, 0);
        put_code(kRet);
        TRY("blr x0\n", kVa, 0);
        put_code(kSvc);
        el0(el0_load, kVa);
        el0(el0_store, kVa + 16);
        el0(el0_jump, kVa);
    }
}

static void hierarchy(void) {
    print("hierarchical bits\n");
    put_code(kSvc);
    map(space, kVa, 0x44000000, 3, kAccessed | kInner | kUser);
    volatile u64* const table = descriptor(space, kVa, 2);
    static const u64 kBits[] = {1ul << 59, 1ul << 60, 1ul << 61, 1ul << 62};
    for (u64 i = 0; i < 4; ++i) {
        print("bit %d\n", 59 + i);
        *table |= kBits[i];
        tlbi_all();
        TRY("ldr x0, [x0]\n", kVa, 0);
        TRY("str wzr, [x0]\n", kVa + 8, 0);
        el0(el0_load, kVa);
        el0(el0_store, kVa + 16);
        el0(el0_jump, kVa);
        *table &= ~kBits[i];
        tlbi_all();
    }
}

static void pan(void) {
    print("PAN\n");
    map(space, kVa, 0x44000000, 3, kUserReadWrite);
    map(space, kVa + 0x1000, 0x44000000, 3, kReadWrite);
    tlbi_all();
    for (u64 on = 0; on < 2; ++on) {
        if (on) {
            asm volatile("msr pan, #1");
        }
        print("%d\n", on);
        TRY("ldr x0, [x0]\n", kVa, 0);
        TRY("str xzr, [x0]\n", kVa, 0);
        TRY("ldtr x0, [x0]\n", kVa, 0);
        TRY("sttr xzr, [x0]\n", kVa, 0);
        TRY("ldadd x1, x2, [x0]\n", kVa, 0);
        TRY("ldr x0, [x0]\n", kVa + 0x1000, 0);
        TRY("msr pan, #0\n ldr x0, [x0]\n msr pan, #1\n ldr x0, [x0]\n", kVa, 0);
        asm volatile("msr pan, #0");
    }
    print("SPAN\n");
    const u64 sctlr = read_register("sctlr_el1");
    write_register("sctlr_el1", sctlr & ~(1ul << 23));
    TRY("svc #1\n", 0, 0);
    write_register("sctlr_el1", sctlr);
}

static void wxn(void) {
    print("WXN\n");
    map(space, kVa, 0x44000000, 3, kAccessed | kInner | kUxn); // writable code
    map(space, kVa + 0x1000, 0x44000000, 3, kCode);
    tlbi_all();
    put_code(kRet);
    TRY("blr x0\n", kVa, 0);
    // The program itself is writable code: only this page's table may say so then.
    for (u64 at = 0x40200000; at < 0x40400000; at += 0x200000) {
        *descriptor(space, at, 2) |= kReadOnly;
    }
}

static u64 flags_of(u64 va) {
    const u64 d = *descriptor(space, va, 3);
    return (d >> 10 & 1) | (d >> 7 & 1) << 1;
}

static void hardware_flags(void) {
    print("access flag and dirty state: AF, read-only\n");
    const u64 tcr = read_register("tcr_el1");
    for (u64 mode = 0; mode < 3; ++mode) { // none, HA, HA and HD
        print("mode %d\n", mode);
        write_register("tcr_el1", tcr | (mode >= 1 ? 1ul << 39 : 0) | (mode == 2 ? 1ul << 40 : 0));
        for (u64 i = 0; i < 4; ++i) {
            const u64 va = kVa + 0x10000 * (i + 1) + mode * 0x100000;
            map(space, va, 0x44000000, 3,
                kInner | kUxn | kPxn | kReadOnly | (i & 1 ? kAccessed : 0) |
                    (i & 2 ? kDirtyModifier : 0));
            print("AF %d, DBM %d\n", i & 1, i >> 1);
            TRY("ldr x0, [x0]\n", va, 0);
            print("  %x\n", flags_of(va));
            TRY("str xzr, [x0]\n", va + 8, 0);
            print("  %x\n", flags_of(va));
            TRY("ldadd x1, x2, [x0]\n", va + 16, 0);
            print("  %x\n", flags_of(va));
            // Clean again: the next write has to say so again.
            *descriptor(space, va, 3) |= kReadOnly;
            tlbi_va(va, 0);
            TRY("ldr x0, [x0]\n", va, 0);
            print("  %x\n", flags_of(va));
            TRY("stp xzr, xzr, [x0]\n", va + 8, 0);
            print("  %x\n", flags_of(va));
        }
    }
    write_register("tcr_el1", tcr);
    tlbi_all();
}

static void tagged_addresses(void) {
    print("TBI\n");
    map(space, kVa, 0x44000000, 3, kUserReadWrite);
    tlbi_all();
    *(volatile u64*)kVa = 0x77;
    const u64 tagged = kVa | 0xa5ul << 56;
    TRY("ldr x0, [x0]\n", tagged, 0);
    const u64 tcr = read_register("tcr_el1");
    write_register("tcr_el1", tcr | 1ul << 37);
    print("%x\n", TRY("ldr x0, [x0]\n", tagged, 0));
    TRY("str x1, [x0]\n", tagged, 0x78);
    print("%x\n", *(volatile u64*)kVa);
    TRY("ldr x0, [x0]\n", (kVa + 0x800000) | 0x5aul << 56, 0); // FAR has the tag
    put_code(kRet);
    map(space, kVa + 0x1000, 0x44000000, 3, kCode);
    TRY("blr x0\n mov x0, #0\n", (kVa + 0x1000) | 0x12ul << 56, 0);
    write_register("tcr_el1", tcr);
    TRY("ldr x0, [x0]\n", tagged, 0);
}

void main(void) {
    space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    map(space, kEl0Code, 0x45000000, 3, kUserCode);
    map(space, kEl0Stack, 0x45010000, 3, kUserReadWrite);
    write_code((volatile u32*)0x45000000, (const u32*)el0_load, (u64)(el0_end - el0_load) / 4);
    combinations();
    hierarchy();
    pan();
    hardware_flags();
    tagged_addresses();
    wxn();
}
