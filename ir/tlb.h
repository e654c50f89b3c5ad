// What a virtual CPU remembers of address translation: the pages whose bytes an access finds in
// host memory. Translated code looks here first (HostAddress). A page that is not here is looked up
// by CpuState::find_host_address, which enters it unless each of its accesses has to be seen.
#pragma once

#include "ir/types.h"

namespace ulna::ir {

inline constexpr unsigned kTlbPageLog2 = 12;
inline constexpr unsigned kTlbLog2 = 11;

struct TlbEntry {
    // The page's address for accesses of a kind, which the others do not find.
    u64 read, write;
    u64 addend; // host address less guest address
    u64 spare;
};
inline constexpr unsigned kGuessedAddends = 64;
inline constexpr u64 kNoTlbPage = ~u64{0}; // equals no address whose low bits have been masked

struct Tlb {
    TlbEntry entries[1u << kTlbLog2];
};

[[nodiscard]] constexpr std::size_t tlb_index(u64 address) {
    return address >> kTlbPageLog2 & ones(kTlbLog2);
}
// What an entry has to equal: the other page when the access ends there.
[[nodiscard]] constexpr u64 tlb_tag(u64 address, u32 bytes) {
    return (address + bytes - 1) & ~ones(kTlbPageLog2);
}
// Set in an entry's addresses: accesses are looked up for their alignment, which may be a fault.
inline constexpr u64 kTlbChecked = 1;

// The bytes that HostRange looks for: imm.
struct RangeInfo {
    i32 displacement = 0; // of the first
    u32 bytes = 0;

    [[nodiscard]] constexpr u64 pack() const {
        return u64{bytes} << 32 | static_cast<u32>(displacement);
    }
    [[nodiscard]] static constexpr RangeInfo unpack(u64 imm) {
        return {static_cast<i32>(static_cast<u32>(imm)), static_cast<u32>(imm >> 32)};
    }
};

} // namespace ulna::ir
