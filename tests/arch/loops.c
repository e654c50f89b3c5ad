// Loops that compilers vectorise, with results that the language defines to the bit: the same source
// prints the same on every machine. Built for several -march, each with what that version adds.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { kCount = 1021 }; // no multiple of a vector

static uint32_t g_seed = 1;
static uint32_t next(void) { return g_seed = g_seed * 1664525u + 1013904223u; }

static uint64_t hash(const void *data, size_t bytes) {
    const uint8_t *p = data;
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < bytes; ++i) {
        h = (h ^ p[i]) * 1099511628211ull;
    }
    return h;
}
#define SHOW(name, array) printf("%-12s %016llx\n", name, (unsigned long long)hash(array, sizeof array))

static int8_t s8a[kCount], s8b[kCount];
static uint8_t u8a[kCount], u8b[kCount], u8c[kCount];
static int16_t s16a[kCount], s16b[kCount], s16c[kCount];
static uint32_t u32a[kCount], u32b[kCount];
static int32_t s32a[kCount], s32b[kCount];
static int64_t s64a[kCount];
static float fa[kCount], fb[kCount], fc[kCount];
static double da[kCount], db[kCount];

static void fill(void) {
    for (int i = 0; i < kCount; ++i) {
        const uint32_t r = next(), s = next();
        s8a[i] = (int8_t)r, s8b[i] = (int8_t)s;
        u8a[i] = (uint8_t)(r >> 8), u8b[i] = (uint8_t)(s >> 8);
        s16a[i] = (int16_t)(r >> 3), s16b[i] = (int16_t)(s >> 3);
        u32a[i] = r, s32a[i] = (int32_t)s;
        fa[i] = (float)(int32_t)r * 0x1p-20f, fb[i] = (float)(int32_t)s * 0x1p-24f + 0.5f;
        da[i] = (int32_t)r * 0x1p-16, db[i] = (int32_t)s * 0x1p-30 + 1.5;
    }
}

__attribute__((noinline)) static void integers(void) {
    int32_t dot = 0;
    uint32_t udot = 0, sad = 0;
    int32_t mixed = 0;
    for (int i = 0; i < kCount; ++i) {
        dot += s8a[i] * s8b[i];
    }
    for (int i = 0; i < kCount; ++i) {
        udot += (uint32_t)u8a[i] * u8b[i];
    }
    for (int i = 0; i < kCount; ++i) {
        mixed += u8a[i] * s8b[i];
    }
    for (int i = 0; i < kCount; ++i) {
        const int d = u8a[i] - u8b[i];
        sad += (uint32_t)(d < 0 ? -d : d);
    }
    printf("dot %d udot %u mixed %d sad %u\n", dot, udot, mixed, sad);
    for (int i = 0; i < kCount; ++i) {
        const unsigned sum = u8a[i] + u8b[i];
        u8c[i] = (uint8_t)(sum > 255 ? 255 : sum);
    }
    SHOW("saturate", u8c);
    for (int i = 0; i < kCount; ++i) {
        const int32_t p = (s16a[i] * s16b[i] + (1 << 14)) >> 15;
        s16c[i] = (int16_t)(p > 32767 ? 32767 : p);
    }
    SHOW("q15", s16c);
    for (int i = 0; i < kCount; ++i) {
        u32b[i] = (uint32_t)__builtin_popcount(u32a[i]) + (u32a[i] << 7 | u32a[i] >> 25) +
                  (uint32_t)__builtin_clz(u32a[i] | 1);
    }
    SHOW("bits", u32b);
    for (int i = 0; i < kCount; ++i) {
        s32b[i] = s32a[i] > s8a[i] ? s32a[i] / 3 : -s32a[i] % 1000;
        s64a[i] = (int64_t)s32a[i] * s32b[i] + (s16a[i] < s16b[i] ? s16a[i] : s16b[i]);
    }
    SHOW("words", s32b);
    SHOW("long", s64a);
}

__attribute__((noinline)) static void floats(void) {
    for (int i = 0; i < kCount; ++i) {
        fc[i] = fa[i] * 1.25f + fb[i];
    }
    SHOW("saxpy", fc);
    for (int i = 0; i < kCount; ++i) {
        fc[i] = sqrtf(fabsf(fa[i])) / (fb[i] + 1000.0f) - (fa[i] > fb[i] ? fa[i] : fb[i]);
    }
    SHOW("sqrtf", fc);
    for (int i = 0; i < kCount; ++i) {
        fc[i] = floorf(fa[i]) + ceilf(fb[i]) - truncf(fa[i]) * 0.5f + rintf(fb[i]) + roundf(fa[i]);
    }
    SHOW("round", fc);
    for (int i = 0; i < kCount; ++i) {
        s32b[i] = (int32_t)fa[i] + (int32_t)lrint(da[i]);
        da[i] = da[i] * db[i] - (double)s32b[i] + (double)u32a[i] + sqrt(db[i] + 4.0);
    }
    SHOW("convert", s32b);
    SHOW("double", da);
    for (int i = 0; i < kCount; ++i) {
        da[i] = fma(da[i], db[i], -da[i]);
        fc[i] = (float)da[i];
    }
    SHOW("fma", da);
    SHOW("narrow", fc);
}

#if defined(HALF)
static _Float16 ha[kCount], hb[kCount], hc[kCount];
__attribute__((noinline)) static void halves(void) {
    for (int i = 0; i < kCount; ++i) {
        ha[i] = (_Float16)(fa[i] * 0.01f), hb[i] = (_Float16)fb[i];
    }
    for (int i = 0; i < kCount; ++i) {
        hc[i] = (_Float16)(ha[i] * hb[i]);
    }
    SHOW("half mul", hc);
    for (int i = 0; i < kCount; ++i) {
        hc[i] = (_Float16)((_Float16)(ha[i] + hb[i]) / (_Float16)3);
    }
    SHOW("half div", hc);
    for (int i = 0; i < kCount; ++i) {
        hc[i] = ha[i] > hb[i] ? -ha[i] : hb[i];
    }
    SHOW("half select", hc);
}
#endif

int main(void) {
    fill();
    integers();
    floats();
#if defined(HALF)
    halves();
#endif
    return 0;
}
