// AES, SHA1 and SHA256 operations, composed as programs compose them, against the published vectors
// of FIPS 197 and FIPS 180.

#include <array>
#include <vector>

#include "tests/support/eval_vector.h"

#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

V128 run(Opcode op, std::initializer_list<V128> args, Shape shape = {}, u64 imm = 0) {
    u32 fpsr_bits = 0;
    return test::eval_vector(op, shape, imm, args.begin(), fpsr_bits);
}

V128 bytes(std::initializer_list<u8> values) {
    V128 result;
    unsigned i = 0;
    for (const u8 value : values) {
        result.set_lane<u8>(i++, value);
    }
    return result;
}
V128 words(u32 a, u32 b, u32 c, u32 d) { return {u64{b} << 32 | a, u64{d} << 32 | c}; }
V128 exclusive_or(V128 a, V128 b) { return {a.lo ^ b.lo, a.hi ^ b.hi}; }
V128 add_words(V128 a, V128 b) {
    V128 result;
    for (unsigned i = 0; i < 4; ++i) {
        result.set_lane<u32>(i, a.lane<u32>(i) + b.lane<u32>(i));
    }
    return result;
}

// SubWord by AESE of four equal columns, which ShiftRows leaves alone.
u32 sub_word(u32 w) { return run(Opcode::AesE, {words(w, w, w, w), V128{}}).lane<u32>(0); }

std::array<V128, 11> expand_key(V128 key) {
    std::array<V128, 11> round_keys{};
    round_keys[0] = key;
    u32 rcon = 1;
    for (unsigned i = 1; i <= 10; ++i) {
        const u32 last = round_keys[i - 1].lane<u32>(3);
        u32 word = sub_word(std::rotr(last, 8)) ^ rcon;
        for (unsigned k = 0; k < 4; ++k) {
            word ^= round_keys[i - 1].lane<u32>(k);
            round_keys[i].set_lane<u32>(k, word);
        }
        rcon = rcon << 1 ^ (rcon & 0x80 ? 0x11b : 0);
    }
    return round_keys;
}

// The schedule in chunks of four words: the two Su operations extend it.
using Chunk = std::array<V128, 4>;
const Chunk kAbc = {words(0x61626380, 0, 0, 0), V128{}, V128{},
                    words(0, 0, 0, 24)}; // "abc", padded

V128 next_sha1_chunk(const std::vector<V128>& w) {
    const std::size_t n = w.size();
    return run(Opcode::Sha1Su1, {run(Opcode::Sha1Su0, {w[n - 4], w[n - 3], w[n - 2]}), w[n - 1]});
}
V128 next_sha256_chunk(const std::vector<V128>& w) {
    const std::size_t n = w.size();
    return run(Opcode::Sha256Su1,
               {run(Opcode::Sha256Su0, {w[n - 4], w[n - 3]}), w[n - 2], w[n - 1]});
}

// The round constants are the fractions of the cube roots of the first 64 primes.
u32 sha256_constant(unsigned index) {
    unsigned prime = 1;
    for (unsigned found = 0; found <= index;) {
        ++prime;
        bool is_prime = true;
        for (unsigned d = 2; d * d <= prime; ++d) {
            is_prime &= prime % d != 0;
        }
        found += is_prime;
    }
    // Largest x with x^3 <= prime * 2^96.
    u64 x = 0;
    for (u64 step = u64{1} << 35; step != 0; step >>= 1) {
        const u64 y = x + step;
        const u128 square = u128{y} * y; // < 2^72
        // y^3 <= prime * 2^96, compared without overflow: square * y < 2^108.
        if (square * y <= u128{prime} << 96) {
            x = y;
        }
    }
    return static_cast<u32>(x);
}

} // namespace

TEST_CASE("AES operations encrypt and decrypt the example of FIPS 197 appendix C.1", "[simd]") {
    const auto keys = expand_key(bytes({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
    const V128 plain = bytes({0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
                              0xbb, 0xcc, 0xdd, 0xee, 0xff});
    const V128 cipher = bytes({0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7,
                               0x80, 0x70, 0xb4, 0xc5, 0x5a});
    V128 state = plain;
    for (unsigned i = 0; i < 9; ++i) {
        state = run(Opcode::AesMc, {run(Opcode::AesE, {state, keys[i]})});
    }
    state = exclusive_or(run(Opcode::AesE, {state, keys[9]}), keys[10]);
    CHECK(state == cipher);

    // The equivalent inverse cipher: inner round keys go through InvMixColumns.
    state = cipher;
    for (unsigned i = 10; i > 1; --i) {
        const V128 key = i == 10 ? keys[10] : run(Opcode::AesImc, {keys[i]});
        state = run(Opcode::AesImc, {run(Opcode::AesD, {state, key})});
    }
    state = run(Opcode::AesD, {state, run(Opcode::AesImc, {keys[1]})});
    CHECK(exclusive_or(state, keys[0]) == plain);
}

TEST_CASE("SHA1 operations hash \"abc\"", "[simd]") {
    constexpr u32 kRoundConstants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    constexpr Opcode kRounds[] = {Opcode::Sha1C, Opcode::Sha1P, Opcode::Sha1M, Opcode::Sha1P};
    const V128 start = words(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
    V128 abcd = start;
    V128 e{0xc3d2e1f0, 0};
    std::vector<V128> w(kAbc.begin(), kAbc.end());
    for (unsigned i = 0; i < 20; ++i) {
        if (i >= 4) {
            w.push_back(next_sha1_chunk(w));
        }
        const u32 k = kRoundConstants[i / 5];
        const V128 next_e = run(Opcode::Sha1H, {abcd});
        abcd = run(kRounds[i / 5], {abcd, e, add_words(w[i], words(k, k, k, k))});
        e = next_e;
    }
    CHECK(add_words(abcd, start) == words(0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c));
    CHECK(e.lane<u32>(0) + 0xc3d2e1f0 == 0x9cd0d89d);
}

TEST_CASE("SHA256 operations hash \"abc\"", "[simd]") {
    REQUIRE(sha256_constant(0) == 0x428a2f98);
    REQUIRE(sha256_constant(63) == 0xc67178f2);
    // The initial state, each register's words from a or c, e or g at the top down.
    const V128 start_abef = words(0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667);
    const V128 start_cdgh = words(0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372);
    V128 abef = start_abef, cdgh = start_cdgh;
    std::vector<V128> w(kAbc.begin(), kAbc.end());
    for (unsigned i = 0; i < 16; ++i) {
        if (i >= 4) {
            w.push_back(next_sha256_chunk(w));
        }
        const V128 k = words(sha256_constant(4 * i), sha256_constant(4 * i + 1),
                             sha256_constant(4 * i + 2), sha256_constant(4 * i + 3));
        const V128 wk = add_words(w[i], k);
        const V128 middle = run(Opcode::Sha256Rnds2, {cdgh, abef, wk}, shape::S4, 0);
        abef = run(Opcode::Sha256Rnds2, {abef, middle, wk}, shape::S4, 1);
        cdgh = middle;
    }
    CHECK(add_words(abef, start_abef) == words(0x96177a9c, 0xb00361a3, 0x8f01cfea, 0xba7816bf));
    CHECK(add_words(cdgh, start_cdgh) == words(0xf20015ad, 0xb410ff61, 0x5dae2223, 0x414140de));
}
