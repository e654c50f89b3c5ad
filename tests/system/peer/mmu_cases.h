// Random translation regimes, with tables and addresses to translate in them. Made from a seed, and
// freestanding, so that a test and a program on another machine have the same ones.
#pragma once

#include <stdint.h>

namespace mmu_cases {

using u8 = uint8_t;
using u64 = uint64_t;

inline constexpr u64 kArena = 0x4200'0000, kArenaBytes = 2 << 20; // where tables are
inline constexpr unsigned kAddresses = 16;

// Registers of a regime: of EL1&0, or of EL2 and, with HCR_EL2.E2H and TGE, EL2&0.
struct Case {
    bool el2;
    u64 sctlr, tcr, ttbr0, ttbr1, mair, hcr, vtcr, vttbr;
    u64 addresses[kAddresses];
};

// AT instructions that are tried with each address, and what each asks for.
struct Operation {
    bool write, el0, stage1_only, pan;
};
inline constexpr Operation kEl2Operations[] = {
    {false, false, true, false},
    {true, false, true, false}, // S1E2R, S1E2W
    {false, true, true, false},
    {true, true, true, false}, // S1E0R, S1E0W: with E2H and TGE
};
inline constexpr Operation kOperations[] = {
    {false, false, true, false},  {true, false, true, false},  // S1E1R, S1E1W
    {false, true, true, false},   {true, true, true, false},   // S1E0R, S1E0W
    {false, false, false, false}, {true, false, false, false}, // S12E1R, S12E1W
    {false, true, false, false},  {true, true, false, false},  // S12E0R, S12E0W
    {false, false, true, true},   {true, false, true, true},   // S1E1RP, S1E1WP
};

// PAR_EL1 without the type of Device memory.
inline u64 comparable(u64 par) {
    const bool is_device = (par & 1) == 0 && par >> 60 == 0;
    return is_device ? par & ~(u64{0xf} << 56) : par;
}

inline u64 ones(unsigned count) { return count >= 64 ? ~u64{0} : (u64{1} << count) - 1; }

// Each statement asks for at most one random number, or the order of evaluation would matter.
// What QEMU 10.0 does otherwise than the manual is left out: HCR_EL2.PTW, bits 51:48 (and 51:50) of
// outputs of less than 52 bits, types of Device memory that two stages combine, and AT that makes
// pages dirty.
//
// Memory has load(address) and store(address, value).
template <class Memory> class Maker {
  public:
    Maker(u64 seed, Memory& memory) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1), memory_(memory) {}

    Case make() {
        for (u64 offset = 0; offset < kArenaBytes; offset += 8) {
            memory_.store(kArena + offset, 0);
        }
        return below(4) == 0 ? make_el2() : make_el1();
    }

  private:
    Case make_el2() {
        Case to{};
        to.el2 = true;
        to.sctlr = 0x30c5'0830;
        to.sctlr |= one_in(16, 0, 1);
        to.sctlr |= one_in(4, 1u << 19, 0);
        to.sctlr |= next() & 0x1004;
        to.mair = 0x44'bb'4f'ff'0c'08'04'00;
        to.hcr = u64{1} << 31;
        const bool e2h = below(2) == 0;
        if (e2h) {
            to.hcr |= u64{1} << 34 | 1 << 27;
            to.sctlr |= one_in(3, u64{1} << 57, 0);
            make_stage1(to);
        } else {
            make_single(to);
        }
        for (u64& address : to.addresses) {
            address = make_address(to, e2h);
        }
        return to;
    }

    Case make_el1() {
        Case to{};
        to.sctlr = 0x30d0'0800;
        to.sctlr |= one_in(16, 0, 1);
        to.sctlr |= one_in(4, 1u << 19, 0);
        to.sctlr |= one_in(3, u64{1} << 57, 0);
        to.sctlr |= next() & 0x1004;
        to.mair = 0x44'bb'4f'ff'0c'08'04'00;
        to.hcr = u64{1} << 31;
        to.hcr |= one_in(2, 1, 0);
        to.hcr |= one_in(3, u64{1} << 46, 0);
        if ((to.sctlr & 1) == 0) { // QEMU 10.0 dies of AT S12 with stage 2 alone
            to.hcr &= ~u64{1};
        }
        has_stage2_ = (to.hcr & 1) != 0;
        make_stage2(to);
        make_stage1(to);
        for (u64& address : to.addresses) {
            address = make_address(to, true);
        }
        return to;
    }

