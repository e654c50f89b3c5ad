// Guest code -> IR. The only header of the frontend that the runtime sees.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "frontend/a64/features.h"
#include "ir/block.h"

namespace ulna::frontend {

// Where instruction words come from.
class CodeSource {
  public:
    virtual ~CodeSource() = default;
    // The readable, guest-executable words from pc (4-byte aligned) up to at most the end of its
    // page. Empty: fetching pc faults. Words are read once; the span stays valid during the
    // translation.
    [[nodiscard]] virtual std::span<const u32> words(GuestAddr pc) = 0;
    // Copies the bytes of [pc, pc + bytes), inside one page, as words() would show them; false when
    // they cannot be fetched.
    [[nodiscard]] virtual bool read(GuestAddr pc, void* to, u64 bytes);
    // The word at pc when it can be fetched and its page is guarded (PROT_BTI). Asked only for
    // blocks with BlockMode::bti, and by the runtime for the targets of their branches.
    [[nodiscard]] virtual std::optional<u32> guarded_word(GuestAddr) { return std::nullopt; }
    // Of a whole machine: BlockKey::page of pc, as the calling thread's virtual CPU finds it now;
    // without a value, fetching pc faults.
    [[nodiscard]] virtual std::optional<u64> page_of(GuestAddr) { return 0; }
};

// What the modelled CPU looks like to EL0: its features, and the values of MRS for EL0-readable and
// kernel-emulated registers that go with them.
struct CpuModel {
    const char* name = "";
    const char* description = "";
    FeatureSet features;
    u64 midr_el1 = 0;
    u64 ctr_el0 = 0;
    u64 dczid_el0 = 0;
    u64 id_aa64pfr0_el1 = 0, id_aa64pfr1_el1 = 0;
    u64 id_aa64isar0_el1 = 0, id_aa64isar1_el1 = 0, id_aa64isar2_el1 = 0;
    u64 id_aa64mmfr0_el1 = 0, id_aa64mmfr1_el1 = 0, id_aa64mmfr2_el1 = 0;
    u64 id_aa64zfr0_el1 = 0, id_aa64dfr0_el1 = 0;
    u64 hwcap = 0, hwcap2 = 0; // AT_HWCAP, AT_HWCAP2 that go with them
};
// The default CPU, `max`: every feature that is implemented.
[[nodiscard]] const CpuModel& default_cpu();
// All models, and the one that "model[,feature=on|off]..." means; without a value, why_not is set.
[[nodiscard]] std::span<const CpuModel> cpu_models();
[[nodiscard]] std::optional<CpuModel> parse_cpu(std::string_view text, std::string& why_not);
// The same CPU without some of its features.
[[nodiscard]] CpuModel without(const CpuModel& cpu, std::initializer_list<Feature> absent);
[[nodiscard]] std::string
feature_names(FeatureSet features); // " FP AdvSIMD CRC32", as insn.def has them
// The names that the Features line of /proc/cpuinfo has, each after a space.
[[nodiscard]] std::string cpuinfo_features(const CpuModel& cpu);

// The bits of FPCR that are not RES0.
[[nodiscard]] constexpr u64 fpcr_mask(FeatureSet features) {
    constexpr u64 kFZ16 = u64{1} << 19, kFIZ = 1 << 0, kAH = 1 << 1, kNEP = 1 << 2;
    return ir::BlockMode::kFpcrMask & ~(features.has(Feature::FP16) ? 0 : kFZ16) &
           ~(features.has(Feature::AFP) ? 0 : kFIZ | kAH | kNEP);
}

struct TranslateOptions {
    const CpuModel* cpu = &default_cpu();
    unsigned max_instructions = 64;
    unsigned max_side_exits = 4; // conditional branches that a block goes on after
    bool system = false;         // a whole machine: keys have BlockMode::kSystem
    bool follow_branches = true; // past unconditional direct branches within the page, and past
                                 // conditional ones by side exits; false: nothing behind the
                                 // first branch is looked at
};

// Translates the extended block at key.pc. Never fails: an unallocated encoding ends the block with
// ExitReason::Undefined, an unreadable first word with FetchFault.
void translate(const ir::BlockKey& key,
               CodeSource& source,
               const TranslateOptions& options,
               ir::Block& out);

// Whether an instruction on a guarded page may be where a branch that set PSTATE.BTYPE arrives.
[[nodiscard]] bool accepts_btype(u32 word, unsigned btype);

// For dumps and reports: the insn.def row of a word ("ADD_imm"), or nullptr when unallocated.
[[nodiscard]] const char* encoding_name(u32 word, FeatureSet features = FeatureSet::all());

// One row of insn.def as data, for generators and reports.
struct EncodingInfo {
    const char* name; // handler id
    const char* mnemonic;
    const char* pattern; // named-field bit pattern
    Feature feature;
    u32 mask, bits;
};
[[nodiscard]] std::span<const EncodingInfo> encodings();

} // namespace ulna::frontend
