// Where pages of a machine's code are. A region of tier 2 may have blocks of several pages, and is
// found by the first one's: before it goes on it looks here whether the others are where they were.
#pragma once

#include "ir/block_key.h"
#include "ir/guest_state.h"

namespace ulna::backend {

// A page of code, as BlockKey has it.
struct CodePlace {
    GuestAddr page = 0;
    u64 number = 0; // physical
    friend bool operator==(const CodePlace&, const CodePlace&) = default;
};

[[nodiscard]] constexpr CodePlace place_of(const ir::BlockKey& key) {
    return {key.pc & ~ones(ir::kCodePageLog2), key.page};
}

// What a virtual CPU knows of them, by privilege: behind CpuState in memory. Whoever looks compares
// both fields of the page's entry.
class CodePlaces {
  public:
    static constexpr unsigned kEntries = 64;
    static constexpr std::size_t kOffset = sizeof(ir::CpuState);

    // Of an entry, from the beginning of CpuState.
    [[nodiscard]] static constexpr std::size_t offset_of(bool privileged, GuestAddr page) {
        return kOffset + (privileged * kEntries + index_of(page)) * sizeof(CodePlace);
    }
    // They cannot both be there.
    [[nodiscard]] static constexpr bool collide(GuestAddr one, GuestAddr other) {
        return index_of(one) == index_of(other);
    }
    // As entries have it: none is 0.
    [[nodiscard]] static constexpr u64 tag_of(GuestAddr page) { return page | 1; }

    [[nodiscard]] bool has(bool privileged, const CodePlace& place) const {
        return entries_[privileged][index_of(place.page)] == tagged(place);
    }
    void enter(bool privileged, const CodePlace& place) {
        entries_[privileged][index_of(place.page)] = tagged(place);
        used_[privileged] = true;
    }
    void forget(bool privileged) {
        if (used_[privileged]) {
            for (CodePlace& entry : entries_[privileged]) {
                entry = {};
            }
            used_[privileged] = false;
        }
    }

  private:
    [[nodiscard]] static constexpr std::size_t index_of(GuestAddr page) {
        return page >> ir::kCodePageLog2 & (kEntries - 1);
    }
    [[nodiscard]] static constexpr CodePlace tagged(const CodePlace& place) {
        return {tag_of(place.page), place.number};
    }

    CodePlace entries_[2][kEntries] = {};
    bool used_[2] = {};
};

} // namespace ulna::backend