    struct Stage {
        bool is_stage1 = true;
        unsigned granule = 12, bits = 48;
        int start = 0;
        bool ds = false, wide = false; // wide: 52 bits of output
        u64 root = 0;
    };

    u64 next() { // SplitMix64
        u64 z = state_ += 0x9e37'79b9'7f4a'7c15;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }
    u64 below(u64 limit) { return next() % limit; }
    u64 one_in(u64 n, u64 then, u64 otherwise) { return below(n) == 0 ? then : otherwise; }

    u64 table(unsigned log2) {
        const u64 bytes = u64{1} << log2;
        next_ = (next_ + bytes - 1) & ~(bytes - 1);
        if (next_ + bytes > kArena + kArenaBytes) {
            next_ = kArena; // tables of tables: also fine
        }
        const u64 at = next_;
        next_ += bytes;
        return at;
    }

    static unsigned shift_of(const Stage& stage, int level) {
        return stage.granule + static_cast<unsigned>(3 - level) * (stage.granule - 3);
    }
    u64 root_of(const Stage& stage) {
        const unsigned shift = shift_of(stage, stage.start);
        const unsigned log2 = stage.bits > shift ? stage.bits - shift + 3 : 6;
        return table(log2 < 6 ? 6 : log2 > 20 ? 20 : log2);
    }

    u64 make_txsz(unsigned granule, bool ds) {
        const u64 usual[] = {16, 25, 24, 28, 33, 17, 22, 39, ds || granule == 16 ? 12u : 16u, 42};
        const u64 pick = usual[below(10)];
        const u64 any = below(64);
        return one_in(10, any, pick);
    }

    void make_stage1(Case& to) {
        static constexpr u64 kTg0[] = {0, 2, 1}, kTg1[] = {2, 1, 3}; // 4, 16, 64 KiB
        static constexpr unsigned kGranule[] = {12, 14, 16};
        const bool ds = below(3) == 0;
        const u64 g0 = below(3), g1 = below(3);
        lower_.granule = kGranule[g0];
        upper_.granule = kGranule[g1];
        lower_.ds = ds && g0 != 2;
        upper_.ds = ds && g1 != 2;
        const u64 t0 = make_txsz(lower_.granule, lower_.ds);
        const u64 t1 = make_txsz(upper_.granule, upper_.ds);
        set_bits(lower_, t0);
        set_bits(upper_, t1);
        lower_.root = root_of(lower_);
        upper_.root = root_of(upper_);
        static constexpr u64 kSh[] = {0, 2, 3};
        const u64 any_ips = below(7);
        to.tcr = t0 | t1 << 16 | kTg0[g0] << 14 | kTg1[g1] << 30 | u64{ds} << 59;
        const u64 ips = one_in(4, any_ips, any_ips % 2 != 0 || ds ? 6 : 5);
        to.tcr |= ips << 32;
        lower_.wide = upper_.wide = ips == 6;
        to.tcr |= kSh[below(3)] << 12;
        to.tcr |= kSh[below(3)] << 28;
        to.tcr |= one_in(10, 1 << 7, 0);
        to.tcr |= one_in(10, 1 << 23, 0);
        to.tcr |= one_in(3, u64{1} << 39, 0);
        to.tcr |= one_in(2, has_stage2_ ? 0 : u64{1} << 40, 0);
        to.tcr |= one_in(8, u64{1} << 55, 0);
        to.tcr |= one_in(8, u64{1} << 56, 0);
        to.tcr |= next() & (u64{3} << 37 | u64{3} << 41 | u64{3} << 51);
        to.ttbr0 = lower_.root | (next() & 0xffff'0000'0000'0001);
        to.ttbr1 = upper_.root | (next() & 0xffff'0000'0000'0001);
    }
    // TCR_EL2 of its own shape.
    void make_single(Case& to) {
        static constexpr u64 kTg0[] = {0, 2, 1};
        static constexpr unsigned kGranule[] = {12, 14, 16};
        const bool ds = below(3) == 0;
        const u64 g = below(3);
        lower_.granule = kGranule[g];
        lower_.ds = ds && g != 2;
        const u64 txsz = make_txsz(lower_.granule, lower_.ds);
        set_bits(lower_, txsz);
        lower_.root = root_of(lower_);
        static constexpr u64 kSh[] = {0, 2, 3};
        const u64 any_ps = below(7);
        const u64 ps = one_in(4, any_ps, any_ps % 2 != 0 || ds ? 6 : 5);
        lower_.wide = ps == 6;
        to.tcr = u64{1} << 31 | 1 << 23 | txsz | kTg0[g] << 14 | ps << 16 | u64{ds} << 32;
        to.tcr |= kSh[below(3)] << 12;
        to.tcr |= one_in(3, 1 << 21, 0);
        to.tcr |= one_in(2, 1 << 22, 0);
        to.tcr |= next() & (u64{1} << 20 | 1 << 24 | 1 << 29);
        to.ttbr0 = lower_.root | (next() & 1);
    }
    static void set_bits(Stage& stage, u64 txsz) {
        unsigned bits = static_cast<unsigned>(64 - txsz);
        bits = bits < 16 ? 16 : bits > 52 ? 52 : bits;
        stage.bits = bits <= stage.granule ? stage.granule + 1 : bits;
        stage.start = 3 - static_cast<int>((stage.bits - 1 - stage.granule) / (stage.granule - 3));
    }

    void make_stage2(Case& to) {
        static constexpr u64 kTg0[] = {0, 2, 1};
        static constexpr unsigned kGranule[] = {12, 14, 16};
        const u64 g = below(3);
        stage2_.is_stage1 = false;
        stage2_.granule = kGranule[g];
        stage2_.ds = g != 2 && below(4) == 0;
        static constexpr u64 kTxsz[] = {16, 20, 24, 25, 28, 30, 32, 22};
        const u64 any_txsz = below(64);
        const u64 pick = kTxsz[below(8)];
        const u64 usual = below(2) == 0 && stage2_.ds ? 12 : pick;
        const u64 txsz = one_in(12, any_txsz, usual);
        set_bits(stage2_, txsz);
        // Sometimes one level later, with tables beside each other; at times out of bounds.
        const unsigned shift = shift_of(stage2_, stage2_.start);
        if (below(3) != 0 && stage2_.bits - shift <= 4) {
            ++stage2_.start;
        }
        const u64 any_start = below(4);
        const int start = static_cast<int>(one_in(20, any_start, static_cast<u64>(stage2_.start)));
        const u64 sl0 = g == 0 ? (start == 3 ? 3 : static_cast<u64>(2 - start) & 3)
                               : static_cast<u64>(3 - start) & 3;
        const u64 sl2 = g == 0 && start == -1 ? 1 : 0;
        stage2_.root = root_of(stage2_);
        static constexpr u64 kSh[] = {0, 2, 3};
        const u64 any_ps = below(7);
        to.vtcr = u64{1} << 31 | txsz | (sl2 ? 0 : sl0) << 6 | kTg0[g] << 14 |
                  u64{stage2_.ds} << 32 | sl2 << 33;
        const u64 ps = one_in(4, any_ps, any_ps % 2 != 0 || stage2_.ds ? 6 : 5);
        to.vtcr |= ps << 16;
        stage2_.wide = ps == 6;
        to.vtcr |= kSh[below(3)] << 12;
        to.vtcr |= one_in(3, 1 << 21, 0);
        to.vtcr |= one_in(2, 1 << 22, 0);
        to.vttbr = stage2_.root | (next() & 0x00ff'0000'0000'0001);
        fwb_ = (to.hcr >> 46 & 1) != 0;
    }

    u64 make_address(const Case& to, bool has_two_ranges) {
        const bool is_upper = below(2) != 0 && has_two_ranges;
        const Stage& stage = is_upper ? upper_ : lower_;
        u64 address = next() & ones(stage.bits);
        address &= next();
        for (unsigned low = 12; low < stage.bits; low += 9) { // few different indices
            address &= below(3) == 0 ? ~(u64{0x1ff} << low) : ~u64{0};
        }
        if ((to.sctlr & 1) != 0) {
            make_path(stage, address, ~u64{0});
        } else if (has_stage2_) {
            make_path(stage2_, address, ~u64{0});
        }
        if (is_upper) {
            address |= ~ones(stage.bits);
        }
        const u64 tag = next() << 56, flipped = u64{1} << below(64);
        address ^= one_in(4, tag, 0);
        address ^= one_in(24, flipped, 0);
        return address;
    }

    // Makes what is missing on the way of an address; `identity` says where its leaf shall lead.
    void make_path(const Stage& stage, u64 input, u64 identity) {
        u64 at = stage.root;
        u64 left = input & ones(stage.bits);
        for (int level = stage.start; level <= 3; ++level) {
            const unsigned shift = shift_of(stage, level);
            const u64 slot = at + (left >> shift) * 8;
            left &= ones(shift);
            if (slot < kArena || slot >= kArena + kArenaBytes) {
                return;
            }
            if (stage.is_stage1 && has_stage2_) {
                make_path(stage2_, slot, slot);
            }
            u64 descriptor = memory_.load(slot);
            if (descriptor == 0) {
                descriptor = make_descriptor(stage, level, identity);
                memory_.store(slot, descriptor);
                if (stage.is_stage1 && has_stage2_ && !is_table(descriptor, level)) {
                    make_path(stage2_, output(stage, descriptor, shift) | left, ~u64{0});
                }
            }
            if (!is_table(descriptor, level)) {
                return;
            }
            at = descriptor & ones(48) & ~ones(stage.granule);
        }
    }
    static bool is_table(u64 descriptor, int level) { return level < 3 && (descriptor & 3) == 3; }

    u64 make_descriptor(const Stage& stage, int level, u64 identity) {
        const bool is_strange = below(identity == ~u64{0} ? 24 : 200) == 0;
        if (is_strange) {
            return next() & ~u64{1};
        }
        if (level < 3 && below(identity == ~u64{0} ? 5 : 12) != 0) {
            const u64 attributes = next() & u64{0x78} << 56;
            const u64 chosen = one_in(3, attributes, 0);
            return table(stage.granule) | 3 | (stage.is_stage1 ? chosen : 0);
        }
        return make_leaf(stage, level, identity);
    }

    u64 make_leaf(const Stage& stage, int level, u64 identity) {
        const unsigned shift = shift_of(stage, level);
        const u64 type = level == 3 ? one_in(40, 1, 3) : 1;
        u64 address = identity;
        if (identity == ~u64{0}) {
            const u64 limit = one_in(8, 52, has_stage2_ && stage.is_stage1 ? 34 : 40);
            address = next() & ones(static_cast<unsigned>(limit));
        }
        address &= ~ones(shift) & ones(stage.wide ? 52 : 50);
        u64 descriptor = type | (address & ones(48));
        if (stage.ds) {
            descriptor |= (address & (u64{3} << 48)) | (address >> 50 & 3) << 8;
        } else if (stage.wide && stage.granule == 16) {
            descriptor |= (address >> 48 & 0xf) << 12;
        }
        static constexpr u64 kSh[] = {0, 2, 3};
        if (!stage.ds) {
            descriptor |= kSh[below(3)] << 8;
        }
        descriptor |= one_in(identity == ~u64{0} ? 6 : 60, 0, 1 << 10);
        descriptor |= next() & (u64{0xf} << 51 | u64{1} << 50 * stage.is_stage1);
        return descriptor | (stage.is_stage1 ? stage1_bits() : stage2_bits(level, identity));
    }
    u64 stage1_bits() {
        return (next() & (u64{7} << 2 | 3 << 6 | 1 << 11 | u64{7} << 52)) & ~u64{1};
    }
    // QEMU 10.0 dies of AT S12 with a permission fault of stage 2: only tables' pages get one.
    u64 stage2_bits(int level, u64 identity) {
        static constexpr u64 kPlain[] = {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 15, 15, 15};
        static constexpr u64 kForced[] = {0, 1, 2, 3, 5, 6, 7, 7};
        const u64 pick = below(16);
        const u64 type = fwb_ ? kForced[pick / 2] : kPlain[pick];
        const u64 any_access = below(4);
        const bool is_special = below(20) == 0 && level == 3 && identity != ~u64{0};
        const u64 access = is_special ? any_access : 3;
        return type << 2 | access << 6;
    }
    static u64 output(const Stage& stage, u64 descriptor, unsigned shift) {
        u64 address = descriptor & ones(48) & ~ones(shift);
        if (stage.ds) {
            address |= (descriptor & (u64{3} << 48)) | (descriptor >> 8 & 3) << 50;
        } else if (stage.wide && stage.granule == 16) {
            address |= (descriptor >> 12 & 0xf) << 48;
        }
        return address;
    }

    u64 state_;
    Memory& memory_;
    u64 next_ = kArena;
    Stage lower_, upper_, stage2_;
    bool has_stage2_ = false, fwb_ = false;
};

} // namespace mmu_cases
