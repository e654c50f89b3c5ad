// SM3 and SM4 with their instructions, against the examples of GB/T 32905 and GB/T 32907.
#pragma GCC target("arch=armv8.2-a+sm4")
#include "check.h"
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

static uint32x4_t rotate_left_1(uint32x4_t x) { return vsriq_n_u32(vshlq_n_u32(x, 1), x, 31); }
static uint32x4_t big_endian(uint32x4_t x) {
    return vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(x)));
}

// Word 3 of abcd is A, of efgh is E; word 3 of `constant` is the round's.
struct Sm3 {
    uint32x4_t abcd, efgh, constant;
};

#define ROUND(AB, i)                                                                               \
    do {                                                                                           \
        const uint32x4_t ss1 = vsm3ss1q_u32(s.abcd, s.efgh, s.constant);                           \
        s.abcd = vsm3tt1##AB##q_u32(s.abcd, ss1, mixed, i);                                        \
        s.efgh = vsm3tt2##AB##q_u32(s.efgh, ss1, w[0], i);                                         \
        s.constant = rotate_left_1(s.constant);                                                    \
    } while (0)

static void sm3_block(uint32_t state[8], const uint8_t* block) {
    uint32x4_t w[5];
    for (int i = 0; i < 4; ++i) {
        w[i] = big_endian(vreinterpretq_u32_u8(vld1q_u8(block + 16 * i)));
    }
    const uint32x4_t first = {state[3], state[2], state[1], state[0]};
    const uint32x4_t second = {state[7], state[6], state[5], state[4]};
    struct Sm3 s = {first, second, {0, 0, 0, 0x79cc4519}};
    for (int group = 0; group < 16; ++group) {
        const uint32x4_t mixed = veorq_u32(w[0], w[1]); // W'
        const uint32x4_t w7 = vextq_u32(w[1], w[2], 3), w3 = vextq_u32(w[0], w[1], 3),
                         w10 = vextq_u32(w[2], w[3], 2);
        w[4] = vsm3partw2q_u32(vsm3partw1q_u32(w7, w[0], w[3]), w10, w3);
        if (group == 4) {
            s.constant = (uint32x4_t){0, 0, 0, 0x9d8a7a87}; // 0x7a879d8a, turned by 16
        }
        if (group < 4) {
            ROUND(a, 0);
            ROUND(a, 1);
            ROUND(a, 2);
            ROUND(a, 3);
        } else {
            ROUND(b, 0);
            ROUND(b, 1);
            ROUND(b, 2);
            ROUND(b, 3);
        }
        for (int i = 0; i < 4; ++i) {
            w[i] = w[i + 1];
        }
    }
    const uint32x4_t abcd = veorq_u32(s.abcd, first), efgh = veorq_u32(s.efgh, second);
    for (int i = 0; i < 4; ++i) {
        state[i] = abcd[3 - i];
        state[i + 4] = efgh[3 - i];
    }
}

static void test_sm3(void) {
    uint32_t state[8] = {0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
                         0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e};
    static const uint32_t digest[8] = {0x66c7f0f4, 0x62eeedd9, 0xd1f2d46b, 0xdc10e4e2,
                                       0x4167c487, 0x5cf2f7a2, 0x297da02b, 0x8f4ba8e0};
    uint8_t block[64] = "abc\x80";
    block[63] = 24;
    sm3_block(state, block);
    CHECK(memcmp(state, digest, sizeof digest) == 0);
}

struct Sm4 {
    uint32x4_t keys[8];
};
static struct Sm4 sm4_expand(const uint8_t* key) {
    static const uint32_t kFamily[4] = {0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc};
    struct Sm4 result;
    uint32x4_t k = veorq_u32(big_endian(vreinterpretq_u32_u8(vld1q_u8(key))), vld1q_u32(kFamily));
    for (unsigned i = 0; i < 8; ++i) {
        uint32_t constants[4]; // byte j of constant i is (4i + j) * 7, the first one highest
        for (unsigned word = 0; word < 4; ++word) {
            constants[word] = 0;
            for (unsigned j = 0; j < 4; ++j) {
                constants[word] = constants[word] << 8 | ((4 * (4 * i + word) + j) * 7 & 0xff);
            }
        }
        k = vsm4ekeyq_u32(k, vld1q_u32(constants));
        result.keys[i] = k;
    }
    return result;
}
static void sm4_encrypt(const struct Sm4* sm4, uint8_t* block) {
    uint32x4_t x = big_endian(vreinterpretq_u32_u8(vld1q_u8(block)));
    for (int i = 0; i < 8; ++i) {
        x = vsm4eq_u32(x, sm4->keys[i]);
    }
    const uint32x4_t reversed = {x[3], x[2], x[1], x[0]};
    vst1q_u8(block, vreinterpretq_u8_u32(big_endian(reversed)));
}

static void test_sm4(void) {
    static const uint8_t kKey[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                     0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    static const uint8_t kOnce[16] = {0x68, 0x1e, 0xdf, 0x34, 0xd2, 0x06, 0x96, 0x5e,
                                      0x86, 0xb3, 0xe9, 0x4f, 0x53, 0x6e, 0x42, 0x46};
    static const uint8_t kMillionTimes[16] = {0x59, 0x52, 0x98, 0xc7, 0xc6, 0xfd, 0x27, 0x1f,
                                              0x04, 0x02, 0xf8, 0x04, 0xc3, 0x3d, 0x3f, 0x66};
    const struct Sm4 sm4 = sm4_expand(kKey);
    uint8_t block[16];
    memcpy(block, kKey, 16);
    for (int i = 0; i < 1000000; ++i) {
        sm4_encrypt(&sm4, block);
        CHECK(i != 0 || memcmp(block, kOnce, 16) == 0);
    }
    CHECK(memcmp(block, kMillionTimes, 16) == 0);
}

int main(void) {
    test_sm3();
    test_sm4();
    return 0;
}
