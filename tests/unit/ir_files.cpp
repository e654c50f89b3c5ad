// Runs tests/ir/*.ir. A file is a sequence of cases; lines that start with '!' are directives:
//
//   ! case NAME
//   ! optimize [PASS...]       then a block: it is verified, goes through the passes (all of them,
//   or those
//                              named and dead_code), is verified after each, and must print as the
//                              block that follows `! expect`
//   ! run [CELL=VALUE...]      then a block: it is executed with and without passes on a state
//   where the
//                              cells are set and all else is zero; then
//   ! expect CELL=VALUE...     must hold, and every other cell must be unchanged
//
// CELL is a slot ("x0", "v1"), or "pc", "reason", "arg", "fpsr", or "[offset]" for 8 bytes of a 4
// KiB scratch memory. VALUE is a number, HI:LO for 128 bits, an exit reason, or "mem" /
// "mem+offset" for an address in that memory.
#define FMT_HEADER_ONLY
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <sstream>

#include "ir/interpreter.h"
#include "ir/opt/passes.h"
#include "ir/opt/pipeline.h"
#include "ir/parser.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::ir;

namespace {

struct Case {
    std::string name;
    std::string action; // "optimize" or "run"
    std::vector<std::string> arguments;
    std::string block;
    std::vector<std::string> expected_cells;
    std::string expected_block;
};

std::vector<std::string> words(const std::string& line) {
    std::istringstream stream{line};
    std::vector<std::string> result;
    for (std::string word; stream >> word;) {
        result.push_back(word);
    }
    return result;
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::vector<Case> cases;
    bool expecting = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with('!')) {
            std::vector<std::string> directive = words(line.substr(1));
            REQUIRE(!directive.empty());
            const std::string verb = directive.front();
            directive.erase(directive.begin());
            if (verb == "case") {
                cases.push_back({line.substr(6), "", {}, "", {}, ""});
                expecting = false;
                continue;
            }
            REQUIRE(!cases.empty());
            Case& current = cases.back();
            if (verb == "expect") {
                expecting = true;
                current.expected_cells = directive;
            } else {
                REQUIRE((verb == "optimize" || verb == "run"));
                current.action = verb;
                current.arguments = directive;
            }
        } else if (!cases.empty()) {
            (expecting ? cases.back().expected_block : cases.back().block) += line + '\n';
        }
    }
    return cases;
}

Block parse_and_verify(const std::string& text) {
    Block block;
    REQUIRE(parse(text, block) == "");
    REQUIRE(verify(block) == "");
    return block;
}

void verify_after_pass(const Block& block, const char* pass, void*) {
    INFO("after pass " << pass);
    REQUIRE(verify(block) == "");
}

struct NamedPass {
    const char* name;
    void (*run)(Block&);
};
constexpr NamedPass kPasses[] = {
    {"rewrite", opt::rewrite},
    {"dead_code", opt::eliminate_dead_code},
};

void run_optimize(const Case& test) {
    Block block = parse_and_verify(test.block);
    if (test.arguments.empty()) {
        run_passes(block, {true, verify_after_pass, nullptr});
    }
    for (const std::string& name : test.arguments) {
        const auto* const pass = std::find_if(std::begin(kPasses), std::end(kPasses),
                                              [&](const NamedPass& p) { return p.name == name; });
        REQUIRE(pass != std::end(kPasses));
        pass->run(block);
        verify_after_pass(block, pass->name, nullptr);
    }
    opt::eliminate_dead_code(block);
    CHECK(print(block) == print(parse_and_verify(test.expected_block)));
}

// --- run

alignas(64) u64 scratch_memory[512];

V128 parse_value(const std::string& text) {
    if (text.starts_with("mem")) {
        const u64 offset = text.size() > 3 ? std::stoull(text.substr(4), nullptr, 0) : 0;
        return {reinterpret_cast<u64>(scratch_memory) + offset, 0};
    }
    for (unsigned i = 0; i < kExitReasonCount; ++i) {
        if (text == exit_reason_name(static_cast<ExitReason>(i))) {
            return {i, 0};
        }
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string::npos) {
        return {std::stoull(text.substr(colon + 1), nullptr, 0),
                std::stoull(text.substr(0, colon), nullptr, 0)};
    }
    return {std::stoull(text, nullptr, 0), 0};
}

