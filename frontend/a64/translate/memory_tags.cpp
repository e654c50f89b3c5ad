// FEAT_MTE2: instructions on tags. None of their accesses is checked (CreateAccDescLDGSTG); the
// check of other accesses is check_tag in memory.h.
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

namespace {

constexpr u64 kGranuleBytes = 16;
constexpr unsigned kTagLsb = 56;
constexpr u64 kTagMask = u64{0xf} << kTagLsb;

Value X(Translator& t, Reg reg) { return t.X(Type::I64, reg); }
Value SP(Translator& t, Reg reg) { return t.SP(Type::I64, reg); }

// AArch64.AllocationTagFromAddress
Value tag_of(Translator& t, Value address) {
    return t.b.and_(t.b.shr(address, kTagLsb), t.b.c64(0xf));
}
// AArch64.AddressWithAllocationTag
Value with_tag(Translator& t, Value address, Value tag) {
    return t.b.or_(t.b.and_(address, t.b.c64(~kTagMask)), t.b.shl(tag, kTagLsb));
}
// Bits 55:0 of a pointer, sign-extended: what SUBP subtracts, and where an access goes.
Value untagged(Translator& t, Value address) { return t.b.sar(t.b.shl(address, 8), 8); }

Value excluded_tags(Translator& t) { return t.b.get(Slot::GCR_EL1); }

} // namespace

// --- Arithmetic on pointers

namespace {
bool add_tag(Translator& t, bool sub_op, Imm<6> uimm6, Imm<4> uimm4, Reg Rn, Reg Rd) {
    const Value operand1 = SP(t, Rn), offset = t.b.c64(uimm6.zext() * kGranuleBytes);
    const Value rtag = t.b.choose_tag(tag_of(t, operand1), t.b.c64(uimm4.zext()), excluded_tags(t));
    const Value result = sub_op ? t.b.sub(operand1, offset) : t.b.add(operand1, offset);
    t.set_SP(Rd, with_tag(t, result, rtag));
    return true;
}
} // namespace

bool ADDG(Translator& t, Imm<6> uimm6, Imm<4> uimm4, Reg Rn, Reg Rd) {
    return add_tag(t, false, uimm6, uimm4, Rn, Rd);
}
bool SUBG(Translator& t, Imm<6> uimm6, Imm<4> uimm4, Reg Rn, Reg Rd) {
    return add_tag(t, true, uimm6, uimm4, Rn, Rd);
}

bool SUBP(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    t.set_X(Rd, t.b.sub(untagged(t, SP(t, Rn)), untagged(t, SP(t, Rm))));
    return true;
}
bool SUBPS(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    const Value operand1 = untagged(t, SP(t, Rn)), operand2 = untagged(t, SP(t, Rm));
    t.set_X(Rd, t.b.sub(operand1, operand2));
    t.set_nzcv(t.b.sub_flags(operand1, operand2));
    return true;
}

bool GMI(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    const Value own = t.b.shl(t.b.c64(1), tag_of(t, SP(t, Rn)));
    t.set_X(Rd, t.b.or_(X(t, Rm), own));
    return true;
}

namespace {
// AArch64.RandomTag of RGSR_EL1.SEED, and the next seed: four steps of NextRandomTagBit at once,
// which is a shift register whose new bit is the sum of bits 5, 3, 2 and 0. With GCR_EL1.RRND = 1,
// as Linux sets it, the architecture would accept any choice.
struct RandomTag {
    Value tag, next_seed;
};
RandomTag random_tag(ir::Builder& b, Value seed) {
    constexpr unsigned kSeedBits = 16, kTagBits = 4;
    const Value sum = b.xor_(b.xor_(seed, b.shr(seed, 2)), b.xor_(b.shr(seed, 3), b.shr(seed, 5)));
    const Value tag = b.and_(sum, b.c64(0xf));
    return {tag, b.or_(b.shr(seed, kTagBits), b.shl(tag, kSeedBits - kTagBits))};
}
} // namespace

bool IRG(Translator& t, Reg Rm, Reg Rn, Reg Rd) {
    constexpr unsigned kSeedLsb = 8; // of RGSR_EL1, above TAG
    const Value operand = SP(t, Rn);
    const Value exclude = t.b.or_(X(t, Rm), excluded_tags(t));
    const Value rgsr = t.b.get(Slot::RGSR_EL1);
    const RandomTag offset = random_tag(t.b, t.b.shr(rgsr, kSeedLsb));
    const Value rtag = t.b.choose_tag(t.b.and_(rgsr, t.b.c64(0xf)), offset.tag, exclude);
    t.b.set(Slot::RGSR_EL1, t.b.or_(t.b.shl(offset.next_seed, kSeedLsb), rtag));
    t.set_SP(Rd, with_tag(t, operand, rtag));
    return true;
}

