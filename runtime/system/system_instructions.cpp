#include "runtime/system/system_instructions.h"

#include <algorithm>

#include "ir/support/bits.h"
#include "runtime/system/fields.h"
#include "runtime/system/tag_instructions.h"

namespace ulna::system {

using enum SysReg;
using frontend::Feature;

namespace {

// --- Who may trap them

Verdict guard_None(const Cpu&) { return std::nullopt; }

Verdict el0_needs(const Cpu& cpu, u64 control) {
    const bool denied = cpu.pstate.el == 0 && (sctlr_of_el0(cpu) & control) == 0;
    return denied ? Verdict{trap_of_el0(cpu)} : std::nullopt;
}
Verdict el2_traps(u64 hcr, u64 controls) {
    return (hcr & controls) != 0 ? Verdict{trap_to(2)} : std::nullopt;
}

Verdict guard_SetWay(const Cpu& cpu) { return el2_traps(hcr_at_el1(cpu), hcr::TSW); }
Verdict guard_UnifyAll(const Cpu& cpu) {
    return el2_traps(hcr_at_el1(cpu), hcr::TPU | hcr::TICAB | hcr::TOCU);
}
Verdict guard_Coherency(const Cpu& cpu) {
    const auto el0 = el0_needs(cpu, sctlr::UCI);
    return el0 ? el0 : el2_traps(hcr_below_el2(cpu), hcr::TPCP);
}
Verdict guard_Unify(const Cpu& cpu) {
    const auto el0 = el0_needs(cpu, sctlr::UCI);
    return el0 ? el0 : el2_traps(hcr_below_el2(cpu), hcr::TPU | hcr::TOCU);
}
Verdict guard_Zero(const Cpu& cpu) {
    const auto el0 = el0_needs(cpu, sctlr::DZE);
    return el0 ? el0 : el2_traps(hcr_below_el2(cpu), hcr::TDZ);
}

// --- What they do

Outcome do_Nothing(Cpu&, const Instruction&) { return std::nullopt; }
Outcome do_InvalidateAllShared(Cpu& cpu, const Instruction&) {
    cpu.host->invalidate_all_instructions(cpu, true);
    return std::nullopt;
}
// HCR_EL2.FB makes those of EL1 broadcast.
Outcome do_InvalidateAll(Cpu& cpu, const Instruction&) {
    cpu.host->invalidate_all_instructions(cpu, (hcr_at_el1(cpu) & hcr::FB) != 0);
    return std::nullopt;
}
Outcome do_InvalidateAddress(Cpu& cpu, const Instruction& insn) {
    cpu.host->invalidate_instructions(cpu, read_x(cpu, insn.Rt()));
    return std::nullopt;
}
// An abort is the instruction's.
Outcome cache_operation(Cpu& cpu, const Instruction& insn, CacheOp op) {
    Outcome exception = cpu.host->cache_operation(cpu, op, read_x(cpu, insn.Rt()));
    if (exception) {
        exception->preferred_return = insn.pc;
    }
    return exception;
}
Outcome do_ByAddress(Cpu& cpu, const Instruction& insn) {
    return cache_operation(cpu, insn, CacheOp::CleanOrInvalidate);
}
Outcome do_ZeroByAddress(Cpu& cpu, const Instruction& insn) {
    return cache_operation(cpu, insn, CacheOp::Zero);
}
Outcome do_TagByAddress(Cpu& cpu, const Instruction& insn) { return tag_block(cpu, insn, false); }
Outcome do_TagAndZeroByAddress(Cpu& cpu, const Instruction& insn) {
    return tag_block(cpu, insn, true);
}

// AT: op1 has the EL; op2 bit 0 says write, bit 1 EL0 of EL1's regime, bit 2 both stages.
Outcome do_Translate(Cpu& cpu, const Instruction& insn) {
    const u16 encoding = sysreg_encoding(insn.word);
    const unsigned op1 = encoding >> 11 & 7, CRm = encoding >> 3 & 15, op2 = encoding & 7;
    AddressTranslation request;
    request.address = read_x(cpu, insn.Rt());
    request.write = bit(op2, 0);
    request.unprivileged = bit(op2, 1);
    const bool both = op1 == 4 && bit(op2, 2);
    request.stages = both ? AddressTranslation::Stages::Both : AddressTranslation::Stages::Stage1;
    const bool of_el1 = op1 == 0 || both;
    request.el = op1 == 6 ? 3 : of_el1 && !el0_in_host(cpu) ? 1 : 2;
    request.pan = CRm == 9 && cpu.pstate.pan;
    std::optional<Exception> exception;
    const u64 par = cpu.host->translate_address(cpu, request, exception);
    if (exception) {
        exception->preferred_return = insn.pc;
        return exception;
    }
    cpu.reg(PAR_EL1) = par;
    return std::nullopt;
}

struct Row {
    const char* name;
    u16 encoding;
    u8 least_el;
    Feature feature;
    Verdict (*guard)(const Cpu&);
    Outcome (*action)(Cpu&, const Instruction&);
};
constexpr Row kRows[] = {
#define SYSINSN(name, op1, CRn, CRm, op2, least_el, feature, guard, action)                        \
    {                                                                                              \
        #name,         sysreg_encoding(1, op1, CRn, CRm, op2),                                     \
        least_el,      Feature::feature,                                                           \
        guard_##guard, do_##action},
#include "runtime/system/system_instructions.def"
#undef SYSINSN
};
static_assert(std::ranges::adjacent_find(kRows,
                                         [](const Row& a, const Row& b) {
                                             return a.encoding >= b.encoding;
                                         }) == std::end(kRows),
              "rows ascend, so no encoding is there twice");

} // namespace

Outcome execute_sys(Cpu& cpu, const Instruction& insn) {
    const u16 encoding = sysreg_encoding(insn.word);
    const bool is_sysl = bit(insn.word, 21);
    if (is_tlbi(encoding) && !is_sysl) {
        return execute_tlbi(cpu, insn);
    }
    if (is_implementation_defined(encoding) && (hcr_at_el1(cpu) & hcr::TIDCP) != 0) {
        return denied(insn, trap_to(2));
    }
    const Row* const row = std::ranges::lower_bound(kRows, encoding, {}, &Row::encoding);
    if (is_sysl || row == std::end(kRows) || row->encoding != encoding ||
        cpu.pstate.el < row->least_el || !cpu.has(row->feature)) {
        return undefined(insn.pc);
    }
    if (const auto verdict = row->guard(cpu)) {
        return denied(insn, *verdict);
    }
    return row->action(cpu, insn);
}

} // namespace ulna::system
