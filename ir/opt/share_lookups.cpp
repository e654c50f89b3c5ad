// One look at the TLB for several accesses (HostRange). Accesses whose addresses differ by
// constants mostly are in one page: fields of a structure, a frame of the stack. Where they are
// not, a block without ranges goes on, so nothing depends on it.
#include <algorithm>
#include <array>
#include <span>

#include "ir/opt/passes.h"
#include "ir/opt/scratch.h"

namespace ulna::ir::opt {

namespace {

// More bytes are more often in two pages.
constexpr u64 kMostBytes = 512;

constexpr ValueId kNoRoot = kNoValue, kCodeRoot = kNoValue - 1;

// root + (index << shift) + offset. A constant address has no root; one that moves with the block
// has its PC.
struct Origin {
    ValueId root = kNoRoot, index = kNoValue;
    u8 shift = 0;
    friend bool operator==(const Origin&, const Origin&) = default;
};
struct Place {
    Origin origin;
    i64 offset = 0;
};

// Offsets are modulo 2^64, as addresses are.
constexpr i64 plus(i64 offset, u64 by) { return static_cast<i64>(static_cast<u64>(offset) + by); }
constexpr u64 distance(i64 from, i64 to) { return static_cast<u64>(to) - static_cast<u64>(from); }

constexpr u8 kNoGroup = 0xff;

// A HostAddress.
struct Member {
    ValueId id;
    u8 group = kNoGroup;
    u16 exits_before; // side exits
    u16 calls_before;
    i64 offset = 0;
};

struct Group {
    Origin origin;
    Access access;
    bool unprivileged;
    u16 calls_before;
    const Member* leader;
    i64 low, high; // offsets of the first byte and of the end
    u16 members = 1;
};

class Sharing {
  public:
    Sharing(Block& block, Scratch& memory) : block_{block}, memory_{memory} {}

    void run() {
        find_members();
        if (member_count_ < 2 || !find_groups()) {
            return;
        }
        for (const Group& group : std::span{groups_.data(), group_count_}) {
            if (group.members > 1) {
                make_range(group);
            }
        }
        for (Inst& inst : block_.insts) {
            redirect(inst);
        }
    }

  private:
    std::span<Member> members() { return {members_.data(), member_count_}; }

    static bool can_share(const Inst& inst) {
        return inst.op == Opcode::HostAddress && !inst.dead && !inst.mem().aligned &&
               inst.mem().access != Access::ReadsAndWrites;
    }

    void find_members() {
        u16 exits = 0, calls = 0;
        for (const Inst& inst : block_.insts) {
            exits = static_cast<u16>(exits + has_effect(inst.op, Effects::Exit, Effects::Raise));
            calls = static_cast<u16>(calls + has_effect(inst.op, Effects::Call));
            if (can_share(inst) && member_count_ < kMost) {
                const auto id = static_cast<ValueId>(&inst - block_.insts.data());
                members_[member_count_++] = {
                    .id = id, .exits_before = exits, .calls_before = calls};
            }
        }
    }

    bool find_groups() {
        find_other_uses();
        bool any = false;
        for (Member& member : members()) {
            if (!memory_.live[member.id]) {
                any |= join_or_found(member);
            }
        }
        return any;
    }

    // Uses that are not as the address of a load or store.
    void find_other_uses() {
        Marks& used = memory_.live;
        used.clear(block_.insts.size());
        for (const Inst& inst : block_.insts) {
            const bool plain = is_plain_access(inst);
            for (unsigned i = plain ? 1 : 0; i < inst.arg_count; ++i) {
                used.set(inst.args[i]);
            }
        }
        if (const ValueId id = block_.exit_value(); id != kNoValue) {
            used.set(id);
        }
    }
    static bool is_plain_access(const Inst& inst) {
        return (inst.op == Opcode::Load || inst.op == Opcode::Store) && inst.args[1] == kNoValue;
    }

