// Memory copy and memory set (FEAT_MOPS), option A: the prologue makes Xd and Xs point past the
// last byte and Xn negative, or leaves them for a copy from the last byte down, and clears C. It
// moves nothing. Xn alone counts from there, towards zero. The main instruction does all the work,
// and the epilogue what is left when it is reached without.
//
// The manual's non-temporal variants are the same, and at EL0 the unprivileged ones, too.
//
// In a machine the main instruction calls the runtime, which goes from page to page and leaves
// where it does not get on; an epilogue with something left is the runtime's altogether.
//
// In programs, two kinds go step by step, each a turn through the block: SETG*, a granule with its
// tag at a time, and with tag checks everything else, a byte at a time.
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

namespace {

// ArchMaxMOPS*Size: larger sizes saturate.
constexpr u64 kGranuleBytes = 16;
constexpr u64 kMaxSize = 0x7fff'ffff'ffff'ffff, kMaxSizeOfCPY = 0x007f'ffff'ffff'ffff,
              kMaxSizeOfSETG = kMaxSize & ~(kGranuleBytes - 1);
constexpr u64 kAddressMask = 0x00ff'ffff'ffff'ffff; // directions are found without tags

// Overlapping and unusable registers are CONSTRAINED UNPREDICTABLE: UNDEFINED here.
bool usable_in_copy(Reg Rs, Reg Rn, Reg Rd) {
    return Rs != Rn && Rs != Rd && Rn != Rd && Rd != Reg::ZR && Rs != Reg::ZR && Rn != Reg::ZR;
}
bool usable_in_set(Reg Rs, Reg Rn, Reg Rd) {
    return Rs != Rn && Rs != Rd && Rn != Rd && Rd != Reg::ZR && Rn != Reg::ZR;
}

Value saturated(Translator& t, Reg Rn, u64 largest, u64 instead) {
    const Value size = t.X(Type::I64, Rn);
    return t.b.select(t.b.icmp(Cond::HI, size, t.b.c64(largest)), t.b.c64(instead), size);
}
Value saturated(Translator& t, Reg Rn, u64 largest) { return saturated(t, Rn, largest, largest); }

// CheckMOPSEnabled. A machine has made one bit of all controls.
void check_enabled(Translator& t) {
    if (t.mode().system()) {
        constexpr u64 kMSCEn = u64{1} << 33;
        const Value enabled = t.b.and_(t.b.get(Slot::SCTLR_EL1), t.b.c64(kMSCEn));
        t.b.raise_if(t.b.icmp(Cond::EQ, enabled, t.b.c64(0)), ir::ExitReason::Undefined);
    }
}

void advance(Translator& t, Reg reg, Value by) { t.set_X(reg, t.b.add(t.X(Type::I64, reg), by)); }

void show_option_a(Translator& t) { t.set_nzcv(t.b.nzcv_const(0)); }

// The prologue of what goes forward.
bool begin_forward(Translator& t, Reg Rn, std::initializer_list<Reg> addresses) {
    check_enabled(t);
    const Value size = saturated(t, Rn, kMaxSize);
    for (const Reg reg : addresses) {
        advance(t, reg, size);
    }
    t.set_X(Rn, t.b.neg(size));
    show_option_a(t);
    return true;
}

// --- The exception: ISS of ESR_EL1 (DDI 0487 D24.2.40, "a Memory Copy or Memory Set instruction")

enum class Stage : u8 { Main, Epilogue };

constexpr u32 kMemInst = 1u << 24, kIsSETG = 1u << 23, kFromEpilogue = 1u << 18,
              kWrongOption = 1u << 17, kOptionA = 1u << 16;

u32 syndrome(Stage stage, bool sets, Imm<4> options, Reg Rs, Reg Rn, Reg Rd) {
    return (sets ? kMemInst : 0) | options.v << 19 |
           (stage == Stage::Epilogue ? kFromEpilogue : 0) | kOptionA | number(Rd) << 10 |
           number(Rs) << 5 | number(Rn);
}

// CheckMemCpyParams, CheckMemSetParams: C set means option B, and what only goes forward counts up.
void check_parameters(Translator& t, Value left, u32 iss, bool only_forward) {
    t.b.raise_if(t.holds(Cond::HS), ir::ExitReason::Mops, iss | kWrongOption);
    if (only_forward) {
        t.b.raise_if(t.b.icmp(Cond::GT, left, t.b.c64(0)), ir::ExitReason::Mops, iss);
    }
}

// --- In a machine

// Of the options, non-temporal ones mean nothing.
ir::CopyOrSetInfo how_of(Translator& t, bool sets, u64 options) {
    const bool by_el0 = !t.mode().uao();
    return {.sets = sets,
            .writes_unprivileged = by_el0 && bit(options, 0),
            .reads_unprivileged = by_el0 && !sets && bit(options, 1)};
}

// Xn says how far it got when it leaves.
bool call_machine(
    Translator& t, Stage stage, Value to, Value source, Reg Rn, ir::CopyOrSetInfo how) {
    const Value zero = t.b.c64(0);
    Value left = t.X(Type::I64, Rn);
    if (stage == Stage::Main) {
        left = t.b.call(ir::HelperId::CopyOrSet, {to, source, left, t.b.c64(how.pack())});
        t.set_X(Rn, left);
    }
    t.b.raise_if(t.b.icmp(Cond::NE, left, zero), ir::ExitReason::MemoryAccess);
    t.set_X(Rn, zero);
    return true;
}

// Tags are the machine's.
bool leave_to_machine(Translator& t) {
    return t.leave(ir::ExitReason::System, t.pc(), t.b.block().guest_words.back());
}

// --- In programs

// Goes on behind the instruction when nothing is left.
void leave_if_done(Translator& t, Value left) {
    t.b.emit(Opcode::ExitIf, Type::Void, {t.b.icmp(Cond::EQ, left, t.b.c64(0))}, 0, t.next());
}
// The end of a step: the instruction again.
bool step(Translator& t, Reg Rn, Value left) {
    t.set_X(Rn, left);
    return t.end(ir::ExitDirect{t.pc()});
}

bool copy_byte(Translator& t, Reg Rs, Reg Rn, Reg Rd, Value left) {
    leave_if_done(t, left);
    const Value forward = t.b.icmp(Cond::LT, left, t.b.c64(0));
    const Value before = t.b.sub(left, t.b.c64(1));
    const Value index = t.b.select(forward, left, before);
    const Value byte = load(t, Type::I32, {t.b.add(t.X(Type::I64, Rs), index)}, {.size_log2 = 0});
    store(t, {t.b.add(t.X(Type::I64, Rd), index)}, byte, {.size_log2 = 0});
    return step(t, Rn, t.b.select(forward, t.b.add(left, t.b.c64(1)), before));
}

bool set_byte(Translator& t, Reg Rs, Reg Rn, Reg Rd, Value left) {
    leave_if_done(t, left);
    store(t, {t.b.add(t.X(Type::I64, Rd), left)}, t.X(Type::I32, Rs), {.size_log2 = 0});
    return step(t, Rn, t.b.add(left, t.b.c64(1)));
}

bool copy(Translator& t, Stage stage, bool only_forward, Reg Rs, Imm<4> options, Reg Rn, Reg Rd) {
    if (!usable_in_copy(Rs, Rn, Rd)) {
        return t.reserved();
    }
    check_enabled(t);
    const Value left = t.X(Type::I64, Rn);
    check_parameters(t, left, syndrome(stage, false, options, Rs, Rn, Rd), only_forward);
    if (t.mode().system()) {
        return call_machine(t, stage, t.X(Type::I64, Rd), t.X(Type::I64, Rs), Rn,
                            how_of(t, false, options.v));
    }
    if (t.checks_accesses()) {
        return copy_byte(t, Rs, Rn, Rd, left);
    }
    t.b.mem_copy(t.X(Type::I64, Rd), t.X(Type::I64, Rs), left, ir::x_slot(number(Rn)));
    t.set_X(Rn, t.b.c64(0));
    return true;
}

bool set(Translator& t, Stage stage, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    if (!usable_in_set(Rs, Rn, Rd)) {
        return t.reserved();
    }
    check_enabled(t);
    const Value left = t.X(Type::I64, Rn);
    check_parameters(t, left, syndrome(stage, true, {options.v}, Rs, Rn, Rd), true);
    if (t.mode().system()) {
        return call_machine(t, stage, t.X(Type::I64, Rd), t.X(Type::I64, Rs), Rn,
                            how_of(t, true, options.v));
    }
    if (t.checks_accesses()) {
        return set_byte(t, Rs, Rn, Rd, left);
    }
    t.b.mem_set(t.X(Type::I64, Rd), left, t.X(Type::I64, Rs), ir::x_slot(number(Rn)));
    t.set_X(Rn, t.b.c64(0));
    return true;
}

} // namespace

