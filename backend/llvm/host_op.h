// Host instructions that LLVM sees as opaque: guest memory accesses, and calls of the runtime.
//
// Each is a patchpoint: LLVM chooses registers for its operands, leaves room for its bytes, and
// says in a stack map where each guest register's value is at that place. We write the bytes. So
// an access is exactly one known instruction that LLVM can neither move, merge, split nor drop,
// and a fault at it finds all guest registers, at no cost while there is none.
//
// R11 is free at those that uses_r11() says, whose patchpoints have kUsesR11 in their number.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/page_look.h"
#include "ir/eval.h"

namespace ulna::backend::tier2 {

enum class HostOpKind : u8 {
    Load,              // base, [index] -> value
    Store,             // base, [index], [value]
    Exchange,          // address, value -> old, zero-extended
    FetchAdd,          // address, value -> old
    CompareExchange,   // address, expected, desired -> old
    CompareExchange16, // the same, 16 bytes in vector registers
    ZeroBlock,         // aligned address, zero vector
    Probe,             // address
    Fence,             // -
    Eval,              // state; CpuState::scratch[0..3] -> scratch[4]
    Helper,            // the same, scratch[k].lo
    Poll,              // state; leaves by a stub (cold_stub.h) when there is pending work
    Look,              // address, state -> where its bytes are; leaves by a stub when there is none
};
[[nodiscard]] constexpr bool uses_r11(HostOpKind kind) {
    switch (kind) {
    case HostOpKind::Exchange:
    case HostOpKind::FetchAdd:
    case HostOpKind::CompareExchange:
    case HostOpKind::CompareExchange16:
    case HostOpKind::Eval:
    case HostOpKind::Helper:
    case HostOpKind::Look:
        return true;
    default:
        return false;
    }
}
inline constexpr u64 kUsesR11 = u64{1} << 32;
// Likewise, of those that write their result's register before they have read everything.
inline constexpr u64 kResultApart = u64{1} << 33;
[[nodiscard]] constexpr u64 flags_of(HostOpKind kind) {
    return (uses_r11(kind) ? kUsesR11 : 0) | (kind == HostOpKind::Look ? kResultApart : 0);
}

struct HostOp {
    HostOpKind kind;
    u8 size_log2 = 3;
    bool sign_extends = false; // Load
    bool wide = false;         // Load: result has 64 bits; else 32
    bool vector = false;       // the value is in a vector register
    bool has_index = false;
    u8 index_shift = 0; // at most 3
    i32 displacement = 0;
    bool has_immediate = false; // Store: the value is `immediate`, sign-extended
    i32 immediate = 0;
    u8 operand_count = 0;
    u32 helper = 0;
    ir::OpParams params{}; // Eval
    PageLook look{};       // Look
    u32 exit = 0;          // Poll, Look: how they leave (RegionModule::exits)
    // Fault sites: the guest instruction. They, Poll and Look: the slots whose locations follow the
    // operands.
    bool faults = false;
    u32 guest_index = 0;
    std::vector<ir::Slot> live;
};

// Room to leave for the operation's code.
[[nodiscard]] unsigned reserved_bytes(const HostOp& op);

struct EncodedOp {
    static constexpr unsigned kMaxBytes = 96;
    u8 code[kMaxBytes];
    unsigned bytes = 0;
    unsigned fault_count = 0;
    u8 fault_offsets[4] = {};
    unsigned params_displacement = 0; // Eval: offset of the displacement that leads to the params
    unsigned stub_displacement = 0;   // Poll, Look: of the one that leads to its stub
    // Where the operation itself has moved what was in these registers, when it faults.
    bool rax_in_r11 = false;
    bool four_pushed = false; // RAX RBX RCX RDX are at RSP + 24, 16, 8, 0
};

// Encodes into exactly reserved_bytes(op). Registers are x86-64 numbers, integer or vector as the
// operand needs.
[[nodiscard]] EncodedOp encode(const HostOp& op, u8 result, const u8* operands);

} // namespace ulna::backend::tier2
