// Identification registers: what the CPU model says of EL0 (frontend/a64/features.def), and what
// only a kernel may see. Features that have no row there follow from the version of the
// architecture that mandates them, which a feature with a row shows: LSE is Armv8.1, DPB Armv8.2,
// LSE2 Armv8.4, BTI Armv8.5.
#include "runtime/system/id_registers.h"

#include "ir/support/bits.h"
#include "runtime/system/debug_exceptions.h"
#include "runtime/system/sysreg_behaviours.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

namespace {

struct Field {
    unsigned lsb;
    u64 value;
};

void set_fields(u64& reg, std::initializer_list<Field> fields) {
    for (const Field& field : fields) {
        reg = (reg & ~(u64{0xf} << field.lsb)) | field.value << field.lsb;
    }
}

u64 when(bool condition, u64 value) { return condition ? value : 0; }

// ID_AA64MMFR0_EL1.PARange
u64 pa_range(unsigned bits) {
    constexpr u8 kBits[] = {32, 36, 40, 42, 44, 48, 52};
    u64 range = 0;
    while (range + 1 < std::size(kBits) && kBits[range + 1] <= bits) {
        ++range;
    }
    return range;
}

void fill_processor_features(Cpu& cpu) {
    const bool v8_2 = cpu.has(Feature::DPB);
    cpu.reg(ID_AA64PFR0_EL1) = cpu.model->id_aa64pfr0_el1;
    set_fields(cpu.reg(ID_AA64PFR0_EL1),
               {
                   {0, 1}, // EL0..EL3: AArch64 only
                   {4, 1},
                   {8, when(cpu.has_el2, 1)},
                   {12, when(cpu.has_el3, 1)},
                   {24, when(cpu.has_gic_registers, 1)},
                   {28, when(v8_2, 1)},                   // RAS, without error records
                   {56, cpu.has(Feature::BTI) ? 3u : 1u}, // CSV2, CSV3: nothing is speculated
                   {60, 1},
               });
    cpu.reg(ID_AA64PFR1_EL1) = cpu.model->id_aa64pfr1_el1;
}

void fill_memory_model(Cpu& cpu) {
    const bool v8_1 = cpu.has(Feature::LSE), v8_2 = cpu.has(Feature::DPB),
               v8_4 = cpu.has(Feature::LSE2), v8_5 = cpu.has(Feature::BTI);
    const bool lpa = v8_2 && cpu.physical_address_bits == 52;
    // Stage 2 has stage 1's pages. 0 would say so, too, but with LPA2 Linux takes it for 48 bits.
    const bool tells_stage2 = v8_5 || lpa;
    cpu.reg(ID_AA64MMFR0_EL1) = 0;
    set_fields(cpu.reg(ID_AA64MMFR0_EL1),
               {
                   {0, pa_range(cpu.physical_address_bits)},
                   {4, 2},                     // ASIDBits: 16. BigEnd: 0, little-endian only
                   {12, when(cpu.has_el3, 1)}, // SNSMem
                   {20, when(lpa, 1) + 1},     // TGran16, with 52 bits when there are (LPA2)
                   {24, 0},                    // TGran64
                   {28, when(lpa, 1)},         // TGran4
                   {32, when(tells_stage2, when(lpa, 1) + 2)}, // TGran16_2
                   {36, when(tells_stage2, 2)},                // TGran64_2
                   {40, when(tells_stage2, when(lpa, 1) + 2)}, // TGran4_2
                   {60, 0},                                    // ECV
               });
    cpu.reg(ID_AA64MMFR1_EL1) = cpu.model->id_aa64mmfr1_el1;
    set_fields(cpu.reg(ID_AA64MMFR1_EL1),
               {
                   {0, when(v8_1, 2)},             // HAFDBS: access and dirty flags
                   {4, when(v8_1, 2)},             // VMIDBits: 16
                   {8, when(v8_1, 1)},             // VH
                   {12, when(v8_1, v8_2 ? 2 : 1)}, // HPDS
                   {20, when(v8_1, v8_5   ? 3
                                   : v8_2 ? 2
                                          : 1)},          // PAN, with AT and EPAN
                   {28, when(v8_2, 1)},                   // XNX
                   {40, when(cpu.has(Feature::MOPS), 1)}, // HCX, which MOPS asks for
               });
    cpu.reg(ID_AA64MMFR2_EL1) = cpu.model->id_aa64mmfr2_el1;
    set_fields(cpu.reg(ID_AA64MMFR2_EL1), {
                                              {0, when(v8_2, 1)},  // CnP
                                              {4, when(v8_2, 1)},  // UAO
                                              {16, when(lpa, 1)},  // VARange: 52 bits
                                              {28, when(v8_4, 1)}, // ST: small tables
                                              {36, when(v8_4, 1)}, // IDS
                                              {40, when(v8_4, 1)}, // FWB
                                              {48, when(v8_4, 1)}, // TTL
                                              {52, when(v8_4, 2)}, // BBM
                                              {56, when(v8_5, 2)}, // EVT
                                              {60, when(v8_5, 1)}, // E0PD
                                          });
}

void fill_instruction_set(Cpu& cpu) {
    cpu.reg(ID_AA64ISAR0_EL1) = cpu.model->id_aa64isar0_el1;
    set_fields(cpu.reg(ID_AA64ISAR0_EL1),
               {{56, when(cpu.has(Feature::LSE2), 2)}}); // TLB: outer shareable, ranges
    cpu.reg(ID_AA64ISAR1_EL1) = cpu.model->id_aa64isar1_el1;
    set_fields(cpu.reg(ID_AA64ISAR1_EL1), {{56, when(cpu.has(Feature::XS), 1)}});
    cpu.reg(ID_AA64ISAR2_EL1) = cpu.model->id_aa64isar2_el1;
    cpu.reg(ID_AA64ZFR0_EL1) = cpu.model->id_aa64zfr0_el1;
}

void fill_debug(Cpu& cpu) {
    unsigned breakpoints = 0, watchpoints = 0;
    for (const SysRegRow& row : system_registers()) {
        breakpoints += row.encoding >> 14 == 2 && row.CRn() == 0 && row.op2() == 5;
        watchpoints += row.encoding >> 14 == 2 && row.CRn() == 0 && row.op2() == 7;
    }
    cpu.reg(ID_AA64DFR0_EL1) = 0;
    set_fields(cpu.reg(ID_AA64DFR0_EL1), {
                                             {0, cpu.has(Feature::DPB) ? 8u : 6u}, // DebugVer
                                             {8, cpu.has(Feature::LSE) ? 4u : 1u}, // PMUVer
                                             {12, breakpoints - 1},
                                             {20, watchpoints - 1},
                                             {28, kContextBreakpoints - 1},
                                         });
}

void fill_caches(Cpu& cpu) {
    cpu.reg(CTR_EL0) = cpu.model->ctr_el0;
    // L1 instruction and data, unified L2; LoC and LoUU, LoUIS as IDC says: nothing to clean to
    // the point of unification.
    constexpr u64 kSeparate = 3, kUnified = 4;
    const bool idc = bit(cpu.model->ctr_el0, 28);
    cpu.reg(CLIDR_EL1) =
        kSeparate | kUnified << 3 | u64{2} << 24 | (idc ? 0 : u64{1} << 21 | u64{1} << 27);
    cpu.reg(GMID_EL1) = 6; // log2 of the words whose tags LDGM and STGM move
}

} // namespace

