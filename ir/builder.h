// The only way to make instructions. Lifting handlers call these; each method is one row of
// opcodes.def, or a named combination of rows.
#pragma once

#include <algorithm>

#include "ir/block.h"
#include "ir/helpers.h"

namespace ulna::ir {

class Builder {
  public:
    explicit Builder(Block& block)
        : block_{block},
          guest_index_{static_cast<u16>(std::max<std::size_t>(block.guest_pcs.size(), 1) - 1)} {}
    [[nodiscard]] Block& block() { return block_; }

    // Starts the next guest instruction: instructions appended from here belong to it.
    void begin_guest_instruction(GuestAddr pc, u32 word) {
        guest_index_ = static_cast<u16>(block_.guest_pcs.size());
        block_.guest_pcs.push_back(pc);
        block_.guest_words.push_back(word);
    }

    // The general constructor.
    Value emit(Opcode op, Type type, std::initializer_list<Value> args, u16 aux = 0, u64 imm = 0) {
        DCHECK(args.size() <= kMaxArgs && block_.insts.size() < kNoValue);
        u64 ids = ~u64{0}; // kNoValue four times
        unsigned at = 0;
        for (const Value arg : args) {
            ids ^= u64{static_cast<ValueId>(~arg.id)} << at;
            at += 16;
        }
        const u64 head = static_cast<u64>(op) | static_cast<u64>(type) << 16 | args.size() << 24 |
                         u64{aux} << 32 | u64{guest_index_} << 48;
        return {append(head, ids, imm), type};
    }

    // --- constants and state
    Value constant(Type type, u64 imm) { return emit(Opcode::Const, type, {}, 0, imm); }
    Value c1(bool imm) { return constant(Type::I1, imm); }
    Value c32(u32 imm) { return constant(Type::I32, imm); }
    Value c64(u64 imm) { return constant(Type::I64, imm); }
    // An address that follows from the block's own. Blocks of machines are kept for other addresses
    // (backend::CompiledBlock::move_to); those of processes are not, and do better with a constant.
    Value code_address(GuestAddr address) {
        return block_.key.mode.system() ? emit(Opcode::CodeAddress, Type::I64, {}, 0, address)
                                        : c64(address);
    }
    Value vconst(Shape shape, u64 low) {
        return emit(Opcode::ConstVec, Type::V128, {}, shape.pack(), low);
    }
    Value vzero() { return vconst(shape::D2, 0); }
    Value get(Slot slot) {
        return emit(Opcode::Get, slot_type(slot), {}, 0, static_cast<u64>(slot));
    }
    void set(Slot slot, Value v) { emit(Opcode::Set, Type::Void, {v}, 0, static_cast<u64>(slot)); }

    // --- result has the type of the first argument
    Value unary(Opcode op, Value a) { return emit(op, a.type, {a}); }
    Value binary(Opcode op, Value a, Value b) { return emit(op, a.type, {a, b}); }
    Value add(Value a, Value b) { return binary(Opcode::Add, a, b); }
    Value sub(Value a, Value b) { return binary(Opcode::Sub, a, b); }
    Value mul(Value a, Value b) { return binary(Opcode::Mul, a, b); }
    Value and_(Value a, Value b) { return binary(Opcode::And, a, b); }
    Value or_(Value a, Value b) { return binary(Opcode::Or, a, b); }
    Value xor_(Value a, Value b) { return binary(Opcode::Xor, a, b); }
    Value andnot(Value a, Value b) { return binary(Opcode::AndNot, a, b); }
    Value not_(Value a) { return unary(Opcode::Not, a); }
    Value neg(Value a) { return unary(Opcode::Neg, a); }
    Value shl(Value a, Value b) { return binary(Opcode::Shl, a, b); }
    Value shr(Value a, Value b) { return binary(Opcode::Shr, a, b); }
    Value sar(Value a, Value b) { return binary(Opcode::Sar, a, b); }
    Value ror(Value a, Value b) { return binary(Opcode::Ror, a, b); }
    Value shl(Value a, unsigned n) { return shl(a, constant(a.type, n)); }
    Value shr(Value a, unsigned n) { return shr(a, constant(a.type, n)); }
    Value sar(Value a, unsigned n) { return sar(a, constant(a.type, n)); }
    Value extr(Value hi, Value lo, unsigned lsb) {
        return emit(Opcode::Extr, hi.type, {hi, lo}, 0, lsb);
    }
    Value adc(Value a, Value b, Value carry) { return emit(Opcode::Adc, a.type, {a, b, carry}); }
    Value select(Value c, Value a, Value b) { return emit(Opcode::Select, a.type, {c, a, b}); }
    Value clz(Value a) { return unary(Opcode::Clz, a); }
    Value ctz(Value a) { return unary(Opcode::Ctz, a); }
    Value popcnt(Value a) { return unary(Opcode::Popcnt, a); }
    Value zext(Value a, Type to) { return a.type == to ? a : emit(Opcode::ZExt, to, {a}); }
    Value sext(Value a, Type to) { return a.type == to ? a : emit(Opcode::SExt, to, {a}); }
    Value trunc(Value a, Type to) { return a.type == to ? a : emit(Opcode::Trunc, to, {a}); }

