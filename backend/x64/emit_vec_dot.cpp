// Dot products and matrix products of bytes and of bfloat16 numbers.
#include "backend/x64/emit_fp.h"
#include "backend/x64/emit_vec.h"
#include "backend/x64/host_cpu.h"

namespace ulna::backend::x64 {

namespace {

[[nodiscard]] bool is_matrix(const Inst& inst) { return inst.imm == 1; }

// A matrix product is two dot products of rearranged words: the first words of the rows, then the
// second. Row i of b meets row j of c in word 2i + j.
struct Arrangement {
    u8 b, c; // VPSHUFD controls
};
constexpr Arrangement kHalves[2] = {{0b10'10'00'00, 0b10'00'10'00}, {0b11'11'01'01, 0b11'01'11'01}};

enum class Sign : bool { Unsigned, Signed };
struct Signs {
    Sign b, c;
};

// --- bytes, with VPDPBUSD: adds to each word the products of four unsigned bytes and four signed
// ones

struct Vnni {
    bool present = false;
    Xbyak::PreferredEncoding encoding = Xbyak::VexEncoding;
};
[[nodiscard]] Vnni vnni() {
    if (host_has_avx_vnni()) {
        return {true, Xbyak::VexEncoding};
    }
    return {host_has_avx512_vnni(), Xbyak::EvexEncoding};
}
void add_products(Emitter& e, Xmm sum, Xmm of_unsigned, const Operand& of_signed) {
    e.c.vpdpbusd(sum, of_unsigned, of_signed, vnni().encoding);
}

// Numbers of the wrong sign have it flipped, which adds 128 to a signed one or takes it from an
// unsigned one. What that makes of the sum is computed, too:
//     signed:   b * c = (b + 128) * c + (c + 128) * -128 + 128 * 128
//     unsigned: b * c = b * (c - 128) + b * 64 + b * 64
[[nodiscard]] V128 initial_sum(Signs signs, bool matrix) {
    const u64 products = matrix ? 8 : 4;
    return splat(2, signs.b == Sign::Signed ? products * 128 * 128 : 0);
}
constexpr V128 kFlip = splat(0, 0x80); // -128 as signed numbers

// `sum` += the products; t, and u when signed, are clobbered.
void add_with_vnni(Emitter& e, Signs signs, Xmm sum, Xmm b, Xmm c, Xmm t, Xmm u) {
    if (signs.b == Sign::Signed) {
        e.load_imm(u, kFlip);
        e.c.vpxor(t, c, u);
        add_products(e, sum, t, u);
        e.c.vpxor(t, b, u);
        add_products(e, sum, t, c);
    } else if (signs.c == Sign::Unsigned) {
        add_products(e, sum, b, e.literal(splat(0, 64)));
        add_products(e, sum, b, e.literal(splat(0, 64)));
        e.c.vpxor(t, c, e.literal(kFlip));
        add_products(e, sum, b, t);
    } else {
        add_products(e, sum, b, c);
    }
}

void vnni_dot(Emitter& e, Signs signs, Xmm sum, Xmm b, Xmm c) {
    const Xmm t = e.scratch_xmm(), u = signs.b == Sign::Signed ? e.scratch_xmm() : t;
    e.load_imm(sum, initial_sum(signs, false));
    add_with_vnni(e, signs, sum, b, c, t, u);
}

void vnni_matrix(Emitter& e, Signs signs, Xmm sum, Xmm b, Xmm c) {
    const Xmm t = e.scratch_xmm(), u = e.scratch_xmm(), v = e.scratch_xmm();
    const bool is_signed = signs.b == Sign::Signed;
    e.load_imm(sum, initial_sum(signs, true));
    if (is_signed) {
        e.c.vpxor(v, b, e.literal(kFlip)); // once for both halves
    }
    for (const Arrangement& half : kHalves) {
        e.c.vpshufd(u, c, half.c);
        if (is_signed) {
            e.c.vpxor(t, u, e.literal(kFlip));
            add_products(e, sum, t, e.literal(kFlip));
            e.c.vpshufd(t, v, half.b);
            add_products(e, sum, t, u);
        } else {
            e.c.vpshufd(t, b, half.b);
            add_with_vnni(e, signs, sum, t, u, u, v);
        }
    }
}

// --- bytes, without: even and odd ones as halfwords, whose products VPMADDWD adds without overflow

void even_bytes(Emitter& e, Sign sign, Xmm d, Xmm a) {
    if (sign == Sign::Unsigned) {
        e.c.vpand(d, a, e.literal(splat(1, 0xff)));
    } else {
        e.c.vpsllw(d, a, 8);
        e.c.vpsraw(d, d, 8);
    }
}
void odd_bytes(Emitter& e, Sign sign, Xmm d, Xmm a) {
    sign == Sign::Unsigned ? e.c.vpsrlw(d, a, 8) : e.c.vpsraw(d, a, 8);
}

// The high half of the product of two bytes' halfwords, the rest of which is zero, is the bytes'
// product: half the shifts that sign extension takes.
void signed_halfword_dot(Emitter& e, Xmm sum, Xmm b, Xmm c) {
    const V128 odd = splat(1, 0xff00), ones = splat(1, 1);
    const Xmm t = e.scratch_xmm(), u = e.scratch_xmm();
    e.c.vpsllw(sum, b, 8);
    e.c.vpsllw(t, c, 8);
    e.c.vpmulhw(sum, sum, t);
    e.c.vpmaddwd(sum, sum, e.literal(ones));
    e.c.vpand(t, b, e.literal(odd));
    e.c.vpand(u, c, e.literal(odd));
    e.c.vpmulhw(t, t, u);
    e.c.vpmaddwd(t, t, e.literal(ones));
    e.c.vpaddd(sum, sum, t);
}

void halfword_dot(Emitter& e, Signs signs, Xmm sum, Xmm b, Xmm c) {
    if (signs.b == Sign::Signed) { // c is, too
        return signed_halfword_dot(e, sum, b, c);
    }
    const Xmm t = e.scratch_xmm(), u = e.scratch_xmm();
    even_bytes(e, signs.b, sum, b);
    even_bytes(e, signs.c, t, c);
    e.c.vpmaddwd(sum, sum, t);
    odd_bytes(e, signs.b, t, b);
    odd_bytes(e, signs.c, u, c);
    e.c.vpmaddwd(t, t, u);
    e.c.vpaddd(sum, sum, t);
}

// sum = what rows give with the columns of the same number, t = with the other ones: two words for
// each element.
void halfword_matrix(Emitter& e, Signs signs, Xmm sum, Xmm b, Xmm c) {
    constexpr u8 kOtherColumn = 0b01'00'11'10;
    const Xmm t = e.scratch_xmm(), u = e.scratch_xmm(), v = e.scratch_xmm();
    even_bytes(e, signs.b, t, b);
    even_bytes(e, signs.c, u, c);
    e.c.vpmaddwd(sum, t, u);
    e.c.vpshufd(u, u, kOtherColumn);
    e.c.vpmaddwd(t, t, u);
    odd_bytes(e, signs.b, u, b);
    odd_bytes(e, signs.c, v, c);
    e.c.vpmaddwd(v, u, v);
    e.c.vpaddd(sum, sum, v);
    e.c.vpshufd(v, c, kOtherColumn);
    odd_bytes(e, signs.c, v, v);
    e.c.vpmaddwd(v, u, v);
    e.c.vpaddd(t, t, v);
    e.c.vphaddd(sum, sum, t); // (0, 0), (1, 1), (0, 1), (1, 0)
    e.c.vpshufd(sum, sum, 0b01'11'10'00);
}

// The products are summed before the addend is added, to keep the chain through it short.
template <Sign kFirst, Sign kSecond> void emit_dot(Emitter& e, const Inst& inst) {
    constexpr Signs kSigns{kFirst, kSecond};
    const XmmMem addend = fp_arg(e, inst.args[0]); // never a literal: it is used late
    const Xmm b = e.use_xmm(inst.args[1]), c = e.use_xmm(inst.args[2]);
    const bool in_place = e.hint_is_register_of(inst, inst.args[0]);
    const Xmm sum = in_place ? e.scratch_xmm() : e.def_xmm(inst);
    if (vnni().present && !e.options().baseline_host) {
        is_matrix(inst) ? vnni_matrix(e, kSigns, sum, b, c) : vnni_dot(e, kSigns, sum, b, c);
    } else {
        is_matrix(inst) ? halfword_matrix(e, kSigns, sum, b, c)
                        : halfword_dot(e, kSigns, sum, b, c);
    }
    const Xmm d = in_place ? e.def_xmm(inst, Overlap::Any) : sum;
    e.c.vpaddd(d, sum, addend);
    clear_past(e, d, inst.shape());
}

// --- bfloat16. The host computes under an MXCSR of its own: truncating, denormals flushed.
// Truncation becomes rounding to odd by setting the last bit of inexact sums. Products have 16 bits
// at most and are exact. Operands whose sums might overflow, infinities and NaNs are left to the
// exact evaluation.

constexpr u64 kHugeFactor = 0x5e80;      // 2^62 as bfloat16: products are less than 2^124
constexpr u64 kHugeAddend = 0x7e80'0000; // 2^126: with four such products less than 2^127
constexpr u32 kTruncateFlush = 0xffc0;   // RC = 11, FTZ, DAZ, everything masked

[[nodiscard]] Jump jump_if_huge(Emitter& e, const Inst& inst, Xmm addend, Xmm b, Xmm c, Xmm u) {
    e.c.vpand(addend, addend, e.literal(splat(2, 0x7fff'ffff)));
    e.c.vpcmpgtd(addend, addend, e.literal(splat(2, kHugeAddend - 1)));
    for (const Xmm& factor : {b, c}) {
        e.c.vpand(u, factor, e.literal(splat(1, 0x7fff)));
        e.c.vpcmpgtw(u, u, e.literal(splat(1, kHugeFactor - 1)));
        e.c.vpor(addend, addend, u);
    }
    if (inst.shape().bytes() == 16) {
        e.c.vptest(addend, addend);
    } else {
        e.c.vptest(addend, e.literal(shape_mask(inst.shape())));
    }
    return e.jcc(Cc::NE);
}

// `to` has ones in the last bit where sum = x + y is inexact. An exact sum less one operand is the
// other; of an inexact one, the difference from the operand of larger magnitude is exact and is not
// the other.
void inexact_bit(Emitter& e, Xmm to, Xmm u, Xmm sum, Xmm x, const XmmMem& y) {
    constexpr u8 kNotEqual = 0x04;
    e.c.vsubps(u, sum, x);
    e.c.vcmpps(u, u, y, kNotEqual);
    e.c.vsubps(to, sum, y);
    e.c.vcmpps(to, to, x, kNotEqual);
    e.c.vpor(to, to, u);
    e.c.vpsrld(to, to, 31);
}

// d = addend + the products of x and y, which are clobbered, as is u.
void bfloat_dot(Emitter& e, Xmm d, const XmmMem& addend, Xmm x, Xmm y, Xmm u) {
    // u = the products of even lanes, x = those of odd ones
    const V128 odd = splat(2, 0xffff'0000);
    e.c.vpslld(u, x, 16);
    e.c.vpslld(d, y, 16);
    e.c.vmulps(u, u, d);
    e.c.vpand(x, x, e.literal(odd));
    e.c.vpand(y, y, e.literal(odd));
    e.c.vmulps(x, x, y);
    // y = their sum. A flushed one becomes the least denormal, which counts as zero below.
    const XmmMem even = park(e, 4, u);
    e.c.vaddps(y, u, x);
    inexact_bit(e, u, d, y, x, even);
    e.c.vpor(y, y, u);
    // u = the result, but that a zero has no last bit to set
    e.c.vaddps(u, y, addend);
    inexact_bit(e, x, d, u, y, addend);
    e.c.vxorps(d, d, d);
    e.c.vcmpps(d, d, u, kEqual);
    e.c.vpandn(d, d, x);
    e.c.vpor(d, d, u);
}

void emit_VBfDot(Emitter& e, const Inst& inst) {
    const Xmm d = e.use_xmm_copy(inst.args[0]);
    const XmmMem addend = park(e, 0, d);
    const Xmm x = e.use_xmm_copy(inst.args[1]);
    const XmmMem b = park(e, 1, x);
    const Xmm y = e.use_xmm_copy(inst.args[2]);
    const XmmMem c = park(e, 2, y);
    const Xmm u = e.scratch_xmm();
    const Jump huge = jump_if_huge(e, inst, d, x, y, u);
    const Address guest_mxcsr = e.state(offsetof(ir::CpuState, scratch) + 3 * sizeof(V128), 32);
    e.c.vstmxcsr(guest_mxcsr);
    e.c.vldmxcsr(e.literal32(kTruncateFlush));
    if (is_matrix(inst)) {
        e.c.vpshufd(x, x, kHalves[0].b);
        e.c.vpshufd(y, y, kHalves[0].c);
        bfloat_dot(e, d, addend, x, y, u);
        e.c.vmovaps(addend.mem(), d);
        e.c.vpshufd(x, b, kHalves[1].b);
        e.c.vpshufd(y, c, kHalves[1].c);
    }
    bfloat_dot(e, d, addend, x, y, u);
    e.c.vldmxcsr(guest_mxcsr);
    finish(e, inst, d);
    cold_exact(e, huge, inst, {addend, b, c}, d, {x, y});
    e.define(inst, d);
}

} // namespace

void add_vec_dot_emitters(EmitTable& table) {
    table.set(Opcode::VSDot, emit_dot<Sign::Signed, Sign::Signed>);
    table.set(Opcode::VUDot, emit_dot<Sign::Unsigned, Sign::Unsigned>);
    table.set(Opcode::VUSDot, emit_dot<Sign::Unsigned, Sign::Signed>);
    table.set(Opcode::VBfDot, emit_VBfDot);
}

} // namespace ulna::backend::x64
