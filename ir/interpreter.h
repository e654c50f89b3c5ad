// Executes a block on a CpuState: the reference for every back end.
#pragma once

#include "ir/block.h"

namespace ulna::ir {

// Runs the block once. State is exact on return: CpuState::pc is the next guest PC, exit_reason and
// exit_arg say why (Lookup for ordinary control flow). Guest memory is accessed directly; a host
// fault during an access finds in `faulting_pc` the guest PC of the instruction, and guest state as
// it was before that instruction's first effect.
ExitReason interpret(const Block& block, CpuState& state);

// Guest memory as a machine makes each access itself, one after the other: of devices, across
// pages. False: the access faults, and the block is left with ExitReason::MemoryAccess. Addresses
// are the guest's.
class MemoryPort {
  public:
    virtual ~MemoryPort() = default;
    // What HostAddress describes comes next.
    [[nodiscard]] virtual bool announce(GuestAddr address, MemInfo mem) = 0;
    [[nodiscard]] virtual bool load(GuestAddr address, unsigned size_log2, V128& value) = 0;
    [[nodiscard]] virtual bool store(GuestAddr address, unsigned size_log2, const V128& value) = 0;
    // An exclusive, an atomic operation or DC ZVA, which only memory that has a host address knows.
    virtual void refuse(GuestAddr address) = 0;
};
ExitReason interpret(const Block& block, CpuState& state, MemoryPort& port);

// Guest PC of the instruction this thread's interpreter is executing, for the fault handler.
extern thread_local volatile GuestAddr interpreter_guest_pc;

} // namespace ulna::ir
