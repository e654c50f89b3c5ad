// Half precision: matrix product with fused multiply-add by element, as inference kernels have it.
// The values are such that no sum rounds, so that the plain form of other hosts has equal results.
// arm64 flags: -march=armv8.2-a+fp16 -O3
// native flags: -mf16c -fexcess-precision=16 -O3
#include "kernel.h"
#ifdef __aarch64__
#include <arm_neon.h>
#endif
enum { N = 96 };
static _Float16 a[N][N], b[N][N], c[N][N];

static void multiply_row(int i) {
#ifdef __aarch64__
    for (int j = 0; j < N; j += 16) {
        float16x8_t low = vdupq_n_f16(0), high = vdupq_n_f16(0);
        for (int k = 0; k < N; k += 8) {
            const float16x8_t row = vld1q_f16((const float16_t*)&a[i][k]);
#define STEP(n)                                                                                    \
    low = vfmaq_laneq_f16(low, vld1q_f16((const float16_t*)&b[k + n][j]), row, n);                 \
    high = vfmaq_laneq_f16(high, vld1q_f16((const float16_t*)&b[k + n][j + 8]), row, n);
            STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
#undef STEP
        }
        vst1q_f16((float16_t*)&c[i][j], low);
        vst1q_f16((float16_t*)&c[i][j + 8], high);
    }
#else
    for (int j = 0; j < N; ++j) {
        c[i][j] = 0;
    }
    for (int k = 0; k < N; ++k) {
        for (int j = 0; j < N; ++j) {
            c[i][j] += a[i][k] * b[k][j];
        }
    }
#endif
}

uint64_t kernel(void) {
    uint32_t seed = 1;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < N; ++j) {
            a[i][j] = (_Float16)((int)(next_random(&seed) % 9) - 4);
            b[i][j] = (_Float16)((int)(next_random(&seed) % 9) - 4) / 4;
        }
    }
    uint64_t h = 0;
    for (int round = 0; round < 40; ++round) {
        for (int i = 0; i < N; ++i) {
            multiply_row(i);
        }
        h = mix(h, (uint64_t)(int64_t)(c[round][round] * 1024.0f));
        a[round][0] += 1;
    }
    return h;
}
