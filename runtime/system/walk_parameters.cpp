#include "runtime/system/walk_parameters.h"

#include <algorithm>
#include <optional>

#include "ir/support/bits.h"
#include "runtime/system/control_bits.h"
#include "runtime/system/fields.h"

namespace ulna::system {

namespace {

using namespace control;

// AArch64.DecodeTG0 and AArch64.DecodeTG1; reserved values mean 4 KiB here.
constexpr unsigned kGranuleLog2[2][4] = {{12, 16, 14, 12}, {12, 14, 12, 16}};

// AArch64.PhysicalAddressSize, without the limits of the CPU and of the granule.
constexpr unsigned kPsBits[8] = {32, 36, 40, 42, 44, 48, 52, 52};

// AArch64.MaxTxSZ and AArch64.S1MinTxSZ. A value outside is IMPLEMENTATION DEFINED (a fault, or the
// nearest value inside); a fault is what FEAT_LVA asks for below.
bool is_bad_txsz(unsigned txsz,
                 const WalkParameters& shape,
                 const MmuFeatures& features,
                 bool wide) {
    const unsigned most = !features.ttst ? 39 : shape.granule_log2 == 16 ? 47 : 48;
    const unsigned least = shape.ds || (shape.granule_log2 == 16 && wide) ? 12 : 16;
    return txsz < least || txsz > most;
}

void set_output(WalkParameters& shape, unsigned ps, const RegimeRegisters& regime) {
    shape.wide_64k = shape.granule_log2 == 16 && regime.features.lpa && regime.pa_bits > 48;
    const unsigned most = shape.wide_64k || shape.ds ? 52 : 48;
    shape.output_bits = std::min({kPsBits[ps], most, unsigned{regime.pa_bits}});
    shape.wide_base = shape.ds || (shape.wide_64k && ps == 0b110);
}

// AArch64.S1StartLevel.
i8 start_level(const WalkParameters& shape) {
    return static_cast<i8>(
        kFinalLevel -
        static_cast<int>((shape.input_bits - 1 - shape.granule_log2) / shape.stride()));
}

void set_input(Stage1Parameters& to, unsigned txsz, const RegimeRegisters& regime) {
    to.bad_shape = is_bad_txsz(txsz, to, regime.features, regime.features.lva);
    to.input_bits = to.bad_shape ? 48 : 64 - txsz;
    to.start_level = start_level(to);
}

Stage1Parameters two_range_parameters(const RegimeRegisters& regime, GuestAddr va) {
    const u64 control = regime.tcr;
    const MmuFeatures& features = regime.features;
    Stage1Parameters to;
    to.two_privileges = true;
    to.upper = bit(va, 55); // AArch64.GetVARange
    const unsigned x = to.upper;
    to.ttbr = x == 0 ? regime.ttbr0 : regime.ttbr1;
    to.granule_log2 = kGranuleLog2[x][bits(control, tcr::TGx[x] + 1, tcr::TGx[x])];
    to.ds = features.lpa2 && to.granule_log2 != 16 && bit(control, tcr::DS);
    set_output(to, static_cast<unsigned>(bits(control, tcr::IPS + 2, tcr::IPS)), regime);
    set_input(to, static_cast<unsigned>(bits(control, tcr::TxSZ[x] + 5, tcr::TxSZ[x])), regime);
    to.shareability = static_cast<u8>(bits(control, tcr::SHx[x] + 1, tcr::SHx[x]));
    to.epd = bit(control, tcr::EPDx[x]);
    to.tbi = bit(control, tcr::TBIx[x]);
    to.tbid = bit(control, tcr::TBIDx[x]);
    to.hpd = features.hpds && bit(control, tcr::HPDx[x]);
    to.e0pd = features.e0pd && bit(control, tcr::E0PDx[x]);
    to.ha = features.hafdbs && bit(control, tcr::HA);
    to.hd = to.ha && bit(control, tcr::HD);
    to.epan = features.pan3 && (regime.sctlr & sctlr::EPAN) != 0;
    return to;
}

Stage1Parameters one_range_parameters(const RegimeRegisters& regime) {
    const u64 control = regime.tcr;
    const MmuFeatures& features = regime.features;
    Stage1Parameters to;
    to.ttbr = regime.ttbr0;
    to.granule_log2 = kGranuleLog2[0][bits(control, tcr_single::TG0 + 1, tcr_single::TG0)];
    to.ds = features.lpa2 && to.granule_log2 != 16 && bit(control, tcr_single::DS);
    set_output(to, static_cast<unsigned>(bits(control, tcr_single::PS + 2, tcr_single::PS)),
               regime);
    set_input(to, static_cast<unsigned>(bits(control, tcr_single::T0SZ + 5, tcr_single::T0SZ)),
              regime);
    to.shareability = static_cast<u8>(bits(control, tcr_single::SH0 + 1, tcr_single::SH0));
    to.tbi = bit(control, tcr_single::TBI);
    to.tbid = bit(control, tcr_single::TBID);
    to.hpd = features.hpds && bit(control, tcr_single::HPD);
    to.ha = features.hafdbs && bit(control, tcr_single::HA);
    to.hd = to.ha && bit(control, tcr_single::HD);
    return to;
}

// AArch64.S2StartLevel; nothing for the values that AArch64.S2InvalidSL refuses.
std::optional<i8> stage2_start_level(const RegimeRegisters& regime, const Stage2Parameters& shape) {
    const unsigned sl0 = static_cast<unsigned>(bits(regime.vtcr, vtcr::SL0 + 1, vtcr::SL0));
    const bool sl2 = shape.ds && bit(regime.vtcr, vtcr::SL2);
    const auto level = [](int value) { return static_cast<i8>(value); };
    switch (shape.granule_log2) {
    case 12:
        if (sl2) {
            return sl0 == 0 ? std::optional{level(-1)} : std::nullopt;
        }
        if (sl0 == 3) {
            return regime.features.ttst ? std::optional{level(3)} : std::nullopt;
        }
        return sl0 == 2 && regime.pa_bits < 44 ? std::nullopt
                                               : std::optional{level(2 - static_cast<int>(sl0))};
    case 14:
        if (sl0 == 3) {
            return shape.ds ? std::optional{level(0)} : std::nullopt;
        }
        return sl0 == 2 && regime.pa_bits < 42 ? std::nullopt
                                               : std::optional{level(3 - static_cast<int>(sl0))};
    default:
        return sl0 == 3 || (sl0 == 2 && regime.pa_bits < 44)
                   ? std::nullopt
                   : std::optional{level(3 - static_cast<int>(sl0))};
    }
}

// AArch64.S2InconsistentSL: the first table resolves at least one bit and is at most 16 tables.
bool is_inconsistent(const Stage2Parameters& shape) {
    const unsigned least = shape.level_shift(shape.start_level) + 1;
    const unsigned most = least + (shape.stride() - 1) + 4;
    return shape.input_bits < least || shape.input_bits > most;
}

} // namespace

bool has_unprivileged(const RegimeRegisters& regime) {
    return regime.el == 1 || (regime.el == 2 && (regime.hcr & hcr::E2H) != 0);
}

bool stage1_enabled(const RegimeRegisters& regime) {
    const bool is_disabled_by_el2 =
        regime.el == 1 && regime.el2_enabled && (regime.hcr & (hcr::DC | hcr::TGE)) != 0;
    return !is_disabled_by_el2 && (regime.sctlr & sctlr::M) != 0;
}

bool stage2_enabled(const RegimeRegisters& regime) {
    if (regime.el != 1 || !regime.el2_enabled) {
        return false;
    }
    // With TGE, DC counts as 0 (DDI 0487 D19.2, HCR_EL2).
    return (regime.hcr & hcr::VM) != 0 ||
           ((regime.hcr & hcr::DC) != 0 && (regime.hcr & hcr::TGE) == 0);
}

Stage1Parameters stage1_parameters(const RegimeRegisters& regime, GuestAddr va) {
    Stage1Parameters to =
        has_unprivileged(regime) ? two_range_parameters(regime, va) : one_range_parameters(regime);
    to.big_endian = (regime.sctlr & sctlr::EE) != 0;
    to.wxn = (regime.sctlr & sctlr::WXN) != 0;
    return to;
}

Stage2Parameters stage2_parameters(const RegimeRegisters& regime) {
    const u64 control = regime.vtcr;
    const MmuFeatures& features = regime.features;
    Stage2Parameters to;
    to.granule_log2 = kGranuleLog2[0][bits(control, vtcr::TG0 + 1, vtcr::TG0)];
    to.ds = features.lpa2 && to.granule_log2 != 16 && bit(control, vtcr::DS);
    set_output(to, static_cast<unsigned>(bits(control, vtcr::PS + 2, vtcr::PS)), regime);
    const unsigned txsz = static_cast<unsigned>(bits(control, vtcr::T0SZ + 5, vtcr::T0SZ));
    const std::optional<i8> start = stage2_start_level(regime, to);
    to.bad_shape =
        is_bad_txsz(txsz, to, features, to.wide_64k) || !start || 64 - txsz > regime.pa_bits;
    if (!to.bad_shape) {
        to.input_bits = 64 - txsz;
        to.start_level = *start;
        to.bad_shape = is_inconsistent(to);
    }
    to.shareability = static_cast<u8>(bits(control, vtcr::SH0 + 1, vtcr::SH0));
    to.ha = features.hafdbs && bit(control, vtcr::HA);
    to.hd = to.ha && bit(control, vtcr::HD);
    to.big_endian = regime.stage2_big_endian;
    to.ptw = (regime.hcr & hcr::PTW) != 0;
    to.fwb = features.s2fwb && (regime.hcr & hcr::FWB) != 0;
    to.xnx = features.xnx;
    return to;
}

} // namespace ulna::system
