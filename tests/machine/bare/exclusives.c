// The exclusive monitor: exceptions, other stores, CLREX, sizes, pages.
#include "paging.h"

#define RESULT(code, a, b) print("%d\n", TRY(code, a, b))

void main(void) {
    const struct Space space = new_space(12, 48);
    map_machine(space);
    enable_mmu(space, tcr_for(12, 48));
    const u64 va = 0x4080000000;
    map(space, va, 0x44000000, 3, kReadWrite);
    print("plain: ");
    RESULT("ldxr x2, [x0]\n stxr w13, x2, [x0]\n mov w0, w13\n", va, 0);
    print("without a load: ");
    RESULT("stxr w13, x1, [x0]\n mov w0, w13\n", va, 0);
    print("twice: ");
    RESULT("ldxr x2, [x0]\n stxr w3, x2, [x0]\n stxr w13, x2, [x0]\n mov w0, w13\n", va, 0);
    print("CLREX: ");
    RESULT("ldxr x2, [x0]\n clrex\n stxr w13, x2, [x0]\n mov w0, w13\n", va, 0);
    print("an exception between (ERET clears the monitor): ");
    on_synchronous = 0;
    RESULT("ldxr x2, [x0]\n adr x4, 3f\n msr elr_el1, x4\n mrs x4, daif\n add x4, x4, #5\n"
           "msr spsr_el1, x4\n eret\n 3: stxr w13, x2, [x0]\n mov w0, w13\n",
           va, 0);
    print("other address: ");
    RESULT("ldxr x2, [x0]\n stxr w13, x2, [x1]\n mov w0, w13\n", va, va + 0x800);
    print("pairs: ");
    RESULT("ldxp x2, x3, [x0]\n stxp w13, x2, x3, [x0]\n mov w0, w13\n", va, 0);
    print("bytes: ");
    RESULT("ldxrb w2, [x0]\n stxrb w13, w2, [x0]\n mov w0, w13\n", va + 3, 0);
    print("acquire and release: ");
    RESULT("ldaxr x2, [x0]\n stlxr w13, x2, [x0]\n mov w0, w13\n", va, 0);
    print("a value that changed between: ");
    RESULT("ldxr x2, [x0]\n add x3, x2, #1\n mov x4, x0\n ldadd x3, x5, [x4]\n stxr w13, x3, [x0]\n mov w0, w13\n",
           va, 0);
    print("faults\n");
    map(space, va + 0x1000, 0x44001000, 3, kReadWrite | kReadOnly);
    TRY("ldxr x2, [x0]\n stxr w3, x2, [x0]\n", va + 0x1000, 0);
    TRY("ldxr x2, [x0]\n", va + 0x2000, 0);
    TRY("ldxr x2, [x0]\n", va + 4, 0);
    TRY("ldaxp x2, x3, [x0]\n", va + 8, 0);
    TRY("cas x1, x2, [x0]\n", va + 0x2000, 0);
    TRY("casp x2, x3, x4, x5, [x0]\n", va + 8, 0);
    TRY("swp x1, x2, [x0]\n", va + 0x1000, 0);
}
