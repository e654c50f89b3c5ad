// SMMLA: signed bytes, 8 x 8 blocks of a quantised matrix product.
// arm64 flags: -march=armv8.6-a
#include "kernel.h"
#ifdef __ARM_FEATURE_MATMUL_INT8
#include <arm_neon.h>
#endif
// Both operands are packed: for each group of eight columns, eight bytes of each of the eight rows.
enum { GROUPS = 64 };
static int8_t a[GROUPS][8][8], b[GROUPS][8][8];
static int32_t c[8][8];

static void block(void) {
#ifdef __ARM_FEATURE_MATMUL_INT8
    int32x4_t s[4][4]; // of two rows and two columns each
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            s[i][j] = vcombine_s32(vld1_s32(&c[2 * i][2 * j]), vld1_s32(&c[2 * i + 1][2 * j]));
        }
    }
    for (int g = 0; g < GROUPS; ++g) {
        int8x16_t m[4];
        for (int j = 0; j < 4; ++j) {
            m[j] = vld1q_s8(b[g][2 * j]);
        }
        for (int i = 0; i < 4; ++i) {
            const int8x16_t n = vld1q_s8(a[g][2 * i]);
            for (int j = 0; j < 4; ++j) {
                s[i][j] = vmmlaq_s32(s[i][j], n, m[j]);
            }
        }
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            vst1_s32(&c[2 * i][2 * j], vget_low_s32(s[i][j]));
            vst1_s32(&c[2 * i + 1][2 * j], vget_high_s32(s[i][j]));
        }
    }
#else
    for (int g = 0; g < GROUPS; ++g) {
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 8; ++j) {
                int32_t sum = 0;
                for (int k = 0; k < 8; ++k) {
                    sum += a[g][i][k] * b[g][j][k];
                }
                c[i][j] = (int32_t)((uint32_t)c[i][j] + (uint32_t)sum);
            }
        }
    }
#endif
}

uint64_t kernel(void) {
    fill_random(a, sizeof a, 3);
    fill_random(b, sizeof b, 4);
    for (int round = 0; round < 40000; ++round) {
        a[round % GROUPS][round % 8][0] = (int8_t)round;
        block();
    }
    uint64_t h = 0;
    for (int i = 0; i < 64; ++i) {
        h = mix(h, (uint32_t)c[i / 8][i % 8]);
    }
    return h;
}
