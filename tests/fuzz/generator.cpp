// Registers with a role, so that memory accesses hit the data area: X27, X28 and SP point into it,
// X26 is a small index. No generated instruction may write them, other than by base writeback.
#include "tests/fuzz/generator.h"

#include <algorithm>
#include <string_view>

namespace ulna::fuzz {

namespace {

constexpr unsigned kIndex = 26, kBase0 = 27, kBase1 = 28, kSp = 31;

constexpr unsigned field(std::uint32_t word, unsigned lsb, unsigned width) {
    return word >> lsb & ((1u << width) - 1);
}
constexpr std::uint32_t
with_field(std::uint32_t word, unsigned lsb, unsigned width, std::uint32_t value) {
    const std::uint32_t mask = ((1u << width) - 1) << lsb;
    return (word & ~mask) | value << lsb;
}
bool has_role(unsigned reg) { return reg >= kIndex && reg <= kBase1; }

// DDI 0487 C4.1: op0 (bits 28:25).
bool is_load_store(std::uint32_t word) { return (word & 0x0a000000) == 0x08000000; }
bool is_vector_group(std::uint32_t word) { return (word & 0x0e000000) == 0x0e000000; }
bool is_immediate_group(std::uint32_t word) { return (word & 0x1c000000) == 0x10000000; }
bool is_branch_or_system(std::uint32_t word) { return (word & 0x1c000000) == 0x14000000; }
bool is_literal_load(std::uint32_t word) { return (word & 0x3b000000) == 0x18000000; }
bool is_extended_add(std::uint32_t word) { return (word & 0x1f200000) == 0x0b200000; }
bool is_simd_structure_postindex(std::uint32_t word) { return (word & 0xbe800000) == 0x0c800000; }
bool is_register_offset(std::uint32_t word) { return (word & 0x3b200c00) == 0x38200800; }
// LDXR, STXR, LDXP, STXP and their ordered forms.
bool is_exclusive(std::uint32_t word) { return (word & 0x3f800000) == 0x08000000; }
bool is_fp_to_general(std::uint32_t word) {
    return (word & 0x7f200c00) == 0x1e200000 || // FMOV, FCVT* to and from general registers
           (word & 0x7f200000) == 0x1e000000 || // fixed-point
           (word & 0xbfe0d400) == 0x0e001400;   // UMOV, SMOV (imm4 = xx1x1)
}

// Role registers may not be written; a word that might is refused.
bool spoils_roles(std::uint32_t word) {
    const unsigned Rd = field(word, 0, 5);
    if (is_load_store(word)) {
        const unsigned Rt2 = field(word, 10, 5), Rs = field(word, 16, 5);
        const bool vector = word >> 26 & 1;
        return !vector && (has_role(Rd) || Rd == kIndex || has_role(Rt2) ||
                           (has_role(Rs) && !is_register_offset(word)));
    }
    if (is_vector_group(word)) {
        return is_fp_to_general(word) && has_role(Rd);
    }
    return has_role(Rd) || (Rd == kSp && (is_immediate_group(word) || is_extended_add(word)));
}

// True when the modelled CPU executes the word: a row may refuse some of its field values, as those
// of features that are absent.
bool is_allocated(std::uint32_t word) {
    struct OneWord final : frontend::CodeSource {
        std::uint32_t word = 0;
        std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
    } source;
    source.word = word;
    frontend::TranslateOptions options;
    options.max_instructions = 1;
    static ir::Block block;
    block.reset({FUZZ_CODE_ADDRESS, {}});
    frontend::translate(block.key, source, options, block);
    const auto* exit = std::get_if<ir::ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ir::ExitReason::Undefined;
}

} // namespace

Generator::Generator(std::uint64_t seed, GeneratorOptions options)
    : random_{seed}, options_{std::move(options)} {
    for (const auto& row : frontend::encodings()) {
        const std::string_view name{row.name};
        const bool excluded =
            std::ranges::any_of(options_.excluded, [&](const auto& e) { return name == e; });
        if (!excluded && name.find(options_.filter) != std::string_view::npos &&
            !is_branch_or_system(row.bits)) {
            rows_.push_back(&row);
        }
    }
}

std::uint32_t Generator::instruction() {
    for (;;) {
        const auto& row = *rows_[random_.below(static_cast<std::uint32_t>(rows_.size()))];
        std::uint32_t word =
            row.bits | (static_cast<std::uint32_t>(random_.next() >> 16) & ~row.mask);
        if (is_load_store(word)) {
            if (is_literal_load(word)) {
                continue; // PC-relative: would read code or leave the mapped pages
            }
            const unsigned bases[] = {kBase0, kBase1, kSp};
            word = with_field(word, 5, 5, bases[random_.below(3)]);
            if (is_register_offset(word) ||
                (is_simd_structure_postindex(word) && field(word, 16, 5) != 31)) {
                word = with_field(word, 16, 5, kIndex);
            }
        }
        if (options_.length > 1 && is_exclusive(word)) {
            continue; // a store-exclusive of another size than the load's is CONSTRAINED
                      // UNPREDICTABLE
        }
        const char* name = frontend::encoding_name(word);
        if (name != nullptr && std::string_view{name} == row.name && !spoils_roles(word) &&
            is_allocated(word)) {
            return word;
        }
    }
}

std::uint64_t Generator::integer() {
    static constexpr std::uint64_t kEdges[] = {0,
                                               1,
                                               2,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               0x7fff,
                                               0x8000,
                                               0xffff,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x100000000,
                                               0x7fffffffffffffff,
                                               0x8000000000000000,
                                               0xffffffffffffffff,
                                               0xfffffffffffffffe,
                                               0x5555555555555555,
                                               0xaaaaaaaaaaaaaaaa};
    switch (random_.below(4)) {
    case 0:
        return kEdges[random_.below(std::size(kEdges))];
    case 1:
        return random_.next() >> random_.below(64);
    default:
        return random_.next();
    }
}

// Two thirds of the time lanes that are interesting as half, single or double precision.
std::uint64_t Generator::fp_lanes() {
    static constexpr std::uint32_t kSingles[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
        0x7fc00000, 0xffc00001, 0x7f800001, 0xffa00000, 1,          0x80000001,
        0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4f800000,
        0x3f000000, 0x3fc00000, 0x5f000000, 0x33800000};
    static constexpr std::uint64_t kDoubles[] = {0,
                                                 1ull << 63,
                                                 0x3ff0000000000000,
                                                 0xbff0000000000000,
                                                 0x7ff0000000000000,
                                                 0xfff0000000000000,
                                                 0x7ff8000000000000,
                                                 0xfff8000000000001,
                                                 0x7ff0000000000001,
                                                 0xfff4000000000000,
                                                 1,
                                                 0x8000000000000001,
                                                 0x000fffffffffffff,
                                                 0x0010000000000000,
                                                 0x7fefffffffffffff,
                                                 0x41e0000000000000,
                                                 0xc1e0000000000000,
                                                 0x43e0000000000000,
                                                 0xc3e0000000000000,
                                                 0x43f0000000000000,
                                                 0x3fe0000000000000,
                                                 0x3ff8000000000000,
                                                 0x36a0000000000000};
    static constexpr std::uint16_t kHalves[] = {
        0,      0x8000, 1,      0x8001, 0x0200, 0x03ff, 0x0400, 0x8400, 0x0401, 0x0800, 0x13ff,
        0x1400, 0x2c00, 0x3800, 0x3bff, 0x3c00, 0xbc00, 0x3c01, 0x3e00, 0x4000, 0x5bff, 0x5c00,
        0x6400, 0x7800, 0x77ff, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01, 0xfd55, 0x7e00, 0xfe01};
    const auto half = [&]() -> std::uint64_t {
        if (random_.one_in(2)) {
            return kHalves[random_.below(std::size(kHalves))];
        }
        const std::uint32_t bits = static_cast<std::uint32_t>(random_.next() >> 24);
        return random_.one_in(4) ? bits & 0xffff : (bits & 0x8fff) | (12 + (bits >> 16 & 3)) << 10;
    };
    switch (random_.below(8)) {
    case 6:
    case 7:
        return half() | half() << 16 | half() << 32 | half() << 48;
    case 0:
        return kSingles[random_.below(std::size(kSingles))] |
               std::uint64_t{kSingles[random_.below(std::size(kSingles))]} << 32;
    case 1:
        return kDoubles[random_.below(std::size(kDoubles))];
    case 2: { // ordinary magnitudes, where operations are exact or round
        const std::uint64_t exponent = 1023 - 30 + random_.below(60);
        return (random_.next() & 0x800fffffffffffff) | exponent << 52;
    }
    case 3: {
        const auto single = [&] {
            return (static_cast<std::uint32_t>(random_.next() >> 20) & 0x807fffff) |
                   (127 - 20 + random_.below(40)) << 23;
        };
        return single() | std::uint64_t{single()} << 32;
    }
    default:
        return integer();
    }
}

FuzzCase Generator::next() {
    FuzzCase test{};
    test.count = options_.length;
    test.data_seed = static_cast<std::uint32_t>(random_.next() >> 13);
    for (unsigned i = 0; i < test.count; ++i) {
        test.words[i] = instruction();
    }
    for (auto& x : test.state.x) {
        x = integer();
    }
    const auto pointer = [&] {
        return FUZZ_DATA_ADDRESS + kDataBytes / 2 + random_.below(256) * 16 +
               (random_.one_in(8) ? random_.below(16) : 0);
    };
    test.state.x[kIndex] = random_.below(64) * 8;
    test.state.x[kBase0] = pointer();
    test.state.x[kBase1] = pointer();
    test.state.sp = pointer() & ~15ull;
    for (auto& v : test.state.v) {
        v = fp_lanes();
    }
    test.state.nzcv = random_.below(16);
    if (options_.random_fpcr) {
        // FZ16, RMode, FZ, DN, AHP
        test.state.fpcr =
            std::uint64_t{random_.one_in(4)} << 19 | std::uint64_t{random_.below(4)} << 22 |
            std::uint64_t{random_.one_in(3)} << 24 | std::uint64_t{random_.one_in(3)} << 25 |
            std::uint64_t{random_.one_in(4)} << 26;
    }
    return test;
}

} // namespace ulna::fuzz
