// Code of the upper half under several ASIDs with the same tables, as kernels have it that isolate
// their tables: what one ASID found, another may only use if the tables still say so. All of it
// runs there, so that nothing depends on TTBR0.
#include "paging.h"

#define kUpper 0xffff000000000000ul
#define kVa (kUpper + 0x4080000000ul)
#define kA1 (1ul << 22) // TCR_EL1: TTBR1 has the ASID
static struct Space upper;

static u64 frame(u64 i) { return 0x44000000 + i * 0x1000; }
static u64 page(u64 i) { return kVa + i * 0x1000; }
static u64 call(u64 at) { return ((u64(*)(void))at)(); }
static void use_asid(u64 asid) { write_register("ttbr1_el1", upper.root | asid << 48); }
static void place(u64 at, u64 pa, u64 attributes) { map(upper, at, pa, 3, kCode | attributes); }

#define TLBI(operation, value)                                                                     \
    asm volatile("dsb ishst\n\ttlbi " operation ", %0\n\tdsb ish\n\tisb" ::"r"((u64)(value))       \
                 : "memory")
#define ASID(asid) ((u64)(asid) << 48)
#define VA(at) ((at) >> 12 & 0xfffffffffff)

// MOVZ X0, #value; RET
static void fill(void) {
    for (u64 i = 0; i < 64; ++i) {
        const u32 words[] = {0xd2800000u | (u32)(0x100 + i) << 5, 0xd65f03c0u};
        write_code((volatile u32*)frame(i), words, 2);
    }
}

// Each ASID has used page 0.
static void begin(u64 attributes) {
    place(page(0), frame(0), attributes);
    tlbi_all();
    for (u64 asid = 1; asid <= 3; ++asid) {
        use_asid(asid);
        call(page(0));
    }
}

static void fresh_asids(void) {
    print("tables changed for an ASID that is new\n");
    begin(kNotGlobal);
    place(page(0), frame(1), kNotGlobal);
    use_asid(4);
    print("%x\n", call(page(0)));
    place(page(0), frame(2), kNotGlobal);
    use_asid(5);
    print("%x\n", call(page(0)));
    *descriptor(upper, page(0), 3) = 0;
    use_asid(6);
    TRY("blr x0\n", page(0), 0);
    place(page(0), frame(0), kNotGlobal | kPxn);
    use_asid(7);
    TRY("blr x0\n", page(0), 0);
    place(page(0), frame(0), kNotGlobal);
    *descriptor(upper, page(0), 3) &= ~(u64)kAccessed;
    use_asid(8);
    TRY("blr x0\n", page(0), 0);
    *descriptor(upper, page(0), 3) |= kAccessed;
    print("%x\n", call(page(0)));
}

static void invalidations(void) {
    print("ASIDE1 of another, of this\n");
    begin(kNotGlobal);
    place(page(0), frame(1), kNotGlobal);
    TLBI("aside1", ASID(1));
    use_asid(1);
    print("%x\n", call(page(0)));
    place(page(0), frame(2), kNotGlobal);
    TLBI("aside1", ASID(1));
    print("%x\n", call(page(0)));
    *descriptor(upper, page(0), 3) = 0;
    TLBI("aside1is", ASID(1));
    TRY("blr x0\n", page(0), 0);
    print("VAE1 of another, of this\n");
    begin(kNotGlobal);
    place(page(0), frame(3), kNotGlobal);
    TLBI("vae1", ASID(2) | VA(page(0)));
    use_asid(2);
    print("%x\n", call(page(0)));
    place(page(0), frame(4), kNotGlobal);
    TLBI("vale1", ASID(2) | VA(page(0)));
    print("%x\n", call(page(0)));
    print("VAAE1, VMALLE1\n");
    begin(kNotGlobal);
    for (u64 round = 0; round < 2; ++round) {
        place(page(0), frame(5 + round), kNotGlobal);
        if (round == 0) {
            TLBI("vaae1", VA(page(0)));
        } else {
            tlbi_all();
        }
        for (u64 asid = 1; asid <= 3; ++asid) {
            use_asid(asid);
            print("%x ", call(page(0)));
        }
        print("\n");
    }
    print("a global page\n");
    begin(0);
    place(page(0), frame(7), 0);
    TLBI("vaae1", VA(page(0)));
    for (u64 asid = 1; asid <= 4; ++asid) {
        use_asid(asid);
        print("%x ", call(page(0)));
    }
    print("\n");
}

