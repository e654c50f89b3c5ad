// The long form of x64_fp.cpp, `unit_tests "[fp-proof]"`: all pairs of edge values, 10^6 random
// operands of every operation with more than one (else 10^5) and, of one half-precision operand,
// all 65536.
#include "tests/unit/x64_fp_cases.h"

using namespace ulna;
using namespace ulna::ir;
using namespace ulna::test;

namespace {

// Runs `test` under `fpcr` on operands that `fill` puts into V1, V2, V3 and X1, until it says that
// there are no more; compares the result's registers and FPSR.
class Proof {
  public:
    explicit Proof(Host& host) : host_{host} {}

    template <class Fill> void run(const Case& test, BlockMode mode, Fill fill) {
        constexpr Places at{0, 1, 2, 3};
        const u64 fpcr = mode.fpcr();
        Block block = block_of(test, fpcr, at);
        block.key.mode = mode;
        host_.compile(block, false);
        static CpuState want;
        CpuState& got = host_.state;
        got.fpcr = fpcr;
        got.nzcv = 0;
        unsigned differences = 0;
        std::string first;
        for (unsigned i = 0; fill(got); ++i) {
            got.fpsr = i % 3 == 0 ? 0 : fpsr::kIXC; // decides where FPCR.FZ computes inline
            copy_inputs(got, want);
            (void)interpret(block, want);
            host_.run();
            ++count;
            const bool equal = got.v[0] == want.v[0] && got.x[0] == want.x[0] &&
                               got.fpsr == want.fpsr && got.nzcv == want.nzcv;
            if (!equal && differences++ == 0) {
                char line[200];
                std::snprintf(line, sizeof line, " v1=%016lx:%016lx v2=%016lx:%016lx", want.v[1].hi,
                              want.v[1].lo, want.v[2].hi, want.v[2].lo);
                first = line;
                std::snprintf(line, sizeof line, " v3=%016lx:%016lx x1=%lx gives", want.v[3].hi,
                              want.v[3].lo, want.x[1]);
                first += line + difference(want, got);
            }
        }
        INFO(test.name << " mode " << std::hex << mode.bits << ":" << first);
        CHECK(differences == 0);
    }
    u64 count = 0;

  private:
    Host& host_;
};

void set_lane_bits(V128& v, unsigned lane_bits, unsigned lane, u64 value) {
    switch (lane_bits) {
    case 16:
        v.set_lane<u16>(lane, static_cast<u16>(value));
        break;
    case 32:
        v.set_lane<u32>(lane, static_cast<u32>(value));
        break;
    default:
        v.set_lane<u64>(lane, value);
        break;
    }
}

[[nodiscard]] std::vector<u64> edges_of(unsigned lane_bits) {
    std::vector<u64> values;
    const auto add = [&](const auto& edges) { values.assign(edges.begin(), edges.end()); };
    lane_bits == 16   ? add(test::edge_values<Half>())
    : lane_bits == 32 ? add(test::edge_values<Single>())
                      : add(test::edge_values<Double>());
    return values;
}

// RMode in all values, with each of FZ16, FZ, DN and AHP alone and all of them together; and with
// AH and FIZ of FEAT_AFP, without and with these. Without and with traps, where they say anything.
[[nodiscard]] std::vector<BlockMode> proof_modes() {
    std::vector<BlockMode> modes;
    for (u64 rmode = 0; rmode < 4; ++rmode) {
        for (const u64 bits :
             {0ull, 1ull << 19, 1ull << 24, 1ull << 25, 1ull << 26,
              1ull << 19 | 1ull << 24 | 1ull << 25 | 1ull << 26, 1ull, 2ull, 3ull, 1ull << 24 | 2,
              1ull << 25 | 2, 1ull << 19 | 1ull << 24 | 1ull << 25 | 1ull << 26 | 3}) {
            const BlockMode mode = BlockMode::from_fpcr(rmode << 22 | bits);
            modes.push_back(mode);
            if (const BlockMode traps{mode.bits | BlockMode::kTrapsFp}; traps.traps_fp()) {
                modes.push_back(traps);
            }
        }
    }
    return modes;
}

} // namespace

TEST_CASE("x64 floating point equals the exact code on all pairs of edge values", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    Random random{11};
    for (const Case& test : all_cases()) {
        const std::vector<u64> edges = edges_of(test.lane_bits);
        const std::size_t count = edges.size();
        const auto any_edge = [&] { return edges[random.below(static_cast<unsigned>(count))]; };
        const unsigned lanes = 128 / test.lane_bits;
        for (const BlockMode mode : proof_modes()) {
            // Lane 0 goes through all pairs, so that scalars do; the others hold other pairs.
            std::size_t pair = 0;
            const std::size_t pairs = test.operands == 1 ? count : count * count;
            proof.run(test, mode, [&](CpuState& state) {
                if (pair == pairs) {
                    return false;
                }
                for (unsigned lane = 0; lane < lanes; ++lane) {
                    const std::size_t p = (pair + lane * 37) % pairs;
                    set_lane_bits(state.v[1], test.lane_bits, lane, edges[p % count]);
                    set_lane_bits(state.v[2], test.lane_bits, lane, edges[p / count]);
                    set_lane_bits(state.v[3], test.lane_bits, lane, any_edge());
                }
                state.x[1] = random.next() >> random.below(64);
                ++pair;
                return true;
            });
        }
    }
    WARN(proof.count << " comparisons");
}

TEST_CASE("x64 floating point equals the exact code on random operands", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    Random random{12};
    for (const Case& test : all_cases()) {
        const std::vector<BlockMode> modes = proof_modes();
        for (const BlockMode mode : modes) {
            std::size_t left = (test.operands == 1 ? 100'000 : 1'000'000) / modes.size();
            proof.run(test, mode, [&](CpuState& state) {
                for (unsigned n = 1; n <= 3; ++n) {
                    for (unsigned lane = 0; lane < 128 / test.lane_bits; ++lane) {
                        set_lane_bits(state.v[n], test.lane_bits, lane,
                                      test.lane_bits == 16   ? test::random_value<Half>(random)
                                      : test.lane_bits == 32 ? test::random_value<Single>(random)
                                                             : test::random_value<Double>(random));
                    }
                }
                state.x[1] = random.next() >> random.below(64);
                return left-- != 0;
            });
        }
    }
    WARN(proof.count << " comparisons");
}

TEST_CASE("x64 operations of one half equal the exact code on all halves", "[.][fp-proof]") {
    static Host host;
    REQUIRE(host.works());
    Proof proof{host};
    for (const Case& test : all_cases()) {
        if (test.lane_bits != 16 || test.operands != 1) {
            continue;
        }
        for (const BlockMode mode : proof_modes()) {
            u32 half = 0;
            proof.run(test, mode, [&](CpuState& state) {
                for (unsigned lane = 0; lane < 8; ++lane) {
                    state.v[1].set_lane<u16>(lane, static_cast<u16>(half + lane * 0x1111));
                }
                return half++ != 0x10000;
            });
        }
    }
    WARN(proof.count << " comparisons");
}
