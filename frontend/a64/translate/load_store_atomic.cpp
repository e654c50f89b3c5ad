// Exclusives, ordered accesses and LSE atomics. All need natural alignment, or with FEAT_LSE2 only
// to stay inside 16 aligned bytes (DDI 0487 B2.8, AArch64.UnalignedAccessFaults).
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

namespace {
MemInfo aligned(Translator& t, unsigned size_log2, MemOrder order) {
    return {.size_log2 = static_cast<u8>(size_log2),
            .order = order,
            .aligned = true,
            .within_16 = t.cpu().features.has(Feature::LSE2)};
}
Type data_type(unsigned size_log2) { return size_log2 == 3 ? Type::I64 : Type::I32; }
Type pair_type(bool sz) { return sz ? Type::V128 : Type::I64; }
unsigned pair_size_log2(bool sz) { return sz ? 4 : 3; }
// [Rn|SP], once its tag has been checked.
Value address_of(Translator& t, Reg Rn, MemInfo mem, Access access) {
    return resolve(t, base_only(t, Rn), mem, access).base;
}
} // namespace

// --- Load/store exclusive

namespace {
bool load_exclusive(Translator& t, Imm<2> size, MemOrder order, Reg Rn, Reg Rt) {
    const MemInfo mem = aligned(t, size.v, order);
    const Value address = address_of(t, Rn, mem, Access::Reads);
    t.set_X(Rt, t.b.load_excl(data_type(size.v), address, mem));
    return true;
}

// What the monitor holds for [Rn] because an LDXR of this block was the last to touch it or memory:
// invalid when that is not certain. Leaving the block in between is no obstacle.
Value loaded_exclusively(Translator& t, Reg Rn, Type type, unsigned size_log2) {
    const auto& insts = t.b.block().insts;
    const u64 base = static_cast<u64>(ir::x_slot(number(Rn)));
    for (std::size_t i = insts.size(); i-- > 0;) {
        const ir::Inst& inst = insts[i];
        switch (ir::effects_of(inst.op)) {
        case ir::Effects::Pure:
        case ir::Effects::Sticky:
        case ir::Effects::ReadState:
        case ir::Effects::Hint:
        case ir::Effects::Exit:
            break;
        case ir::Effects::WriteState:
            if (inst.op != Opcode::Set || inst.imm == base) {
                return {};
            }
            break;
        default: {
            const bool holds = inst.op == Opcode::LoadExcl && inst.type == type &&
                               inst.mem().size_log2 == size_log2 &&
                               insts[inst.args[0]].op == Opcode::Get &&
                               insts[inst.args[0]].imm == base;
            return holds ? Value{static_cast<ir::ValueId>(i), type} : Value{};
        }
        }
    }
    return {};
}

// STXR succeeds when memory still holds what LDXR loaded: with both in one block, that is a compare
// and swap, and the monitor need not be asked. It is cleared first, so that it is clear also when
// the store faults: whoever resumes there fails, as after an exception return.
bool store_exclusive(
    Translator& t, MemOrder order, unsigned size_log2, Reg Rs, Reg Rn, Value data) {
    const MemInfo mem = aligned(t, size_log2, order);
    const Value address = address_of(t, Rn, mem, Access::Writes);
    const Value expected = loaded_exclusively(t, Rn, data.type, size_log2);
    if (expected.valid() && data.type != Type::V128) {
        t.b.clear_excl();
        const Value old = t.b.cas(address, expected, data, mem);
        t.set_X(Rs, t.b.zext(t.b.icmp(Cond::NE, old, expected), Type::I32));
    } else {
        t.set_X(Rs, t.b.store_excl(address, data, mem));
    }
    return true;
}
bool store_exclusive(Translator& t, Imm<2> size, MemOrder order, Reg Rs, Reg Rn, Reg Rt) {
    return store_exclusive(t, order, size.v, Rs, Rn, t.X(data_type(size.v), Rt));
}
bool load_exclusive_pair(Translator& t, bool sz, MemOrder order, Reg Rt2, Reg Rn, Reg Rt) {
    const MemInfo mem = aligned(t, pair_size_log2(sz), order);
    const Value pair = t.b.load_excl(pair_type(sz), address_of(t, Rn, mem, Access::Reads), mem);
    split(t, sz, pair, Rt, Rt2);
    return true;
}
bool store_exclusive_pair(Translator& t, bool sz, MemOrder order, Reg Rs, Reg Rt2, Reg Rn, Reg Rt) {
    return store_exclusive(t, order, pair_size_log2(sz), Rs, Rn, join(t, sz, Rt, Rt2));
}
} // namespace

