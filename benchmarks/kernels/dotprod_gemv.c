// SDOT: signed bytes, a matrix times a vector.
// arm64 flags: -march=armv8.2-a+dotprod
#include "kernel.h"
#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#endif
enum { ROWS = 64, COLUMNS = 256 };
static int8_t a[ROWS][COLUMNS], x[COLUMNS];

static int32_t dot(const int8_t* p, const int8_t* q) {
#ifdef __ARM_FEATURE_DOTPROD
    int32x4_t s0 = vdupq_n_s32(0), s1 = s0, s2 = s0, s3 = s0;
    for (int i = 0; i < COLUMNS; i += 64) {
        s0 = vdotq_s32(s0, vld1q_s8(p + i), vld1q_s8(q + i));
        s1 = vdotq_s32(s1, vld1q_s8(p + i + 16), vld1q_s8(q + i + 16));
        s2 = vdotq_s32(s2, vld1q_s8(p + i + 32), vld1q_s8(q + i + 32));
        s3 = vdotq_s32(s3, vld1q_s8(p + i + 48), vld1q_s8(q + i + 48));
    }
    return vaddvq_s32(vaddq_s32(vaddq_s32(s0, s1), vaddq_s32(s2, s3)));
#else
    int32_t sum = 0;
    for (int i = 0; i < COLUMNS; ++i) {
        sum += p[i] * q[i];
    }
    return sum;
#endif
}

uint64_t kernel(void) {
    fill_random(a, sizeof a, 1);
    uint64_t h = 0;
    for (int round = 0; round < 64000; ++round) {
        for (int k = 0; k < COLUMNS; k += 16) {
            x[k] = (int8_t)(round + k);
        }
        for (int i = 0; i < ROWS; ++i) {
            h = mix(h, (uint32_t)dot(a[i], x));
        }
    }
    return h;
}