// --- CPYF*: forward only

bool CPYFP(Translator& t, Reg Rs, Reg Rn, Reg Rd) {
    if (!usable_in_copy(Rs, Rn, Rd)) {
        return t.reserved();
    }
    return begin_forward(t, Rn, {Rd, Rs});
}
bool CPYFM(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd) {
    return copy(t, Stage::Main, true, Rs, op2, Rn, Rd);
}
bool CPYFE(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd) {
    return copy(t, Stage::Epilogue, true, Rs, op2, Rn, Rd);
}

// --- CPY*: from the last byte down when the destination begins inside the source, behind its
// first byte. (Where neither direction is prescribed the choice is ours.)

bool CPYP(Translator& t, Reg Rs, Reg Rn, Reg Rd) {
    if (!usable_in_copy(Rs, Rn, Rd)) {
        return t.reserved();
    }
    check_enabled(t);
    const Value size = saturated(t, Rn, kMaxSizeOfCPY), one = t.b.c64(1);
    const Value distance =
        t.b.and_(t.b.sub(t.X(Type::I64, Rd), t.X(Type::I64, Rs)), t.b.c64(kAddressMask));
    // 0 < distance < size; a size of 0 looks the same in both directions.
    const Value down = t.b.icmp(Cond::LO, t.b.sub(distance, one), t.b.sub(size, one));
    const Value forward = t.b.select(down, t.b.c64(0), size);
    advance(t, Rd, forward);
    advance(t, Rs, forward);
    t.set_X(Rn, t.b.select(down, size, t.b.neg(size)));
    show_option_a(t);
    return true;
}
bool CPYM(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd) {
    return copy(t, Stage::Main, false, Rs, op2, Rn, Rd);
}
bool CPYE(Translator& t, Reg Rs, Imm<4> op2, Reg Rn, Reg Rd) {
    return copy(t, Stage::Epilogue, false, Rs, op2, Rn, Rd);
}

