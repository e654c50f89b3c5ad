// BFMLALB, BFMLALT and BFCVTN: bfloat16 vectors, multiplied and added in single precision and rounded back.
// arm64 flags: -march=armv8.6-a
#include "kernel.h"
#include <math.h>
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#include <arm_neon.h>
#endif
enum { N = 1024 };
static uint16_t x[N], y[N];

#ifndef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
static float widened(uint16_t v) {
    const uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
static uint16_t rounded(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
#endif

static void axpy(uint16_t a) {
    for (int i = 0; i < N; i += 8) {
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
        const bfloat16x8_t factor = vreinterpretq_bf16_u16(vdupq_n_u16(a));
        const bfloat16x8_t v = vreinterpretq_bf16_u16(vld1q_u16(x + i));
        const uint16x8_t w = vld1q_u16(y + i);
        const uint32x4_t low = vshlq_n_u32(vreinterpretq_u32_u16(w), 16);
        const uint32x4_t high = vandq_u32(vreinterpretq_u32_u16(w), vdupq_n_u32(0xffff0000));
        const float32x4_t even = vbfmlalbq_f32(vreinterpretq_f32_u32(low), v, factor);
        const float32x4_t odd = vbfmlaltq_f32(vreinterpretq_f32_u32(high), v, factor);
        const float32x4x2_t zipped = vzipq_f32(even, odd);
        const bfloat16x8_t sums = vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(zipped.val[0]), zipped.val[1]);
        vst1q_u16(y + i, vreinterpretq_u16_bf16(sums));
#else
        for (int k = i; k < i + 8; ++k) {
            y[k] = rounded(fmaf(widened(x[k]), widened(a), widened(y[k])));
        }
#endif
    }
}

uint64_t kernel(void) {
    uint32_t seed = 6;
    for (int i = 0; i < N; ++i) {
        x[i] = (uint16_t)(0x3f80 + next_random(&seed) % 0x80 + (i & 1) * 0x8000);
    }
    uint64_t h = 0;
    for (int round = 0; round < 32000; ++round) {
        axpy((uint16_t)(0x3c00 + round % 0x80 + (round & 1) * 0x8000));
        h = mix(h, y[round % N]);
    }
    return h;
}
