// machine: -M virtualization=on
// What is cached of several VMIDs, ASIDs and of EL2, between which the CPU changes: each finds its own, and what a TLBI
// of one of them concerns is looked up again.
#include "paging.h"

extern const char load[], call[], forget_asid[], forget_stage1[], one[], two[];
asm(".pushsection .text\n"
    "load: ldr x0, [x0]\n hvc #0\n"
    "call: br x0\n"
    "forget_asid: dsb ishst\n tlbi aside1, x0\n dsb ish\n isb\n hvc #0\n"
    "forget_stage1: dsb ishst\n tlbi vmalle1\n dsb ish\n isb\n hvc #0\n"
    "one: mov x0, #1\n hvc #0\n"
    "two: mov x0, #2\n hvc #0\n"
    ".popsection");

#define S2_RAM (0xful << 2 | 1ul << 6 | 1ul << 7 | kAccessed | kInner)
static const u64 kIpa = 0x80000000, kCodeIpa = 0x80010000, kVa = 0x4080000000;
static const u64 kData = 0x44000000, kCodeData = 0x44100000;

static u64 data(u64 n) { return kData + n * 0x1000; }
static u64 code(u64 n) { return kCodeData + n * 0x1000; }

static struct Space stage2[2];
static struct Space stage1[2][2]; // by VM and ASID

static void use_vm(u64 vm) { write_register("vttbr_el2", stage2[vm].root | (vm + 1) << 48); }
static void use_process(u64 vm, u64 asid) {
    use_vm(vm);
    write_register("ttbr0_el1", stage1[vm][asid].root | (asid + 1) << 48);
}
static u64 guest(const char* entry, u64 x0) { return run_lower(entry, kEl1h, x0, 0); }
static void set_stage1(int on) { write_register("sctlr_el1", 0x30d00800ul | (on ? 1 : 0)); }

// What both see, twice: the second time, from what is cached.
static void look_at_vms(void) {
    for (u64 i = 0; i < 4; ++i) {
        use_vm(i % 2);
        print(" %x/%x", guest(load, kIpa), guest(call, kCodeIpa));
    }
    print("\n");
}
static void look_at_processes(void) {
    set_stage1(1);
    for (u64 i = 0; i < 8; ++i) {
        use_process(i / 2 % 2, i % 2);
        print(" %x", guest(load, kVa));
    }
    print("\n");
    set_stage1(0);
}

static void make_vms(void) {
    for (u64 vm = 0; vm < 2; ++vm) {
        stage2[vm] = new_space(12, 39);
        for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
            map(stage2[vm], at, at, 2, S2_RAM);
        }
        map(stage2[vm], kIpa, data(vm), 3, S2_RAM);
        map(stage2[vm], kIpa + 0x1000, data(2 + vm), 3, S2_RAM);
        map(stage2[vm], kCodeIpa, code(vm), 3, S2_RAM);
        for (u64 asid = 0; asid < 2; ++asid) {
            stage1[vm][asid] = new_space(12, 48);
            map_machine(stage1[vm][asid]);
            map(stage1[vm][asid], kVa, asid == 0 ? kIpa : kIpa + 0x1000, 3, kReadWrite | kNotGlobal);
        }
    }
}

static void change_stage2(void) {
    print("IPAS2E1 and VMALLE1\n");
    use_vm(0);
    map(stage2[0], kIpa, data(4), 3, S2_RAM);
    asm volatile("dsb ishst\n tlbi ipas2e1, %0\n dsb ish\n tlbi vmalle1\n dsb ish\n isb" ::"r"(kIpa >> 12) : "memory");
    look_at_vms();
    print("VMALLS12E1\n");
    use_vm(1);
    map(stage2[1], kIpa, data(5), 3, S2_RAM);
    map(stage2[1], kCodeIpa, code(0), 3, S2_RAM);
    asm volatile("dsb ishst\n tlbi vmalls12e1\n dsb ish\n isb" ::: "memory");
    look_at_vms();
    print("ALLE1\n");
    for (u64 vm = 0; vm < 2; ++vm) {
        map(stage2[vm], kIpa, data(6 + vm), 3, S2_RAM);
        map(stage2[vm], kCodeIpa, code(1 - vm), 3, S2_RAM);
    }
    asm volatile("dsb ishst\n tlbi alle1is\n dsb ish\n isb" ::: "memory");
    look_at_vms();
}

