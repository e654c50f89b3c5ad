// The vocabulary of lifting handlers.
//
// A handler is a free function, declared in translate/handlers_{base,fp,simd}.h and named by a row
// of insn*.def, that appends the IR of one instruction. Its parameters are the row's fields, in
// order.
//
//     // INSN(ADD_imm, "ADD (immediate)", "sf 00 100010 sh imm12:12 Rn:5 Rd:5", Base)
//     bool ADD_imm(Translator& t, bool sf, bool sh, Imm<12> imm12, Reg Rn, Reg Rd) {
//         const Type type = gpr(sf);
//         const Value imm = t.b.constant(type, imm12.zext() << (sh ? 12 : 0));
//         t.set_SP(Rd, t.b.add(t.SP(type, Rn), imm));
//         return true;
//     }
//
// Rules
//   - Legality first, before anything is emitted: `return t.unallocated();` or `return
//   t.reserved();`.
//   - Then read, compute, write. All register writes come after the last access to memory that can
//     fault; a base register's writeback comes last.
//   - Return true to go on with the next instruction; block-ending helpers return false for you.
//   - Names of parameters and intermediate values are the manual's. Variants share a helper that
//   takes
//     named constants; two lines per handler are normal.
//   - W results are zero-extended by set_X (from the value's type); scalar FP and 64-bit vector
//   results
//     zero the rest of the register because set_F and operations with an 8-byte Shape do. Scalar
//     arithmetic names the register that FPCR.NEP takes the rest from (the list is in C5.2.8,
//     FPCR).
#pragma once

#include <bitset>

#include "frontend/a64/registers.h"
#include "frontend/frontend.h"
#include "ir/builder.h"

namespace ulna::frontend {

using ir::Access;
using ir::AtomicOp;
using ir::Cond;
using ir::MemInfo;
using ir::MemOrder;
using ir::Opcode;
using ir::Rounding;
using ir::Shape;
using ir::Slot;
using ir::Type;
using ir::Value;
namespace shape = ir::shape;

// Blocks and look-ahead stay inside one page of this size, so that a change of its code that the
// runtime is told about reaches everything that was derived from it.
inline constexpr u64 kPageBytes = 4096;

class Translator {
  public:
    Translator(ir::Block& block, CodeSource& source, const TranslateOptions& options);

    ir::Builder b;
    [[nodiscard]] GuestAddr pc() const { return pc_; }       // of this instruction
    [[nodiscard]] GuestAddr next() const { return pc_ + 4; } // of the one that follows it in memory
    [[nodiscard]] const CpuModel& cpu() const { return *options_.cpu; }
    [[nodiscard]] const ir::BlockMode& mode() { return b.block().key.mode; }
    [[nodiscard]] bool checks_tags() { return mode().tag_check() != ir::TagCheck::None; }
    [[nodiscard]] bool checks_accesses() {
        return checks_tags() || (mode().watches() && !mode().system());
    }
    // LDTR, STTR... above EL0.
    [[nodiscard]] bool is_unprivileged_access() {
        constexpr u32 kMask = 0x3b20'0c00, kBits = 0x3800'0800;
        return (b.block().guest_words.back() & kMask) == kBits;
    }
    // InGuardedPage; false when no page of the process is.
    [[nodiscard]] bool guarded() const { return guarded_; }

    // --- general-purpose registers, type I32 or I64. X: 31 is ZR. SP: 31 is SP.
    [[nodiscard]] Value X(Type type, Reg reg) {
        return reg == Reg::ZR ? b.constant(type, 0) : read_gpr(type, reg);
    }
    [[nodiscard]] Value SP(Type type, Reg reg) { return read_gpr(type, reg); }
    // The value's type says the width: I32 zero-extends.
    void set_X(Reg reg, Value value) {
        if (reg != Reg::ZR) {
            set_SP(reg, value);
        }
    }
    void set_SP(Reg reg, Value value) {
        const Value wide = b.zext(value, Type::I64);
        b.set(ir::x_slot(number(reg)), wide);
        if (reg == Reg::SP) {
            new_sp_ = wide;
        }
    }

