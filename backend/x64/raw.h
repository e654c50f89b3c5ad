// The most frequent instruction forms as bytes: an assembler that accepts any operands costs
// several times more per instruction, and translation time is start-up time. Bytes are those that
// Xbyak chooses. Registers are numbers; `wide` is a 64-bit operation, else 32 bits.
#pragma once

#include <initializer_list>

#include "backend/x64/emitter.h"

namespace ulna::backend::x64::raw {

// The eight operations with a common encoding; the number is theirs.
enum class Alu : u8 { Add, Or, Adc, Sbb, And, Sub, Xor, Cmp };
// Opcodes of register, r/m instructions; those from 0x100 follow a 0x0f.
enum class Op : u16 {
    MovFrom = 0x89, // r/m, register
    MovTo = 0x8b,   // register, r/m
    Lea = 0x8d,
    Test = 0x85,
    Movsxd = 0x63,
    Movzx8 = 0x1b6,
    Movzx16 = 0x1b7,
    Movsx8 = 0x1be,
    Movsx16 = 0x1bf,
    Cmov = 0x140, // + condition
};
enum class Shift : u8 { Shl = 4, Shr = 5, Sar = 7 };

// A register's number.
struct Number {
    unsigned n;
    constexpr Number(unsigned number) : n{number} {}
    Number(const Xbyak::Reg& reg) : n{static_cast<unsigned>(reg.getIdx())} {}
    constexpr operator unsigned() const { return n; }
};

class Writer {
  public:
    explicit Writer(Code& code) : code_{code}, at_{code.at(code.position())}, start_{at_} {}
    ~Writer() { code_.rewind(code_.position() + static_cast<u32>(at_ - start_)); }
    Writer(const Writer&) = delete;

    Writer& byte(unsigned value) {
        *at_++ = static_cast<u8>(value);
        return *this;
    }
    Writer& bytes(std::initializer_list<u8> values) {
        for (const u8 value : values) {
            *at_++ = value;
        }
        return *this;
    }
    Writer& qword(u64 value) {
        std::memcpy(at_, &value, 8);
        at_ += 8;
        return *this;
    }
    Writer& dword(u32 value) {
        std::memcpy(at_, &value, 4);
        at_ += 4;
        return *this;
    }
    // REX, left out when it says nothing and no byte register needs it.
    Writer&
    rex(bool wide, unsigned reg, unsigned index, unsigned base, bool byte_register = false) {
        const unsigned prefix =
            wide << 3 | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);
        return prefix != 0 || byte_register ? byte(0x40 | prefix) : *this;
    }
    Writer& opcode(unsigned op) { return op < 0x100 ? byte(op) : byte(0x0f).byte(op & 0xff); }
    Writer& registers(unsigned reg, unsigned rm) { return byte(0xc0 | (reg & 7) << 3 | (rm & 7)); }
    Writer& memory(unsigned reg, const Mem& mem) {
        const unsigned field = (reg & 7) << 3;
        if (mem.base == kNoReg) {
            return byte(field | 4).byte(0x25).dword(static_cast<u32>(mem.disp));
        }
        const bool short_disp = mem.disp == static_cast<i8>(mem.disp);
        // RBP and R13 have no form without displacement.
        const unsigned mod = mem.disp == 0 && (mem.base & 7) != 5 ? 0 : short_disp ? 0x40 : 0x80;
        if (mem.index != kNoReg) {
            byte(mod | field | 4);
            byte(static_cast<unsigned>(mem.scale_log2) << 6 | (mem.index & 7u) << 3 |
                 (mem.base & 7u));
        } else if ((mem.base & 7) == 4) { // RSP and R12 take the place of an index's mark
            byte(mod | field | 4).byte(0x24);
        } else {
            byte(mod | field | (mem.base & 7u));
        }
        if (mod == 0) {
            return *this;
        }
        return mod == 0x40 ? byte(static_cast<u8>(mem.disp)) : dword(static_cast<u32>(mem.disp));
    }
    // ModRM and displacement of [r15 + offset - bias]; `reg` is the register or opcode extension.
    Writer& state_operand(unsigned reg, std::size_t offset) {
        const i32 disp = static_cast<i32>(offset) - ir::kStateBias;
        const unsigned field = (reg & 7) << 3 | 7; // r15
        if (disp == static_cast<i8>(disp)) {
            return byte(0x40 | field).byte(static_cast<u8>(disp));
        }
        return byte(0x80 | field).dword(static_cast<u32>(disp));
    }

  private:
    Code& code_;
    u8* at_;
    u8* start_;
};

