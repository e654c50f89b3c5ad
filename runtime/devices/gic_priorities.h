// What a CPU interface lets through: priority mask, binary points, active priorities. Physical and
// virtual interfaces work alike (IHI 0069 4.8, 6.3).
#pragma once

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/devices/gic_interrupts.h"

namespace ulna::devices::gic {

inline constexpr u32 kSpurious = 1023; // INTID: nothing (of this group) is pending
inline constexpr u32 kOfSecureGroup1 = 1020, kOfGroup1 = 1021; // what is pending, to EL3
inline constexpr u32 kFirstSpecial = 1020, kFirstLpi = 8192;
inline constexpr u32 kIdlePriority = 0x100; // lower than every priority

// The most urgent of some interrupts.
struct Candidate {
    u32 priority = kIdlePriority;
    u32 intid = kSpurious;
    unsigned group = 0;
    [[nodiscard]] bool exists() const { return priority != kIdlePriority; }

    // Takes the place of one that is less urgent. `offered`: of the word's interrupts, whose first
    // is `first_intid`.
    void
    consider(const InterruptWord& word, u32 offered, u32 first_intid, const GroupSet& enabled) {
        for (u32 rest = offered & word.members(enabled); rest != 0; rest &= rest - 1) {
            const unsigned bit = static_cast<unsigned>(std::countr_zero(rest));
            if (word.priority[bit] < priority) {
                *this = {word.priority[bit], first_intid + bit, word.group_of(bit)};
            }
        }
    }
};

struct Priorities {
    // Group priorities and the binary points have as many bits as priorities: BPR0 and the Secure
    // BPR1 split below bit BPR + 1, the Non-secure BPR1 (with one Security state, BPR1) below bit
    // BPR1.
    static constexpr u8 kMinBpr0 = 7 - kPriorityBits, kMinBpr1 = kMinBpr0 + 1;
    static constexpr u8 kMaxBpr = 7;
    static constexpr u8 kNonsecureHalf = 0x80;           // its first priority
    static constexpr u32 kNonsecureActive = 0xffff'0000; // its bits of `active`

    u8 mask = 0; // PMR: only more urgent (lower) ones pass
    std::array<u8, kGroups> bpr{kMinBpr0, kMinBpr1, kMinBpr0};
    bool common_bpr = false;           // BPR0 counts for group 1, too
    bool secure_common_bpr = false;    // and for Secure group 1
    bool eoi_drops_only = false;       // EOImode 1: DIR deactivates
    std::array<u32, kGroups> active{}; // APR: bit p: group priority p << 3 is active

    // PMR, RPR and what is written to PMR, as Non-secure software has them with two Security
    // states: of the less urgent half of priorities. The mask is Secure software's while it is in
    // the other.
    [[nodiscard]] static u32 nonsecure_view(u32 priority) {
        return priority >= kIdlePriority   ? 0xff
               : priority < kNonsecureHalf ? 0
                                           : to_nonsecure_priority(priority);
    }
    void write_nonsecure_mask(u64 value) {
        if (mask >= kNonsecureHalf) {
            mask = from_nonsecure_priority(static_cast<u8>(value)) & kPriorityMask;
        }
    }
    [[nodiscard]] u8 read_bpr(unsigned group) const {
        return group == 1 && common_bpr ? std::min<u8>(bpr[0] + 1, kMaxBpr) : bpr[group];
    }
    void set_bpr(unsigned group, u64 value) {
        bpr[group] = std::max<u8>(value & 7, group == kGroup1 ? kMinBpr1 : kMinBpr0);
    }
    void write_bpr(unsigned group, u64 value) {
        if (group == 0 || !common_bpr) {
            set_bpr(group, value);
        }
    }
    // Of a priority the bits that decide about preemption.
    [[nodiscard]] u32 group_priority(u32 priority, unsigned group) const {
        const unsigned lowest_bit = group == kGroup1 && !common_bpr                ? bpr[kGroup1]
                                    : group == kSecureGroup1 && !secure_common_bpr ? bpr[group] + 1u
                                                                                   : bpr[0] + 1u;
        return priority & (~0u << lowest_bit) & 0xff;
    }
    [[nodiscard]] u32 running() const {
        const u32 all = active[0] | active[1] | active[2];
        return all == 0 ? kIdlePriority
                        : static_cast<u32>(std::countr_zero(all)) << (8 - kPriorityBits);
    }
    [[nodiscard]] u32 shown_running() const { return std::min(running(), u32{0xff}); } // RPR
    void write_mask(u64 value) { mask = value & kPriorityMask; }
    [[nodiscard]] unsigned running_group() const { // of the most urgent active interrupt
        unsigned first = kGroup0;
        for (const unsigned group : {kSecureGroup1, kGroup1}) {
            if (std::countr_zero(active[group]) < std::countr_zero(active[first])) {
                first = group;
            }
        }
        return first;
    }
    [[nodiscard]] bool passes(const Candidate& c) const {
        const u32 now = running();
        return c.priority < mask && (now == kIdlePriority || group_priority(c.priority, c.group) <
                                                                 group_priority(now, c.group));
    }
    void activate(const Candidate& c) {
        active[c.group] |= 1u << (group_priority(c.priority, c.group) >> (8 - kPriorityBits));
    }
    // The end of the most urgent active interrupt, if it is of this group. False: there is none.
    bool drop(unsigned group) {
        if (active[group] == 0 || running_group() != group) {
            return false;
        }
        active[group] &= active[group] - 1;
        return true;
    }
    void visit_state(StateVisitor& visit);
};

} // namespace ulna::devices::gic
