// TLBI (DDI 0487 C5.5, D8.14), decoded by the structure of its encodings: op1 says whose, CRm where
// to and whether a range, op2 what.
#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/system/control_bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/system_instructions.h"
#include "runtime/system/walk_registers.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;
using Kind = TlbInvalidation::Kind;

namespace {

constexpr unsigned kTlbi = 8, kTlbiNxs = 9; // CRn: without waiting for XS accesses, the latter

struct Fields {
    unsigned op1, CRn, CRm, op2;
};
constexpr Fields fields_of(u16 encoding) {
    return {encoding >> 11 & 7u, encoding >> 7 & 15u, encoding >> 3 & 15u, encoding & 7u};
}

// CRm, but for stage 2's addresses.
struct Scope {
    unsigned CRm;
    bool broadcast, range, needs_v8_4;
};
constexpr Scope kScopes[] = {
    {1, true, false, true},  // outer shareable
    {2, true, true, true},   // range, inner shareable
    {3, true, false, false}, // inner shareable
    {5, true, true, true},   // range, outer shareable
    {6, false, true, true},  // range
    {7, false, false, false},
};

struct Operation {
    unsigned op1, op2;
    Kind kind;
    bool last_level, all_vmids;
};
constexpr Operation kOperations[] = {
    {0, 0, Kind::Stage1, false, false},          // VMALLE1
    {0, 1, Kind::Address, false, false},         // VAE1
    {0, 2, Kind::Asid, false, false},            // ASIDE1
    {0, 3, Kind::AddressAllAsids, false, false}, // VAAE1
    {0, 5, Kind::Address, true, false},          // VALE1
    {0, 7, Kind::AddressAllAsids, true, false},  // VAALE1
    {4, 0, Kind::All, false, false},             // ALLE2
    {4, 1, Kind::Address, false, false},         // VAE2
    {4, 4, Kind::All, false, true},              // ALLE1
    {4, 5, Kind::Address, true, false},          // VALE2
    {4, 6, Kind::All, false, false},             // VMALLS12E1
    {6, 0, Kind::All, false, false},             // ALLE3
    {6, 1, Kind::Address, false, false},         // VAE3
    {6, 5, Kind::Address, true, false},          // VALE3
};
constexpr bool is_address(Kind kind) {
    return kind == Kind::Address || kind == Kind::AddressAllAsids || kind == Kind::Stage2Address;
}

// IPAS2E1 and its kin (op1 4): CRm 0 is inner shareable, CRm 4 has the others.
struct Stage2Operation {
    unsigned CRm, op2;
    bool broadcast, range, last_level;
};
constexpr Stage2Operation kStage2[] = {
    {0, 1, true, false, false}, // IPAS2E1IS
    {0, 2, true, true, false},  // RIPAS2E1IS
    {0, 5, true, false, true},  // IPAS2LE1IS
    {0, 6, true, true, true},   // RIPAS2LE1IS
    {4, 0, true, false, false}, // IPAS2E1OS
    {4, 1, false, false, false}, {4, 2, false, true, false},
    {4, 3, true, true, false}, // RIPAS2E1OS
    {4, 4, true, false, true}, // IPAS2LE1OS
    {4, 5, false, false, true},  {4, 6, false, true, true},
    {4, 7, true, true, true}, // RIPAS2LE1OS
};

// VMALLS12E1 and ALLE1 are EL2's instructions about EL1's regime.
Regime regime_of(const Cpu& cpu, const Fields& f) {
    if (f.op1 == 6) {
        return Regime::El3;
    }
    if (f.op1 == 4 && f.op2 != 4 && f.op2 != 6) {
        return e2h(cpu) ? Regime::El20 : Regime::El2;
    }
    return f.op1 == 0 && el0_in_host(cpu) ? Regime::El20 : Regime::El10;
}

// Whether tables have 52 bits of addresses whatever their granule (LPA2).
bool has_wide_tables(const Cpu& cpu, Regime regime, bool stage2) {
    return stage2 ? mmu_features(cpu).lpa2 && bit(cpu.reg(VTCR_EL2), control::vtcr::DS)
                  : has_lpa2_tables(cpu, regime);
}

// Range of the register's TG, SCALE, NUM and BaseADDR, which counts 64 KiB where tables are wide; a
// reserved TG affects nothing (D8.14.6).
void set_range(TlbInvalidation& tlbi, u64 value, bool stage2, bool wide_tables) {
    constexpr u8 kGranuleBits[] = {0, 12, 14, 16};
    const unsigned granule = kGranuleBits[bits(value, 47, 46)];
    if (granule == 0) {
        tlbi.bytes = 0;
        return;
    }
    const auto scale = static_cast<unsigned>(bits(value, 45, 44));
    const u64 number = bits(value, 43, 39) + 1;
    const u64 base = stage2 ? bits(value, 36, 0) : static_cast<u64>(sign_extend(value, 37));
    tlbi.bytes = number << (5 * scale + 1) << granule;
    tlbi.start = base << (wide_tables ? 16 : granule);
}

// Bits 43..0 are the address's from bit 12 on.
void set_address(TlbInvalidation& tlbi, u64 value, bool stage2) {
    constexpr unsigned kPageBits = 12;
    tlbi.bytes = 1;
    tlbi.start = stage2 ? bits(value, 39, 0) << kPageBits
                        : static_cast<u64>(sign_extend(value, 44)) << kPageBits;
}

struct Decoded {
    TlbInvalidation tlbi;
    bool range = false, needs_v8_4 = false;
};

std::optional<Decoded> decode(const Cpu& cpu, const Fields& f) {
    Decoded d;
    const auto* const stage2 = std::ranges::find_if(kStage2, [&](const Stage2Operation& o) {
        return f.op1 == 4 && o.CRm == f.CRm && o.op2 == f.op2;
    });
    if (stage2 != std::end(kStage2)) {
        d.tlbi.kind = Kind::Stage2Address;
        d.tlbi.broadcast = stage2->broadcast;
        d.tlbi.last_level = stage2->last_level;
        d.range = stage2->range;
        d.needs_v8_4 = stage2->range || (f.CRm == 4 && stage2->broadcast);
        return d;
    }
    const auto* const scope = std::ranges::find(kScopes, f.CRm, &Scope::CRm);
    const auto* const operation = std::ranges::find_if(
        kOperations, [&](const Operation& o) { return o.op1 == f.op1 && o.op2 == f.op2; });
    if (scope == std::end(kScopes) || operation == std::end(kOperations) ||
        (scope->range && !is_address(operation->kind))) {
        return std::nullopt;
    }
    d.tlbi.kind = operation->kind;
    d.tlbi.regime = regime_of(cpu, f);
    d.tlbi.broadcast = scope->broadcast;
    d.tlbi.last_level = operation->last_level;
    d.tlbi.all_vmids = operation->all_vmids;
    d.range = scope->range;
    d.needs_v8_4 = scope->needs_v8_4;
    return d;
}

Verdict guard(const Cpu& cpu, const Fields& f, bool broadcast) {
    const u64 hcr = hcr_at_el1(cpu);
    const bool outer = f.CRm == 1 || f.CRm == 5;
    const u64 traps = hcr::TTLB | (!broadcast ? 0 : outer ? hcr::TTLBOS : hcr::TTLBIS);
    return (hcr & traps) != 0 ? Verdict{trap_to(2)} : std::nullopt;
}

u16 current_vmid(const Cpu& cpu) {
    return el2_enabled(cpu) ? static_cast<u16>(cpu.reg(VTTBR_EL2) >> 48) : u16{0};
}

} // namespace