// mov r64, r64
inline void mov(Code& c, Number to, Number from) {
    Writer(c)
        .byte(0x48 | (from >> 3) << 2 | to >> 3)
        .byte(0x89)
        .byte(0xc0 | (from & 7) << 3 | (to & 7));
}
inline void reg_reg(Code& c, unsigned op, bool wide, Number reg, Number rm) {
    Writer(c).rex(wide, reg, 0, rm).opcode(op).registers(reg, rm);
}
inline void reg_mem(Code& c, unsigned op, bool wide, Number reg, const Mem& mem) {
    Writer(c)
        .rex(wide, reg, mem.index == kNoReg ? 0 : mem.index, mem.base == kNoReg ? 0 : mem.base)
        .opcode(op)
        .memory(reg, mem);
}
inline void reg_rm(Code& c, unsigned op, bool wide, Number reg, const RegMem& rm) {
    DCHECK(rm.is_state() || rm.is_reg());
    rm.is_state() ? reg_mem(c, op, wide, reg, rm.state_memory())
                  : reg_reg(c, op, wide, reg, static_cast<unsigned>(rm.reg_index()));
}
inline void emit(Code& c, Op op, bool wide, Number reg, const Mem& mem) {
    reg_mem(c, static_cast<unsigned>(op), wide, reg, mem);
}
inline void emit(Code& c, Op op, bool wide, Number reg, const RegMem& rm) {
    reg_rm(c, static_cast<unsigned>(op), wide, reg, rm);
}
// to op= from
inline void alu(Code& c, Alu op, bool wide, Number to, const RegMem& from) {
    if (from.is_state()) {
        reg_mem(c, static_cast<unsigned>(op) << 3 | 3, wide, to, from.state_memory());
    } else {
        reg_reg(c, static_cast<unsigned>(op) << 3 | 1, wide,
                static_cast<unsigned>(from.reg_index()), to);
    }
}
inline void mov(Code& c, bool wide, Number to, const RegMem& from) {
    if (from.is_state()) {
        reg_mem(c, static_cast<unsigned>(Op::MovTo), wide, to, from.state_memory());
    } else {
        reg_reg(c, static_cast<unsigned>(Op::MovFrom), wide,
                static_cast<unsigned>(from.reg_index()), to);
    }
}
void alu_imm(Code& c, Alu op, bool wide, const RegMem& to, u32 imm);
void test_imm(Code& c, bool wide, const RegMem& rm, u32 imm);
void mov_imm(Code& c, Number reg, u64 imm);
void shift_imm(Code& c, Shift op, bool wide, Number reg, unsigned amount);
// Of 8 << size_log2 bits; loads narrower than the register extend.
void load(Code& c, Number to, const Mem& from, unsigned size_log2, bool sign, bool wide);
void store(Code& c, const Mem& to, Number from, unsigned size_log2);
void store_imm(Code& c, const Mem& to, u32 imm, unsigned size_log2);
// As Xbyak's nop(bytes), up to three.
void nop(Code& c, unsigned bytes);

// mov r64, [state]; mov r32, [state]
inline void load64(Code& c, Number reg, std::size_t offset) {
    Writer(c).byte(0x49 | (reg >> 3) << 2).byte(0x8b).state_operand(reg, offset);
}
inline void load32(Code& c, Number reg, std::size_t offset) {
    Writer(c).byte(0x41 | (reg >> 3) << 2).byte(0x8b).state_operand(reg, offset);
}
// mov [state], r64; mov [state], r32
inline void store64(Code& c, std::size_t offset, Number reg) {
    Writer(c).byte(0x49 | (reg >> 3) << 2).byte(0x89).state_operand(reg, offset);
}
inline void store32(Code& c, std::size_t offset, Number reg) {
    Writer(c).byte(0x41 | (reg >> 3) << 2).byte(0x89).state_operand(reg, offset);
}
// vmovaps xmm, [state] and back (VEX.128.0F 28/29, B inverted for r15)
inline void load_xmm(Code& c, Number reg, std::size_t offset) {
    Writer(c)
        .bytes({0xc4, static_cast<u8>(reg < 8 ? 0xc1 : 0x41), 0x78, 0x28})
        .state_operand(reg, offset);
}
inline void store_xmm(Code& c, std::size_t offset, Number reg) {
    Writer(c)
        .bytes({0xc4, static_cast<u8>(reg < 8 ? 0xc1 : 0x41), 0x78, 0x29})
        .state_operand(reg, offset);
}
// jmp [state], call [state]
inline void jump_state(Code& c, std::size_t offset) {
    Writer(c).byte(0x41).byte(0xff).state_operand(4, offset);
}
inline void call_state(Code& c, std::size_t offset) {
    Writer(c).byte(0x41).byte(0xff).state_operand(2, offset);
}
// mov qword [state], sign-extended imm32
inline void store_imm64(Code& c, std::size_t offset, u32 imm) {
    Writer(c).byte(0x49).byte(0xc7).state_operand(0, offset).dword(imm);
}
// pext eax, eax, dword [state]
inline void pext_eax(Code& c, std::size_t offset) {
    Writer(c).bytes({0xc4, 0xc2, 0x7a, 0xf5}).state_operand(0, offset);
}
// cmp dword [state], 0
inline void compare_zero32(Code& c, std::size_t offset) {
    Writer(c).byte(0x41).byte(0x83).state_operand(7, offset).byte(0);
}

} // namespace ulna::backend::x64::raw
