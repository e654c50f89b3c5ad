// Classic BPF as seccomp(2) uses it: programs over struct seccomp_data that end with an action.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <span>

#include "ir/support/types.h"

namespace ulna::user {

using BpfProgram = std::span<const sock_filter>;

// What the kernel accepts (bpf_check_classic and seccomp_check_filter): it loads only aligned words
// of seccomp_data, jumps forward and inside, reads no memory before it has been written, ends with
// RET. At most BPF_MAXINSNS instructions.
[[nodiscard]] bool is_seccomp_program(BpfProgram program);

struct BpfResult {
    u32 action;        // SECCOMP_RET_* with its data
    bool is_by_number; // of the data only `nr` and `arch` were looked at
};
// Of a program that is_seccomp_program accepts.
[[nodiscard]] BpfResult run_seccomp_program(BpfProgram program, const seccomp_data& data);

} // namespace ulna::user
