#include "runtime/user/gdb_registers.h"

#include <cstring>

#include "runtime/debug/gdb_aarch64.h"
#include "runtime/user/signal_frame.h"

namespace ulna::user {

using runtime::debug::GdbFeature;
using N = runtime::debug::GdbNumber;

namespace {

constexpr unsigned kTpidr = N::kOthers, kPacDataMask = kTpidr + 1, kPacCodeMask = kTpidr + 2;

// Bits 54 to 48, of user addresses, as the kernel's ptrace says (ptrauth_user_pac_mask).
constexpr u64 kPacMask = u64{0x7f} << 48;

const frontend::FeatureSet& cpu_features() { return process().options.cpu_model.features; }

std::vector<GdbFeature> make_features() {
    std::vector<GdbFeature> features{runtime::debug::core_feature(), runtime::debug::fpu_feature()};
    features.push_back({.name = "org.gnu.gdb.aarch64.tls",
                        .registers = {{.name = "tpidr", .type = "data_ptr"}},
                        .in_all = false});
    if (cpu_features().has(frontend::Feature::PAuth)) {
        features.push_back({.name = "org.gnu.gdb.aarch64.pauth",
                            .registers = {{.name = "pauth_dmask"}, {.name = "pauth_cmask"}},
                            .in_all = false});
    }
    return features;
}

std::optional<u64> read_value(const ir::CpuState& cpu, unsigned n) {
    switch (n) {
    case N::kCpsr:
        return pstate_of(cpu);
    case N::kFpsr:
        return cpu.fpsr;
    case N::kFpcr:
        return cpu.fpcr;
    case kTpidr:
        return cpu.tpidr_el0;
    case kPacDataMask:
    case kPacCodeMask:
        return kPacMask;
    default:
        return std::nullopt;
    }
}

bool write_value(ir::CpuState& cpu, unsigned n, u64 value) {
    constexpr u32 kFpsrBits = 0x0800'009f; // QC and the cumulative flags
    switch (n) {
    case N::kCpsr:
        set_pstate(cpu, value);
        return true;
    case N::kFpsr:
        cpu.fpsr = static_cast<u32>(value) & kFpsrBits;
        return true;
    case N::kFpcr:
        cpu.fpcr = value & frontend::fpcr_mask(cpu_features());
        return true;
    case kTpidr:
        cpu.tpidr_el0 = value;
        return true;
    default:
        return false;
    }
}

std::size_t bytes_of(unsigned n) {
    return n == N::kCpsr || n == N::kFpsr || n == N::kFpcr ? sizeof(u32) : sizeof(u64);
}

} // namespace

const std::vector<GdbFeature>& thread_features() {
    static const std::vector<GdbFeature> features = make_features();
    return features;
}

bool read_numbered(ir::CpuState& cpu, unsigned n, std::span<u8> to) {
    if (const auto cell = runtime::debug::cell_of(cpu, n); !cell.empty()) {
        return to.size() == cell.size() &&
               std::memcpy(to.data(), cell.data(), cell.size()) != nullptr;
    }
    const auto value = read_value(cpu, n);
    return value && to.size() == bytes_of(n) &&
           std::memcpy(to.data(), &*value, to.size()) != nullptr;
}

bool write_numbered(ir::CpuState& cpu, unsigned n, std::span<const u8> from) {
    if (const auto cell = runtime::debug::cell_of(cpu, n); !cell.empty()) {
        return from.size() == cell.size() &&
               std::memcpy(cell.data(), from.data(), cell.size()) != nullptr;
    }
    u64 value = 0;
    if (from.size() != bytes_of(n)) {
        return false;
    }
    std::memcpy(&value, from.data(), from.size());
    return write_value(cpu, n, value);
}

} // namespace ulna::user
