// Misaligned exclusive, ordered and atomic accesses raise SIGBUS with BUS_ADRALN and the address; plain ones work.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static sigjmp_buf after;
static volatile int code;
static void* volatile address;

static void on_bus(int signal, siginfo_t* info, void* context) {
    (void)signal, (void)context;
    code = info->si_code;
    address = info->si_addr;
    siglongjmp(after, 1);
}

static int failures;
#define EXPECT_FAULT(what, ...)                                            \
    do {                                                                   \
        code = 0;                                                          \
        if (sigsetjmp(after, 1) == 0) {                                    \
            __VA_ARGS__;                                                   \
        }                                                                  \
        const int ok = code == BUS_ADRALN && address == (void*)p;          \
        printf("%s: %s\n", what, ok ? "ok" : "NO FAULT AS EXPECTED");      \
        failures += !ok;                                                   \
    } while (0)

int main(void) {
    // Crosses a 16-byte boundary, so that it faults with FEAT_LSE2 as well.
    static char buffer[64] __attribute__((aligned(64)));
    char* p = buffer + 13;
    uint64_t value = 0;
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);

    EXPECT_FAULT("ldxr", __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"(p) : "memory"));
    EXPECT_FAULT("ldar", __asm__ volatile("ldar %0, [%1]" : "=r"(value) : "r"(p) : "memory"));
    EXPECT_FAULT("stlr", __asm__ volatile("stlr %0, [%1]" ::"r"(value), "r"(p) : "memory"));
    EXPECT_FAULT("ldadd", __asm__ volatile(".arch armv8.1-a\n ldadd %0, %0, [%1]" : "+r"(value) : "r"(p) : "memory"));
    EXPECT_FAULT("cas", __asm__ volatile(".arch armv8.1-a\n cas %0, %0, [%1]" : "+r"(value) : "r"(p) : "memory"));

    memset(buffer, 7, sizeof buffer);
    memcpy(&value, p, 8);
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(p) : "memory");
    failures += value != 0x0707070707070707u;
    return failures != 0;
}
