// Recursive calls and returns.
#include "kernel.h"
__attribute__((noinline)) static uint64_t fib(unsigned n) {
    if (n < 2) {
        return n;
    }
    return fib(n - 1) + fib(n - 2);
}
uint64_t kernel(void) { return fib(39); }
