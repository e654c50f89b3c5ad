// See guest_cpu.h.
#include "runtime/user/guest_cpu.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include <linux/prctl.h>
#include <sys/auxv.h>
#include <sys/random.h>

#include "ir/block_key.h"
#include "ir/helpers.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

using frontend::Feature;

bool has(Feature feature) { return process().options.cpu_model.features.has(feature); }

// Bits of PR_PAC_* in the order of CpuState::pac_keys, and the address keys' of SCTLR_EL1 (EnIA,
// EnIB, EnDA, EnDB).
constexpr u64 kKeys[] = {PR_PAC_APIAKEY, PR_PAC_APIBKEY, PR_PAC_APDAKEY, PR_PAC_APDBKEY,
                         PR_PAC_APGAKEY};
constexpr u64 kEnableBits[] = {u64{1} << 31, u64{1} << 30, u64{1} << 27, u64{1} << 13};
constexpr u64 kAllKeys = kAddressKeys | PR_PAC_APGAKEY;

static_assert(sizeof ir::CpuState::pac_keys == std::size(kKeys) * 2 * sizeof(u64));

void make_keys(ir::CpuState& cpu, u64 keys) {
    if (keys == kAllKeys) { // one system call
        fill_random(cpu.pac_keys, sizeof cpu.pac_keys);
        return;
    }
    for (unsigned i = 0; i < std::size(kKeys); ++i) {
        if ((keys & kKeys[i]) != 0) {
            fill_random(&cpu.pac_keys[2 * i], 2 * sizeof(u64));
        }
    }
}

void enable_keys(ir::CpuState& cpu, u64 keys, u64 enabled) {
    for (unsigned i = 0; i < std::size(kEnableBits); ++i) {
        if ((keys & kKeys[i]) != 0) {
            cpu.sctlr_el1 &= ~kEnableBits[i];
            cpu.sctlr_el1 |= (enabled & kKeys[i]) != 0 ? kEnableBits[i] : 0;
        }
    }
    const bool all = enabled_pac_keys(cpu) == static_cast<i64>(kAddressKeys);
    cpu.mode_bits &= ~ir::BlockMode::kPacRestricted;
    cpu.mode_bits |= all ? 0 : ir::BlockMode::kPacRestricted;
}

constexpr u64 kAllTags = 0xffff; // of GCR_EL1.Exclude

} // namespace

void fill_random(void* to, u64 bytes) {
    if (const auto seed = process().options.seed) {
        static std::mutex mutex;
        static u64 state = *seed;
        const std::lock_guard lock(mutex);
        for (u64 done = 0; done < bytes; done += sizeof(u64)) {
            const u64 value = ir::next_random(state);
            std::memcpy(static_cast<u8*>(to) + done, &value, std::min(bytes - done, sizeof value));
        }
        return;
    }
    u64 done = 0;
    while (done < bytes) {
        const ssize_t got = ::getrandom(static_cast<u8*>(to) + done, bytes - done, 0);
        if (got < 0 && errno != EINTR) { // a host without it: what its kernel gave us
            const u64 part = std::min<u64>(bytes - done, 16);
            std::memcpy(static_cast<u8*>(to) + done,
                        reinterpret_cast<const void*>(::getauxval(AT_RANDOM)), part);
            done += part;
        }
        done += got > 0 ? static_cast<u64>(got) : 0;
    }
}

void init_guest_cpu(ir::CpuState& cpu) {
    // Loads may pass stores of unknown address: what Linux gives a process without mitigations.
    cpu.pstate = has(Feature::SSBS) ? ir::pstate::SSBS : 0;
    if (has(Feature::PAuth)) {
        make_keys(cpu, kAllKeys);
        enable_keys(cpu, kAddressKeys, kAddressKeys);
    }
    if (process().options.seed) {
        fill_random(&cpu.random_state, sizeof cpu.random_state);
    }
    if (has(Feature::MTE)) {
        constexpr unsigned kSeedLsb = 8;
        u16 seed;
        fill_random(&seed, sizeof seed);
        cpu.rgsr_el1 = u64{seed | 1u} << kSeedLsb; // 0 would stay 0
        cpu.gcr_el1 = kAllTags;
    }
}

