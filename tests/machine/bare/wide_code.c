// Code and signed pointers at virtual addresses of more than 48 bits (LPA2): codes leave bits 51:48
// alone there.
#include "paging.h"

static const u64 kVa = 0xf123456780000;
#define kCodeBits (7ul << 52)

extern const char page_begin[], page_end[];
asm(".pushsection .text\n .balign 64\n"
    "page_begin:\n"
    "pacia x0, x1\n ret\n nop\n nop\n"                 // 0
    "autia x0, x1\n ret\n nop\n nop\n"                 // 16
    "xpaci x0\n ret\n nop\n nop\n"                     // 32
    "mov x12, lr\n bl 1f\n mov lr, x12\n ret\n"        // 48
    "1: paciasp\n mov x0, lr\n retaa\n nop\n"          // 64
    "adr x0, 2f\n mov x1, sp\n pacia x0, x1\n"         // 80
    "msr elr_el1, x0\n mov x2, #0x3c5\n msr spsr_el1, x2\n isb\n eretaa\n"
    "2: adr x0, 2b\n ret\n"
    "page_end:\n"
    ".popsection");

static u64 call(u64 offset, u64 a, u64 b) {
    register u64 x0 asm("x0") = a;
    register u64 x1 asm("x1") = b;
    asm volatile("blr %2" : "+r"(x0), "+r"(x1) : "r"(kVa + offset) : "x2", "x12", "x30", "memory");
    return x0;
}

static void sign(u64 pointer) {
    u64 signed_pointer = pointer, modifier = 1;
    while (signed_pointer == pointer) { // one code of eight is zero
        signed_pointer = call(0, pointer, ++modifier);
    }
    print("%x: other bits %x, authenticated %x, stripped %x\n", pointer,
          (signed_pointer ^ pointer) & ~kCodeBits, call(16, signed_pointer, modifier),
          call(32, signed_pointer, 0));
    TRY("autia x0, x1", signed_pointer ^ 1ul << 53, modifier);
}

void main(void) {
    const struct Space space = new_space(12, 52);
    // Without shareability, whose place has two more bits of the address.
    map(space, 0x09000000, 0x09000000, 3, kAccessed | kUxn | kPxn | kAttribute(kDevice));
    for (u64 at = 0x40000000; at < 0x50000000; at += 0x200000) {
        map(space, at, at, 2, kAccessed | kUxn);
    }
    map(space, kVa, 0x44000000, 3, kAccessed | kReadOnly | kUxn);
    write_code((volatile u32*)0x44000000, (const u32*)page_begin, (u64)(page_end - page_begin) / 4);
    enable_mmu(space, tcr_for(12, 52) | 1ul << 59 | 1ul << 37); // DS, TBI0
    write_register("sctlr_el1", read_register("sctlr_el1") | 1ul << 31); // EnIA
    write_register("apiakeylo_el1", 0x1111222233334441);
    write_register("apiakeyhi_el1", 0x9999888877776661);
    sign(kVa);
    sign(0x8123456789ab8);
    sign(0x1234);
    print("a signed return: %x\n", call(48, 0, 0) & ~kCodeBits);
    print("ERETAA: %x\n", call(80, 0, 0));
}