using Cells = std::map<std::string, V128>;

Cells parse_cells(const std::vector<std::string>& assignments) {
    Cells cells;
    for (const std::string& text : assignments) {
        const std::size_t equals = text.find('=');
        REQUIRE(equals != std::string::npos);
        cells[text.substr(0, equals)] = parse_value(text.substr(equals + 1));
    }
    return cells;
}

Cells observe(const CpuState& state) {
    Cells cells;
    for (unsigned i = 0; i < kSlotCount; ++i) {
        const Slot slot = static_cast<Slot>(i);
        const char* const cell = reinterpret_cast<const char*>(&state) + slot_offset(slot);
        V128 value;
        std::memcpy(&value, cell,
                    slot_type(slot) == Type::V128   ? 16
                    : slot_type(slot) == Type::Nzcv ? 4
                                                    : 8);
        cells[slot_name(slot)] = value;
    }
    cells["pc"] = {state.pc, 0};
    cells["reason"] = {state.exit_reason, 0};
    cells["arg"] = {state.exit_arg, 0};
    cells["fpsr"] = {state.fpsr, 0};
    for (unsigned i = 0; i < std::size(scratch_memory); ++i) {
        cells[fmt::format("[{}]", i * 8)] = {scratch_memory[i], 0};
    }
    return cells;
}

void write_cells(CpuState& state, const Cells& cells) {
    std::memset(scratch_memory, 0, sizeof(scratch_memory));
    for (const auto& [name, value] : cells) {
        if (name.starts_with("[")) {
            std::memcpy(reinterpret_cast<char*>(scratch_memory) +
                            std::stoull(name.substr(1), nullptr, 0),
                        &value.lo, 8);
            continue;
        }
        bool found = false;
        for (unsigned i = 0; i < kSlotCount; ++i) {
            const Slot slot = static_cast<Slot>(i);
            if (name == slot_name(slot)) {
                std::memcpy(reinterpret_cast<char*>(&state) + slot_offset(slot), &value,
                            slot_type(slot) == Type::V128   ? 16
                            : slot_type(slot) == Type::Nzcv ? 4
                                                            : 8);
                found = true;
            }
        }
        REQUIRE(found);
    }
}

void run_block(const Case& test) {
    for (const bool with_passes : {false, true}) {
        INFO((with_passes ? "with passes" : "without passes"));
        Block block = parse_and_verify(test.block);
        run_passes(block, {with_passes, verify_after_pass, nullptr});
        const auto state = std::make_unique<CpuState>();
        write_cells(*state, parse_cells(test.arguments));
        Cells expected = observe(*state);
        expected.erase("pc");
        expected.erase("reason");
        interpret(block, *state);
        for (const auto& [name, value] : parse_cells(test.expected_cells)) {
            expected[name] = value;
        }
        const Cells actual = observe(*state);
        for (const auto& [name, value] : expected) {
            REQUIRE(actual.contains(name));
            INFO(name << " is " << std::hex << actual.at(name).hi << ":" << actual.at(name).lo
                      << ", expected " << value.hi << ":" << value.lo);
            CHECK(actual.at(name) == value);
        }
    }
}

} // namespace

TEST_CASE("IR files", "[ir]") {
    unsigned cases = 0;
    for (const auto& entry : std::filesystem::directory_iterator(ULNA_TEST_DIR "/ir")) {
        if (entry.path().extension() != ".ir") {
            continue;
        }
        for (const Case& test : read_cases(entry.path())) {
            INFO(entry.path().filename().string() << ": " << test.name);
            ++cases;
            if (test.action == "optimize") {
                run_optimize(test);
            } else {
                REQUIRE(test.action == "run");
                run_block(test);
            }
        }
    }
    CHECK(cases >= 10);
}