// --- SET*

bool SETP(Translator& t, Reg Rs, Reg Rn, Reg Rd) {
    if (!usable_in_set(Rs, Rn, Rd)) {
        return t.reserved();
    }
    return begin_forward(t, Rn, {Rd});
}
bool SETM(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    return set(t, Stage::Main, Rs, options, Rn, Rd);
}
bool SETE(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    return set(t, Stage::Epilogue, Rs, options, Rn, Rd);
}

// --- SETG*: the allocation tags, too, which become that of the address. Its accesses are not
// checked (CreateAccDescSTGMOPS). Address and size must be multiples of a granule.

namespace {
bool usable_in_setg(Translator& t, Reg Rs, Reg Rn, Reg Rd) {
    return t.cpu().features.has(Feature::MTE) && usable_in_set(Rs, Rn, Rd);
}

bool set_granule(Translator& t, Stage stage, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    if (!usable_in_setg(t, Rs, Rn, Rd)) {
        return t.reserved();
    }
    check_enabled(t);
    const Value left = t.X(Type::I64, Rn), end = t.X(Type::I64, Rd);
    check_parameters(t, left, syndrome(stage, true, {options.v}, Rs, Rn, Rd) | kIsSETG, true);
    if (t.mode().system()) {
        return leave_to_machine(t);
    }
    leave_if_done(t, left);
    // A size that is no multiple makes the address none: an alignment fault.
    const Value address = t.b.or_(t.b.add(end, left), t.b.and_(left, t.b.c64(kGranuleBytes - 1)));
    t.b.store_tag(address, end, ir::TagSpan::Granule);
    const Value eight =
        t.b.mul(t.b.and_(t.X(Type::I64, Rs), t.b.c64(0xff)), t.b.c64(0x0101'0101'0101'0101));
    store(t, {.base = address, .tag_checked = false}, t.b.vpair(eight, eight), {.size_log2 = 4});
    return step(t, Rn, t.b.add(left, t.b.c64(kGranuleBytes)));
}
} // namespace

bool SETGP(Translator& t, Reg Rs, Reg Rn, Reg Rd) {
    if (!usable_in_setg(t, Rs, Rn, Rd)) {
        return t.reserved();
    }
    check_enabled(t);
    if (t.mode().system()) {
        return leave_to_machine(t);
    }
    const Value zero = t.b.c64(0), address = t.X(Type::I64, Rd), old_size = t.X(Type::I64, Rn);
    const Value size = saturated(t, Rn, kMaxSize, kMaxSizeOfSETG);
    const Value rest = t.b.and_(t.b.or_(address, size), t.b.c64(kGranuleBytes - 1));
    const Value fine = t.b.or_(t.b.icmp(Cond::EQ, rest, zero), t.b.icmp(Cond::EQ, size, zero));
    t.set_X(Rd, t.b.select(fine, t.b.add(address, size), address));
    t.set_X(Rn, t.b.select(fine, t.b.neg(size), old_size));
    t.set_nzcv(t.b.nzcv_select(fine, t.b.nzcv_const(0), t.nzcv()));
    t.b.emit(Opcode::ExitIf, Type::Void, {fine}, 0, t.next());
    return t.end(ir::ExitTo{ir::ExitReason::Alignment, t.pc(), address.id});
}
bool SETGM(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    return set_granule(t, Stage::Main, Rs, options, Rn, Rd);
}
bool SETGE(Translator& t, Reg Rs, Imm<2> options, Reg Rn, Reg Rd) {
    return set_granule(t, Stage::Epilogue, Rs, options, Rn, Rd);
}

} // namespace ulna::frontend
