// Every floating-point encoding, lifted and interpreted, against qemu-aarch64: values, FPSR and
// NZCV over edge values in all rounding, flush and default-NaN modes.
//
// The test writes a static Arm program that needs no toolchain. For each instruction word it loops
// over one table of input records: load V0-V3, X1, FPCR and NZCV, clear FPSR, execute the word,
// store V0, X0, FPSR and NZCV. Words use V0/X0 as destination, V1/X1, V2 and V3 as sources. Skipped
// without qemu-aarch64. The long form, `unit_tests "[fp-proof]"`, takes all pairs of edge values.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "frontend/frontend.h"
#include "ir/interpreter.h"
#include "tests/unit/fp_host.h"

#include "tests/support/catch.h"
#include "tests/support/peer.h"
#include "tests/support/peer_program.h"

using namespace ulna;
using namespace ulna::ir;
using test::Random;

namespace {

constexpr unsigned kInputCount = 1600, kWordsPerEncoding = 10;

struct Input {
    V128 v[4];
    u64 x1, fpcr, nzcv, reserved;
};
static_assert(sizeof(Input) == 96);
struct Output {
    V128 v0;
    u64 x0, fpsr, nzcv, reserved;
    bool operator==(const Output&) const = default;
};
static_assert(sizeof(Output) == 48);

// --- words

// A random word of a row, with the register fields where the harness wants them.
[[nodiscard]] u32 random_word(const frontend::EncodingInfo& info, Random& random) {
    u32 word = info.bits | (static_cast<u32>(random.next()) & ~info.mask);
    const std::map<std::string_view, u32> registers = {
        {"Rd:5", 0}, {"Rn:5", 1}, {"Rm:5", 2}, {"Ra:5", 3}};
    unsigned left = 32;
    std::string_view pattern = info.pattern;
    while (!pattern.empty()) {
        const std::string_view token = pattern.substr(0, pattern.find(' '));
        pattern.remove_prefix(std::min(pattern.size(), token.size() + 1));
        if (token.find_first_not_of("01-") == token.npos) {
            left -= static_cast<unsigned>(token.size());
            continue;
        }
        const std::size_t colon = token.find(':');
        left -=
            colon == token.npos ? 1 : static_cast<unsigned>(std::atoi(token.data() + colon + 1));
        if (const auto found = registers.find(token); found != registers.end()) {
            word = (word & ~(0x1fu << left)) | found->second << left;
        }
    }
    return word;
}

class OneWord final : public frontend::CodeSource {
  public:
    explicit OneWord(u32 word) : word_{word} {}
    std::span<const u32> words(GuestAddr pc) override {
        return pc == test::kPeerCode ? std::span<const u32>{&word_, 1} : std::span<const u32>{};
    }

