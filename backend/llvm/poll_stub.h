// Where a loop goes when there is pending work: out of LLVM's code, wherever that keeps the guest's
// registers, to the safe point with canonical state.
//
// So a look at CpuState::pending is one opaque instruction for LLVM (host_op.h, Poll): no block, no
// stores and no call that it would have to compile for each.
#pragma once

#include <span>
#include <vector>

#include "backend/backend.h"

namespace ulna::backend::tier2 {

struct PollStub {
    u8 state_reg;
    std::span<const SlotLocation> locations; // of slots that are not where they are between blocks
    u32 frame_bytes;
    GuestAddr resume;
};
// Appends the stub to `code`.
void emit_poll_stub(const PollStub& stub, std::vector<u8>& code);

} // namespace ulna::backend::tier2