    [[nodiscard]] Place place_of(const Inst& inst) const {
        Place place = place_of(inst.args[0]);
        place.offset = plus(place.offset, inst.imm);
        if (inst.args[1] != kNoValue) {
            const Place index = place_of(inst.args[1]);
            place.origin.index = index.origin.root;
            place.origin.shift = index.origin.root == kNoRoot ? 0 : inst.mem().index_shift;
            place.offset =
                plus(place.offset, static_cast<u64>(index.offset) << inst.mem().index_shift);
        }
        return place;
    }
    [[nodiscard]] Place place_of(ValueId value) const {
        i64 offset = 0;
        for (;;) {
            const Inst& base = block_[value];
            if (base.op == Opcode::Const) {
                return {{kNoRoot}, plus(offset, base.imm)};
            }
            if (base.op == Opcode::CodeAddress) {
                return {{kCodeRoot}, plus(offset, base.imm - block_.key.pc)};
            }
            if (base.op != Opcode::Add || !block_.is_const(base.args[1])) {
                return {{value}, offset};
            }
            offset = plus(offset, block_[base.args[1]].imm);
            value = base.args[0];
        }
    }

    // True when it joined.
    bool join_or_found(Member& member) {
        const Inst& inst = block_[member.id];
        const MemInfo mem = inst.mem();
        const Place place = place_of(inst);
        member.offset = place.offset;
        const i64 end = plus(place.offset, mem.bytes());
        if (end < place.offset) {
            return false;
        }
        for (std::size_t i = 0; i < group_count_; ++i) {
            Group& group = groups_[i];
            const i64 low = std::min(group.low, place.offset), high = std::max(group.high, end);
            if (group.origin == place.origin && group.unprivileged == mem.unprivileged &&
                distance(low, high) <= kMostBytes && has_displacement(group, low) &&
                accepts(group, member, mem.access)) {
                if (mem.access == Access::Writes && group.access == Access::Reads) {
                    group.access = Access::ReadsAndWrites;
                }
                group.low = low;
                group.high = high;
                ++group.members;
                member.group = static_cast<u8>(i);
                return true;
            }
        }
        member.group = static_cast<u8>(group_count_);
        groups_[group_count_++] = {
            place.origin, mem.access, mem.unprivileged, member.calls_before, &member,
            place.offset, end};
        return false;
    }

    // From the leader's base.
    [[nodiscard]] i64 displacement_of(const Group& group, i64 offset) const {
        return plus(static_cast<i64>(block_[group.leader->id].imm),
                    distance(group.leader->offset, offset));
    }
    [[nodiscard]] bool has_displacement(const Group& group, i64 low) const {
        const i64 displacement = displacement_of(group, low);
        return displacement == static_cast<i32>(displacement);
    }

    // What is called may change what is mapped. A write joins reads when it is sure to come: what
    // cannot be written would miss each time.
    static bool accepts(const Group& group, const Member& member, Access access) {
        return group.calls_before == member.calls_before &&
               (access == Access::Reads || group.access != Access::Reads ||
                group.leader->exits_before == member.exits_before);
    }

    // The leader's look becomes the group's, the others are not needed.
    void make_range(const Group& group) {
        const auto index = static_cast<u8>(&group - groups_.data());
        for (const Member& member : members()) {
            if (member.group == index) {
                block_[member.id].dead = &member != group.leader;
            }
        }
        Inst& leader = block_[group.leader->id];
        const i64 displacement = displacement_of(group, group.low);
        leader.op = Opcode::HostRange;
        leader.aux = MemInfo{.index_shift = leader.mem().index_shift,
                             .access = group.access,
                             .unprivileged = group.unprivileged}
                         .pack();
        leader.imm = RangeInfo{static_cast<i32>(displacement),
                               static_cast<u32>(distance(group.low, group.high))}
                         .pack();
    }

    void redirect(Inst& inst) {
        if (!is_plain_access(inst) || inst.dead) {
            return;
        }
        const Inst& address = block_[inst.args[0]];
        if (address.op == Opcode::HostRange ||
            (address.op == Opcode::HostAddress && address.dead)) {
            const auto all = members();
            const auto member =
                std::lower_bound(all.begin(), all.end(), inst.args[0],
                                 [](const Member& m, ValueId id) { return m.id < id; });
            const Group& group = groups_[member->group];
            inst.imm += distance(group.low, member->offset);
            inst.args[0] = group.leader->id;
        }
    }

    static constexpr std::size_t kMost = 64; // of a block; more look for themselves
    static_assert(kMost < kNoGroup);
    Block& block_;
    Scratch& memory_;
    std::array<Member, kMost> members_;
    std::array<Group, kMost> groups_;
    std::size_t member_count_ = 0, group_count_ = 0;
};

} // namespace

void share_lookups(Block& block) {
    if (block.key.mode.system() && !block.key.mode.no_ranges()) {
        Sharing{block, scratch()}.run();
    }
}

} // namespace ulna::ir::opt
