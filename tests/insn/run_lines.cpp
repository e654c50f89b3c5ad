// Every line of tests/insn on every configuration of the translator, and that every row has lines.
#include <fstream>
#include <map>
#include <sstream>

#include "frontend/frontend.h"
#include "tests/insn/executors.h"
#include "tests/insn/line.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::insn;

namespace {

std::string name_of(const std::string& path, const NumberedLine& line) {
    return path.substr(path.rfind('/') + 1) + ":" + std::to_string(line.number) + ": " + line.text;
}

std::vector<std::unique_ptr<Executor>> all_executors() {
    std::string why_not;
    auto executors = make_engines(frontend::default_cpu(), why_not);
    INFO(why_not);
    CHECK(executors.size() == 4);
    if (auto tier2 = make_tier2_engine(frontend::default_cpu(), why_not)) {
        executors.push_back(std::move(tier2));
    }
    executors.push_back(std::make_unique<Stepper>(frontend::default_cpu()));
    return executors;
}

std::string outcome_difference(Executor& executor, const Line& line) {
    Machine& machine = Machine::get();
    machine.install(0, line.test.program);
    machine.fill(0, line.test.memory);
    executor.program_changed(0);
    Outcome outcome;
    if (!executor.run(0, line.test.state, outcome.result)) {
        return "does not end";
    }
    collect_changes(Machine::window(0), line.test.memory.data(), outcome.memory);
    return difference(line.expected, outcome, {});
}

// Rows that no line can test, each with its reason.
std::map<std::string, std::string> exempt_rows() {
    std::map<std::string, std::string> rows;
    std::ifstream file{ULNA_TEST_DIR "/insn/exempt"};
    for (std::string text; std::getline(file, text);) {
        std::istringstream words{text};
        std::string row, reason;
        if (words >> row && row[0] != '#') {
            std::getline(words >> std::ws, reason);
            INFO(text);
            CHECK(!reason.empty());
            rows[row] = reason;
        }
    }
    return rows;
}

} // namespace

TEST_CASE("every line of tests/insn holds on every engine", "[insn]") {
    const auto executors = all_executors();
    unsigned count = 0;
    for (const std::string& path : line_files(ULNA_TEST_DIR "/insn")) {
        for (const NumberedLine& text : read_lines(path)) {
            Line line;
            std::string why_not;
            INFO(name_of(path, text));
            if (!parse_line(text.text, line, why_not)) {
                FAIL_CHECK(why_not);
                continue;
            }
            ++count;
            for (const auto& executor : executors) {
                const std::string what = outcome_difference(*executor, line);
                if (!what.empty()) {
                    FAIL_CHECK(executor->name() << ": expected / got: " << what);
                }
            }
        }
    }
    CHECK(count > 0);
}

TEST_CASE("every row of insn.def has at least three lines in tests/insn", "[insn]") {
    std::map<std::string, unsigned> lines;
    for (const std::string& path : line_files(ULNA_TEST_DIR "/insn")) {
        for (const NumberedLine& text : read_lines(path)) {
            Line line;
            std::string why_not;
            if (parse_line(text.text, line, why_not)) {
                std::map<std::string, unsigned> seen;
                for (unsigned i = 0; i < line.test.program.count; ++i) {
                    const char* name = frontend::encoding_name(line.test.program.words[i]);
                    if (name != nullptr) {
                        seen[name] = 1;
                    }
                }
                for (const auto& [name, once] : seen) {
                    lines[name] += once;
                }
            }
        }
    }
    const auto exempt = exempt_rows();
    for (const auto& row : frontend::encodings()) {
        INFO(row.name << ": see tests/README.md for how to make lines");
        if (exempt.contains(row.name)) {
            CHECK(lines[row.name] == 0); // an exemption that is not needed is wrong
        } else {
            CHECK(lines[row.name] >= 3);
        }
    }
    for (const auto& exemption : exempt) {
        INFO(exemption.first);
        CHECK(std::ranges::any_of(frontend::encodings(),
                                  [&](const auto& row) { return exemption.first == row.name; }));
    }
}

TEST_CASE("a line of tests/insn is printed as it was parsed", "[insn]") {
    const char* const kLines[] = {
        "adds w1, w2, #4095, lsl #12 | 313ffc41 | x2=ffffffffffffffff | x1=ffefff nzcv=2",
        "ldp x1, x2, [x27] | a9400b61 | x27=data+2040 [data+2040]=00ff | x1=a5a5a5a5a5a5ff00 "
        "x2=a5a5a5a5a5a5a5a5",
        "b #8; nop; nop | 14000002 d503201f d503201f | - | -",
        "b #12; nop | 14000003 d503201f | - | pc=code+c breakpoint",
        "str x1, [x27] | f9000361 | x27=data+4000 | denied@data+4000",
        "fadd d0, d1, d2 | 1e622820 | v1=0:7ff0000000000001 fpcr=2000000 | v0=0:7ff8000000000000 "
        "fpsr=1",
    };
    for (const char* text : kLines) {
        Line line;
        std::string why_not;
        INFO(text);
        REQUIRE(parse_line(text, line, why_not));
        std::string printed = format_line(line), expected = text;
        if (printed != expected) { // registers that keep their value are not printed
            Line again;
            REQUIRE(parse_line(printed, again, why_not));
            CHECK(difference(line.expected, again.expected, {}) == "");
        }
    }
}

TEST_CASE("a line of tests/insn that does not hold is noticed", "[insn]") {
    Line line;
    std::string why_not;
    REQUIRE(parse_line("add x1, x2, #1 | 91000441 | x2=1 | x1=3", line, why_not));
    for (const auto& executor : all_executors()) {
        CHECK(outcome_difference(*executor, line) == "x1 3 != 2");
    }
    CHECK(!parse_line("add | 91000441 | x2=1", line, why_not));
    CHECK(!parse_line("add | 91000441 | y2=1 | -", line, why_not));
    CHECK(!parse_line("add | 9100044 | - | -", line, why_not));
    CHECK(!parse_line("add | 91000441 | - | nonsense", line, why_not));
}
