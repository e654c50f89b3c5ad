// UDOT by element, as in the inner loop of a quantised matrix product: 8 x 8 blocks.
// arm64 flags: -march=armv8.2-a+dotprod
#include "kernel.h"
#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>
#endif
// Both operands are packed: for each group of four columns, four bytes of each of the eight rows.
enum { GROUPS = 64 };
static uint8_t a[GROUPS][8][4], b[GROUPS][8][4];
static uint32_t c[8][8];

static void block(void) {
#ifdef __ARM_FEATURE_DOTPROD
    uint32x4_t s[8][2];
    for (int i = 0; i < 8; ++i) {
        s[i][0] = vld1q_u32(&c[i][0]);
        s[i][1] = vld1q_u32(&c[i][4]);
    }
    for (int g = 0; g < GROUPS; ++g) {
        const uint8x16_t a0 = vld1q_u8(a[g][0]), a1 = vld1q_u8(a[g][4]);
        const uint8x16_t b0 = vld1q_u8(b[g][0]), b1 = vld1q_u8(b[g][4]);
#define ROW(i, source, lane)                                                                       \
    s[i][0] = vdotq_laneq_u32(s[i][0], b0, source, lane);                                          \
    s[i][1] = vdotq_laneq_u32(s[i][1], b1, source, lane)
        ROW(0, a0, 0);
        ROW(1, a0, 1);
        ROW(2, a0, 2);
        ROW(3, a0, 3);
        ROW(4, a1, 0);
        ROW(5, a1, 1);
        ROW(6, a1, 2);
        ROW(7, a1, 3);
#undef ROW
    }
    for (int i = 0; i < 8; ++i) {
        vst1q_u32(&c[i][0], s[i][0]);
        vst1q_u32(&c[i][4], s[i][1]);
    }
#else
    for (int g = 0; g < GROUPS; ++g) {
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 8; ++j) {
                for (int k = 0; k < 4; ++k) {
                    c[i][j] += (uint32_t)a[g][i][k] * b[g][j][k];
                }
            }
        }
    }
#endif
}

uint64_t kernel(void) {
    fill_random(a, sizeof a, 2);
    fill_random(b, sizeof b, 3);
    for (int round = 0; round < 40000; ++round) {
        a[round % GROUPS][round % 8][0] = (uint8_t)round;
        block();
    }
    uint64_t h = 0;
    for (int i = 0; i < 64; ++i) {
        h = mix(h, c[i / 8][i % 8]);
    }
    return h;
}
