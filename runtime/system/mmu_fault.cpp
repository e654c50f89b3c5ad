// How results of translations are told to the guest: status codes and PAR_EL1.
#include "runtime/system/mmu.h"

namespace ulna::system {

namespace {

// Codes of a fault that has levels: `base` for level 0, and one apart for level -1.
constexpr u8 with_level(u8 base, u8 minus_one, i8 level) {
    return level < 0 ? minus_one : static_cast<u8>(base + level);
}

constexpr u64 kParFault = 1, kParRes1 = u64{1} << 11;

u64 par_of_fault(const Fault& fault) {
    constexpr unsigned kFstShift = 1, kPtwShift = 8, kStage2Shift = 9;
    return kParFault | u64{fault_status_code(fault)} << kFstShift | u64{fault.s1ptw} << kPtwShift |
           u64{fault.stage2} << kStage2Shift | kParRes1;
}

u64 par_of_translation(const Translation& to) {
    constexpr unsigned kShShift = 7, kNsShift = 9, kAttrShift = 56;
    return to.page | u64{to.shareability} << kShShift |
           u64{to.space == devices::Space::NonSecure} << kNsShift | kParRes1 |
           u64{to.attributes} << kAttrShift;
}

} // namespace

u8 fault_status_code(const Fault& fault) {
    switch (fault.kind) {
    case FaultKind::AddressSize:
        return with_level(0b000000, 0b101001, fault.level);
    case FaultKind::Translation:
        return with_level(0b000100, 0b101011, fault.level);
    case FaultKind::AccessFlag:
        return static_cast<u8>(0b001000 + fault.level);
    case FaultKind::Permission:
        return static_cast<u8>(0b001100 + fault.level);
    case FaultKind::ExternalAbort:
        return 0b010000;
    case FaultKind::ExternalAbortOnWalk:
        return with_level(0b010100, 0b010011, fault.level);
    case FaultKind::Alignment:
        return 0b100001;
    case FaultKind::TagCheck:
        return 0b010001;
    case FaultKind::TlbConflict:
        return 0b110000;
    case FaultKind::UnsupportedAtomic:
        return 0b110001;
    }
    return 0;
}

u64 par_of(const TranslationResult& result) {
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        return par_of_fault(*fault);
    }
    return par_of_translation(std::get<Translation>(result));
}

} // namespace ulna::system
