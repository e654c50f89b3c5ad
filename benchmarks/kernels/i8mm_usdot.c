// USDOT: unsigned activations times signed weights, four outputs at a time.
// arm64 flags: -march=armv8.6-a
#include "kernel.h"
#ifdef __ARM_FEATURE_MATMUL_INT8
#include <arm_neon.h>
#endif
enum { OUTPUTS = 64, INPUTS = 256 };
static int8_t weights[OUTPUTS][INPUTS];
static uint8_t x[INPUTS];
static int32_t y[OUTPUTS];

static void layer(void) {
    for (int i = 0; i < OUTPUTS; i += 4) {
#ifdef __ARM_FEATURE_MATMUL_INT8
        int32x4_t s0 = vdupq_n_s32(0), s1 = s0, s2 = s0, s3 = s0;
        for (int k = 0; k < INPUTS; k += 16) {
            const uint8x16_t v = vld1q_u8(x + k);
            s0 = vusdotq_s32(s0, v, vld1q_s8(weights[i] + k));
            s1 = vusdotq_s32(s1, v, vld1q_s8(weights[i + 1] + k));
            s2 = vusdotq_s32(s2, v, vld1q_s8(weights[i + 2] + k));
            s3 = vusdotq_s32(s3, v, vld1q_s8(weights[i + 3] + k));
        }
        vst1q_s32(y + i, vpaddq_s32(vpaddq_s32(s0, s1), vpaddq_s32(s2, s3)));
#else
        for (int j = i; j < i + 4; ++j) {
            y[j] = 0;
            for (int k = 0; k < INPUTS; ++k) {
                y[j] += x[k] * weights[j][k];
            }
        }
#endif
    }
}

uint64_t kernel(void) {
    fill_random(weights, sizeof weights, 4);
    uint64_t h = 0;
    for (int round = 0; round < 64000; ++round) {
        for (int k = 0; k < INPUTS; k += 16) {
            x[k] = (uint8_t)(round + k);
        }
        layer();
        h = mix(h, (uint32_t)y[round % OUTPUTS]);
    }
    return h;
}
