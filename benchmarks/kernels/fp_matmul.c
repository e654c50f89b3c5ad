// Single-precision matrix product, vectorised by the compiler.
#include "kernel.h"
enum { N = 384 };
static float a[N][N], b[N][N], c[N][N];
uint64_t kernel(void) {
    uint32_t seed = 5;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) {
            a[i][j] = (float)(next_random(&seed) & 255);
            b[i][j] = (float)(next_random(&seed) & 255);
        }
    }
    for (int round = 0; round < 24; ++round) {
        for (int i = 0; i < N; ++i) {
            for (int k = 0; k < N; ++k) {
                const float x = a[i][k];
                for (int j = 0; j < N; ++j) {
                    c[i][j] += x * b[k][j];
                }
            }
        }
    }
    uint64_t h = 0;
    for (int i = 0; i < N; i += 7) {
        h = mix(h, (uint64_t)c[i][i * 5 % N]);
    }
    return h;
}