// A block of 2 MiB whose place is taken by a table, and another block.
static void blocks(void) {
    const u64 at = kVa + 0x40000000;
    print("blocks\n");
    map(upper, at, frame(0), 2, kCode | kNotGlobal);
    tlbi_all();
    use_asid(1);
    print("%x %x\n", call(at), call(at + 0x5000));
    const u64 block = *descriptor(upper, at, 2);
    *descriptor(upper, at, 2) = 0;
    place(at, frame(8), kNotGlobal);
    place(at + 0x5000, frame(9), kNotGlobal);
    use_asid(2);
    print("%x %x\n", call(at), call(at + 0x5000));
    TRY("blr x0\n", at + 0x6000, 0);
    *descriptor(upper, at, 2) = block;
    asm volatile("dsb ishst" ::: "memory");
    use_asid(3);
    print("%x %x\n", call(at + 0x5000), call(at + 0x6000));
}

// More ASIDs than anything remembers, and pages that change under them.
static void many(void) {
    print("many\n");
    u64 sum = 0, random = 1;
    for (u64 i = 0; i < 8; ++i) {
        place(page(i), frame(i), i % 4 == 3 ? 0 : kNotGlobal);
    }
    tlbi_all();
    for (u64 round = 0; round < 6000; ++round) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const u64 asid = random >> 33 & 127, which = random >> 40 & 7, to = random >> 43 & 63;
        if (random >> 60 == 0) {
            place(page(which), frame(to), which % 4 == 3 ? 0 : kNotGlobal);
            TLBI("vaale1is", VA(page(which)));
        } else if (random >> 60 == 1) {
            place(page(which & 2), frame(to), kNotGlobal);
            for (u64 i = 0; i < 128; ++i) {
                TLBI("aside1", ASID(i));
            }
        }
        use_asid(asid);
        for (u64 i = 0; i < 8; ++i) {
            sum = sum * 3 + call(page(i));
        }
    }
    print("%x\n", sum);
}

// The ASID in TTBR0, code by TTBR1.
static void asid_in_ttbr0(void) {
    print("the ASID in TTBR0\n");
    const u64 ttbr0 = read_register("ttbr0_el1");
    write_register("tcr_el1", read_register("tcr_el1") & ~kA1);
    place(page(0), frame(0), kNotGlobal);
    tlbi_all();
    for (u64 asid = 1; asid <= 4; ++asid) {
        write_register("ttbr0_el1", ttbr0 | asid << 48);
        print("%x ", call(page(0)));
        place(page(0), frame(asid), kNotGlobal);
    }
    TLBI("aside1", ASID(4));
    print("%x\n", call(page(0)));
    write_register("tcr_el1", read_register("tcr_el1") | kA1);
    write_register("ttbr0_el1", ttbr0);
    tlbi_all();
}

static void test(void) {
    write_register("vbar_el1", read_register("vbar_el1") | kUpper);
    fresh_asids();
    invalidations();
    blocks();
    many();
    asid_in_ttbr0();
    use_asid(0);
    write_register("vbar_el1", read_register("vbar_el1") & ~kUpper);
}

void main(void) {
    const struct Space lower = new_space(12, 48);
    upper = new_space(12, 48);
    map_machine(lower);
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(upper, kUpper + at, at, 2, kAccessed | kInner | kUxn | kNotGlobal);
    }
    fill();
    write_register("ttbr1_el1", upper.root);
    enable_mmu(lower, (tcr_for(12, 48) & ~(1ul << 23)) | kA1 | 1ul << 36); // EPD1, A1, AS
    ((void (*)(void))((u64)test + kUpper))();
}
