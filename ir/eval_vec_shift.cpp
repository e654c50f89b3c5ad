// Meaning of vector shifts, by immediate and by register, and of the narrowing shifts.

#include "ir/eval_vec_lanes.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

using enum Sign;

// a >> amount, rounding to nearest (ties up) when `rounding`.
[[nodiscard]] i128 shift_right(i128 a, unsigned amount, bool rounding) {
    const i128 half = rounding && amount > 0 ? i128{1} << (amount - 1) : 0;
    return (a + half) >> amount;
}

// Shift amounts of the register forms are the signed low byte of the lane (DDI 0487 SSHL).
template <class Wide> [[nodiscard]] int register_amount(Wide lane) { return static_cast<i8>(lane); }

// Right shifts past the lane's width give what one bit past it gives, which fits i128.
[[nodiscard]] unsigned clamp_right(int amount, unsigned lane_bits) {
    const unsigned right = static_cast<unsigned>(-amount);
    return right > lane_bits ? lane_bits + 1 : right;
}

constexpr auto kShiftByRegister = [](auto& c, auto a, auto b) -> i128 {
    const int amount = register_amount(b);
    if (amount < 0) {
        return shift_right(a, clamp_right(amount, c.bits), (c.imm & 1) != 0);
    }
    return amount >= static_cast<int>(c.bits) ? 0 : i128{a} * (i128{1} << amount);
};

// Left shifts by the lane's width or more saturate every non-zero value, as shifting by the width
// does.
template <class Wide>
[[nodiscard]] i128 saturating_left(Wide a, unsigned amount, unsigned lane_bits) {
    const unsigned left = amount > lane_bits ? lane_bits : amount;
    // Unsigned doublewords shifted by 64 would leave i128: any value past the range serves.
    return left == lane_bits && a > 0 ? i128{1} << lane_bits : i128{a} * (i128{1} << left);
}

template <class Context, class Wide>
[[nodiscard]] i128 saturating_shift(Context& c, Wide a, Wide b) {
    const int amount = register_amount(b);
    return amount < 0 ? shift_right(a, clamp_right(amount, c.bits), (c.imm & 1) != 0)
                      : saturating_left(a, static_cast<unsigned>(amount), c.bits);
}

// imm of the narrowing shifts: amount, and bit 8 for rounding.
constexpr auto kNarrowShift = [](auto& c, auto a) {
    return shift_right(a, static_cast<unsigned>(c.imm & 0xff), bit(c.imm, 8));
};

[[nodiscard]] unsigned amount_of(u64 imm) { return static_cast<unsigned>(imm); }

} // namespace

void add_vec_shift_evals(EvalTable& t) {
    constexpr auto right = [](auto& c, auto a) { return shift_right(a, amount_of(c.imm), false); };
    constexpr auto round = [](auto& c, auto a) { return shift_right(a, amount_of(c.imm), true); };
    t[Opcode::VShl] = lanes<U>([](auto& c, auto a) { return a << amount_of(c.imm); });
    t[Opcode::VUShr] = lanes<U>(right);
    t[Opcode::VSShr] = lanes<S>(right);
    t[Opcode::VURShr] = lanes<U>(round);
    t[Opcode::VSRShr] = lanes<S>(round);
    t[Opcode::VSli] = lanes<U, U>([](auto& c, auto a, auto b) {
        return (static_cast<u64>(b) << amount_of(c.imm)) |
               (static_cast<u64>(a) & ones(amount_of(c.imm)));
    });
    t[Opcode::VSri] = lanes<U, U>([](auto& c, auto a, auto b) {
        const u64 kept = ~ones(c.bits - amount_of(c.imm));
        return static_cast<u64>(b >> amount_of(c.imm)) | (static_cast<u64>(a) & kept);
    });

    t[Opcode::VSQShlImm] = lanes<S>(
        [](auto& c, auto a) { return c.signed_sat(saturating_left(a, amount_of(c.imm), c.bits)); });
    t[Opcode::VUQShlImm] = lanes<U>([](auto& c, auto a) {
        return c.unsigned_sat(saturating_left(a, amount_of(c.imm), c.bits));
    });
    t[Opcode::VSQShlU] = lanes<S>([](auto& c, auto a) {
        return c.unsigned_sat(saturating_left(a, amount_of(c.imm), c.bits));
    });

    t[Opcode::VUShlReg] = lanes<U, U>(kShiftByRegister);
    t[Opcode::VSShlReg] = lanes<S, S>(kShiftByRegister);
    t[Opcode::VUQShlReg] = lanes<U, U>(
        [](auto& c, auto a, auto b) { return c.unsigned_sat(saturating_shift(c, a, b)); });
    t[Opcode::VSQShlReg] = lanes<S, S>(
        [](auto& c, auto a, auto b) { return c.signed_sat(saturating_shift(c, a, b)); });

    t[Opcode::VShrn] = narrowing<U>(kNarrowShift);
    t[Opcode::VSQShrn] =
        narrowing<S>([](auto& c, auto a) { return c.signed_sat(kNarrowShift(c, a)); });
    t[Opcode::VUQShrn] =
        narrowing<U>([](auto& c, auto a) { return c.unsigned_sat(kNarrowShift(c, a)); });
    t[Opcode::VSQShrun] =
        narrowing<S>([](auto& c, auto a) { return c.unsigned_sat(kNarrowShift(c, a)); });
}

} // namespace ulna::ir
