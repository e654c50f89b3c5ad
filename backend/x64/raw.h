// The most frequent instruction forms as bytes: an assembler that accepts any operands costs
// several times more per instruction, and translation time is start-up time.
#pragma once

#include <initializer_list>

#include "backend/x64/emitter.h"

namespace ulna::backend::x64::raw {

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
    Writer& dword(u32 value) {
        std::memcpy(at_, &value, 4);
        at_ += 4;
        return *this;
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
inline void mov(Code& c, unsigned to, unsigned from) {
    Writer(c)
        .byte(0x48 | (from >> 3) << 2 | to >> 3)
        .byte(0x89)
        .byte(0xc0 | (from & 7) << 3 | (to & 7));
}
// mov r64, [state]; mov r32, [state]
inline void load64(Code& c, unsigned reg, std::size_t offset) {
    Writer(c).byte(0x49 | (reg >> 3) << 2).byte(0x8b).state_operand(reg, offset);
}
inline void load32(Code& c, unsigned reg, std::size_t offset) {
    Writer(c).byte(0x41 | (reg >> 3) << 2).byte(0x8b).state_operand(reg, offset);
}
// mov [state], r64; mov [state], r32
inline void store64(Code& c, std::size_t offset, unsigned reg) {
    Writer(c).byte(0x49 | (reg >> 3) << 2).byte(0x89).state_operand(reg, offset);
}
inline void store32(Code& c, std::size_t offset, unsigned reg) {
    Writer(c).byte(0x41 | (reg >> 3) << 2).byte(0x89).state_operand(reg, offset);
}
// vmovaps xmm, [state] and back (VEX.128.0F 28/29, B inverted for r15)
inline void load_xmm(Code& c, unsigned reg, std::size_t offset) {
    Writer(c)
        .bytes({0xc4, static_cast<u8>(reg < 8 ? 0xc1 : 0x41), 0x78, 0x28})
        .state_operand(reg, offset);
}
inline void store_xmm(Code& c, std::size_t offset, unsigned reg) {
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
// cmp dword [state], 0
inline void compare_zero32(Code& c, std::size_t offset) {
    Writer(c).byte(0x41).byte(0x83).state_operand(7, offset).byte(0);
}

} // namespace ulna::backend::x64::raw