// --- Loads and stores of tags

namespace {
Wback wback_of(Imm<2> op2) { return op2 == 1 ? Wback::Post : op2 == 3 ? Wback::Pre : Wback::None; }

// Data, of granules that StoreTag has found to be writable.
void store_granule(Translator& t, Value address, u64 offset, Value data) {
    t.b.store(untagged(t, address), data, {.size_log2 = 4}, static_cast<i64>(offset));
}

bool store_tags(
    Translator& t, unsigned granules, bool zero, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt) {
    const ImmediateAccess access{t, Rn, imm9.sext() * static_cast<i64>(kGranuleBytes),
                                 wback_of(op2)};
    const Address at = access.address();
    const Value address = t.b.add(at.base, t.b.c64(static_cast<u64>(at.disp)));
    const Value tagged = SP(t, Rt);
    for (u64 offset = 0; offset < granules * kGranuleBytes; offset += kGranuleBytes) {
        t.b.store_tag(t.b.add(address, t.b.c64(offset)), tagged, ir::TagSpan::Granule);
    }
    for (u64 offset = 0; zero && offset < granules * kGranuleBytes; offset += kGranuleBytes) {
        store_granule(t, address, offset, t.b.vzero());
    }
    access.write_back();
    return true;
}
} // namespace

bool STG(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt) {
    return store_tags(t, 1, false, imm9, op2, Rn, Rt);
}
bool STZG(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt) {
    return store_tags(t, 1, true, imm9, op2, Rn, Rt);
}
bool ST2G(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt) {
    return store_tags(t, 2, false, imm9, op2, Rn, Rt);
}
bool STZ2G(Translator& t, Imm<9> imm9, Imm<2> op2, Reg Rn, Reg Rt) {
    return store_tags(t, 2, true, imm9, op2, Rn, Rt);
}

bool LDG(Translator& t, Imm<9> imm9, Reg Rn, Reg Rt) {
    const u64 offset = static_cast<u64>(imm9.sext()) * kGranuleBytes;
    const Value tag = t.b.load_tag(t.b.add(SP(t, Rn), t.b.c64(offset)));
    t.set_X(Rt, with_tag(t, X(t, Rt), tag));
    return true;
}

namespace {
bool store_tag_and_pair(Translator& t, Imm<7> imm7, Wback wback, Reg Rt2, Reg Rn, Reg Rt) {
    const ImmediateAccess access{t, Rn, imm7.sext() * static_cast<i64>(kGranuleBytes), wback};
    const Address at = access.address();
    const Value address = t.b.add(at.base, t.b.c64(static_cast<u64>(at.disp)));
    t.b.store_tag(address, address, ir::TagSpan::Granule);
    store_granule(t, address, 0, join(t, true, Rt, Rt2));
    access.write_back();
    return true;
}
} // namespace

bool STGP_post(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_tag_and_pair(t, imm7, Wback::Post, Rt2, Rn, Rt);
}
bool STGP_off(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_tag_and_pair(t, imm7, Wback::None, Rt2, Rn, Rt);
}
bool STGP_pre(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_tag_and_pair(t, imm7, Wback::Pre, Rt2, Rn, Rt);
}

// --- System instructions

bool DC_GVA(Translator& t, Reg Rt) {
    t.b.store_tag(X(t, Rt), X(t, Rt), ir::TagSpan::Block);
    return true;
}
bool DC_GZVA(Translator& t, Reg Rt) {
    t.b.store_tag(X(t, Rt), X(t, Rt), ir::TagSpan::Block);
    t.b.emit(Opcode::ZeroBlock, Type::Void, {untagged(t, X(t, Rt))});
    return true;
}

// Cleaning does nothing, as of data (system.cpp). CRm: to the points of coherency, persistence and
// deep persistence; clean and invalidate.
bool DC_tags(Translator& t, Imm<4> CRm, Reg Rt) {
    if (CRm != 10 && CRm != 12 && CRm != 13 && CRm != 14) {
        return t.unallocated();
    }
    t.b.emit(Opcode::Probe, Type::Void, {X(t, Rt)});
    return true;
}
bool DC_tags_data(Translator& t, Imm<4> CRm, Reg Rt) { return DC_tags(t, CRm, Rt); }

} // namespace ulna::frontend