    // --- flags
    Value icmp(Cond c, Value a, Value b) {
        return emit(Opcode::ICmp, Type::I1, {a, b}, static_cast<u16>(c));
    }
    Value testbit(Value a, unsigned n) { return emit(Opcode::TestBit, Type::I1, {a}, 0, n); }
    Value add_flags(Value a, Value b) { return emit(Opcode::AddFlags, Type::Nzcv, {a, b}); }
    Value sub_flags(Value a, Value b) { return emit(Opcode::SubFlags, Type::Nzcv, {a, b}); }
    Value adc_flags(Value a, Value b, Value c) {
        return emit(Opcode::AdcFlags, Type::Nzcv, {a, b, c});
    }
    Value logic_flags(Value a) { return emit(Opcode::LogicFlags, Type::Nzcv, {a}); }
    Value nzcv_const(unsigned nzcv) { return constant(Type::Nzcv, nzcv); }
    Value nzcv_pack(Value bits) { return emit(Opcode::NzcvPack, Type::Nzcv, {bits}); }
    Value nzcv_unpack(Value flags) { return emit(Opcode::NzcvUnpack, Type::I32, {flags}); }
    Value nzcv_select(Value c, Value a, Value b) {
        return emit(Opcode::NzcvSelect, Type::Nzcv, {c, a, b});
    }
    Value testcond(Cond c, Value flags) {
        return emit(Opcode::TestCond, Type::I1, {flags}, static_cast<u16>(c));
    }
    Value fcmp(Value a, Value b, bool signaling) {
        return emit(Opcode::FCmp, Type::Nzcv, {a, b}, 0, signaling);
    }

