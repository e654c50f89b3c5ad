// CPU models: features, what shows them, and what they make of the decoder.
#include <algorithm>
#include <array>

#include "frontend/a64/decoder.h"
#include "frontend/frontend.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::frontend;
using enum ulna::frontend::Feature;

namespace {
constexpr u32 kLdadd = 0xf8210040;   // ldadd x1, x0, [x2]
constexpr u32 kSha512h = 0xce628020; // sha512h q0, q1, v2.2d
constexpr u32 kCrc32x = 0x9ac24c20;  // crc32x w0, w1, x2

std::optional<CpuModel> parse(std::string_view text) {
    std::string why;
    auto model = parse_cpu(text, why);
    CHECK(model.has_value() == why.empty());
    return model;
}

bool executes(u32 word, const CpuModel& cpu) {
    struct OneWord final : CodeSource {
        u32 word = 0;
        std::span<const u32> words(GuestAddr) override { return {&word, 1}; }
    } source;
    source.word = word;
    TranslateOptions options;
    options.cpu = &cpu;
    options.max_instructions = 1;
    ir::Block block;
    translate({0x1000, {}}, source, options, block);
    const auto* exit = std::get_if<ir::ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ir::ExitReason::Undefined;
}
} // namespace

TEST_CASE("max has every implemented feature, and rows have only those", "[frontend]") {
    const FeatureSet all = default_cpu().features;
    CHECK((all | FeatureSet{PAuth_QARMA5, PAuth_QARMA3}) == FeatureSet::all());
    for (const EncodingInfo& row : encodings()) {
        INFO(row.name);
        CHECK(all.has(row.feature));
    }
}

TEST_CASE("a model shows its features", "[frontend]") {
    const auto a72 = parse("cortex-a72");
    REQUIRE(a72);
    CHECK(a72->midr_el1 == 0x410fd083);
    CHECK(a72->id_aa64isar0_el1 == 0x11120); // CRC32, SHA256, SHA1, AES with PMULL
    CHECK(a72->hwcap == 0x8fb);              // fp asimd aes pmull sha1 sha2 crc32 cpuid
    CHECK(a72->hwcap2 == 0);
    CHECK(cpuinfo_features(*a72) == " fp asimd aes pmull sha1 sha2 crc32 cpuid");
    const CpuModel& max = default_cpu();
    CHECK(bits(max.id_aa64isar0_el1, 7, 4) == 2);   // the larger of AES and PMULL
    CHECK(bits(max.id_aa64isar0_el1, 15, 12) == 2); // and of SHA256 and SHA512
}

TEST_CASE("pointer authentication has one algorithm", "[frontend]") {
    const auto shown = [](std::string_view text) {
        const auto model = parse(text);
        REQUIRE(model);
        const auto field = [](u64 reg, unsigned lsb) { return bits(reg, lsb + 3, lsb); };
        // APA API APA3, GPA GPI GPA3
        return std::array{field(model->id_aa64isar1_el1, 4),  field(model->id_aa64isar1_el1, 8),
                          field(model->id_aa64isar2_el1, 12), field(model->id_aa64isar1_el1, 24),
                          field(model->id_aa64isar1_el1, 28), field(model->id_aa64isar2_el1, 8)};
    };
    using Fields = std::array<u64, 6>;
    CHECK(shown("max") == Fields{0, 5, 0, 0, 1, 0});
    CHECK(shown("max,pauth-impdef=on") == Fields{0, 5, 0, 0, 1, 0});
    CHECK(shown("max,pauth-qarma5=on") == Fields{5, 0, 0, 1, 0, 0});
    CHECK(shown("max,pauth-qarma3=on") == Fields{0, 0, 5, 0, 0, 1});
    CHECK(shown("max,pauth-impdef=off") == Fields{5, 0, 0, 1, 0, 0});
    CHECK(shown("max,pauth=off") == Fields{});
    CHECK(shown("cortex-a76") == Fields{});
    CHECK(shown("cortex-a76,pauth") == Fields{0, 5, 0, 0, 1, 0});
}

TEST_CASE("a feature that a model lacks is not decoded", "[frontend]") {
    const auto a72 = parse("cortex-a72"), a76 = parse("cortex-a76");
    REQUIRE((a72 && a76));
    CHECK(decode(kCrc32x, a72->features) != nullptr);
    CHECK(decode(kLdadd, a72->features) == nullptr);
    CHECK(decode(kLdadd, a76->features) != nullptr);
    CHECK(decode(kSha512h, a76->features) == nullptr);
    CHECK(decode(kSha512h, default_cpu().features) != nullptr);
}

TEST_CASE("half-precision forms of shared rows need FP16", "[frontend]") {
    const auto without = parse("max,fp16=off");
    REQUIRE(without);
    constexpr u32 kHalf[] = {
        0x1ee22820, // fadd h0, h1, h2
        0x1ee22020, // fcmp h1, h2
        0x1ee60020, // fmov w0, h1
        0x9ef80020, // fcvtzs x0, h1
        0x1ec2fc20, // scvtf h0, w1, #1
        0x4f1fe420, // scvtf v0.8h, v1.8h, #1
        0x7f10fc20, // fcvtzu h0, h1, #16
        0x4e421420, // fadd v0.8h, v1.8h, v2.8h
        0x4f03fe00, // fmov v0.8h, #1.0
    };
    for (const u32 word : kHalf) {
        INFO(std::hex << word);
        CHECK(executes(word, default_cpu()));
        CHECK_FALSE(executes(word, *without));
    }
    constexpr u32 kFcvtSH = 0x1ee24020; // fcvt s0, h1: in the base architecture
    CHECK(executes(kFcvtSH, *without));
}

TEST_CASE("features are switched by name", "[frontend]") {
    const auto model = parse("max,lse=off,sha512=off");
    REQUIRE(model);
    CHECK_FALSE(model->features.has(LSE));
    CHECK((model->hwcap & 1 << 8) == 0);
    CHECK(bits(model->id_aa64isar0_el1, 23, 20) == 0);
    CHECK(bits(model->id_aa64isar0_el1, 15, 12) == 1);
    CHECK(parse("cortex-a72,lse")->features.has(LSE));
    for (const char* wrong :
         {"", "nosuch", "max,nosuch=on", "max,lse=maybe", "max,", "max,base=off", "max,fp=off"}) {
        INFO(wrong);
        CHECK_FALSE(parse(wrong));
    }
}
