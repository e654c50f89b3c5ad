#include "backend/x64/raw.h"

namespace ulna::backend::x64::raw {

namespace {

bool fits_i8(u32 imm) { return static_cast<i32>(imm) == static_cast<i8>(imm); }

Writer& rex_of(Writer& w, bool wide, unsigned reg, const Mem& mem, bool byte_register = false) {
    return w.rex(wide, reg, mem.index == kNoReg ? 0 : mem.index, mem.base == kNoReg ? 0 : mem.base,
                 byte_register);
}
// The r/m operand with an opcode extension.
Writer& extended(Writer& w, unsigned op, unsigned extension, bool wide, const RegMem& rm) {
    if (rm.is_state()) {
        const Mem mem = rm.state_memory();
        return rex_of(w, wide, 0, mem).byte(op).memory(extension, mem);
    }
    const auto reg = static_cast<unsigned>(rm.reg_index());
    return w.rex(wide, 0, 0, reg).byte(op).registers(extension, reg);
}

} // namespace

void alu_imm(Code& c, Alu op, bool wide, const RegMem& to, u32 imm) {
    const auto number = static_cast<unsigned>(op);
    Writer w(c);
    if (fits_i8(imm)) {
        extended(w, 0x83, number, wide, to).byte(imm & 0xff);
    } else if (to.is_reg() && to.reg_index() == 0) { // RAX has a shorter form
        w.rex(wide, 0, 0, 0).byte(number << 3 | 5).dword(imm);
    } else {
        extended(w, 0x81, number, wide, to).dword(imm);
    }
}

void test_imm(Code& c, bool wide, const RegMem& rm, u32 imm) {
    Writer w(c);
    if (rm.is_reg() && rm.reg_index() == 0) {
        w.rex(wide, 0, 0, 0).byte(0xa9).dword(imm);
    } else {
        extended(w, 0xf7, 0, wide, rm).dword(imm);
    }
}

void mov_imm(Code& c, Number reg, u64 imm) {
    Writer w(c);
    if (imm <= 0xffff'ffff) {
        w.rex(false, 0, 0, reg).byte(0xb8 | (reg & 7)).dword(static_cast<u32>(imm));
    } else if (Emitter::fits_imm32(imm)) {
        w.rex(true, 0, 0, reg).byte(0xc7).registers(0, reg).dword(static_cast<u32>(imm));
    } else {
        w.rex(true, 0, 0, reg).byte(0xb8 | (reg & 7)).qword(imm);
    }
}

void shift_imm(Code& c, Shift op, bool wide, Number reg, unsigned amount) {
    Writer w(c);
    w.rex(wide, 0, 0, reg)
        .byte(amount == 1 ? 0xd1 : 0xc1)
        .registers(static_cast<unsigned>(op), reg);
    if (amount != 1) {
        w.byte(amount);
    }
}

void load(Code& c, Number to, const Mem& from, unsigned size_log2, bool sign, bool wide) {
    switch (size_log2) {
    case 0:
        emit(c, sign ? Op::Movsx8 : Op::Movzx8, sign && wide, to, from);
        break;
    case 1:
        emit(c, sign ? Op::Movsx16 : Op::Movzx16, sign && wide, to, from);
        break;
    case 2:
        emit(c, sign && wide ? Op::Movsxd : Op::MovTo, sign && wide, to, from);
        break;
    default:
        emit(c, Op::MovTo, true, to, from);
        break;
    }
}

void store(Code& c, const Mem& to, Number from, unsigned size_log2) {
    Writer w(c);
    if (size_log2 == 1) {
        w.byte(0x66);
    }
    const bool is_byte = size_log2 == 0;
    rex_of(w, size_log2 == 3, from, to, is_byte && from >= 4); // SPL to DIL need a prefix
    w.byte(is_byte ? 0x88 : 0x89).memory(from, to);
}

void store_imm(Code& c, const Mem& to, u32 imm, unsigned size_log2) {
    Writer w(c);
    if (size_log2 == 1) {
        w.byte(0x66);
    }
    rex_of(w, size_log2 == 3, 0, to).byte(size_log2 == 0 ? 0xc6 : 0xc7).memory(0, to);
    switch (size_log2) {
    case 0:
        w.byte(imm & 0xff);
        break;
    case 1:
        w.byte(imm & 0xff).byte(imm >> 8 & 0xff);
        break;
    default:
        w.dword(imm);
        break;
    }
}

void nop(Code& c, unsigned bytes) {
    Writer w(c);
    switch (bytes) {
    case 1:
        w.byte(0x90);
        break;
    case 2:
        w.bytes({0x66, 0x90});
        break;
    case 3:
        w.bytes({0x0f, 0x1f, 0x00});
        break;
    default:
        UNREACHABLE("at most three bytes");
    }
}

} // namespace ulna::backend::x64::raw
