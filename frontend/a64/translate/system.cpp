// System instructions as EL0 sees them under Linux.
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

// --- Hints. YIELD, WFE, WFI and SEV too: guest threads are host threads, so there is nobody to
// yield to that the host scheduler would not pick anyway. (WFI at EL0 may complete at once: DDI
// 0487 D1.7.)

bool HINT(Translator&, Imm<4>, Imm<3>) { return true; }
bool DGH(Translator&) { return true; }
bool BTI(Translator&) { return true; } // who branches here asks accepts_btype()
bool WFET(Translator&) { return true; }
bool WFIT(Translator&) { return true; }

// --- Barriers

bool CLREX(Translator& t) {
    t.b.clear_excl();
    return true;
}
bool DSB(Translator& t) {
    t.b.fence(ir::FenceKind::Full);
    return true;
}
bool DSB_nXS(Translator& t) { return DSB(t); }
bool DMB(Translator& t, Imm<4> CRm) {
    // CRm<1:0>: 01 loads, 10 stores, 11 all. Reserved 00 behaves as SY.
    const auto kind = CRm.slice<1, 0>() == 1   ? ir::FenceKind::Load
                      : CRm.slice<1, 0>() == 2 ? ir::FenceKind::Store
                                               : ir::FenceKind::Full;
    t.b.fence(kind);
    return true;
}
// What follows must be fetched afresh: it may have been rewritten, and IC IVAU has told the
// runtime.
bool ISB(Translator& t) { return t.end(ir::ExitDirect{t.next(), true}); }

// Speculation has no architectural effect.
bool SB(Translator&) { return true; }

// --- Cache maintenance. CTR_EL0.IDC = 1, so cleaning to the point of unification does nothing; the
// address is still translated and can fault.

namespace {
bool clean_data_cache(Translator& t, Reg Rt) {
    t.b.emit(Opcode::Probe, Type::Void, {t.X(Type::I64, Rt)});
    return true;
}
} // namespace

bool DC_CVAC(Translator& t, Reg Rt) { return clean_data_cache(t, Rt); }
bool DC_CVAU(Translator& t, Reg Rt) { return clean_data_cache(t, Rt); }
bool DC_CVAP(Translator& t, Reg Rt) { return clean_data_cache(t, Rt); }
bool DC_CVADP(Translator& t, Reg Rt) { return clean_data_cache(t, Rt); }
bool DC_CIVAC(Translator& t, Reg Rt) { return clean_data_cache(t, Rt); }

// Every granule of the block is checked.
bool DC_ZVA(Translator& t, Reg Rt) {
    Value address = t.X(Type::I64, Rt);
    if (t.checks_accesses()) {
        const Value block = t.b.andnot(address, t.b.c64(ir::kZeroBlockBytes - 1));
        const MemInfo granule{.size_log2 = 4};
        address = resolve(t, {block}, granule, Access::Writes).base;
        for (i64 at = 16; at < static_cast<i64>(ir::kZeroBlockBytes); at += 16) {
            resolve(t, {block, at}, granule, Access::Writes);
        }
    } else if (t.mode().system()) {
        const Value block = t.b.andnot(address, t.b.c64(ir::kZeroBlockBytes - 1));
        address = resolve(t, {address}, {.size_log2 = 0}, Access::Writes).base;
        for (i64 at = 0; t.cpu().features.has(Feature::MTE) && at < 64; at += 16) {
            resolve(t, {block, at}, {.size_log2 = 4}, Access::Writes);
        }
    }
    t.b.emit(Opcode::ZeroBlock, Type::Void, {address});
    return true;
}

bool IC_IVAU(Translator& t, Reg Rt) {
    return t.end(ir::ExitTo{ir::ExitReason::InvalidateCache, t.next(), t.X(Type::I64, Rt).id});
}

// --- System registers

