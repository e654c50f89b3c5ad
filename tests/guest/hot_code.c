// Code of several kinds that runs long enough to be worth compiling again: loops over integers and
// floating point, recursion, calls through pointers, a bytecode interpreter, stores that fault. Prints
// what it computed.
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "check.h"

static uint32_t bits(unsigned rounds) {
    uint32_t crc = ~0u;
    for (unsigned i = 0; i < rounds; ++i) {
        crc ^= i & 0xff;
        for (int k = 0; k < 8; ++k) {
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
        }
    }
    return crc;
}

static double series(unsigned terms) {
    double sum = 0;
    for (unsigned i = 1; i < terms; ++i) {
        sum += sqrt((double)i) / (1.0 + (double)i * i);
    }
    return sum;
}

static __attribute__((noinline)) unsigned fib(unsigned n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static unsigned add_one(unsigned x) { return x + 1; }
static unsigned twice(unsigned x) { return x * 2; }
static unsigned mixed(unsigned x) { return x ^ x >> 3; }

static unsigned through_pointers(unsigned rounds) {
    static unsigned (*volatile table[])(unsigned) = {add_one, twice, mixed, add_one};
    unsigned x = 1;
    for (unsigned i = 0; i < rounds; ++i) {
        x = table[i & 3](x);
    }
    return x;
}

static uint64_t interpret(unsigned rounds) {
    static const uint8_t program[] = {0, 1, 2, 0, 3, 1, 4};
    static const void* const labels[] = {&&add, &&shift, &&mix, &&subtract, &&end};
    uint64_t a = 1, b = 7;
    const uint8_t* pc = program;
    goto* labels[*pc];
add:
    a += b;
    goto* labels[*++pc];
shift:
    b = b << 3 | b >> 61;
    goto* labels[*++pc];
mix:
    a ^= b >> 7;
    goto* labels[*++pc];
subtract:
    b -= a;
    goto* labels[*++pc];
end:
    if (--rounds == 0) {
        return a ^ b;
    }
    pc = program;
    goto* labels[*pc];
}

static sigjmp_buf out;
static void on_fault(int signal) { siglongjmp(out, signal); }

// Fills an array until the protected page behind it; how far it came is exact.
static unsigned until_the_end(void) {
    enum { PAGE = 4096 };
    volatile uint32_t* const array = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(array != MAP_FAILED && mprotect((char*)array + 2 * PAGE, PAGE, PROT_NONE) == 0);
    static volatile unsigned done;
    signal(SIGSEGV, on_fault);
    for (unsigned round = 0; round < 50; ++round) {
        if (sigsetjmp(out, 1) == 0) {
            for (unsigned i = 0;; ++i) {
                array[i] = i * round;
                done = i;
            }
        }
        CHECK(done == 2 * PAGE / 4 - 1);
        CHECK(array[done] == done * round);
    }
    return done;
}

int main(int argc, char** argv) {
    const unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    printf("%08x\n", bits(100000 * n));
    printf("%.17g\n", series(100000 * n));
    printf("%u\n", fib(20 + (n > 1 ? 5 : 0)));
    printf("%u\n", through_pointers(100000 * n));
    printf("%016llx\n", (unsigned long long)interpret(20000 * n));
    printf("%u\n", until_the_end());
    return 0;
}