bool is_tlbi(u16 encoding) {
    const Fields f = fields_of(encoding);
    return encoding >> 14 == 1 && (f.CRn == kTlbi || f.CRn == kTlbiNxs);
}

Outcome execute_tlbi(Cpu& cpu, const Instruction& insn) {
    const Fields f = fields_of(sysreg_encoding(insn.word));
    const auto decoded = decode(cpu, f);
    const unsigned least_el = f.op1 == 6 ? 3 : f.op1 == 4 ? 2 : 1;
    if (!decoded || cpu.pstate.el < least_el || (decoded->needs_v8_4 && !cpu.has(Feature::LSE2)) ||
        (f.CRn == kTlbiNxs && !cpu.has(Feature::XS))) {
        return undefined(insn.pc);
    }
    if (const auto verdict = guard(cpu, f, decoded->tlbi.broadcast)) {
        return denied(insn, *verdict);
    }
    TlbInvalidation tlbi = decoded->tlbi;
    const u64 value = read_x(cpu, insn.Rt());
    tlbi.vmid = tlbi.regime == Regime::El10 ? current_vmid(cpu) : u16{0};
    if (tlbi.kind == Kind::Asid || tlbi.kind == Kind::Address) {
        tlbi.asid = static_cast<u16>(value >> 48);
    }
    if (is_address(tlbi.kind)) {
        const bool stage2 = tlbi.kind == Kind::Stage2Address;
        if (decoded->range) {
            set_range(tlbi, value, stage2, has_wide_tables(cpu, tlbi.regime, stage2));
        } else {
            set_address(tlbi, value, stage2);
        }
    }
    tlbi.broadcast = tlbi.broadcast || (hcr_at_el1(cpu) & hcr::FB) != 0;
    cpu.host->invalidate_tlb(cpu, tlbi);
    return std::nullopt;
}

} // namespace ulna::system
