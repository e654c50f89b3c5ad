#include "runtime/system/walk_registers.h"

#include "ir/support/bits.h"
#include "runtime/system/control_bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

namespace {
bool has_two_ranges(Regime regime) { return regime == Regime::El10 || regime == Regime::El20; }
} // namespace

using enum SysReg;

MmuFeatures mmu_features(const Cpu& cpu) {
    const auto field = [](u64 reg, unsigned lsb) { return bits(reg, lsb + 3, lsb); };
    const u64 mmfr0 = cpu.reg(ID_AA64MMFR0_EL1), mmfr1 = cpu.reg(ID_AA64MMFR1_EL1),
              mmfr2 = cpu.reg(ID_AA64MMFR2_EL1), pfr1 = cpu.reg(ID_AA64PFR1_EL1);
    constexpr u64 k52Bits = 6; // PARange
    return {
        .lva = field(mmfr2, 16) >= 1, // VARange
        .lpa = field(mmfr0, 0) >= k52Bits,
        .lpa2 = field(mmfr0, 28) == 1,  // TGran4: 52 bits
        .ttst = field(mmfr2, 28) >= 1,  // ST
        .hafdbs = field(mmfr1, 0) >= 2, // access flag and dirty state
        .hpds = field(mmfr1, 12) >= 1,
        .pan3 = field(mmfr1, 20) >= 3,
        .xnx = field(mmfr1, 28) >= 1,
        .s2fwb = field(mmfr2, 40) >= 1,
        .e0pd = field(mmfr2, 60) >= 1,
        .bti = field(pfr1, 0) >= 1,
        .mte = field(pfr1, 8) >= 2,
    };
}

bool has_lpa2_tables(const Cpu& cpu, Regime regime) {
    const unsigned ds = has_two_ranges(regime) ? control::tcr::DS : control::tcr_single::DS;
    return bit(tcr_of(cpu, regime), ds) && mmu_features(cpu).lpa2;
}

bool has_wide_addresses(const Cpu& cpu, Regime regime) {
    using control::tcr::TGx, control::tcr::TxSZ; // TTBR0's are where tcr_single has them
    constexpr u64 kTxszOf48Bits = 16, kGranule64K[] = {1, 3};
    const u64 tcr = tcr_of(cpu, regime);
    for (unsigned x = 0; x <= has_two_ranges(regime); ++x) {
        if (bits(tcr, TxSZ[x] + 5, TxSZ[x]) < kTxszOf48Bits &&
            (bits(tcr, TGx[x] + 1, TGx[x]) == kGranule64K[x] ? mmu_features(cpu).lva
                                                             : has_lpa2_tables(cpu, regime))) {
            return true;
        }
    }
    return false;
}

RegimeRegisters walk_registers(const Cpu& cpu, Regime regime) {
    const TranslationInputs in = translation_inputs(cpu, regime);
    RegimeRegisters to;
    to.el = regime == Regime::El10 ? 1 : regime == Regime::El3 ? 3 : 2;
    to.secure = regime == Regime::El3 || (regime == Regime::El10 && is_secure_below_el3(cpu));
    // Checks of tags are the caller's: TCF0 may be another one for each process.
    to.sctlr = in.sctlr & ~(sctlr::TCF | sctlr::TCF0 | sctlr::ATA | sctlr::ATA0);
    to.tcr = in.tcr;
    to.ttbr0 = in.ttbr0;
    to.ttbr1 = in.ttbr1;
    to.mair = in.mair;
    to.el2_enabled = regime == Regime::El10 && el2_enabled(cpu);
    to.hcr = in.hcr;
    to.vtcr = in.vtcr;
    to.vttbr = in.vttbr;
    to.pan = in.pan;
    to.pa_bits = cpu.physical_address_bits;
    to.features = mmu_features(cpu);
    return to;
}

} // namespace ulna::system
