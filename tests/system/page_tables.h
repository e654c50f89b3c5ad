// Translation tables for tests, built in physical memory.
#pragma once

#include "runtime/devices/physical_memory.h"
#include "runtime/system/mmu.h"

namespace ulna::system::test {

inline constexpr PhysAddr kRam = 0x4000'0000;
inline constexpr u64 kRamBytes = 16 << 20;

// Bits of descriptors.
inline constexpr u64 kTable = 0b11, kPage = 0b11, kBlock = 0b01, kAp1 = 1 << 6, kAp2 = 1 << 7,
                     kInner = 3 << 8, kAf = 1 << 10, kNg = 1 << 11, kGp = u64{1} << 50,
                     kDbm = u64{1} << 51, kContiguous = u64{1} << 52, kPxn = u64{1} << 53,
                     kUxn = u64{1} << 54, kPxnTable = u64{1} << 59, kUxnTable = u64{1} << 60,
                     kNoEl0Table = u64{1} << 61, kReadOnlyTable = u64{1} << 62;
inline constexpr u64 kS2Read = 1 << 6, kS2Write = 1 << 7, kS2Normal = 0b1111 << 2;
inline constexpr u64 attr(unsigned index) { return index << 2; }

class PageTables {
  public:
    PageTables() { (void)memory.add_ram(kRam, kRamBytes, why_not); }

    // A zeroed table of at least `bytes`, aligned to its size and to 64 KiB.
    PhysAddr table(u64 bytes = 0x10000) {
        next_ = (next_ + bytes - 1) & ~(bytes - 1);
        const PhysAddr at = next_;
        next_ += bytes;
        return at;
    }
    void set(PhysAddr table, u64 index, u64 descriptor) {
        (void)memory.write(table + index * 8, 8, descriptor);
    }
    u64 get(PhysAddr table, u64 index) const {
        u64 value = 0;
        (void)memory.read(table + index * 8, 8, value);
        return value;
    }

    devices::PhysicalMemory memory;
    std::string why_not;

  private:
    PhysAddr next_ = kRam;
};

inline Translation mapped(const TranslationResult& result) {
    const auto* const to = std::get_if<Translation>(&result);
    return to != nullptr ? *to : Translation{.page = ~u64{0}};
}
inline bool is_mapped(const TranslationResult& result) {
    return std::holds_alternative<Translation>(result);
}
// Kind and level; level 9 is no fault.
struct Met {
    FaultKind kind;
    int level;
    friend bool operator==(const Met&, const Met&) = default;
};
inline Met met(const TranslationResult& result) {
    const auto* const fault = std::get_if<Fault>(&result);
    return fault != nullptr ? Met{fault->kind, fault->level} : Met{FaultKind::TlbConflict, 9};
}
inline Fault fault_of(const TranslationResult& result) {
    const auto* const fault = std::get_if<Fault>(&result);
    return fault != nullptr ? *fault : Fault{.level = 9};
}

inline constexpr Access kRead{.kind = AccessKind::Read}, kWrite{.kind = AccessKind::Write},
    kFetch{.kind = AccessKind::Fetch}, kReadEl0{.kind = AccessKind::Read, .unprivileged = true},
    kWriteEl0{.kind = AccessKind::Write, .unprivileged = true},
    kFetchEl0{.kind = AccessKind::Fetch, .unprivileged = true};

} // namespace ulna::system::test