u8 physical_address_bits(const frontend::CpuModel& model) {
    constexpr struct {
        u16 part; // MIDR_EL1.PartNum
        u8 bits;
    } kParts[] = {
        {0xd03, 40}, {0xd04, 40}, {0xd05, 40}, // Cortex-A53, A35, A55
        {0xd07, 44}, {0xd08, 44},              // Cortex-A57, A72
        {0xd0b, 40},                           // Cortex-A76
        {0xd0c, 48},                           // Neoverse N1
    };
    for (const auto& known : kParts) {
        if (bits(model.midr_el1, 15, 4) == known.part) {
            return known.bits;
        }
    }
    return 52;
}

void fill_identification(Cpu& cpu) {
    fill_processor_features(cpu);
    fill_memory_model(cpu);
    fill_instruction_set(cpu);
    fill_debug(cpu);
    fill_caches(cpu);
    cpu.reg(MIDR_EL1) = cpu.model->midr_el1;
    cpu.reg(VPIDR_EL2) = cpu.model->midr_el1;
    constexpr u64 kRes1 = u64{1} << 31; // and U = 0: there may be other CPUs
    cpu.reg(MPIDR_EL1) = cpu.affinity | kRes1;
    cpu.reg(VMPIDR_EL2) = cpu.reg(MPIDR_EL1);
    cpu.reg(DCZID_EL0) = cpu.model->dczid_el0;
}

// EL1 sees what EL2 has put there for it.
u64 read_midr(Cpu& cpu, SysReg) {
    const bool virtualised = cpu.pstate.el == 1 && el2_enabled(cpu);
    return cpu.reg(virtualised ? VPIDR_EL2 : MIDR_EL1);
}
u64 read_mpidr(Cpu& cpu, SysReg) {
    const bool virtualised = cpu.pstate.el == 1 && el2_enabled(cpu);
    return cpu.reg(virtualised ? VMPIDR_EL2 : MPIDR_EL1);
}

// By CSSELR_EL1: log2 of line bytes less 4, ways less 1, sets less 1 (without FEAT_CCIDX). 64-byte
// lines: 32 KiB of 4 ways, 32 KiB of 4 ways, 512 KiB of 8 ways.
u64 read_ccsidr(Cpu& cpu, SysReg) {
    constexpr auto geometry = [](u64 kib, u64 ways) {
        constexpr u64 kLine = 64;
        return (kib * 1024 / kLine / ways - 1) << 13 | (ways - 1) << 3 | 2;
    };
    switch (cpu.reg(CSSELR_EL1)) {
    case 0: // L1 data
    case 1: // L1 instruction
        return geometry(32, 4);
    case 2:
        return geometry(512, 8);
    default:
        return 0;
    }
}

} // namespace ulna::system
