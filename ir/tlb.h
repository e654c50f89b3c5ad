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
    u64 device; // 1: memory of the kind that misaligned accesses fault in
};
inline constexpr u64 kNoTlbPage = ~u64{0}; // equals no address whose low bits have been masked

struct Tlb {
    TlbEntry entries[1u << kTlbLog2];
};

[[nodiscard]] constexpr std::size_t tlb_index(u64 address) {
    return address >> kTlbPageLog2 & ones(kTlbLog2);
}
// The bytes of an access that is not aligned to them are looked for the long way; of a pair, each
// for itself.
[[nodiscard]] constexpr unsigned tlb_unit_bytes(MemInfo mem) { return mem.bytes() >> mem.pair; }
// What an entry has to equal: with low bits that no entry has when the access is misaligned, the
// other page when it ends there.
[[nodiscard]] constexpr u64 tlb_tag(u64 address, MemInfo mem) {
    const u64 unit = tlb_unit_bytes(mem);
    return (address + (mem.bytes() - unit)) & (~ones(kTlbPageLog2) | (unit - 1));
}

} // namespace ulna::ir
