// insn.def as a table: rows do not contradict each other, and every row can be reached.

#include <algorithm>
#include <random>
#include <string>

#include "frontend/a64/decoder.h"
#include "frontend/a64/flag_lookahead.h"
#include "frontend/frontend.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::frontend;

namespace {

bool intersect(const Encoding& a, const Encoding& b) {
    return ((a.bits ^ b.bits) & a.mask & b.mask) == 0;
}
// Every word of `a` is a word of `b`.
bool is_subset(const Encoding& a, const Encoding& b) {
    const bool fixed = (a.mask & b.mask) == b.mask && (a.bits & b.mask) == b.bits;
    const bool nonzero = b.nonzero == 0 || (a.nonzero != 0 && (a.nonzero & ~b.nonzero) == 0) ||
                         (a.bits & b.nonzero) != 0;
    return fixed && nonzero;
}
// A row whose !0 field is zero in all words of the other does not meet it.
bool nonzero_excludes(const Encoding& a, const Encoding& b) {
    return a.nonzero != 0 && (b.mask & a.nonzero) == a.nonzero && (b.bits & a.nonzero) == 0;
}

const EncodingInfo& info(const Encoding& row) { return encodings()[row.index]; }

} // namespace

TEST_CASE("overlapping rows of insn.def are subsets, the smaller one first", "[frontend]") {
    const auto rows = decode_order();
    REQUIRE(rows.size() == encodings().size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t k = i + 1; k < rows.size(); ++k) {
            const Encoding &a = rows[i], &b = rows[k];
            if (!intersect(a, b) || nonzero_excludes(a, b) || nonzero_excludes(b, a)) {
                continue;
            }
            INFO(info(a).name << " " << info(a).pattern << " | " << info(b).name << " "
                              << info(b).pattern);
            CHECK(is_subset(a, b));
        }
    }
}

TEST_CASE("row names are unique", "[frontend]") {
    std::vector<std::string> names;
    for (const EncodingInfo& row : encodings()) {
        names.emplace_back(row.name);
    }
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    INFO((twice == names.end() ? std::string{} : *twice));
    CHECK(twice == names.end());
}

TEST_CASE("decode finds the first matching row", "[frontend]") {
    std::mt19937 random{1};
    for (const Encoding& row : decode_order()) {
        bool reached = false;
        for (unsigned n = 0; n < 200; ++n) {
            const u32 word = row.bits | (static_cast<u32>(random()) & ~row.mask);
            const auto rows = decode_order();
            const auto first =
                std::ranges::find_if(rows, [&](const Encoding& r) { return r.matches(word); });
            const Encoding* const found = decode(word, FeatureSet::all());
            REQUIRE(found == (first == rows.end() ? nullptr : &*first));
            reached |= found == &row;
        }
        INFO(info(row).name);
        CHECK(reached);
    }
}

TEST_CASE("words without a row are unallocated", "[frontend]") {
    std::mt19937 random{2};
    for (unsigned n = 0; n < 100'000; ++n) {
        const u32 word = static_cast<u32>(random());
        const bool any =
            std::ranges::any_of(decode_order(), [&](const Encoding& r) { return r.matches(word); });
        REQUIRE((decode(word, FeatureSet::all()) != nullptr) == any);
    }
}

TEST_CASE("names of common encodings", "[frontend]") {
    struct Row {
        u32 word;
        const char* name;
    };
    constexpr Row kRows[] = {
        {0x91000421, "ADD_imm"},   {0xd503201f, "HINT"},           {0xd65f03c0, "RET"},
        {0xf9400021, "LDR_imm"},   {0xa9bf7bfd, "STP_pre"},        {0xd4000001, "SVC"},
        {0x14000001, "B_uncond"},  {0x54000040, "B_cond"},         {0xc85f7c20, "LDXR"},
        {0xb8210020, "LDADD"},     {0x4c407000, "LD_ST_multiple"}, {0xd50b7420, "DC_ZVA"},
        {0xd53bd040, "MRS"},       {0x9ac20820, "UDIV"},           {0x1ac25020, "CRC32C"},
        {0x3dc00020, "LDR_imm_v"}, {0xf9800020, "PRFM_imm"},       {0x00000000, "UDF"},
        {0x38bfc041, "LDAPR"},     {0x48207c82, "CASP"},           {0xd4200000, "BRK"},
    };
    for (const Row& row : kRows) {
        const char* const name = encoding_name(row.word);
        INFO(std::hex << row.word);
        REQUIRE(name != nullptr);
        CHECK(std::string{name} == row.name);
    }
}

TEST_CASE("flag use of instructions", "[frontend]") {
    struct Row {
        u32 word;
        FlagUse use;
    };
    constexpr Row kRows[] = {
        {0xf100041f, FlagUse::WritesAll}, // cmp x0, #1
        {0xb100041f, FlagUse::WritesAll}, // cmn x0, #1
        {0x6b01001f, FlagUse::WritesAll}, // cmp w0, w1
        {0xeb21601f, FlagUse::WritesAll}, // cmp x0, x1, uxtx
        {0x7200001f, FlagUse::WritesAll}, // tst w0, #1
        {0xea01001f, FlagUse::WritesAll}, // tst x0, x1
        {0x6a21001f, FlagUse::WritesAll}, // bics wzr, w0, w1
        {0x1e612000, FlagUse::WritesAll}, // fcmp d0, d1
        {0x1e202018, FlagUse::WritesAll}, // fcmpe s0, #0.0
        {0x54000040, FlagUse::Unknown},   // b.eq
        {0x9a810000, FlagUse::Reads},     // csel x0, x0, x1, eq
        {0xfa410000, FlagUse::Reads},     // ccmp x0, x1, #0, eq
        {0x9a010000, FlagUse::Reads},     // adc x0, x0, x1
        {0xba010000, FlagUse::Reads},     // adcs x0, x0, x1
        {0x1e610c00, FlagUse::Reads},     // fcsel d0, d0, d1, eq
        {0x1e610400, FlagUse::Reads},     // fccmp d0, d1, #0, eq
        {0x91000421, FlagUse::None},      // add x1, x1, #1
        {0x9ac20820, FlagUse::None},      // udiv x0, x1, x2
        {0xf9400021, FlagUse::None},      // ldr x1, [x1]
        {0x1e612800, FlagUse::None},      // fadd d0, d0, d1
        {0x4ea18400, FlagUse::None},      // add v0.4s, v0.4s, v1.4s
        {0xd503201f, FlagUse::None},      // nop
        {0xd5033bbf, FlagUse::None},      // dmb ish
        {0xd5033fdf, FlagUse::Unknown},   // isb
        {0xd53bd040, FlagUse::None},      // mrs x0, tpidr_el0
        {0xd53b4200, FlagUse::Unknown},   // mrs x0, nzcv
        {0xd4000001, FlagUse::Unknown},   // svc #0
        {0xd65f03c0, FlagUse::Unknown},   // ret
        {0x00000000, FlagUse::Unknown},   // udf #0
        {0xffffffff, FlagUse::Unknown},   // unallocated
        {0x14000001, FlagUse::Jump},      // b
        {0x94000001, FlagUse::Jump},      // bl
        {0xb4000040, FlagUse::Branch},    // cbz
        {0x37000040, FlagUse::Branch},    // tbnz
    };
    for (const Row& row : kRows) {
        INFO(std::hex << row.word);
        CHECK(static_cast<int>(flag_info(row.word, FeatureSet::all()).use) ==
              static_cast<int>(row.use));
    }
}
