// Every Advanced SIMD integer and cryptographic encoding against qemu-aarch64: lifted and
// interpreted, and lifted, optimised and translated to host code.
//
// The test writes a static Arm program that needs no toolchain: for each case it loads X0-X7 and
// V0-V31 from an input record, clears FPSR, executes one instruction, and stores registers and FPSR
// to an output record, all of which it finally writes to standard output. Skipped when qemu-aarch64
// is not installed.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/frontend.h"
#include "ir/opt/pipeline.h"
#include "ir/support/bits.h"
#include "tests/support/catch.h"
#include "tests/support/peer.h"
#include "tests/support/peer_program.h"
#include "tests/unit/simd_values.h"
#include "tests/unit/x64_harness.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

constexpr unsigned kCasesPerEncoding = 40;

struct Record {
    u64 x[8];
    V128 v[32];
    u64 fpsr;
    u64 reserved;
};
static_assert(sizeof(Record) == 592 && offsetof(Record, v) == 64 && offsetof(Record, fpsr) == 576);

struct TestCase {
    u32 word;
    const char* name;
    Record input;
};

using test::Random;
using test::random_half;
using test::random_vector;
using test::X64Runner;

// --- cases

[[nodiscard]] bool is_ours(const frontend::EncodingInfo& info) {
    using enum frontend::Feature;
    constexpr frontend::FeatureSet kFeatures{AdvSIMD, AES,    PMULL, SHA1, SHA256, RDM,
                                             DotProd, SHA512, SHA3,  I8MM, SM3,    SM4};
    const bool is_load_store = (info.bits & 0x0a000000) == 0x08000000; // of structures
    const bool is_simd_row = kFeatures.has(info.feature) && !is_load_store;
    // FP rows have their own tests. Theirs have opcodes 11xxx and the like, ours the names below.
    // Loads and stores of structures would need addresses.
    const std::string_view name = info.name;
    return is_simd_row && (name == "FMOV_vimm" || (name[0] != 'F' && !name.starts_with("LD_") &&
                                                   name.find("CVTF") == name.npos));
}

// Registers of the integer file stay within X0-X7.
[[nodiscard]] u32 limit_general_registers(std::string_view name, u32 word) {
    if (name == "UMOV" || name == "SMOV") {
        return word & ~0x18u;
    }
    return name == "DUP_general" || name == "INS_general" ? word & ~0x300u : word;
}

[[nodiscard]] Record random_record(Random& random) {
    Record record{};
    for (u64& x : record.x) {
        x = random_half(random);
    }
    for (V128& v : record.v) {
        v = random_vector(random);
    }
    return record;
}

// --- the interpreter's answer

class OneWord final : public frontend::CodeSource {
  public:
    explicit OneWord(u32 word) : word_{word} {}
    std::span<const u32> words(GuestAddr pc) override {
        return pc == test::kPeerCode ? std::span<const u32>{&word_, 1} : std::span<const u32>{};
    }

  private:
    u32 word_;
};

// Translates one instruction; false when the encoding is unallocated.
[[nodiscard]] bool translate_word(u32 word, Block& block) {
    OneWord source{word};
    BlockKey key{};
    key.pc = test::kPeerCode;
    frontend::TranslateOptions options;
    options.max_instructions = 1;
    frontend::translate(key, source, options, block);
    const auto* exit = std::get_if<ExitTo>(&block.exit);
    return exit == nullptr || exit->reason != ExitReason::Undefined;
}

void set_registers(CpuState& state, const Record& input) {
    std::copy(std::begin(input.x), std::end(input.x), state.x);
    std::copy(std::begin(input.v), std::end(input.v), state.v);
    state.fpsr = 0;
}
[[nodiscard]] Record registers(const CpuState& state) {
    Record output{};
    std::copy(state.x, state.x + 8, output.x);
    std::copy(std::begin(state.v), std::end(state.v), output.v);
    output.fpsr = state.fpsr;
    return output;
}

[[nodiscard]] Record interpret_case(const Block& block, const Record& input) {
    static CpuState state;
    set_registers(state, input);
    (void)interpret(block, state);
    return registers(state);
}

[[nodiscard]] Record run_case(X64Runner& host, Block& block, const Record& input) {
    run_passes(block, {});
    host.reset();
    set_registers(*host.state, input);
    (void)host.run(block);
    return registers(*host.state);
}

// --- the program

// A64 encodings the harness needs. X28 and X29 point to the current records, X30 is scratch.
constexpr u32 kIn = 28, kOut = 29, kScratch = 30;
constexpr u32 pair(u32 opcode, unsigned register1, unsigned scaled_offset, u32 base) {
    return opcode | scaled_offset << 15 | (register1 + 1) << 10 | base << 5 | register1;
}
constexpr u32 kLdpX = 0xa9400000, kStpX = 0xa9000000, kLdpQ = 0xad400000, kStpQ = 0xad000000;
constexpr u32 kMsrFpsr = 0xd51b4420, kMrsFpsr = 0xd53b4420, kXzr = 31;
constexpr u32 movz(u32 Rd, u32 imm16, u32 shift16) {
    return 0xd2800000 | shift16 << 21 | imm16 << 5 | Rd;
}
constexpr u32 movk(u32 Rd, u32 imm16, u32 shift16) {
    return 0xf2800000 | shift16 << 21 | imm16 << 5 | Rd;
}
constexpr u32 add_imm(u32 Rd, u32 imm12) { return 0x91000000 | imm12 << 10 | Rd << 5 | Rd; }

