// Byte stores and branches: the sieve of Eratosthenes.
#include "kernel.h"
enum { N = 4000000 };
static uint8_t composite[N];
uint64_t kernel(void) {
    uint64_t count = 0;
    for (int round = 0; round < 6; ++round) {
        memset(composite, 0, N);
        for (int i = 2; i < N; ++i) {
            if (!composite[i]) {
                ++count;
                for (long j = (long)i * i; j < N; j += i) {
                    composite[j] = 1;
                }
            }
        }
    }
    return count;
}
