// Meaning of the AES, SHA1, SHA256 and SM4 operations (DDI 0487 shared/functions/crypto). Plain
// rather than fast: the tables are computed from the field GF(2^8) that defines them.

#include <array>

#include "ir/eval.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

// --- AES

// Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1.
[[nodiscard]] constexpr u8 gf_multiply(u8 a, u8 b) {
    unsigned product = 0, shifted = a;
    for (unsigned i = 0; i < 8; ++i) {
        product ^= bit(b, i) ? shifted : 0;
        shifted = shifted << 1 ^ (bit(shifted, 7) ? 0x11b : 0);
    }
    return static_cast<u8>(product);
}

using ByteTable = std::array<u8, 256>;

[[nodiscard]] constexpr ByteTable make_sbox() {
    // Powers of the generator 3 and their logarithms give inverses.
    std::array<u8, 256> power{}, log{};
    u8 value = 1;
    for (unsigned i = 0; i < 255; ++i) {
        power[i] = value;
        log[value] = static_cast<u8>(i);
        value = gf_multiply(value, 3);
    }
    ByteTable sbox{};
    for (unsigned i = 0; i < 256; ++i) {
        const u8 inverse = i == 0 ? u8{0} : power[(255 - log[i]) % 255];
        sbox[i] = static_cast<u8>(inverse ^ std::rotl(inverse, 1) ^ std::rotl(inverse, 2) ^
                                  std::rotl(inverse, 3) ^ std::rotl(inverse, 4) ^ 0x63);
    }
    return sbox;
}
constexpr ByteTable kSbox = make_sbox();
constexpr ByteTable kInverseSbox = [] {
    ByteTable inverse{};
    for (unsigned i = 0; i < 256; ++i) {
        inverse[kSbox[i]] = static_cast<u8>(i);
    }
    return inverse;
}();
static_assert(kSbox[0x00] == 0x63 && kSbox[0x53] == 0xed && kInverseSbox[0x00] == 0x52);

[[nodiscard]] V128 exclusive_or(const V128& a, const V128& b) { return {a.lo ^ b.lo, a.hi ^ b.hi}; }

// Byte i of the state is row i % 4, column i / 4. ShiftRows moves row r left by r columns; the
// inverse moves it right. Substitution commutes with it.
template <bool kInverse> V128 eval_aes_round(const OpParams&, const V128* args, u32&) {
    const V128 state = exclusive_or(args[0], args[1]);
    const ByteTable& box = kInverse ? kInverseSbox : kSbox;
    V128 result;
    for (unsigned i = 0; i < 16; ++i) {
        const unsigned row = i % 4, column = i / 4;
        const unsigned from = kInverse ? column + 4 - row : column + row;
        result.set_lane<u8>(i, box[state.lane<u8>(from % 4 * 4 + row)]);
    }
    return result;
}

// Multiplies each column by the circulant matrix whose first row is `row`.
[[nodiscard]] V128 mix_columns(const V128& state, const std::array<u8, 4>& row) {
    V128 result;
    for (unsigned i = 0; i < 16; ++i) {
        u8 sum = 0;
        for (unsigned k = 0; k < 4; ++k) {
            sum ^= gf_multiply(state.lane<u8>(i / 4 * 4 + k), row[(k + 4 - i % 4) % 4]);
        }
        result.set_lane<u8>(i, sum);
    }
    return result;
}
V128 eval_mix_columns(const OpParams&, const V128* args, u32&) {
    return mix_columns(args[0], {2, 3, 1, 1});
}
V128 eval_inverse_mix_columns(const OpParams&, const V128* args, u32&) {
    return mix_columns(args[0], {14, 11, 13, 9});
}

// --- SHA1 and SHA256

using Words = std::array<u32, 4>;
[[nodiscard]] Words words(const V128& v) { return std::bit_cast<Words>(v); }
[[nodiscard]] V128 vector(const Words& w) { return std::bit_cast<V128>(w); }

[[nodiscard]] u32 choose(u32 x, u32 y, u32 z) { return ((y ^ z) & x) ^ z; }
[[nodiscard]] u32 parity(u32 x, u32 y, u32 z) { return x ^ y ^ z; }
[[nodiscard]] u32 majority(u32 x, u32 y, u32 z) { return (x & y) | ((x | y) & z); }

// Four rounds of the SHA1 hash update: x holds a..d, y is e.
template <u32 (*kFunction)(u32, u32, u32)>
V128 eval_sha1_rounds(const OpParams&, const V128* args, u32&) {
    Words x = words(args[0]);
    u32 y = args[1].lane<u32>(0);
    for (const u32 w : words(args[2])) {
        y += std::rotl(x[0], 5) + kFunction(x[1], x[2], x[3]) + w;
        x[1] = std::rotl(x[1], 30);
        const u32 top = x[3];
        x = {y, x[0], x[1], x[2]};
        y = top;
    }
    return vector(x);
}

V128 eval_sha1_h(const OpParams&, const V128* args, u32&) {
    return vector({std::rotl(args[0].lane<u32>(0), 30), 0, 0, 0});
}

V128 eval_sha1_su0(const OpParams&, const V128* args, u32&) {
    const V128 shifted{args[0].hi, args[1].lo};
    return exclusive_or(exclusive_or(shifted, args[0]), args[2]);
}