namespace {
// op0:op1:CRn:CRm:op2, as the encodings of DDI 0487 D22.
constexpr u32 sysreg(unsigned op0, unsigned op1, unsigned CRn, unsigned CRm, unsigned op2) {
    return op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2;
}
constexpr u32 kNZCV = sysreg(3, 3, 4, 2, 0), kFPCR = sysreg(3, 3, 4, 4, 0),
              kFPSR = sysreg(3, 3, 4, 4, 1), kTPIDR_EL0 = sysreg(3, 3, 13, 0, 2),
              kTPIDRRO_EL0 = sysreg(3, 3, 13, 0, 3), kCTR_EL0 = sysreg(3, 3, 0, 0, 1),
              kDCZID_EL0 = sysreg(3, 3, 0, 0, 7), kCNTFRQ_EL0 = sysreg(3, 3, 14, 0, 0),
              kCNTVCT_EL0 = sysreg(3, 3, 14, 0, 2), kPMUSERENR_EL0 = sysreg(3, 3, 9, 14, 0),
              kDIT = sysreg(3, 3, 4, 2, 5), kSSBS = sysreg(3, 3, 4, 2, 6),
              kTCO = sysreg(3, 3, 4, 2, 7), kRNDR = sysreg(3, 3, 2, 4, 0),
              kRNDRRS = sysreg(3, 3, 2, 4, 1);

constexpr u32 encode(bool o0, Imm<3> op1, Imm<4> CRn, Imm<4> CRm, Imm<3> op2) {
    return sysreg(2u + o0, op1.v, CRn.v, CRm.v, op2.v);
}

// The identification registers (op0 = 3, op1 = 0, CRn = 0) trap, and Linux emulates CRm 0 and 2..7:
// MIDR, MPIDR and REVIDR, and feature registers, of which those it does not track read as zero.
std::optional<u64> id_register(const CpuModel& cpu, Imm<4> CRm, Imm<3> op2) {
    struct Row {
        u8 CRm, op2;
        u64 CpuModel::*value;
    };
    constexpr Row kRows[] = {
        {0, 0, &CpuModel::midr_el1},         {4, 0, &CpuModel::id_aa64pfr0_el1},
        {4, 1, &CpuModel::id_aa64pfr1_el1},  {4, 4, &CpuModel::id_aa64zfr0_el1},
        {5, 0, &CpuModel::id_aa64dfr0_el1},  {6, 0, &CpuModel::id_aa64isar0_el1},
        {6, 1, &CpuModel::id_aa64isar1_el1}, {6, 2, &CpuModel::id_aa64isar2_el1},
        {7, 0, &CpuModel::id_aa64mmfr0_el1}, {7, 1, &CpuModel::id_aa64mmfr1_el1},
        {7, 2, &CpuModel::id_aa64mmfr2_el1},
    };
    for (const Row& row : kRows) {
        if (CRm == row.CRm && op2 == row.op2) {
            return cpu.*row.value;
        }
    }
    if (CRm == 0) {
        constexpr u64 kMpidrUniprocessor = u64{1} << 31; // what Linux shows: RES1 only
        return op2 == 5   ? std::optional{kMpidrUniprocessor}
               : op2 == 6 ? std::optional{u64{0}} // REVIDR_EL1
                          : std::nullopt;
    }
    return CRm.v >= 2 && CRm.v <= 7 ? std::optional{u64{0}} : std::nullopt;
}

// FPCR without the fields whose features are absent.
[[nodiscard]] Value without_res0(Translator& t, Value fpcr) {
    const u64 res0 = ir::BlockMode::kFpcrMask & ~fpcr_mask(t.cpu().features);
    return res0 == 0 ? fpcr : t.b.andnot(fpcr, t.b.c64(res0));
}

bool read(Translator& t, Reg Rt, Value value) {
    t.set_X(Rt, value);
    return true;
}

// The bit of PSTATE that a register of its own shows in the same place; 0: no such register.
u64 pstate_bit(const CpuModel& cpu, u32 encoding) {
    if (encoding == kDIT && cpu.features.has(Feature::DIT)) {
        return ir::pstate::DIT;
    }
    if (encoding == kSSBS && cpu.features.has(Feature::SSBS)) {
        return ir::pstate::SSBS;
    }
    if (encoding == kTCO && cpu.features.has(Feature::MTE)) {
        return ir::pstate::TCO;
    }
    return 0;
}
bool write_pstate_bit(Translator& t, u64 bit, Value from) {
    const Value others = t.b.and_(t.b.get(Slot::PSTATE), t.b.c64(~bit));
    t.b.set(Slot::PSTATE, t.b.or_(others, t.b.and_(from, t.b.c64(bit))));
    // What is checked is part of the mode.
    return bit != ir::pstate::TCO || t.leave(ir::ExitReason::ContextSync, t.next());
}
} // namespace