bool STXR(Translator& t, Imm<2> size, Reg Rs, Reg Rn, Reg Rt) {
    return store_exclusive(t, size, MemOrder::Plain, Rs, Rn, Rt);
}
bool STLXR(Translator& t, Imm<2> size, Reg Rs, Reg Rn, Reg Rt) {
    return store_exclusive(t, size, MemOrder::Release, Rs, Rn, Rt);
}
bool LDXR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) {
    return load_exclusive(t, size, MemOrder::Plain, Rn, Rt);
}
bool LDAXR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) {
    return load_exclusive(t, size, MemOrder::Acquire, Rn, Rt);
}
bool STXP(Translator& t, bool sz, Reg Rs, Reg Rt2, Reg Rn, Reg Rt) {
    return store_exclusive_pair(t, sz, MemOrder::Plain, Rs, Rt2, Rn, Rt);
}
bool STLXP(Translator& t, bool sz, Reg Rs, Reg Rt2, Reg Rn, Reg Rt) {
    return store_exclusive_pair(t, sz, MemOrder::Release, Rs, Rt2, Rn, Rt);
}
bool LDXP(Translator& t, bool sz, Reg Rt2, Reg Rn, Reg Rt) {
    return load_exclusive_pair(t, sz, MemOrder::Plain, Rt2, Rn, Rt);
}
bool LDAXP(Translator& t, bool sz, Reg Rt2, Reg Rn, Reg Rt) {
    return load_exclusive_pair(t, sz, MemOrder::Acquire, Rt2, Rn, Rt);
}

// --- Load/store ordered. LDLAR and STLLR order less than LDAR and STLR, so those serve; LDAPR too.

namespace {
bool load_acquire(Translator& t, Imm<2> size, Reg Rn, Reg Rt) {
    const Address at = base_only(t, Rn);
    t.set_X(Rt, load(t, Type::I64, at, aligned(t, size.v, MemOrder::Acquire)));
    return true;
}
bool store_release(Translator& t, Imm<2> size, Reg Rn, Reg Rt) {
    const Address at = base_only(t, Rn);
    store(t, at, t.X(data_type(size.v), Rt), aligned(t, size.v, MemOrder::Release));
    return true;
}
} // namespace

// With an offset, and loads that sign-extend (FEAT_LRCPC2).
bool STLUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    const Address at = base_only(t, Rn).plus(imm9.sext());
    store(t, at, t.X(data_type(size.v), Rt), aligned(t, size.v, MemOrder::Release));
    return true;
}
namespace {
bool load_acquire_offset(
    Translator& t, Type type, unsigned size_log2, bool sign, Imm<9> imm9, Reg Rn, Reg Rt) {
    const Address at = base_only(t, Rn).plus(imm9.sext());
    MemInfo mem = aligned(t, size_log2, MemOrder::Acquire);
    mem.sign = sign;
    t.set_X(Rt, load(t, type, at, mem));
    return true;
}
} // namespace
bool LDAPUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_acquire_offset(t, Type::I64, size.v, false, imm9, Rn, Rt);
}
bool LDAPURS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    if (size == 3) {
        return t.unallocated();
    }
    return load_acquire_offset(t, Type::I64, size.v, true, imm9, Rn, Rt);
}
bool LDAPURS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_acquire_offset(t, Type::I32, size, true, imm9, Rn, Rt);
}