    // --- memory
    Value load(Type type, Value base, MemInfo mem, i64 disp = 0, Value index = {}) {
        return emit(Opcode::Load, type, {base, index}, mem.pack(), static_cast<u64>(disp));
    }
    void store(Value base, Value value, MemInfo mem, i64 disp = 0, Value index = {}) {
        emit(Opcode::Store, Type::Void, {base, index, value}, mem.pack(), static_cast<u64>(disp));
    }
    Value load_excl(Type type, Value addr, MemInfo mem) {
        return emit(Opcode::LoadExcl, type, {addr}, mem.pack());
    }
    Value store_excl(Value addr, Value value, MemInfo mem) {
        return emit(Opcode::StoreExcl, Type::I32, {addr, value}, mem.pack());
    }
    void clear_excl() { emit(Opcode::ClearExcl, Type::Void, {}); }
    Value atomic_rmw(AtomicOp op, Value addr, Value operand, MemInfo mem) {
        return emit(Opcode::AtomicRmw, operand.type, {addr, operand}, mem.pack(),
                    static_cast<u64>(op));
    }
    Value cas(Value addr, Value expected, Value desired, MemInfo mem) {
        return emit(Opcode::Cas, expected.type, {addr, expected, desired}, mem.pack());
    }
    // `left` is the value of slot `n`: what remains to be done, and finds it there when stopped.
    void mem_copy(Value to, Value from, Value left, Slot n) {
        emit(Opcode::MemCopy, Type::Void, {to, from, left}, 0, static_cast<u64>(n));
    }
    void mem_set(Value to, Value left, Value byte, Slot n) {
        emit(Opcode::MemSet, Type::Void, {to, left, byte}, 0, static_cast<u64>(n));
    }
    void prefetch(Value base, Access access, i64 disp = 0, Value index = {}, u8 index_shift = 0) {
        emit(Opcode::Prefetch, Type::Void, {base, index},
             MemInfo{.index_shift = index_shift, .access = access}.pack(), static_cast<u64>(disp));
    }
    // The address without its tag, once the access may be made.
    Value check_tag(Value addr, MemInfo mem, i64 disp) {
        return emit(Opcode::CheckTag, Type::I64, {addr}, mem.pack(), static_cast<u64>(disp));
    }
    void watch(Value addr, MemInfo mem, i64 disp) {
        emit(Opcode::Watch, Type::Void, {addr}, mem.pack(), static_cast<u64>(disp));
    }
    // Where the access finds its bytes, in a whole machine.
    Value host_address(Value addr, MemInfo mem, i64 disp) {
        return emit(Opcode::HostAddress, Type::I64, {addr, Value{}}, mem.pack(),
                    static_cast<u64>(disp));
    }
    Value host_range(Value addr, MemInfo mem, RangeInfo range) {
        return emit(Opcode::HostRange, Type::I64, {addr, Value{}}, mem.pack(), range.pack());
    }
    Value load_tag(Value addr) { return emit(Opcode::LoadTag, Type::I64, {addr}); }
    void store_tag(Value addr, Value tagged, TagSpan span) {
        emit(Opcode::StoreTag, Type::Void, {addr, tagged}, 0, static_cast<u64>(span));
    }
    Value choose_tag(Value tag, Value offset, Value excluded) {
        return emit(Opcode::ChooseTag, Type::I64, {tag, offset, excluded});
    }
    void fence(FenceKind kind) { emit(Opcode::Fence, Type::Void, {}, 0, static_cast<u64>(kind)); }

    // --- runtime and side exits
    Value call(HelperId id, std::initializer_list<Value> args = {}) {
        return emit(Opcode::CallHelper, kHelperInfo[static_cast<unsigned>(id)].result, args, 0,
                    static_cast<u64>(id));
    }
    void exit_if(Value condition, GuestAddr target, u16 aux = 0) {
        emit(Opcode::ExitIf, Type::Void, {condition}, aux, target);
    }

    void raise_if(Value condition, ExitReason reason, u32 exit_arg = 0) {
        emit(Opcode::RaiseIf, Type::Void, {condition}, 0,
             static_cast<u64>(reason) | u64{exit_arg} << 32);
    }

    // --- vector: any operation with a Shape and a v128 result
    Value vec(Opcode op, Shape shape, std::initializer_list<Value> args, u64 imm = 0) {
        return emit(op, Type::V128, args, shape.pack(), imm);
    }
    Value ftov(Value a) { return emit(Opcode::FToV, Type::V128, {a}); }
    Value vtof(Value v, Type type) { return emit(Opcode::VToF, type, {v}); }
    Value vget(Value v, Shape shape, unsigned lane, Type type, bool sign = false) {
        return emit(Opcode::VGetLane, type, {v}, shape.pack(), lane | u64{sign} << 8);
    }
    Value vpair(Value lo, Value hi) { return emit(Opcode::VFromPair, Type::V128, {lo, hi}); }

  private:
    // Instructions are made by the word, not by the field: what copies one loads whole words, and
    // would have to wait for narrower stores.
    ValueId append(u64 head, u64 args, u64 imm);

    Block& block_;
    u16 guest_index_; // of the current guest instruction
};

} // namespace ulna::ir