i64 reset_pac_keys(ir::CpuState& cpu, u64 keys) {
    if (!has(Feature::PAuth) || (keys & ~kAllKeys) != 0) {
        return -EINVAL;
    }
    make_keys(cpu, keys == 0 ? kAllKeys : keys);
    return 0;
}

i64 set_enabled_pac_keys(ir::CpuState& cpu, u64 keys, u64 enabled) {
    if (!has(Feature::PAuth) || (keys & ~kAddressKeys) != 0 || (enabled & ~keys) != 0) {
        return -EINVAL;
    }
    enable_keys(cpu, keys, enabled);
    return 0;
}

i64 enabled_pac_keys(const ir::CpuState& cpu) {
    if (!has(Feature::PAuth)) {
        return -EINVAL;
    }
    u64 enabled = 0;
    for (unsigned i = 0; i < std::size(kEnableBits); ++i) {
        enabled |= (cpu.sctlr_el1 & kEnableBits[i]) != 0 ? kKeys[i] : 0;
    }
    return static_cast<i64>(enabled);
}

// --- tag checks. SCTLR_EL1.TCF0 is a part of the thread's mode; both modes together are the
// asymmetric one, which is what this system prefers (mte_tcf_preferred).

namespace {
static_assert(PR_MTE_TCF_SYNC >> PR_MTE_TCF_SHIFT == static_cast<u32>(ir::TagCheck::Sync) &&
              PR_MTE_TCF_ASYNC >> PR_MTE_TCF_SHIFT == static_cast<u32>(ir::TagCheck::Async) &&
              (PR_MTE_TCF_SYNC | PR_MTE_TCF_ASYNC) >> PR_MTE_TCF_SHIFT ==
                  static_cast<u32>(ir::TagCheck::Asymmetric));
constexpr u64 kTcf = PR_MTE_TCF_SYNC | PR_MTE_TCF_ASYNC;
} // namespace

void watch(ir::CpuState& cpu, std::span<const ir::WatchedRange> ranges) {
    cpu.watched = ir::Watched::of(ranges);
    cpu.mode_bits &= ~ir::BlockMode::kWatches;
    cpu.mode_bits |= ranges.empty() ? 0 : ir::BlockMode::kWatches;
}

bool is_tagged_address_control(u64 control) {
    const u64 known = PR_TAGGED_ADDR_ENABLE | (has(Feature::MTE) ? kTcf | PR_MTE_TAG_MASK : 0);
    return (control & ~known) == 0;
}

i64 set_tagged_address_control(GuestThread& thread, u64 control) {
    if (!is_tagged_address_control(control)) {
        return -EINVAL;
    }
    thread.tagged_addresses = (control & PR_TAGGED_ADDR_ENABLE) != 0;
    ir::CpuState& cpu = *thread.cpu;
    if (has(Feature::MTE)) {
        cpu.gcr_el1 = ~(control >> PR_MTE_TAG_SHIFT) & kAllTags;
        cpu.mode_bits &= ~ir::BlockMode::kTagCheck;
        cpu.mode_bits |= static_cast<u32>((control & kTcf) >> PR_MTE_TCF_SHIFT)
                         << ir::BlockMode::kTagCheckShift;
    }
    return 0;
}

i64 tagged_address_control(const GuestThread& thread) {
    u64 control = thread.tagged_addresses ? PR_TAGGED_ADDR_ENABLE : 0;
    if (has(Feature::MTE)) {
        const ir::CpuState& cpu = *thread.cpu;
        const auto check = static_cast<u64>(ir::BlockMode{cpu.mode_bits}.tag_check());
        control |= check << PR_MTE_TCF_SHIFT | (~cpu.gcr_el1 & kAllTags) << PR_MTE_TAG_SHIFT;
    }
    return static_cast<i64>(control);
}

} // namespace ulna::user
