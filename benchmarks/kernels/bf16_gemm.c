// BFMMLA: bfloat16, 8 x 8 blocks of a matrix product. The numbers are small integers, so that sums are
// exact and equal whatever their order and rounding.
// arm64 flags: -march=armv8.6-a
#include "kernel.h"
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#include <arm_neon.h>
#endif
// Both operands are packed: for each group of four columns, four numbers of each of the eight rows.
enum { GROUPS = 64 };
static uint16_t a[GROUPS][8][4], b[GROUPS][8][4];
static float c[8][8];

static void block(void) {
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
    float32x4_t s[4][4]; // of two rows and two columns each
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            s[i][j] = vcombine_f32(vld1_f32(&c[2 * i][2 * j]), vld1_f32(&c[2 * i + 1][2 * j]));
        }
    }
    for (int g = 0; g < GROUPS; ++g) {
        bfloat16x8_t m[4];
        for (int j = 0; j < 4; ++j) {
            m[j] = vreinterpretq_bf16_u16(vld1q_u16(b[g][2 * j]));
        }
        for (int i = 0; i < 4; ++i) {
            const bfloat16x8_t n = vreinterpretq_bf16_u16(vld1q_u16(a[g][2 * i]));
            for (int j = 0; j < 4; ++j) {
                s[i][j] = vbfmmlaq_f32(s[i][j], n, m[j]);
            }
        }
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            vst1_f32(&c[2 * i][2 * j], vget_low_f32(s[i][j]));
            vst1_f32(&c[2 * i + 1][2 * j], vget_high_f32(s[i][j]));
        }
    }
#else
    for (int g = 0; g < GROUPS; ++g) {
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 8; ++j) {
                for (int k = 0; k < 4; ++k) {
                    const uint32_t x = (uint32_t)a[g][i][k] << 16, y = (uint32_t)b[g][j][k] << 16;
                    float n, m;
                    memcpy(&n, &x, 4);
                    memcpy(&m, &y, 4);
                    c[i][j] += n * m;
                }
            }
        }
    }
#endif
}

static uint16_t small_integer(uint32_t* seed) {
    const float value = (float)(int)(next_random(seed) % 17) - 8.0f;
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)(bits >> 16);
}

uint64_t kernel(void) {
    uint32_t seed = 5;
    for (int g = 0; g < GROUPS; ++g) {
        for (int i = 0; i < 32; ++i) {
            a[g][i / 4][i % 4] = small_integer(&seed);
            b[g][i / 4][i % 4] = small_integer(&seed);
        }
    }
    uint64_t h = 0;
    for (int round = 0; round < 2000; ++round) {
        a[round % GROUPS][round % 8][0] = small_integer(&seed);
        memset(c, 0, sizeof c);
        block();
        h = mix(h, (uint64_t)(int64_t)c[round % 8][round / 8 % 8]);
    }
    return h;
}