    // --- vector registers: whole, or the scalar in lane 0 (Type F16, F32, F64)
    [[nodiscard]] Value V(Vec vec) { return b.get(ir::v_slot(number(vec))); }
    void set_V(Vec vec, Value value) { b.set(ir::v_slot(number(vec)), value); }
    [[nodiscard]] Value F(Type type, Vec vec) { return b.vtof(V(vec), type); }
    void set_F(Vec vec, Value value) { set_V(vec, b.ftov(value)); } // zeroes the rest
    // The results that FPCR.NEP is about: with it, the rest is taken from `upper`. `set_lane` has
    // the lane in a vector.
    void set_F(Vec vec, Value value, Vec upper) {
        const u8 lane_log2 = value.type == Type::F16 ? 1 : value.type == Type::F32 ? 2 : 3;
        set_lane(vec, b.ftov(value), lane_log2, upper);
    }
    void set_lane(Vec vec, Value value, Shape lane, Vec upper) {
        set_lane(vec, value, lane.lane_log2, upper);
    }

    // --- flags
    [[nodiscard]] Value nzcv() { return b.get(Slot::NZCV); }
    void set_nzcv(Value flags) {
        wrote_nzcv_ = true;
        last_nzcv_ = flags;
        b.set(Slot::NZCV, flags);
    }
    // Of a branch that the block goes on behind: it was not taken.
    [[nodiscard]] bool falls_through() const { return next_pc_ == next(); }
    // What was compared last in this block is equal, as Z has just told.
    void found_equal();
    [[nodiscard]] Value holds(Cond cond); // I1; AL and NV give a constant

    // --- immediate-to-value shorthands
    [[nodiscard]] Value imm(Type type, u64 value) {
        return b.constant(type, value & ones(ir::bit_width(type)));
    }

    // --- exceptions: nothing may have been emitted for this instruction yet
    [[nodiscard]] bool unallocated() { return undefined(); } // no such encoding
    [[nodiscard]] bool reserved() { return undefined(); }    // ReservedValue()
    [[nodiscard]] bool undefined();                          // UNDEFINED at EL0

    // --- ends of blocks
    [[nodiscard]] bool end(ir::Exit exit) {
        b.block().exit = exit;
        return false;
    }
    [[nodiscard]] bool leave(ir::ExitReason reason, GuestAddr pc, u64 arg = 0) {
        return end(ir::ExitTo{reason, pc, ir::kNoValue, arg});
    }
    // Unconditional direct branch: goes on at the target when that is allowed.
    [[nodiscard]] bool jump(GuestAddr target);
    // Conditional direct branch: a side exit, or the block's end.
    [[nodiscard]] bool branch_if(Value condition, GuestAddr target);

    // Translates from block.key.pc until something ends the block.
    void run();

  private:
    [[nodiscard]] Value read_gpr(Type type, Reg reg) {
        const Value value = b.get(ir::x_slot(number(reg)));
        return type == Type::I32 ? b.trunc(value, Type::I32) : value;
    }
    void set_lane(Vec vec, Value value, u8 lane_log2, Vec upper) {
        const Shape whole{lane_log2, static_cast<u8>(4 - lane_log2)};
        set_V(vec, mode().nep() ? b.vec(Opcode::VInsLane, whole, {V(upper), value}) : value);
    }
    [[nodiscard]] bool in_words(GuestAddr address) const {
        return address - start_ < words_.size() * 4; // below start_ wraps
    }
    [[nodiscard]] bool can_continue_at(GuestAddr target);
    [[nodiscard]] bool can_repeat(GuestAddr target);
    [[nodiscard]] bool retries_exclusive();
    [[nodiscard]] bool shows_nzcv_only_behind(GuestAddr target);
    void exit_if(Value condition, GuestAddr target);
    void begin_counting();
    void set_counted(u64 instructions);
    void finish_counting();
    [[nodiscard]] bool check_sp(u32 word, std::size_t first_inst);
    [[nodiscard]] bool keep_sp_aligned();
    [[nodiscard]] bool nzcv_dead_at(GuestAddr address);
    [[nodiscard]] bool nzcv_dead_after(const ir::Exit& exit);

    CodeSource& source_;
    const TranslateOptions& options_;
    GuestAddr start_;
    std::span<const u32> words_; // of the page, from start_
    unsigned side_exits_ = 0;
    unsigned repetitions_ = 0;
    std::bitset<kPageBytes / 4> visited_; // words translated already, from start_
    GuestAddr pc_;
    GuestAddr next_pc_;
    bool wrote_nzcv_ = false;
    Value last_nzcv_;         // written in this block; or invalid
    Value instructions_left_; // where the block begins, and what it then needs, in counting code
    Value instructions_needed_;
    u64 counted_ = 0; // instructions that the slot knows of
    Value new_sp_;    // what this instruction has set SP to, if it has
    bool guarded_;
    // Sources keep a limited number of spans alive (CodeSource).
    static constexpr unsigned kMaxExtraFetches = 16;
    unsigned extra_fetches_ = 0;
};

} // namespace ulna::frontend
