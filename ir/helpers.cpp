// Helpers that translated code calls. Translated code holds FPSR's cumulative bits in MXCSR; the
// call thunk has stored MXCSR's sticky bits into CpuState::fpsr before a helper runs, and reloads
// MXCSR from guest_mxcsr (sticky bits clear) afterwards.
#include "ir/helpers.h"

#include <ctime>

namespace ulna::ir {

namespace {

u64 helper_ReadFpsr(CpuState& state, u64, u64, u64, u64) { return state.fpsr; }

u64 helper_WriteFpsr(CpuState& state, u64 value, u64, u64, u64) {
    constexpr u64 kWritable = 0x0800'009f; // QC and the cumulative exception bits
    state.fpsr = static_cast<u32>(value & kWritable);
    return 0;
}

u64 helper_WriteFpcr(CpuState& state, u64 value, u64, u64, u64) {
    // AHP DN FZ RMode FZ16; the trap enables read as zero, as on CPUs without trapped exceptions.
    constexpr u64 kWritable = 0x07c8'0000;
    state.fpcr = value & kWritable;
    // guest_mxcsr follows when the dispatcher handles the ContextSync exit.
    return 0;
}

u64 helper_ReadCntvct(CpuState&, u64, u64, u64, u64) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec)) / 16;
}

} // namespace

const HelperFn kHelpers[kHelperCount] = {
#define HELPER(name, result, args) helper_##name,
#include "ir/helpers.def"
#undef HELPER
};

} // namespace ulna::ir
