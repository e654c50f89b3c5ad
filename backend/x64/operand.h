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

// A register or an address; converts to Xbyak's Operand, so it can stand wherever r/m is allowed.
class RegMem {
  public:
    RegMem(const Xbyak::Reg& reg) : is_mem_{false}, reg_{reg} {}
    RegMem(const Address& address) : is_mem_{true}, address_{address} {}

    [[nodiscard]] bool is_mem() const { return is_mem_; }
    [[nodiscard]] bool is_reg() const { return !is_mem_; }
    [[nodiscard]] const Xbyak::Reg& reg() const { return reg_; }
    [[nodiscard]] const Address& mem() const { return address_; }
    [[nodiscard]] int reg_index() const { return is_mem_ ? -1 : reg_.getIdx(); }
    operator const Xbyak::Operand&() const {
        return is_mem_ ? static_cast<const Xbyak::Operand&>(address_) : reg_;
    }

  private:
    bool is_mem_;
    union {
        Xbyak::Reg reg_;
        Address address_;
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
