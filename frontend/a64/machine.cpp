#include "frontend/a64/machine.h"

namespace ulna::frontend {

namespace {

bool is_fp_or_vector(u32 word) {
    const bool data_processing = bits(word, 27, 25) == 7;
    const bool load_store = bit(word, 27) && !bit(word, 25) && bit(word, 26);
    return data_processing || load_store;
}

// Fields of a system instruction without Rt and L: MRS and MSR of one register are equal.
constexpr u32 kRegister = ~u32{0x0020'001f};
constexpr u32 kWithoutRt = ~u32{0x1f}, kDC_ZVA = 0xd50b'7420;
constexpr u32 kNZCV = 0xd51b'4200, kDAIF = 0xd51b'4220, kFPSR = 0xd51b'4420,
              kTPIDR_EL0 = 0xd51b'd040, kTPIDR_EL1 = 0xd518'd080, kSP_EL0 = 0xd518'4100;

// Exception generation and returns, and system instructions but those that are the same everywhere.
bool is_system(u32 word) {
    if ((word & 0xff00'0000) == 0xd400'0000) { // SVC, HVC, SMC, BRK, HLT, DCPS
        return true;
    }
    if ((word & 0xfe9f'0000) == 0xd69f'0000) { // ERET, ERETAA, ERETAB, DRPS
        return true;
    }
    if ((word & 0xffc0'0000) != 0xd500'0000) {
        return false;
    }
    switch (word & 0xffff'f000) {
    case 0xd503'3000: // barriers, CLREX, SB
        return false;
    case 0xd503'2000: { // hints; WFE, WFI, SEV and SEVL are the machine's
        const u64 hint = bits(word, 11, 5);
        return hint >= 2 && hint <= 5;
    }
    case 0xd500'4000: // CFINV, XAFLAG, AXFLAG
        return bits(word, 11, 8) != 0 || bits(word, 7, 5) > 2;
    default:
        break;
    }
    const u32 reg = word & kRegister;
    return reg != kNZCV && reg != kTPIDR_EL0 && reg != kFPSR && (word & kWithoutRt) != kDC_ZVA;
}

bool leave_to_machine(Translator& t, u32 word) {
    return t.leave(ir::ExitReason::System, t.pc(), word);
}

// A register that is a slot.
bool lift_slot(Translator& t, Slot slot, u32 word) {
    const Reg Rt{static_cast<u8>(bits(word, 4, 0))};
    const bool reads = bit(word, 21);
    if (reads) {
        t.set_X(Rt, t.b.get(slot));
    } else {
        t.b.set(slot, t.X(Type::I64, Rt));
    }
    return true;
}

void leave_if_set(Translator& t, Slot slot, u32 word) {
    const Value set = t.b.icmp(Cond::NE, t.b.get(slot), t.b.c64(0));
    t.b.raise_if(set, ir::ExitReason::System, word);
}
// Above EL0. What is no longer masked may be due: if anything is, the machine has a look.
void leave_if_interrupt(Translator& t, u32 word) { leave_if_set(t, Slot::IrqLines, word); }

// Completes TLB maintenance of this CPU: others may have to be waited for.
std::optional<bool> lift_dsb(Translator& t, u32 word) {
    leave_if_set(t, Slot::SyncDue, word);
    return std::nullopt; // what is left is a fence
}

constexpr unsigned kDaifShift = 6;

bool write_daif(Translator& t, u32 word) {
    constexpr u64 kMasks = u64{0xf} << kDaifShift;
    leave_if_interrupt(t, word);
    const Reg Rt{static_cast<u8>(bits(word, 4, 0))};
    t.b.set(Slot::DAIF, t.b.and_(t.X(Type::I64, Rt), t.b.c64(kMasks)));
    return true;
}

bool change_daif(Translator& t, u32 word, bool clear) {
    if (clear) {
        leave_if_interrupt(t, word);
    }
    const Value masks = t.b.c64(bits(word, 11, 8) << kDaifShift), before = t.b.get(Slot::DAIF);
    t.b.set(Slot::DAIF, clear ? t.b.andnot(before, masks) : t.b.or_(before, masks));
    return true;
}

// DC ZVA, unless the machine says in SCTLR_ELx.DZE that it is trapped here: then it is the
// machine's.
std::optional<bool> check_zero_block(Translator& t, u32 word) {
    constexpr u64 kDZE = u64{1} << 14;
    const Value allowed = t.b.and_(t.b.get(Slot::SCTLR_EL1), t.b.c64(kDZE));
    t.b.raise_if(t.b.icmp(Cond::EQ, allowed, t.b.c64(0)), ir::ExitReason::System, word);
    return std::nullopt;
}

// The few system instructions that kernels execute all the time.
std::optional<bool> lift_inline(Translator& t, u32 word) {
    if (!t.mode().privileged()) {
        return std::nullopt;
    }
    switch (word & 0xffff'f0ff) {
    case 0xd503'40df: // MSR DAIFSet
        return change_daif(t, word, false);
    case 0xd503'40ff: // MSR DAIFClr
        return change_daif(t, word, true);
    case 0xd503'309f: // DSB
    case 0xd503'303f: // DSB (nXS)
        return lift_dsb(t, word);
    default:
        break;
    }
    switch (word & kRegister) {
    case kDAIF:
        return bit(word, 21) ? lift_slot(t, Slot::DAIF, word) : write_daif(t, word);
    case kTPIDR_EL1:
        return lift_slot(t, Slot::TPIDR_EL1, word);
    case kSP_EL0:
        return t.mode().on_own_sp() ? std::optional{lift_slot(t, Slot::SP_EL0, word)}
                                    : std::nullopt;
    default:
        return std::nullopt;
    }
}

// Allocation tags are the machine's. What makes tags of registers is not, as long as tags may be
// accessed at all (SCTLR_EL1.ATA stands for all controls of that).
std::optional<bool> lift_tags(Translator& t, u32 word) {
    const bool loads_or_stores = (word & 0xff20'0000) == 0xd920'0000; // LDG, STG, LDGM...
    const bool stores_pair = (word & 0xfe40'0000) == 0x6800'0000 && bits(word, 24, 23) != 0; // STGP
    if (loads_or_stores || stores_pair) {
        return leave_to_machine(t, word);
    }
    const bool adds = (word & 0xbfc0'c000) == 0x9180'0000;    // ADDG, SUBG
    const bool inserts = (word & 0xffe0'fc00) == 0x9ac0'1000; // IRG
    if (adds || inserts) {
        constexpr u64 kATA = u64{1} << 43;
        const Value allowed = t.b.and_(t.b.get(Slot::SCTLR_EL1), t.b.c64(kATA));
        t.b.raise_if(t.b.icmp(Cond::EQ, allowed, t.b.c64(0)), ir::ExitReason::System, word);
    }
    return std::nullopt;
}

} // namespace

std::optional<bool> lift_for_machine(Translator& t, u32 word) {
    if (const auto lifted = lift_inline(t, word)) {
        return lifted;
    }
    if (t.cpu().features.has(Feature::MTE)) {
        if (const auto lifted = lift_tags(t, word)) {
            return lifted;
        }
    }
    if (is_system(word)) {
        return leave_to_machine(t, word);
    }
    if ((word & kWithoutRt) == kDC_ZVA) {
        return check_zero_block(t, word);
    }
    if (t.mode().fp_disabled() && (is_fp_or_vector(word) || (word & kRegister) == kFPSR)) {
        return t.leave(ir::ExitReason::FpDisabled, t.pc());
    }
    return std::nullopt;
}

} // namespace ulna::frontend
