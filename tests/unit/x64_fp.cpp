// Floating point in the x86-64 back end against the IR interpreter: every operation, type and
// shape, in all modes, over edge values; results, FPSR, and that no other register changes. The
// long form is in x64_fp_proof.cpp.
#include "frontend/frontend.h"
#include "ir/opt/pipeline.h"
#include "tests/unit/x64_fp_cases.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

template <class F> [[nodiscard]] V128 edge_lanes(Random& random) {
    static const auto edges = test::edge_values<F>();
    V128 v;
    for (unsigned i = 0; i < 128 / F::kBits; ++i) {
        v.set_lane<BitsOf<F>>(i, random.below(4) != 0
                                     ? edges[random.below(static_cast<unsigned>(edges.size()))]
                                     : test::random_value<F>(random));
    }
    return v;
}

void randomise(CpuState& state, unsigned lane_bits, Random& random) {
    // often without NaNs, so that vector code gets past its checks
    const bool tame = random.below(3) == 0;
    for (V128& v : state.v) {
        if (tame) {
            for (unsigned i = 0; i < 128 / lane_bits; ++i) {
                const u64 frac = random.next();
                if (lane_bits == 32) {
                    v.set_lane<u32>(i, static_cast<u32>(0x3f00'0000 + (frac & 0x81ff'ffff)));
                } else if (lane_bits == 64) {
                    v.set_lane<u64>(i, 0x3fe0'0000'0000'0000 + (frac & 0x803f'ffff'ffff'ffff));
                } else {
                    v.set_lane<u16>(i, static_cast<u16>(0x3800 + (frac & 0x8fff)));
                }
            }
        } else {
            v = lane_bits == 16
                    ? random.below(6) == 0 ? edge_lanes<Single>(random) : edge_lanes<Half>(random)
                : lane_bits == 32 ? edge_lanes<Single>(random)
                                  : edge_lanes<Double>(random);
        }
    }
    for (u64& x : state.x) {
        const unsigned shift = random.below(64);
        x = random.below(2) ? random.next() >> shift : (u64{1} << shift) - random.below(2);
    }
    state.nzcv = random.below(16);
    state.fpsr = random.below(3) != 0 ? fpsr::kIXC : 0; // decides where FPCR.FZ computes inline
}

constexpr u64 kModes[] = {
    0,
    1ull << 22,
    2ull << 22,
    3ull << 22,
    1ull << 25,
    1ull << 24,
    3ull << 22 | 1ull << 24,
    1ull << 26,
    2ull << 22 | 1ull << 24 | 1ull << 25,
    1ull << 22 | 1ull << 25,
    1ull << 19,
    3ull << 22 | 1ull << 19 | 1ull << 25,
    1, // FEAT_AFP: FIZ, AH
    2,
    1ull << 24 | 2,
    2ull << 22 | 3,
    1ull << 25 | 1ull << 22 | 2,
    3ull << 22 | 1ull << 24 | 1ull << 19 | 3,
    1ull << 24 | 1,
};

class Words final : public frontend::CodeSource {
  public:
    static constexpr GuestAddr kBase = 0x10000;
    std::vector<u32> code;
    std::span<const u32> words(GuestAddr pc) override {
        const u64 index = (pc - kBase) / 4;
        return index < code.size() ? std::span<const u32>{code}.subspan(index)
                                   : std::span<const u32>{};
    }
};

[[nodiscard]] bool allocated(u32 word) {
    Words source;
    source.code = {word};
    Block block;
    frontend::TranslateOptions options;
    options.max_instructions = 1;
    frontend::translate({Words::kBase, {}}, source, options, block);
    const auto* exit = std::get_if<ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ExitReason::Undefined;
}

} // namespace

TEST_CASE("x64 floating point equals the interpreter", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    static CpuState want;
    Random random{3};
    for (const Case& test : all_cases()) {
        for (const u64 fpcr : some_of(kModes, random.next())) {
            for (const Places& places : some_of(kPlaces, random.next())) {
                Block block = block_of(test, fpcr, places);
                block.key.mode.bits |= random.below(2) ? BlockMode::kTrapsFp : 0;
                host.compile(block, random.below(8) == 0);
                unsigned differences = 0;
                std::string first;
                for (unsigned i = 0; i < 25; ++i) {
                    randomise(host.state, test.lane_bits, random);
                    host.state.fpcr = fpcr;
                    copy_inputs(host.state, want);
                    std::string inputs;
                    char line[80];
                    for (const unsigned n : {places.a, places.b, places.c}) {
                        std::snprintf(line, sizeof line, " v%u=%016lx:%016lx", n, want.v[n].hi,
                                      want.v[n].lo);
                        inputs += line;
                    }
                    std::snprintf(line, sizeof line, " x1=%lx", want.x[1]);
                    inputs += line;
                    (void)interpret(block, want);
                    host.run();
                    const std::string text = difference(want, host.state);
                    if (!text.empty() && differences++ == 0) {
                        first = inputs + " gives" + text;
                    }
                }
                INFO(test.name << " fpcr " << std::hex << fpcr << " into v" << std::dec << places.d
                               << ":" << first);
                CHECK(differences == 0);
            }
        }
    }
}