static void change_stage1(void) {
    print("processes\n");
    look_at_processes();
    print("ASIDE1\n");
    map(stage1[0][0], kVa, data(8), 3, kReadWrite | kNotGlobal);
    use_process(0, 1);
    set_stage1(1);
    guest(forget_asid, 1ul << 48);
    look_at_processes();
    print("VMALLE1\n");
    map(stage1[1][0], kVa, data(9), 3, kReadWrite | kNotGlobal);
    map(stage1[1][1], kVa, data(10), 3, kReadWrite | kNotGlobal);
    use_process(1, 0);
    set_stage1(1);
    guest(forget_stage1, 0);
    look_at_processes();
}

static const u64 kPage = 0x4000000000;
static struct Space new_el2_space(u64 page) {
    const struct Space space = new_space(12, 48);
    map_machine(space);
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(space, at, at, 2, kAccessed | kInner); // to be executed, too
    }
    map(space, kPage, page, 3, kReadWrite);
    return space;
}

// EL2's own tables, which guests come between.
static void change_el2(void) {
    const struct Space own = new_el2_space(data(11));
    write_register("mair_el2", kMair);
    write_register("tcr_el2", 1ul << 31 | 1ul << 23 | 5ul << 16 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 16);
    write_register("ttbr0_el2", own.root);
    asm volatile("dsb ishst\n tlbi alle2\n dsb ish\n isb" ::: "memory");
    write_register("sctlr_el2", read_register("sctlr_el2") | 1);
    volatile u64* const page = (volatile u64*)kPage;
    for (u64 i = 0; i < 3; ++i) {
        use_vm(i % 2);
        print(" %x %x", *page, guest(load, kIpa));
    }
    print("\nVAE2\n");
    map(own, kPage, data(12), 3, kReadWrite);
    asm volatile("dsb ishst\n tlbi vae2, %0\n dsb ish\n isb" ::"r"(kPage >> 12) : "memory");
    print(" %x %x %x\n", *page, guest(load, kIpa), *page);
    print("ALLE2, and another root\n");
    map(own, kPage, data(13), 3, kReadWrite);
    asm volatile("dsb ishst\n tlbi alle2is\n dsb ish\n isb" ::: "memory");
    print(" %x", *page);
    const struct Space other = new_el2_space(data(14));
    for (u64 i = 0; i < 4; ++i) {
        write_register("ttbr0_el2", i % 2 == 0 ? other.root : own.root);
        asm volatile("dsb ishst\n tlbi alle2\n dsb ish\n isb" ::: "memory"); // there are no ASIDs
        print(" %x", *page);
    }
    print("\n");
    write_register("sctlr_el2", read_register("sctlr_el2") & ~1ul);
}

void main(void) {
    for (u64 n = 0; n < 16; ++n) {
        *(volatile u64*)data(n) = 0x100 + n;
    }
    for (u64 n = 0; n < 2; ++n) {
        for (u64 i = 0; i < 2; ++i) {
            ((volatile u32*)code(n))[i] = ((const u32*)(n == 0 ? one : two))[i];
        }
    }
    asm volatile("dsb ish\n ic iallu\n dsb ish\n isb" ::: "memory");
    make_vms();
    set_stage1(0);
    write_register("mair_el1", kMair);
    write_register("tcr_el1", tcr_for(12, 48));
    write_register("vtcr_el2", 1ul << 31 | 5ul << 16 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 1ul << 6 | 25);
    write_register("hcr_el2", 1ul << 31 | 1);
    asm volatile("dsb ishst\n tlbi alle1is\n dsb ish\n isb" ::: "memory");
    print("virtual machines\n");
    look_at_vms();
    change_stage2();
    change_stage1();
    change_el2();
}