void emit_address(std::vector<u32>& code, u32 Rd, u64 value) {
    code.push_back(movz(Rd, value & 0xffff, 0));
    code.push_back(movk(Rd, value >> 16 & 0xffff, 1));
}

void emit_register_moves(std::vector<u32>& code, u32 x_opcode, u32 q_opcode, u32 base) {
    for (unsigned n = 0; n < 8; n += 2) {
        code.push_back(pair(x_opcode, n, n, base));
    }
    for (unsigned n = 0; n < 32; n += 2) {
        code.push_back(pair(q_opcode, n, offsetof(Record, v) / 16 + n, base));
    }
}

void emit_case(std::vector<u32>& code, u32 word) {
    emit_register_moves(code, kLdpX, kLdpQ, kIn);
    code.push_back(kMsrFpsr | kXzr);
    code.push_back(word);
    emit_register_moves(code, kStpX, kStpQ, kOut);
    code.push_back(kMrsFpsr | kScratch);
    code.push_back(0xf9000000 | offsetof(Record, fpsr) / 8 << 10 | kOut << 5 | kScratch); // str
    code.push_back(add_imm(kIn, sizeof(Record)));
    code.push_back(add_imm(kOut, sizeof(Record)));
}

[[nodiscard]] std::vector<u32> program(const std::vector<TestCase>& cases) {
    std::vector<u32> code;
    emit_address(code, kIn, test::kPeerInput);
    emit_address(code, kOut, test::kPeerOutput);
    for (const TestCase& test : cases) {
        emit_case(code, test.word);
    }
    const u32 kWrite = 64, kExit = 93, kSvc = 0xd4000001;
    code.push_back(movz(0, 1, 0));
    emit_address(code, 1, test::kPeerOutput);
    emit_address(code, 2, cases.size() * sizeof(Record));
    code.insert(code.end(), {movz(8, kWrite, 0), kSvc, movz(0, 0, 0), movz(8, kExit, 0), kSvc});
    return code;
}

[[nodiscard]] std::vector<Record> run_with_qemu(const std::vector<TestCase>& cases) {
    std::vector<Record> inputs;
    for (const TestCase& test : cases) {
        inputs.push_back(test.input);
    }
    return test::run_on_peer<Record>(program(cases), inputs, cases.size());
}

[[nodiscard]] std::string difference(const Record& expected, const Record& actual) {
    std::string text;
    char line[160];
    for (unsigned n = 0; n < 32; ++n) {
        if (expected.v[n] != actual.v[n]) {
            std::snprintf(line, sizeof line, " v%u=%016lx:%016lx, expected %016lx:%016lx", n,
                          actual.v[n].hi, actual.v[n].lo, expected.v[n].hi, expected.v[n].lo);
            text += line;
        }
    }
    for (unsigned n = 0; n < 8; ++n) {
        if (expected.x[n] != actual.x[n]) {
            std::snprintf(line, sizeof line, " x%u=%lx, expected %lx", n, actual.x[n],
                          expected.x[n]);
            text += line;
        }
    }
    if (expected.fpsr != actual.fpsr) {
        std::snprintf(line, sizeof line, " fpsr=%lx, expected %lx", actual.fpsr, expected.fpsr);
        text += line;
    }
    return text;
}

void check_results(const std::vector<TestCase>& cases,
                   const std::vector<Record>& expected,
                   const std::vector<Record>& actual) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::string text = difference(expected[i], actual[i]);
        INFO(cases[i].name << " " << std::hex << cases[i].word << ":" << text);
        CHECK(text.empty());
    }
}

} // namespace

TEST_CASE("Advanced SIMD integer and crypto instructions equal qemu-aarch64", "[simd][qemu]") {
    if (const std::string unfit = test::why_unfit_as_peer("qemu-aarch64"); !unfit.empty()) {
        WARN("skipped: " + unfit);
        return;
    }
    X64Runner host;
    Random random{1};
    std::vector<TestCase> cases;
    std::vector<Record> interpreted, translated;
    Block block;
    for (const frontend::EncodingInfo& info : frontend::encodings()) {
        if (!is_ours(info)) {
            continue;
        }
        unsigned allocated = 0;
        for (unsigned n = 0; n < kCasesPerEncoding; ++n) {
            u32 word = info.bits | (static_cast<u32>(random()) & ~info.mask);
            word = limit_general_registers(info.name, word);
            const char* const name = frontend::encoding_name(word);
            if (name == nullptr || name != std::string_view{info.name} ||
                !translate_word(word, block)) {
                continue;
            }
            ++allocated;
            cases.push_back({word, info.name, random_record(random)});
            interpreted.push_back(interpret_case(block, cases.back().input));
            if (host.available()) {
                translated.push_back(run_case(host, block, cases.back().input));
            }
        }
        INFO(info.name);
        CHECK(allocated > 0);
    }
    const std::vector<Record> expected = run_with_qemu(cases);
    REQUIRE(expected.size() == cases.size());
    check_results(cases, expected, interpreted);
    if (host.available()) {
        check_results(cases, expected, translated);
    }
}
