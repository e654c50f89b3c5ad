// Executes a block on a CpuState: the reference for every back end.
#pragma once

#include "ir/block.h"

namespace ulna::ir {

// Runs the block once. State is exact on return: CpuState::pc is the next guest PC, exit_reason and
// exit_arg say why (Lookup for ordinary control flow). Guest memory is accessed directly; a host
// fault during an access finds in `faulting_pc` the guest PC of the instruction, and guest state as
// it was before that instruction's first effect.
ExitReason interpret(const Block& block, CpuState& state);

// Guest PC of the instruction this thread's interpreter is executing, for the fault handler.
extern thread_local volatile GuestAddr interpreter_guest_pc;

} // namespace ulna::ir
