// qsort with a comparison callback: indirect calls, branches that mispredict.
#include "kernel.h"
enum { N = 1000000 };
static int values[N];
static int compare(const void* a, const void* b) {
    const int x = *(const int*)a, y = *(const int*)b;
    return (x > y) - (x < y);
}
uint64_t kernel(void) {
    uint32_t seed = 7;
    uint64_t h = 0;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < N; ++i) {
            values[i] = (int)next_random(&seed);
        }
        qsort(values, N, sizeof values[0], compare);
        for (int i = 0; i < N; i += 997) {
            h = mix(h, (uint64_t)values[i]);
        }
    }
    return h;
}