V128 eval_sha1_su1(const OpParams&, const V128* args, u32&) {
    const Words d = words(args[0]), n = words(args[1]);
    const Words t = {d[0] ^ n[1], d[1] ^ n[2], d[2] ^ n[3], d[3]};
    return vector({std::rotl(t[0], 1), std::rotl(t[1], 1), std::rotl(t[2], 1),
                   std::rotl(t[3], 1) ^ std::rotl(t[0], 2)});
}

[[nodiscard]] u32 big_sigma0(u32 x) {
    return std::rotr(x, 2) ^ std::rotr(x, 13) ^ std::rotr(x, 22);
}
[[nodiscard]] u32 big_sigma1(u32 x) {
    return std::rotr(x, 6) ^ std::rotr(x, 11) ^ std::rotr(x, 25);
}
[[nodiscard]] u32 small_sigma0(u32 x) { return std::rotr(x, 7) ^ std::rotr(x, 18) ^ x >> 3; }
[[nodiscard]] u32 small_sigma1(u32 x) { return std::rotr(x, 17) ^ std::rotr(x, 19) ^ x >> 10; }

// Two rounds of SHA256hash, whose state two registers hold as the host's instructions have it.
V128 eval_sha256_rnds2(const OpParams& params, const V128* args, u32&) {
    const Words cdgh = words(args[0]), abef = words(args[1]), schedule = words(args[2]);
    Words x = {abef[3], abef[2], cdgh[3], cdgh[2]}, y = {abef[1], abef[0], cdgh[1], cdgh[0]};
    for (unsigned i = 0; i < 2; ++i) {
        const u32 t = y[3] + big_sigma1(y[0]) + choose(y[0], y[1], y[2]) +
                      schedule[2 * static_cast<unsigned>(params.imm) + i];
        const u32 new_y = x[3] + t;
        const u32 new_x = t + big_sigma0(x[0]) + majority(x[0], x[1], x[2]);
        x = {new_x, x[0], x[1], x[2]};
        y = {new_y, y[0], y[1], y[2]};
    }
    return vector({y[1], y[0], x[1], x[0]});
}

V128 eval_sha256_su0(const OpParams&, const V128* args, u32&) {
    const Words d = words(args[0]), n = words(args[1]);
    return vector({d[0] + small_sigma0(d[1]), d[1] + small_sigma0(d[2]), d[2] + small_sigma0(d[3]),
                   d[3] + small_sigma0(n[0])});
}

V128 eval_sha256_su1(const OpParams&, const V128* args, u32&) {
    const Words d = words(args[0]), n = words(args[1]), m = words(args[2]);
    const u32 r0 = d[0] + n[1] + small_sigma1(m[2]);
    const u32 r1 = d[1] + n[2] + small_sigma1(m[3]);
    return vector({r0, r1, d[2] + n[3] + small_sigma1(r0), d[3] + m[0] + small_sigma1(r1)});
}

// --- SM4

// GB/T 32907: an affine map, the inverse modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, the map
// again.
[[nodiscard]] constexpr ByteTable make_sm4_box() {
    constexpr unsigned kModulus = 0x1f5;
    const auto affine = [](u8 x) {
        return static_cast<u8>(x ^ std::rotl(x, 1) ^ std::rotl(x, 3) ^ std::rotl(x, 6) ^
                               std::rotl(x, 7) ^ 0xd3);
    };
    // Powers of the generator 2 and their logarithms.
    std::array<u8, 256> power{}, log{};
    unsigned value = 1;
    for (unsigned i = 0; i < 255; ++i) {
        power[i] = static_cast<u8>(value);
        log[value] = static_cast<u8>(i);
        value = value << 1 ^ (bit(value, 7) ? kModulus : 0);
    }
    ByteTable box{};
    for (unsigned i = 0; i < 256; ++i) {
        const u8 x = affine(static_cast<u8>(i));
        box[i] = affine(x == 0 ? u8{0} : power[(255 - log[x]) % 255]);
    }
    return box;
}
constexpr ByteTable kSm4Box = make_sm4_box();
static_assert(kSm4Box[0x00] == 0xd6 && kSm4Box[0x01] == 0x90 && kSm4Box[0xff] == 0x48);

V128 eval_sm4_sub(const OpParams&, const V128* args, u32&) {
    V128 result;
    for (unsigned i = 0; i < 16; ++i) {
        result.set_lane<u8>(i, kSm4Box[args[0].lane<u8>(i)]);
    }
    return result;
}

} // namespace

void add_crypto_evals(EvalTable& t) {
    t[Opcode::AesE] = &eval_aes_round<false>;
    t[Opcode::AesD] = &eval_aes_round<true>;
    t[Opcode::AesMc] = &eval_mix_columns;
    t[Opcode::AesImc] = &eval_inverse_mix_columns;
    t[Opcode::Sha1C] = &eval_sha1_rounds<choose>;
    t[Opcode::Sha1P] = &eval_sha1_rounds<parity>;
    t[Opcode::Sha1M] = &eval_sha1_rounds<majority>;
    t[Opcode::Sha1H] = &eval_sha1_h;
    t[Opcode::Sha1Su0] = &eval_sha1_su0;
    t[Opcode::Sha1Su1] = &eval_sha1_su1;
    t[Opcode::Sha256Rnds2] = &eval_sha256_rnds2;
    t[Opcode::Sha256Su0] = &eval_sha256_su0;
    t[Opcode::Sha256Su1] = &eval_sha256_su1;
    t[Opcode::Sm4Sub] = &eval_sm4_sub;
}

} // namespace ulna::ir
