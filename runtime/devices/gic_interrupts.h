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

struct InterruptWord {
    u32 group = 0;    // 1: group 1
    u32 modifier = 0; // of GICv3; storage only: there is a single Security state
    u32 enabled = 0;
    u32 latched = 0; // pending by an edge, by an SGI or by a write of ISPENDR
    u32 active = 0;
    u32 edge = 0;
    u32 line = 0; // what the devices drive; survives a reset
    std::array<u8, 32> priority{};

    [[nodiscard]] u32 pending() const { return latched | (line & ~edge); }
    // Those that may go to a CPU when the distributor forwards these groups.
    [[nodiscard]] u32 deliverable(bool group0, bool group1) const {
        const u32 forwarded = (group0 ? ~group : 0) | (group1 ? group : 0);
        return pending() & enabled & ~active & forwarded;
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
[[nodiscard]] u32 read_bank(const InterruptWord& word, u64 offset);
void write_bank(InterruptWord& word, u64 offset, u32 value);

// One byte of IPRIORITYR, which may be accessed by bytes.
[[nodiscard]] bool is_priority_register(u64 offset);
[[nodiscard]] u8 read_priority(const InterruptWord& word, u64 offset);
void write_priority(InterruptWord& word, u64 offset, u8 value);

} // namespace ulna::devices::gic