bool STLLR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) { return store_release(t, size, Rn, Rt); }
bool STLR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) { return store_release(t, size, Rn, Rt); }
bool LDLAR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) { return load_acquire(t, size, Rn, Rt); }
bool LDAR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) { return load_acquire(t, size, Rn, Rt); }
bool LDAPR(Translator& t, Imm<2> size, Reg Rn, Reg Rt) { return load_acquire(t, size, Rn, Rt); }

// --- Compare and swap

namespace {
MemOrder order_of(bool acquire, bool release) {
    return acquire ? (release ? MemOrder::AcquireRelease : MemOrder::Acquire)
                   : (release ? MemOrder::Release : MemOrder::Plain);
}

// The low bytes of a register as a sub-word comparison needs them: without what lies above.
Value low_bytes(Translator& t, Value value, unsigned size_log2) {
    switch (size_log2) {
    case 0:
        return t.b.and_(value, t.imm(value.type, 0xff));
    case 1:
        return t.b.and_(value, t.imm(value.type, 0xffff));
    default:
        return value;
    }
}
} // namespace

bool CAS(Translator& t, Imm<2> size, bool L, Reg Rs, bool o0, Reg Rn, Reg Rt) {
    const Type type = data_type(size.v);
    const MemInfo mem = aligned(t, size.v, order_of(L, o0));
    const Value address = address_of(t, Rn, mem, Access::ReadsAndWrites);
    const Value expected = low_bytes(t, t.X(type, Rs), size.v);
    const Value desired = t.X(type, Rt);
    t.set_X(Rs, t.b.cas(address, expected, desired, mem));
    return true;
}

bool CASP(Translator& t, bool sz, bool L, Reg Rs, bool o0, Reg Rn, Reg Rt) {
    if (number(Rs) & 1 || number(Rt) & 1) {
        return t.unallocated();
    }
    const MemInfo mem = aligned(t, pair_size_log2(sz), order_of(L, o0));
    const Value address = address_of(t, Rn, mem, Access::ReadsAndWrites);
    const Value expected = join(t, sz, Rs, Rs + 1);
    const Value desired = join(t, sz, Rt, Rt + 1);
    split(t, sz, t.b.cas(address, expected, desired, mem), Rs, Rs + 1);
    return true;
}

// --- Atomic memory operations. With Rt = ZR (STADD...) an acquire has no effect; keeping it is
// stronger.

namespace {
bool atomic(Translator& t, AtomicOp op, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    const MemInfo mem = aligned(t, size.v, order_of(A, R));
    const Value address = address_of(t, Rn, mem, Access::ReadsAndWrites);
    const Value operand = t.X(data_type(size.v), Rs);
    t.set_X(Rt, t.b.atomic_rmw(op, address, operand, mem));
    return true;
}
} // namespace

bool LDADD(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::Add, size, A, R, Rs, Rn, Rt);
}
bool LDCLR(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::Clr, size, A, R, Rs, Rn, Rt);
}
bool LDEOR(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::Eor, size, A, R, Rs, Rn, Rt);
}
bool LDSET(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::Set, size, A, R, Rs, Rn, Rt);
}
bool LDSMAX(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::SMax, size, A, R, Rs, Rn, Rt);
}
bool LDSMIN(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::SMin, size, A, R, Rs, Rn, Rt);
}
bool LDUMAX(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::UMax, size, A, R, Rs, Rn, Rt);
}
bool LDUMIN(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::UMin, size, A, R, Rs, Rn, Rt);
}
bool SWP(Translator& t, Imm<2> size, bool A, bool R, Reg Rs, Reg Rn, Reg Rt) {
    return atomic(t, AtomicOp::Swp, size, A, R, Rs, Rn, Rt);
}

} // namespace ulna::frontend
