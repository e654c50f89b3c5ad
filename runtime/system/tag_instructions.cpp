#include "runtime/system/tag_instructions.h"

#include <algorithm>
#include <array>

#include "ir/guest_access.h"
#include "runtime/system/fields.h"
#include "runtime/system/stack_pointers.h"

namespace ulna::system {

namespace {

constexpr u64 kGranule = ir::kTagGranuleBytes;
constexpr u64 kTagMask = u64{0xf} << ir::kTagShift;
constexpr u64 kZeroes[2] = {};
// GMID_EL1.BS: LDGM and STGM move the tags of 256 bytes.
constexpr unsigned kTagsOfRegister = 16;

// A field of the instruction.
u32 field(const Instruction& insn, unsigned high, unsigned low) {
    return static_cast<u32>(bits(insn.word, high, low));
}
u32 Rn(const Instruction& insn) { return field(insn, 9, 5); }

u64& sp_or_x(Cpu& cpu, u32 n) { return n == 31 ? cpu.state->sp : cpu.state->x[n]; }

GuestAddr with_tag(u64 address, u64 tag) {
    return (address & ~kTagMask) | (tag << ir::kTagShift & kTagMask);
}

// CheckSPAlignment
bool is_sp_misaligned(const Cpu& cpu, u32 n) {
    const u64 checks = cpu.pstate.el == 0 ? sctlr::SA0 : sctlr::SA;
    return n == 31 && cpu.state->sp % 16 != 0 && (sctlr_of(cpu, current_regime(cpu)) & checks) != 0;
}

// The host knows PC as it is behind the instruction.
Outcome access_tags(Cpu& cpu, const Instruction& insn, const TagAccess& access) {
    Outcome exception = cpu.host->access_tags(cpu, access);
    if (exception) {
        exception->preferred_return = insn.pc;
    }
    return exception;
}

// Post-index, offset, pre-index: the address, and what the base becomes.
struct Place {
    GuestAddr address, base;
};
Place place_of(const Cpu& cpu, u32 n, i64 offset, bool post, bool writes_back) {
    const u64 base = n == 31 ? cpu.state->sp : cpu.state->x[n];
    const u64 moved = base + static_cast<u64>(offset);
    return {post ? base : moved, writes_back ? moved : base};
}

Outcome store_granules(Cpu& cpu,
                       const Instruction& insn,
                       GuestAddr address,
                       unsigned granules,
                       u64 tag,
                       const u64* data) {
    if (address % kGranule != 0) {
        return alignment_fault(address, true, insn.pc);
    }
    std::array<u8, kTagsOfRegister> tags;
    tags.fill(static_cast<u8>(tag & 0xf));
    return access_tags(cpu, insn,
                       {.address = address,
                        .tags = tags.data(),
                        .granules = granules,
                        .write = true,
                        .data = data});
}

// LDGM, STGM: tags of a register, four bits each. STZGM: one tag for a block.
Outcome execute_multiple(Cpu& cpu, const Instruction& insn) {
    enum { kStzgm = 0, kLdgm = 3 };
    const u32 op1 = field(insn, 23, 22);
    if (cpu.pstate.el == 0 || field(insn, 20, 12) != 0) {
        return undefined(insn.pc);
    }
    const u64 base = sp_or_x(cpu, Rn(insn)), source = read_x(cpu, insn.Rt());
    if (op1 == kStzgm) {
        return store_granules(cpu, insn, align_down(base, ir::kZeroBlockBytes),
                              ir::kZeroBlockBytes / kGranule, source, kZeroes);
    }
    std::array<u8, kTagsOfRegister> tags;
    for (unsigned i = 0; i < kTagsOfRegister; ++i) {
        tags[i] = static_cast<u8>(source >> (4 * i) & 0xf);
    }
    const Outcome exception = access_tags(cpu, insn,
                                          {.address = align_down(base, kTagsOfRegister * kGranule),
                                           .tags = tags.data(),
                                           .granules = kTagsOfRegister,
                                           .write = op1 != kLdgm});
    if (!exception && op1 == kLdgm) {
        u64 all = 0;
        for (unsigned i = 0; i < kTagsOfRegister; ++i) {
            all |= u64{tags[i]} << (4 * i);
        }
        write_x(cpu, insn.Rt(), all);
    }
    return exception;
}

Outcome execute_ldg(Cpu& cpu, const Instruction& insn, i64 offset) {
    const Place at = place_of(cpu, Rn(insn), offset, false, false);
    u8 tag = 0;
    const Outcome exception = access_tags(
        cpu, insn, {.address = align_down(at.address, kGranule), .tags = &tag, .granules = 1});
    if (!exception) {
        write_x(cpu, insn.Rt(), with_tag(read_x(cpu, insn.Rt()), tag));
    }
    return exception;
}

} // namespace

Outcome execute_tag_access(Cpu& cpu, const Instruction& insn) {
    enum { kLdg = 1 };
    enum { kMultiple = 0, kPost = 1, kOffset = 2 };
    if (!cpu.has(frontend::Feature::MTE)) {
        return undefined(insn.pc);
    }
    const u32 op1 = field(insn, 23, 22), op2 = field(insn, 11, 10);
    if (op2 == kMultiple && op1 != kLdg) {
        return execute_multiple(cpu, insn);
    }
    if (is_sp_misaligned(cpu, Rn(insn))) {
        return sp_alignment(insn.pc);
    }
    const i64 offset = sign_extend(field(insn, 20, 12), 9) * static_cast<i64>(kGranule);
    if (op2 == kMultiple) {
        return execute_ldg(cpu, insn, offset);
    }
    // STG, STZG, ST2G, STZ2G
    const Place at = place_of(cpu, Rn(insn), offset, op2 == kPost, op2 != kOffset);
    const u64 tag = ir::logical_tag(sp_or_x(cpu, insn.Rt()));
    const Outcome exception = store_granules(cpu, insn, at.address, bit(op1, 1) ? 2 : 1, tag,
                                             bit(op1, 0) ? kZeroes : nullptr);
    if (!exception) {
        sp_or_x(cpu, Rn(insn)) = at.base;
    }
    return exception;
}

Outcome execute_tagged_pair(Cpu& cpu, const Instruction& insn) {
    enum { kPost = 1, kOffset = 2 };
    const u32 mode = field(insn, 24, 23);
    if (!cpu.has(frontend::Feature::MTE) || mode == 0) {
        return undefined(insn.pc);
    }
    if (is_sp_misaligned(cpu, Rn(insn))) {
        return sp_alignment(insn.pc);
    }
    const i64 offset = sign_extend(field(insn, 21, 15), 7) * static_cast<i64>(kGranule);
    const Place at = place_of(cpu, Rn(insn), offset, mode == kPost, mode != kOffset);
    const u64 data[2] = {read_x(cpu, insn.Rt()), read_x(cpu, field(insn, 14, 10))};
    const Outcome exception =
        store_granules(cpu, insn, at.address, 1, ir::logical_tag(at.address), data);
    if (!exception) {
        sp_or_x(cpu, Rn(insn)) = at.base;
    }
    return exception;
}

Outcome tag_block(Cpu& cpu, const Instruction& insn, bool zeroes) {
    const GuestAddr address = read_x(cpu, insn.Rt());
    Outcome exception = store_granules(cpu, insn, align_down(address, ir::kZeroBlockBytes),
                                       ir::kZeroBlockBytes / kGranule, ir::logical_tag(address),
                                       zeroes ? kZeroes : nullptr);
    if (exception && exception->has_far) {
        exception->far = address;
    }
    return exception;
}

// --- Tags in registers, where memory's may not be accessed

Outcome execute_add_tag(Cpu& cpu, const Instruction& insn) {
    if (!cpu.has(frontend::Feature::MTE)) {
        return undefined(insn.pc);
    }
    const u64 offset = field(insn, 21, 16) * kGranule, operand = sp_or_x(cpu, Rn(insn));
    const bool subtracts = bit(insn.word, 30);
    sp_or_x(cpu, insn.Rt()) = with_tag(subtracts ? operand - offset : operand + offset, 0);
    return std::nullopt;
}

Outcome execute_insert_tag(Cpu& cpu, const Instruction& insn) {
    if (!cpu.has(frontend::Feature::MTE)) {
        return undefined(insn.pc);
    }
    sp_or_x(cpu, insn.Rt()) = with_tag(sp_or_x(cpu, Rn(insn)), 0);
    return std::nullopt;
}

// --- SETG*. Translated code has seen whether registers and flags fit, but for the prologue's.

namespace {

Outcome begin_set_with_tags(Cpu& cpu, const Instruction& insn) {
    constexpr u64 kMost = 0x7fff'ffff'ffff'fff0;
    u64& address = cpu.state->x[insn.Rt()];
    u64& size = cpu.state->x[Rn(insn)];
    const u64 saturated = size > (kMost | 0xf) ? kMost : size;
    if (saturated != 0 && ((address | saturated) % kGranule) != 0) {
        return alignment_fault(address, true, insn.pc);
    }
    address += saturated;
    size = u64{0} - saturated;
    cpu.state->nzcv = 0;
    return std::nullopt;
}

} // namespace

Outcome execute_set_with_tags(Cpu& cpu, const Instruction& insn) {
    const u32 stage = field(insn, 15, 14);
    if (stage == 0) {
        return begin_set_with_tags(cpu, insn);
    }
    const u64 eight = (read_x(cpu, field(insn, 20, 16)) & 0xff) * 0x0101'0101'0101'0101;
    const u64 data[2] = {eight, eight};
    const GuestAddr end = cpu.state->x[insn.Rt()];
    u64& left = cpu.state->x[Rn(insn)];
    std::array<u8, kTagsOfRegister> tags;
    tags.fill(static_cast<u8>(ir::logical_tag(end)));
    for (u64 most = ir::kStringChunkBytes; left != 0 && most != 0;) {
        const GuestAddr address = end + left;
        if ((address | left) % kGranule != 0) {
            return alignment_fault(address, true, insn.pc);
        }
        // To the next multiple of what one register has the tags of, which is in one page.
        const u64 block = kTagsOfRegister * kGranule;
        const u64 bytes = std::min({block - address % block, u64{0} - left, most});
        if (Outcome exception = access_tags(cpu, insn,
                                            {.address = address,
                                             .tags = tags.data(),
                                             .granules = static_cast<unsigned>(bytes / kGranule),
                                             .write = true,
                                             .unprivileged = bit(insn.word, 12) && !cpu.pstate.uao,
                                             .data = data})) {
            return exception;
        }
        left += bytes;
        most -= bytes;
    }
    if (left != 0) {
        cpu.state->pc = insn.pc;
    }
    return std::nullopt;
}

} // namespace ulna::system
