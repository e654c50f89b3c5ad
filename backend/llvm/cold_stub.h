// What stands out of LLVM's code of a host operation (host_op.h): the rest of a look at the TLB,
// and how a loop with pending work, or an access without a place, leaves with canonical state,
// wherever LLVM keeps the guest's registers.
//
// So each of them is one opaque instruction for LLVM: no block, no stores and no call that it would
// have to compile.
#pragma once

#include <span>
#include <vector>

#include "backend/llvm/host_op.h"

namespace ulna::backend::tier2 {

struct ColdStub {
    const HostOp& op;                        // Poll or Look
    const u8* registers;                     // of its result, and its operands
    std::span<const SlotLocation> locations; // of slots that are not where they are between blocks
    u32 frame_bytes;
    u32 exit; // offset in the code of the exit by which it leaves,
    u32 back; // and of what follows the operation
};
// Appends the stub to `code`.
void emit_cold_stub(const ColdStub& stub, std::vector<u8>& code);

} // namespace ulna::backend::tier2