  private:
    u32 word_;
};

[[nodiscard]] bool translate_word(u32 word, u64 fpcr, Block& block) {
    OneWord source{word};
    BlockKey key{};
    key.pc = test::kPeerCode;
    key.mode = BlockMode::from_fpcr(fpcr);
    frontend::TranslateOptions options;
    options.max_instructions = 1;
    frontend::translate(key, source, options, block);
    const auto* exit = std::get_if<ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ExitReason::Undefined;
}

[[nodiscard]] std::vector<u32> choose_words(Random& random, unsigned words_per_encoding) {
    std::vector<u32> words;
    Block block;
    for (const frontend::EncodingInfo& info : frontend::encodings()) {
        const std::string_view name = info.name;
        using enum frontend::Feature;
        constexpr frontend::FeatureSet kFeatures{FP,   AdvSIMD, FP16,    FHM,
                                                 FCMA, JSCVT,   FRINTTS, BF16};
        const bool ours = kFeatures.has(info.feature) &&
                          (name[0] == 'F' || name.starts_with("CVTF") || name.starts_with("BF"));
        for (unsigned n = 0; ours && n < words_per_encoding; ++n) {
            const u32 word = random_word(info, random);
            const char* const row = frontend::encoding_name(word);
            if (row != nullptr && row == name &&
                std::find(words.begin(), words.end(), word) == words.end() &&
                translate_word(word, 0, block)) {
                words.push_back(word);
            }
        }
    }
    return words;
}

// --- inputs

template <class F>
[[nodiscard]] V128 random_lanes(Random& random, const std::vector<BitsOf<F>>& edges) {
    V128 v;
    for (unsigned i = 0; i < 128 / F::kBits; ++i) {
        const bool edge = random.below(3) != 0;
        v.set_lane<BitsOf<F>>(i, edge ? edges[random.below(static_cast<unsigned>(edges.size()))]
                                      : test::random_value<F>(random));
    }
    return v;
}

void randomise_mode(Input& input, Random& random) {
    const unsigned shift = random.below(64);
    input.x1 = random.below(2) ? random.next() >> shift : (u64{1} << shift) - random.below(2);
    const u64 rmode = random.below(4) << 22, fz = u64{random.below(3) == 0} << 24,
              dn = u64{random.below(4) == 0} << 25, ahp = u64{random.below(4) == 0} << 26,
              fz16 = u64{random.below(3) == 0} << 19, afp = random.below(2) ? random.below(8) : 0;
    input.fpcr = fz16 | rmode | fz | dn | ahp | afp;
    input.nzcv = u64{random.below(16)} << 28;
}

[[nodiscard]] std::vector<Input> choose_inputs(Random& random) {
    const auto halves = test::edge_values<Half>();
    const auto singles = test::edge_values<Single>();
    const auto doubles = test::edge_values<Double>();
    std::vector<Input> inputs(kInputCount);
    for (Input& input : inputs) {
        const unsigned kind = random.below(9);
        for (V128& v : input.v) {
            v = kind < 3   ? random_lanes<Half>(random, halves)
                : kind < 6 ? random_lanes<Single>(random, singles)
                           : random_lanes<Double>(random, doubles);
        }
        randomise_mode(input, random);
    }
    return inputs;
}

// All pairs of edge values in lane 0 of V1 and V2; lane 0 of V3, of the old V0 and the other lanes
// have random ones.
template <class F> void append_pairs(std::vector<Input>& inputs, Random& random) {
    using T = BitsOf<F>;
    const auto edges = test::edge_values<F>();
    for (const T a : edges) {
        for (const T b : edges) {
            Input& input = inputs.emplace_back();
            for (V128& v : input.v) {
                v = random_lanes<F>(random, edges);
            }
            input.v[1].set_lane<T>(0, a);
            input.v[2].set_lane<T>(0, b);
            randomise_mode(input, random);
        }
    }
}

[[nodiscard]] Output interpret_case(const Block& block, const Input& input) {
    static CpuState state;
    std::copy(std::begin(input.v), std::end(input.v), state.v);
    state.x[0] = 0;
    state.x[1] = input.x1;
    state.fpcr = input.fpcr;
    state.nzcv = static_cast<u32>(input.nzcv >> 28);
    state.fpsr = 0;
    (void)interpret(block, state);
    return {state.v[0], state.x[0], state.fpsr, u64{state.nzcv} << 28, 0};
}

// --- the program. X28 and X29 point to the records, X27 counts, X9 and X10 are scratch.
constexpr u32 movz(u32 Rd, u64 imm16, u32 half) {
    return 0xd2800000 | half << 21 | (imm16 & 0xffff) << 5 | Rd;
}
constexpr u32 movk(u32 Rd, u64 imm16, u32 half) {
    return 0xf2800000 | half << 21 | (imm16 & 0xffff) << 5 | Rd;
}

void emit_number(std::vector<u32>& code, u32 Rd, u64 value) {
    code.push_back(movz(Rd, value, 0));
    code.push_back(movk(Rd, value >> 16, 1));
}

void emit_loop(std::vector<u32>& code, u32 word, std::size_t input_count) {
    emit_number(code, 28, test::kPeerInput);
    emit_number(code, 27, input_count);
    const std::size_t start = code.size();
    code.insert(code.end(), {
                                0xad400780, // ldp q0, q1, [x28]
                                0xad410f82, // ldp q2, q3, [x28, #32]
                                0xa9442781, // ldp x1, x9, [x28, #64]
                                0xf9402b8a, // ldr x10, [x28, #80]
                                0xd2800000, // mov x0, #0
                                0xd51b4409, // msr fpcr, x9
                                0xd51b443f, // msr fpsr, xzr
                                0xd51b420a, // msr nzcv, x10
                                word,
                                0xd53b4429, // mrs x9, fpsr
                                0xd53b420a, // mrs x10, nzcv
                                0xd51b441f, // msr fpcr, xzr
                                0x3d8003a0, // str q0, [x29]
                                0xa90127a0, // stp x0, x9, [x29, #16]
                                0xf90013aa, // str x10, [x29, #32]
                                0x9101839c, // add x28, x28, #96
                                0x9100c3bd, // add x29, x29, #48
                                0xd100077b, // sub x27, x27, #1
                            });
    const u32 distance = static_cast<u32>(start - code.size()) & 0x7ffff;
    code.push_back(0xb5000000 | distance << 5 | 27); // cbnz x27, start
}

[[nodiscard]] std::vector<u32> program(std::span<const u32> words, std::size_t input_count) {
    std::vector<u32> code;
    emit_number(code, 29, test::kPeerOutput);
    for (const u32 word : words) {
        emit_loop(code, word, input_count);
    }
    const u32 kWrite = 64, kExit = 93, kSvc = 0xd4000001;
    emit_number(code, 1, test::kPeerOutput);
    emit_number(code, 19, words.size() * input_count * sizeof(Output));
    const u32 retry[] = {
        movz(0, 1, 0),
        0xaa1303e2 /* mov x2, x19 */,
        movz(8, kWrite, 0),
        kSvc,
        0x8b000021 /* add x1, x1, x0 */,
        0xeb000273 /* subs x19, x19, x0 */,
        0x54000000 | ((0x80000 - 6) & 0x7ffff) << 5 | 1 /* b.ne */,
    };
    code.insert(code.end(), std::begin(retry), std::end(retry));
    code.insert(code.end(), {movz(0, 0, 0), movz(8, kExit, 0), kSvc});
    return code;
}

[[nodiscard]] std::vector<Output> run_with_qemu(std::span<const u32> words,
                                                const std::vector<Input>& inputs) {
    return test::run_on_peer<Output>(program(words, inputs.size()), inputs,
                                     words.size() * inputs.size());
}

[[nodiscard]] std::string describe(const Input& input, const Output& want, const Output& got) {
    std::string text;
    char line[200];
    for (unsigned n = 0; n < 4; ++n) {
        std::snprintf(line, sizeof line, " v%u=%016lx:%016lx", n, input.v[n].hi, input.v[n].lo);
        text += line;
    }
    std::snprintf(line, sizeof line, " x1=%lx fpcr=%lx nzcv=%lx", input.x1, input.fpcr, input.nzcv);
    text += line;
    for (const Output* out : {&got, &want}) {
        std::snprintf(line, sizeof line, "\n  %s v0=%016lx:%016lx x0=%lx fpsr=%lx nzcv=%lx",
                      out == &got ? "got " : "want", out->v0.hi, out->v0.lo, out->x0, out->fpsr,
                      out->nzcv);
        text += line;
    }
    return text;
}

// With FPCR.AH, QEMU 10.0 changes the sign of NaNs in these (tests/fuzz/exclusions.txt).
[[nodiscard]] bool is_wrong_with_ah(u32 word) {
    const std::string_view name = frontend::encoding_name(word);
    return name == "FABS_vec" || name == "FABS_half" || name == "FNEG_vec" || name == "FNEG_half";
}

void compare_with_qemu(std::span<const u32> words, const std::vector<Input>& inputs) {
    const std::vector<Output> expected = run_with_qemu(words, inputs);
    REQUIRE(expected.size() == words.size() * inputs.size());
    for (std::size_t w = 0; w < words.size(); ++w) {
        std::map<u64, Block> blocks; // per mode
        unsigned differences = 0;
        std::string first;
        const bool without_ah = is_wrong_with_ah(words[w]);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            if (without_ah && BlockMode::from_fpcr(inputs[i].fpcr).ah()) {
                continue;
            }
            Block& block = blocks[inputs[i].fpcr];
            if (block.guest_pcs.empty()) {
                REQUIRE(translate_word(words[w], inputs[i].fpcr, block));
            }
            const Output got = interpret_case(block, inputs[i]);
            const Output& want = expected[w * inputs.size() + i];
            if (!(got == want) && differences++ == 0) {
                first = describe(inputs[i], want, got);
            }
        }
        INFO(frontend::encoding_name(words[w]) << " " << std::hex << words[w] << first);
        CHECK(differences == 0);
    }
}

} // namespace

