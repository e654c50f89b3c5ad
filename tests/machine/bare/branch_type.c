// short: a branch from a page that is not guarded leaves PSTATE.BTYPE at 0
// BTYPE in what an exception at a branch's target saves.
#include "support.h"

extern const char el0_branch[];
asm(".pushsection .text\n"
    "el0_branch: br x0\n"
    ".popsection");

void main(void) {
    spsr_printed = ~0xf0002000ul;
    TRY("br x0\n", 0x40200001, 0);
    TRY("blr x0\n", 0x40200002, 0);
    TRY("br x0\n", 1ul << 53, 0);
    TRY("mov x17, x0\n br x17\n", 0x40200002, 0);
    TRY("ret x0\n", 0x40200002, 0);
    run_lower(el0_branch, kEl0, 0x40200002, 0);
}
