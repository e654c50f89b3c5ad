// The state of interrupts, 32 at a time as the registers of a distributor hold them, and those
// registers: they are alike in GICv2's distributor, in GICv3's and in its redistributors (IHI 0069
// 12.9, 12.11; IHI 0048 4.3).
#pragma once

#include <array>

#include "ir/support/types.h"

namespace ulna::devices {
class StateVisitor;
}

namespace ulna::devices::gic {

// Of eight bits of priority the upper five exist.
inline constexpr unsigned kPriorityBits = 5;
inline constexpr u8 kPriorityMask = static_cast<u8>(0xff << (8 - kPriorityBits));

inline constexpr u32 kSgis = 0xffff; // of a CPU's own 32 interrupts, SGIs and PPIs

// Groups of interrupts. With one Security state these are 0 and 1. With two, group 0 is Secure and
// group 1 Non-secure, and GICv3 has a group 1 of the Secure state as well.
inline constexpr unsigned kGroup0 = 0, kGroup1 = 1, kSecureGroup1 = 2, kGroups = 3;
using GroupSet = std::array<bool, kGroups>;

// What an access sees of the interrupts of a word. With two Security states a Non-secure one does
// not see those of the Secure state (their fields read as zero and ignore writes), and of the
// priorities only the less urgent half, as if that were all.
struct View {
    u32 visible = ~u32{0};
    bool half_priorities = false;
};
[[nodiscard]] constexpr u8 to_nonsecure_priority(u32 priority) {
    return static_cast<u8>(priority << 1);
}
[[nodiscard]] constexpr u8 from_nonsecure_priority(u32 priority) {
    return static_cast<u8>(0x80 | priority >> 1);
}

struct InterruptWord {
    u32 group = 0;    // 1: group 1
    u32 modifier = 0; // 1, and not of group 1: Secure group 1; always 0 with one Security state
    u32 enabled = 0;
    u32 latched = 0; // pending by an edge, by an SGI or by a write of ISPENDR
    u32 active = 0;
    u32 edge = 0;
    u32 line = 0; // what the devices drive; survives a reset
    std::array<u8, 32> priority{};

    [[nodiscard]] u32 pending() const { return latched | (line & ~edge); }
    [[nodiscard]] u32 members(const GroupSet& groups) const {
        return (groups[kGroup0] ? ~(group | modifier) : 0) | (groups[kGroup1] ? group : 0) |
               (groups[kSecureGroup1] ? modifier & ~group : 0);
    }
    [[nodiscard]] unsigned group_of(unsigned bit) const {
        return (group >> bit & 1) != 0      ? kGroup1
               : (modifier >> bit & 1) != 0 ? kSecureGroup1
                                            : kGroup0;
    }
    // Those that may go to a CPU when the distributor forwards these groups.
    [[nodiscard]] u32 deliverable(const GroupSet& forwarded) const {
        return pending() & enabled & ~active & members(forwarded);
    }
    // Whether it changed.
    bool set_line(u32 bit, bool asserted) {
        if (((line & bit) != 0) == asserted) {
            return false;
        }
        latched |= asserted ? edge & bit : 0;
        line ^= bit;
        return true;
    }
    void reset() {
        const u32 kept = line;
        *this = {};
        line = kept;
    }
    void visit_state(StateVisitor& visit);
};

// IGROUPR to ICFGR and IGRPMODR. `word` is the interrupt word that the offset belongs to, or null
// when the frame has none (reads as zero, ignores writes).
[[nodiscard]] bool is_bank_register(u64 offset);
[[nodiscard]] unsigned bank_word(u64 offset); // index of the word
[[nodiscard]] u32 read_bank(const InterruptWord& word, u64 offset, const View& view);
void write_bank(InterruptWord& word, u64 offset, u32 value, const View& view);
inline constexpr u64 kIgrpmodr = 0xd00; // and no register of a bank has a higher offset
// IGROUPR and IGRPMODR.
[[nodiscard]] bool is_group_register(u64 offset);

// One byte of IPRIORITYR, which may be accessed by bytes.
[[nodiscard]] bool is_priority_register(u64 offset);
[[nodiscard]] u8 read_priority(const InterruptWord& word, u64 offset, const View& view);
void write_priority(InterruptWord& word, u64 offset, u8 value, const View& view);

} // namespace ulna::devices::gic
