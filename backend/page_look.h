// How translated code of every tier looks for the page of a machine's access (ir/tlb.h): what
// follows from the operation and its block. The host's instructions are each tier's own.
#pragma once

#include "ir/block.h"
#include "ir/guest_state.h"

namespace ulna::backend {

// The kernel lets us set GS, which is the TLB of the CPU's privilege while a machine's code runs.
[[nodiscard]] bool host_has_fsgsbase();

struct PageLook {
    u32 bytes = 0;
    bool is_range = false;   // of several accesses (HostRange)
    bool writes = false;     // some of it
    bool privileged = false; // the TLB of which accesses
    bool by_gs = false;      // and GS is there
    u32 request = 0;         // of FindHostAddress
    // The page that this instruction had last (ir::PageSlot); 0: it does not look there.
    u32 slot = 0; // offset in CpuState
    u16 slot_group = 0;
    u16 slot_bytes = 0;    // the most that are looked for by it
    bool of_stack = false; // by SP, which is there early

    [[nodiscard]] std::size_t known_page() const {
        return writes ? offsetof(ir::Tlb, write) : offsetof(ir::Tlb, read);
    }
    // Of CpuState, where the TLB is by its address.
    [[nodiscard]] std::size_t tlb() const {
        return offsetof(ir::CpuState, tlb) + (privileged ? sizeof(ir::CpuState::tlb[0]) : 0);
    }
};

// Of a HostAddress or HostRange of the guest instruction at `pc`.
[[nodiscard]] PageLook page_look(const ir::Block& block, const ir::Inst& inst, GuestAddr pc);

} // namespace ulna::backend
