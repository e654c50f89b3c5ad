// What an emitter receives for an argument: a register, or a register-or-memory operand that fits
// the last position of most x86 instructions.
#pragma once

#include <new>

#include "xbyak/xbyak.h"

#include "backend/exec_abi.h"

namespace ulna::backend::x64 {

using Gpr = Xbyak::Reg64; // .cvt32(), .cvt8() name its parts
using Xmm = Xbyak::Xmm;
using Address = Xbyak::Address;

inline constexpr u8 kNoReg = 0xff;

// A guest access's [base + (index << scale) + disp]; without base [disp].
struct Mem {
    u8 base = kNoReg, index = kNoReg, scale_log2 = 0;
    i32 disp = 0;

    [[nodiscard]] Address address(unsigned bits) const {
        Xbyak::RegExp expression(static_cast<std::size_t>(i64{disp}));
        if (base != kNoReg) {
            expression = Xbyak::RegExp(Gpr(base)) + expression;
        }
        if (index != kNoReg) {
            expression = expression + Xbyak::RegExp(Gpr(index), 1 << scale_log2);
        }
        return Address(bits, false, expression);
    }
};

// A register, a cell of the state or another address; converts to Xbyak's Operand, so it can stand
// wherever r/m is allowed. Xbyak's view of a cell, which costs more than raw.h's whole instruction,
// is made when it is asked for.
class RegMem {
  public:
    RegMem(const Xbyak::Reg& reg) : kind_{Kind::Register}, reg_{reg} {}
    RegMem(const Address& address) : kind_{Kind::Address}, address_{address} {}
    [[nodiscard]] static RegMem state_cell(std::size_t offset, unsigned bits) {
        return RegMem(static_cast<i32>(offset) - ir::kStateBias, bits);
    }

    [[nodiscard]] bool is_mem() const { return kind_ != Kind::Register; }
    [[nodiscard]] bool is_reg() const { return kind_ == Kind::Register; }
    [[nodiscard]] bool is_state() const { return kind_ == Kind::State; }
    [[nodiscard]] const Xbyak::Reg& reg() const { return reg_; }
    [[nodiscard]] int reg_index() const { return is_mem() ? -1 : reg_.getIdx(); }
    [[nodiscard]] Mem state_memory() const {
        return {static_cast<u8>(kStateReg), kNoReg, 0, displacement_};
    }
    [[nodiscard]] const Address& mem() const {
        if (kind_ == Kind::State) {
            new (&address_) Address(state_memory().address(bits_));
        }
        return address_;
    }
    operator const Xbyak::Operand&() const {
        return is_mem() ? static_cast<const Xbyak::Operand&>(mem()) : reg_;
    }

  private:
    enum class Kind : u8 { Register, State, Address };
    RegMem(i32 displacement, unsigned bits)
        : kind_{Kind::State}, bits_{static_cast<u16>(bits)}, displacement_{displacement}, reg_{} {}

    Kind kind_;
    u16 bits_ = 0;
    i32 displacement_ = 0; // of a cell, from the state register
    union {
        Xbyak::Reg reg_;
        mutable Address address_;
    };
};

// May the result register equal a register of an argument?
enum class Overlap : u8 {
    None,  // no: the result is written before the last argument is read
    First, // only args[0]'s: `mov dst, a` (skipped when equal), then `op dst, b...`
    Any, // yes: one instruction reads all arguments and writes the result last (three-operand VEX,
         // BMI2, lea)
};

// x86 condition codes, as in the low four bits of Jcc/SETcc/CMOVcc.
enum class Cc : u8 { O, NO, B, AE, E, NE, BE, A, S, NS, P, NP, L, GE, LE, G };
[[nodiscard]] constexpr Cc negate(Cc cc) { return static_cast<Cc>(static_cast<u8>(cc) ^ 1); }

} // namespace ulna::backend::x64
