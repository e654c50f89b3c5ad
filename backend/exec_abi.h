// Machine state while translated code runs on an x86-64 host. Shared by every tier; equal to LLVM's
// x86_regcallcc argument order so that tier 2 passes the same registers without shuffling.
//
// At every block edge state is canonical: pinned guest registers in their host registers, all
// others in CpuState, NZCV in its cell. RAX carries the guest PC across returns and indirect edges.
// Where the host has AVX-512 masks, K1 is 1 in all translated code (x64/fp_trap.h).
#pragma once

#include <array>

#include "ir/guest_state.h"

namespace ulna::backend {

// x86-64 register numbers.
enum class HostReg : u8 {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15
};

inline constexpr HostReg kStateReg = HostReg::R15; // CpuState + kStateBias
inline constexpr HostReg kPcReg = HostReg::RAX;    // guest PC at returns and indirect edges

// Of a link stub: call [R15 + HostThunks::link].
inline constexpr u32 kLinkStubBytes = 4;

struct PinnedGpr {
    ir::Slot slot;
    HostReg reg;
};
// Which guest registers are worth a host register comes from the dynamic histogram of `ulna --stats
// -d regs` over the benchmark programs (README.md). RDX and RCX hold cold ones: multiplication,
// division and CAS borrow them.
inline constexpr std::array<PinnedGpr, 9> kPinnedGprs = {{
    {ir::x_slot(30), HostReg::RCX},
    {ir::x_slot(4), HostReg::RDX},
    {ir::x_slot(0), HostReg::RDI},
    {ir::x_slot(1), HostReg::RSI},
    {ir::x_slot(2), HostReg::R8},
    {ir::x_slot(3), HostReg::R9},
    {ir::Slot::SP, HostReg::R12},
    {ir::x_slot(19), HostReg::R13},
    {ir::x_slot(20), HostReg::R14},
}};
inline constexpr std::array<HostReg, 5> kTempGprs = {HostReg::RAX, HostReg::R10, HostReg::R11,
                                                     HostReg::RBX, HostReg::RBP};

// XMMn holds kPinnedVecs[n]; XMM12..XMM15 are temporaries.
inline constexpr std::array<ir::Slot, 12> kPinnedVecs = {{
    ir::v_slot(0),
    ir::v_slot(1),
    ir::v_slot(2),
    ir::v_slot(3),
    ir::v_slot(4),
    ir::v_slot(5),
    ir::v_slot(6),
    ir::v_slot(7),
    ir::v_slot(16),
    ir::v_slot(17),
    ir::v_slot(8),
    ir::v_slot(9),
}};
inline constexpr unsigned kFirstTempVec = 12, kLastTempVec = 15;

} // namespace ulna::backend