// FPCR.FZ: two singles, neither of them denormal, can be a denormal double, and two halves a
// denormal single. Only their own size of lanes is known to be flushed.
TEST_CASE("x64 narrowing looks for denormals in lanes that were computed narrower", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    static CpuState want;
    struct Row {
        Shape shape;
        u64 low; // v1, to which zero is added
    };
    constexpr Row kRows[] = {{shape::S2, 0x0000'0000'3f80'0000},
                             {shape::H4, 0x3c00'0000'0000'3c00}};
    for (const Row& row : kRows) {
        Block block;
        block.reset({0x1000, BlockMode::from_fpcr(1ull << 24)});
        Builder b{block};
        b.begin_guest_instruction(0x1000, 0);
        const Value sum = b.vec(Opcode::FAdd, row.shape, {b.get(v_slot(1)), b.get(v_slot(2))});
        b.set(v_slot(0),
              b.vec(Opcode::VFCvtN, row.shape, {sum}, static_cast<u64>(Rounding::Current)));
        block.exit = ExitTo{ExitReason::Halt, 0x1004};
        block.recount_uses();
        host.compile(block, false);
        host.state.v[1] = {row.low, 0};
        host.state.v[2] = {};
        host.state.fpcr = 1ull << 24;
        host.state.fpsr = fpsr::kIXC;
        copy_inputs(host.state, want);
        (void)interpret(block, want);
        host.run();
        INFO(row.shape.lane_bits() << difference(want, host.state));
        CHECK((want.fpsr & fpsr::kIDC) != 0);
        CHECK(difference(want, host.state).empty());
    }
}

// Several instructions in a block: registers run out, values die, results feed each other.
TEST_CASE("x64 floating point instruction sequences equal the interpreter", "[fp][x64]") {
    static Host host;
    if (!host.works()) {
        WARN("skipped: this host lacks x86-64-v3");
        return;
    }
    std::vector<const frontend::EncodingInfo*> rows;
    for (const frontend::EncodingInfo& info : frontend::encodings()) {
        const std::string_view name = info.name;
        if (frontend::FeatureSet{frontend::Feature::FP, frontend::Feature::AdvSIMD,
                                 frontend::Feature::FP16, frontend::Feature::FHM}
                .has(info.feature) &&
            (name[0] == 'F' || name.starts_with("CVTF"))) {
            rows.push_back(&info);
        }
    }
    static CpuState want;
    Random random{5};
    for (unsigned n = 0; n < test_effort(6000); ++n) {
        Words source;
        const unsigned register_mask = random.below(2) ? ~0u : random.below(2) ? 0b01011 : 0b11100;
        while (source.code.size() < 1 + n % 12) {
            const frontend::EncodingInfo& info =
                *rows[random.below(static_cast<unsigned>(rows.size()))];
            u32 word = info.bits | (static_cast<u32>(random.next()) & ~info.mask);
            for (const unsigned lsb : {0u, 5u, 16u}) { // few registers: more dependencies
                const u32 field = 0x1fu << lsb;
                if ((info.mask & field) == 0) {
                    word &= ~field | register_mask << lsb;
                }
            }
            if (allocated(word)) {
                source.code.push_back(word);
            }
        }
        const u64 fpcr = kModes[random.below(2) ? 0 : random.below(std::size(kModes))];
        Block block;
        frontend::TranslateOptions options;
        options.max_instructions = static_cast<unsigned>(source.code.size());
        const u32 traps = random.below(2) ? BlockMode::kTrapsFp : 0;
        frontend::translate({Words::kBase, {BlockMode::from_fpcr(fpcr).bits | traps}}, source,
                            options, block);
        block.exit = ExitTo{ExitReason::Halt, Words::kBase};
        Block optimised = block;
        run_passes(optimised, {.enabled = random.below(4) != 0});
        host.compile(optimised, random.below(8) == 0);
        for (unsigned i = 0; i < 8; ++i) {
            randomise(host.state, 16u << random.below(3), random);
            host.state.fpcr = fpcr;
            copy_inputs(host.state, want);
            (void)interpret(block, want);
            host.run();
            const std::string text = difference(want, host.state);
            std::string words;
            for (const u32 word : source.code) {
                char line[16];
                std::snprintf(line, sizeof line, " %08x", word);
                words += line;
            }
            INFO("fpcr " << std::hex << fpcr << words << ":" << text);
            CHECK(text.empty());
        }
    }
}
