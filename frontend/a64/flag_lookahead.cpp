#include "frontend/a64/flag_lookahead.h"

#include <algorithm>

#include "frontend/a64/decoder.h"

namespace ulna::frontend {

namespace {

// Per top-level group (op0 = bits 28:25, DDI 0487 C4.1); the flag-setting encodings of each.

FlagInfo data_processing_imm(u32 word) {
    const bool adds = (word & 0x3f80'0000) == 0x3100'0000; // ADDS SUBS (immediate): S = 1
    const bool ands = (word & 0x7f80'0000) == 0x7200'0000;
    return {adds || ands ? FlagUse::WritesAll : FlagUse::None};
}

// A failed authentication shows the flags like any undefined instruction.
bool may_fail_authentication(u32 word) {
    const bool aut_reg = (word & 0xffff'd000) == 0xdac1'1000; // AUTIA..., AUTIZA...
    const bool hint = (word & 0xffff'ffbf) == 0xd503'219f ||  // AUTIA1716 AUTIB1716
                      (word & 0xffff'ff9f) == 0xd503'239f;    // AUTIASP...
    const bool ldra = (word & 0xff20'0400) == 0xf820'0400;    // LDRAA LDRAB
    return aut_reg || hint || ldra;
}

FlagInfo data_processing_reg(u32 word) {
    switch (bits(word, 28, 24)) {
    case 0b01010:
        return {bits(word, 30, 29) == 3 ? FlagUse::WritesAll : FlagUse::None}; // ANDS BICS
    case 0b01011:
        return {bit(word, 29) ? FlagUse::WritesAll : FlagUse::None}; // ADDS SUBS
    case 0b11010: // ADC..., CCMP, CSEL read; the 1- and 2-source operations (0110) do not
        if ((word & 0xffe0'fc00) == 0xbac0'0000) {
            return {FlagUse::WritesAll}; // SUBPS
        }
        return {bits(word, 24, 21) == 0b0110 ? FlagUse::None : FlagUse::Reads};
    default:
        return {FlagUse::None};
    }
}

FlagInfo simd_fp(u32 word) {
    if ((word & 0xffff'fc00) == 0x1e7e'0000) { // FJCVTZS
        return {FlagUse::WritesAll};
    }
    if ((word & 0xff20'0000) != 0x1e20'0000) { // scalar FP, M = S = 0
        return {FlagUse::None};
    }
    switch (bits(word, 11, 10)) {
    case 0b00:
        return {bits(word, 15, 10) == 0b001000 ? FlagUse::WritesAll : FlagUse::None}; // FCMP
    case 0b01:                                                                        // FCCMP
    case 0b11:
        return {FlagUse::Reads}; // FCSEL
    default:
        return {FlagUse::None};
    }
}

FlagInfo branch_system(u32 word) {
    if ((word & 0x7c00'0000) == 0x1400'0000) { // B BL
        return {FlagUse::Jump, sign_extend(bits(word, 25, 0), 26)};
    }
    if ((word & 0x7e00'0000) == 0x3400'0000) { // CBZ CBNZ
        return {FlagUse::Branch, sign_extend(bits(word, 23, 5), 19)};
    }
    if ((word & 0x7e00'0000) == 0x3600'0000) { // TBZ TBNZ
        return {FlagUse::Branch, sign_extend(bits(word, 18, 5), 14)};
    }
    if ((word & 0xffff'f0ff) == 0xd503'30df) { // ISB: what follows may be other code by then
        return {FlagUse::Unknown};
    }
    const bool hint_or_barrier = (word & 0xffff'e01f) == 0xd503'201f;
    const bool thread_pointer = (word & 0xffff'ffe0) == 0xd53b'd040; // MRS Xt, TPIDR_EL0
    return {hint_or_barrier || thread_pointer ? FlagUse::None : FlagUse::Unknown};
}

// Memory copies and sets: the main instruction and the epilogue look at C, and the choice of
// registers makes any of them UNDEFINED, which shows the flags.
FlagInfo load_store(u32 word) {
    const bool copy_or_set = (word & 0xfb20'0c00) == 0x1900'0400;
    return {copy_or_set ? FlagUse::Unknown : FlagUse::None};
}

} // namespace

FlagInfo flag_info(u32 word, FeatureSet features) {
    if (decode(word, features) == nullptr ||
        (features.has(Feature::PAuth) && may_fail_authentication(word))) {
        return {FlagUse::Unknown};
    }
    switch (bits(word, 28, 25)) {
    case 0b1000:
    case 0b1001:
        return data_processing_imm(word);
    case 0b1010:
    case 0b1011:
        return branch_system(word);
    case 0b0101:
    case 0b1101:
        return data_processing_reg(word);
    case 0b0111:
    case 0b1111:
        return simd_fp(word);
    case 0b0100:
    case 0b0110:
    case 0b1100:
    case 0b1110:
        return load_store(word);
    default:
        return {FlagUse::Unknown};
    }
}

namespace {

// A branch may lead back, but never forward past the window, and the budget bounds loops.
bool is_dead_from(std::span<const u32> words, FeatureSet features, i64 at, unsigned& budget) {
    while (budget != 0 && at >= 0 && at < static_cast<i64>(words.size())) {
        --budget;
        const FlagInfo info = flag_info(words[static_cast<std::size_t>(at)], features);
        switch (info.use) {
        case FlagUse::WritesAll:
            return true;
        case FlagUse::Reads:
        case FlagUse::Unknown:
            return false;
        case FlagUse::None:
            ++at;
            break;
        case FlagUse::Jump:
            at += info.offset;
            break;
        case FlagUse::Branch:
            if (!is_dead_from(words, features, at + info.offset, budget)) {
                return false;
            }
            ++at;
            break;
        }
    }
    return false;
}

} // namespace

bool nzcv_is_dead_in(std::span<const u32> words, FeatureSet features) {
    unsigned budget = kFlagLookaheadWords;
    return is_dead_from(words.first(std::min<std::size_t>(words.size(), budget)), features, 0,
                        budget);
}

} // namespace ulna::frontend
