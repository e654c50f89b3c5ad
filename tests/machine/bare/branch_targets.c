// BTI: guarded pages, every kind of landing, reached by every kind of branch from a guarded page.
#include "paging.h"

static const u64 kGuarded = 0x4080000000;
#define kGuardedPage (1ul << 50)

extern const char page_begin[], page_end[];
asm(".pushsection .text\n .balign 64\n"
    "page_begin:\n"
    "br x1\n nop\n"            // 0: BTYPE 3
    "br x16\n nop\n"           // 8: BTYPE 1
    "blr x1\n ret x12\n"       // 16: BTYPE 2
    "ret x1\n nop\n"           // 24: BTYPE 0
    "mov x0, #100\n ret x12\n" // 32: targets
    "bti\n ret x12\n"
    "bti c\n ret x12\n"
    "bti j\n ret x12\n"
    "bti jc\n ret x12\n"
    "paciasp\n ret x12\n"
    "brk #1\n nop\n"
    "page_end:\n"
    ".popsection");

void main(void) {
    const struct Space space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    // As Linux has it: PACIASP is no place for BR from a guarded page.
    write_register("sctlr_el1", read_register("sctlr_el1") | 1ul << 36);
    write_code((volatile u32*)0x44000000, (const u32*)page_begin, (u64)(page_end - page_begin) / 4);
    for (u64 guarded = 0; guarded < 2; ++guarded) {
        map(space, kGuarded, 0x44000000, 3, kCode | (guarded ? kGuardedPage : 0));
        tlbi_va(kGuarded, 0);
        for (u64 target = 0; target < 7; ++target) {
            print("guarded %d, target %d\n", guarded, target);
            // RET has BTYPE 0; the others arrive by it at their own branch.
            for (u64 from = 0; from < 4; ++from) {
                TRY("adr x12, 3f\n mov x16, x1\n mov x2, x0\n ret x2\n 3:\n", kGuarded + 8 * from,
                    kGuarded + 32 + 8 * target);
            }
        }
    }
}
