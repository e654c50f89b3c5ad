// Helpers that translated code calls. Translated code holds FPSR's cumulative bits in MXCSR; the
// call thunk has stored MXCSR's sticky bits into CpuState::fpsr before a helper runs, and reloads
// MXCSR from guest_mxcsr (sticky bits clear) afterwards.
#include "ir/helpers.h"

#include <ctime>

#include <sys/random.h>

#include "ir/block_key.h"
#include "ir/pauth.h"

namespace ulna::ir {

u64 next_random(u64& state) {
    state += 0x9e37'79b9'7f4a'7c15;
    u64 value = state;
    value = (value ^ value >> 30) * 0xbf58'476d'1ce4'e5b9;
    value = (value ^ value >> 27) * 0x94d0'49bb'1331'11eb;
    return value ^ value >> 31;
}

namespace {

u64 helper_ReadFpsr(CpuState& state, u64, u64, u64, u64) { return state.fpsr; }

u64 helper_WriteFpsr(CpuState& state, u64 value, u64, u64, u64) {
    constexpr u64 kWritable = 0x0800'009f; // QC and the cumulative exception bits
    state.fpsr = static_cast<u32>(value & kWritable);
    return 0;
}

u64 helper_WriteFpcr(CpuState& state, u64 value, u64, u64, u64) {
    // The trap enables read as zero, as on CPUs without trapped exceptions.
    state.fpcr = value & BlockMode::kFpcrMask;
    // guest_mxcsr follows when the dispatcher handles the ContextSync exit.
    return 0;
}

u64 helper_ReadCntvct(CpuState&, u64, u64, u64, u64) {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (static_cast<u64>(now.tv_sec) * 1'000'000'000 + static_cast<u64>(now.tv_nsec)) / 16;
}

u64 helper_ReadRandom(CpuState& state, u64, u64, u64, u64) {
    u64 value = 0;
    if (state.random_state != 0 || getrandom(&value, sizeof value, 0) != sizeof value) {
        return next_random(state.random_state);
    }
    return value;
}

u64 helper_CheckTag(CpuState& state, u64 tagged, u64 selector, u64, u64) {
    const MemInfo mem = MemInfo::unpack(static_cast<u16>(selector));
    const auto bad = tag_mismatch(state.tag_memory, tagged, mem.bytes());
    return bad.value_or(0);
}

u64 helper_FindWatched(CpuState& state, u64 address, u64 selector, u64, u64) {
    const MemInfo mem = MemInfo::unpack(static_cast<u16>(selector));
    return state.watched.first_met(address, mem.bytes(), mem.access).value_or(0);
}

u64 helper_FindHostAddress(CpuState& state, u64 address, u64 mem, u64, u64) {
    return reinterpret_cast<FindHostAddress>(state.find_host_address)(state, address, mem);
}

u64 helper_CopyOrSet(CpuState& state, u64 to, u64 source, u64 left, u64 how) {
    return reinterpret_cast<CopyOrSet>(state.copy_or_set)(state, to, source, left,
                                                          CopyOrSetInfo::unpack(how));
}

u64 helper_CommitStore(CpuState& state, u64, u64, u64, u64) {
    if (state.uncommitted != 0) {
        reinterpret_cast<ir::CommitStore>(state.commit_store)(state);
    }
    return 0;
}

u64 helper_ComputePac(CpuState& state, u64 pointer, u64 modifier, u64 selector, u64) {
    const u64* const key = &state.pac_keys[2 * (selector & 0xff)];
    const bool qarma3 = static_cast<PacAlgorithm>(selector >> 8) == PacAlgorithm::Qarma3;
    return qarma64(qarma3 ? kQarma3 : kQarma5, pointer, modifier, key[1], key[0]);
}

} // namespace

const HelperFn kHelpers[kHelperCount] = {
#define HELPER(name, result, args) helper_##name,
#include "ir/helpers.def"
#undef HELPER
};

} // namespace ulna::ir
