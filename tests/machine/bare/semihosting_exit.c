// machine: -semihosting
// status: 42
// SYS_EXIT_EXTENDED ends the machine with a status; SYS_WRITE0 writes to the host's standard error.
#include "support.h"

static u64 semihost(u64 operation, const void* block) {
    register u64 x0 asm("x0") = operation;
    register const void* x1 asm("x1") = block;
    asm volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
    return x0;
}

void main(void) {
    enum { kWrite0 = 4, kIsError = 8, kErrno = 0x13, kExitExtended = 0x20, kStopped = 0x20026 };
    semihost(kWrite0, "by semihosting\n");
    const u64 error = (u64)-1, fine = 5;
    print("%d %d\n", (u64)(semihost(kIsError, &error) != 0), semihost(kIsError, &fine));
    const u64 block[] = {kStopped, 42};
    semihost(kExitExtended, block);
    print("not reached\n");
}