TEST_CASE("floating-point instructions equal qemu-aarch64", "[fp][qemu]") {
    if (const std::string unfit = test::why_unfit_as_peer("qemu-aarch64"); !unfit.empty()) {
        WARN("skipped: " + unfit);
        return;
    }
    Random random{1};
    const std::vector<u32> words = choose_words(random, kWordsPerEncoding);
    compare_with_qemu(words, choose_inputs(random));
}

TEST_CASE("floating-point instructions on all pairs of edge values equal qemu-aarch64",
          "[.][fp-proof][qemu]") {
    REQUIRE(test::why_unfit_as_peer("qemu-aarch64") == "");
    Random random{2};
    const std::vector<u32> words = choose_words(random, 3);
    std::vector<Input> inputs;
    append_pairs<Half>(inputs, random);
    append_pairs<Single>(inputs, random);
    append_pairs<Double>(inputs, random);
    constexpr std::size_t kWordsAtOnce = 40; // the outputs of all would need gigabytes
    for (std::size_t first = 0; first < words.size(); first += kWordsAtOnce) {
        const auto some = std::span{words}.subspan(first);
        compare_with_qemu(some.first(std::min(kWordsAtOnce, some.size())), inputs);
    }
    WARN(words.size() * inputs.size() << " comparisons");
}