bool MRS(Translator& t, bool o0, Imm<3> op1, Imm<4> CRn, Imm<4> CRm, Imm<3> op2, Reg Rt) {
    const u32 encoding = encode(o0, op1, CRn, CRm, op2);
    if (const u64 bit = pstate_bit(t.cpu(), encoding); bit != 0) {
        return read(t, Rt, t.b.and_(t.b.get(Slot::PSTATE), t.b.c64(bit)));
    }
    switch (encoding) {
    case kNZCV:
        return read(t, Rt, t.b.nzcv_unpack(t.nzcv()));
    case kFPCR:
        return read(t, Rt, t.b.c64(t.mode().fpcr())); // the block's key fixes it
    case kFPSR:
        return read(t, Rt, t.b.call(ir::HelperId::ReadFpsr));
    case kTPIDR_EL0:
        return read(t, Rt, t.b.get(Slot::TPIDR_EL0));
    case kTPIDRRO_EL0:
        return read(t, Rt, t.b.get(Slot::TPIDRRO_EL0));
    case kCTR_EL0:
        return read(t, Rt, t.b.c64(t.cpu().ctr_el0));
    case kDCZID_EL0:
        return read(t, Rt, t.b.c64(t.cpu().dczid_el0));
    case kCNTFRQ_EL0:
        return read(t, Rt, t.b.c64(ir::kCounterFrequency));
    case kPMUSERENR_EL0: // never trapped; 0: the other performance monitors are (D24.5)
        return read(t, Rt, t.b.c64(0));
    case kCNTVCT_EL0:
        return read(t, Rt, t.b.call(ir::HelperId::ReadCntvct));
    case kRNDR:
    case kRNDRRS:
        if (!t.cpu().features.has(Feature::RNG)) {
            return t.undefined();
        }
        t.set_X(Rt, t.b.call(ir::HelperId::ReadRandom));
        t.set_nzcv(t.b.nzcv_const(0)); // a number was there
        return true;
    default:
        break;
    }
    if (o0 && op1 == 0 && CRn == 0) {
        if (const auto value = id_register(t.cpu(), CRm, op2)) {
            return read(t, Rt, t.b.c64(*value));
        }
    }
    return t.undefined();
}

bool MSR_reg(Translator& t, bool o0, Imm<3> op1, Imm<4> CRn, Imm<4> CRm, Imm<3> op2, Reg Rt) {
    const auto X = [&] { return t.X(Type::I64, Rt); };
    const u32 encoding = encode(o0, op1, CRn, CRm, op2);
    if (const u64 bit = pstate_bit(t.cpu(), encoding); bit != 0) {
        return write_pstate_bit(t, bit, X());
    }
    switch (encoding) {
    case kNZCV:
        t.set_nzcv(t.b.nzcv_pack(t.X(Type::I32, Rt)));
        return true;
    case kFPSR:
        t.b.call(ir::HelperId::WriteFpsr, {X()});
        // Of what FPSR does not have yet, Inexact may trap.
        return !t.mode().traps_flushes() || t.leave(ir::ExitReason::ContextSync, t.next());
    case kTPIDR_EL0:
        t.b.set(Slot::TPIDR_EL0, X());
        return true;
    case kFPCR:
        t.b.call(ir::HelperId::WriteFpcr, {without_res0(t, X())});
        return t.leave(ir::ExitReason::ContextSync, t.next());
    default:
        return t.undefined();
    }
}

// --- MSR (immediate)

bool MSR_SSBS(Translator& t, Imm<4> CRm) {
    return write_pstate_bit(t, ir::pstate::SSBS, t.b.c64(CRm.v & 1 ? ir::pstate::SSBS : 0));
}
bool MSR_DIT(Translator& t, Imm<4> CRm) {
    return write_pstate_bit(t, ir::pstate::DIT, t.b.c64(CRm.v & 1 ? ir::pstate::DIT : 0));
}

bool MSR_TCO(Translator& t, Imm<4> CRm) {
    return write_pstate_bit(t, ir::pstate::TCO, t.b.c64(CRm.v & 1 ? ir::pstate::TCO : 0));
}

} // namespace ulna::frontend
