// The state of a guest CPU that the kernel decides: what execve leaves, and pointer authentication
// keys and tag checks as prctl(2) controls them.
#pragma once

#include <span>

#include <linux/prctl.h>

#include "ir/guest_state.h"
#include "ir/support/types.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

// Random bytes that the guest is given; with -seed always the same ones.
void fill_random(void* to, u64 bytes);

// Of a process's first thread, after execve.
void init_guest_cpu(ir::CpuState& cpu);

// PR_PAC_ENABLED_KEYS_MASK
inline constexpr u64 kAddressKeys =
    PR_PAC_APIAKEY | PR_PAC_APIBKEY | PR_PAC_APDAKEY | PR_PAC_APDBKEY;
// prctl(2): PR_PAC_RESET_KEYS, PR_PAC_SET_ENABLED_KEYS, PR_PAC_GET_ENABLED_KEYS.
[[nodiscard]] i64 reset_pac_keys(ir::CpuState& cpu, u64 keys);
[[nodiscard]] i64 set_enabled_pac_keys(ir::CpuState& cpu, u64 keys, u64 enabled);
[[nodiscard]] i64 enabled_pac_keys(const ir::CpuState& cpu);

// What the thread's accesses are compared with from its next return to guest code on; the ranges
// stay where they are as long as it does so.
void watch(ir::CpuState& cpu, std::span<const ir::WatchedRange> ranges);

// prctl(2): PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL.
// False: it has bits that this CPU knows nothing of.
[[nodiscard]] bool is_tagged_address_control(u64 control);
[[nodiscard]] i64 set_tagged_address_control(GuestThread& thread, u64 control);
[[nodiscard]] i64 tagged_address_control(const GuestThread& thread);

} // namespace ulna::user
