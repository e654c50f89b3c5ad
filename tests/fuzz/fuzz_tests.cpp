// The fuzzer's own parts: programs end and cover the rows, cases shrink, exclusions mean what they
// say.
#include <csignal>
#include <cstdio>

#include "tests/fuzz/generator.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/shrink.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::fuzz;
using namespace ulna::insn;

namespace {

constexpr u32 kAddX1 = 0x91000421;                  // add x1, x1, #1
constexpr u32 kFaddD0 = 0x1e622820;                 // fadd d0, d1, d2
constexpr u32 kBranchOver = 0x14000003;             // b #12
constexpr u32 kFmulElem = 0x4f809020;               // fmul v0.4s, v1.4s, v0.s[0]
constexpr u32 kFmulElemApart = kFmulElem | 2 << 16; // fmul v0.4s, v1.4s, v2.s[0]

Case case_of(std::initializer_list<u32> words) {
    Case test = default_case();
    for (const u32 word : words) {
        test.program.words[test.program.count++] = word;
    }
    return test;
}

bool contains(const MachineProgram& program, u32 word) {
    return std::count(program.words, program.words + program.count, word) != 0;
}

} // namespace

TEST_CASE("generated programs end, and execute nearly all rows", "[fuzz]") {
    GeneratorOptions options;
    options.cpu = &frontend::default_cpu();
    options.excluded = {"SVC"};
    Generator generator{5, options};
    Stepper stepper{frontend::default_cpu()};
    Machine& machine = Machine::get();
    machine.fill(0, rich_memory());
    unsigned ended = 0, faults = 0;
    constexpr unsigned kProgramCount = 8000;
    std::vector<ChangedWord> changes;
    for (unsigned i = 0; i < kProgramCount; ++i) {
        machine.install(0, generator.program());
        stepper.program_changed(0);
        MachineResult result;
        REQUIRE(stepper.run(0, generator.state(), result)); // bounded loops
        collect_changes(Machine::window(0), rich_memory().data(), changes);
        ended += result.signal == 0;
        faults += result.signal == SIGSEGV || result.signal == SIGBUS;
    }
    CHECK(ended > kProgramCount / 2);
    CHECK(faults > kProgramCount / 100);
    unsigned executed = 0;
    for (const u64 count : stepper.executed_rows()) {
        executed += count != 0;
    }
    CHECK(executed * 100 > rows_of(frontend::default_cpu()).size() * 98);
}

TEST_CASE("a case shrinks to what it needs", "[fuzz]") {
    // The branch skips two words, of which one goes; what it leads to must stay reachable.
    Case test = case_of({kFaddD0, kBranchOver, kFaddD0, MACHINE_NOP, kAddX1, kFaddD0});
    test.state.x[1] = 41;
    test.state.x[2] = 7;
    test.state.v[9] = 3;
    test.memory = rich_memory();
    Stepper stepper{frontend::default_cpu()};
    const Case small = shrunk(test, [&](const Case& smaller) {
        Machine::get().install(0, smaller.program);
        stepper.program_changed(0);
        MachineResult result;
        return stepper.run(0, smaller.state, result) && result.signal == 0 &&
               result.state.x[1] == 42 && smaller.program.words[0] >> 26 == 5; // still a branch
    });
    REQUIRE(small.program.count == 2);
    CHECK(small.program.words[0] == 0x14000001); // b #4
    CHECK(small.program.words[1] == kAddX1);
    CHECK(small.state.x[1] == 41);
    CHECK(small.state.x[2] == kFill);
    CHECK(small.state.v[9] == kFill);
    CHECK(small.memory == default_case().memory);
}

TEST_CASE("a line keeps what its outcome depends on", "[fuzz]") {
    Case test = case_of({kAddX1});
    test.state.x[1] = 5;
    test.state.x[3] = 6;
    Stepper stepper{frontend::default_cpu()};
    const auto run = [&](const Case& smaller, Outcome& outcome) {
        Machine::get().install(0, smaller.program);
        stepper.program_changed(0);
        return stepper.run(0, smaller.state, outcome.result);
    };
    const Case small = simplified(test, run);
    CHECK(contains(small.program, kAddX1));
    CHECK(small.state.x[1] == 5);
    CHECK(small.state.x[3] == kFill);
}

TEST_CASE("exclusions name rows, features and words", "[fuzz]") {
    char path[] = "/tmp/ulna-exclusions-XXXXXX";
    const int file = mkstemp(path);
    REQUIRE(file >= 0);
    const auto read = [&](const char* text, Exclusions& exclusions) {
        std::FILE* const stream = std::fopen(path, "w");
        std::fputs(text, stream);
        std::fclose(stream);
        std::string why_not;
        return exclusions.read(path, why_not);
    };
    const auto all = frontend::FeatureSet::all();
    Exclusions some;
    REQUIRE(read("# why\nSVC\nvixl:FMUL_elem Rd=Rm # alias\npeer:@CRC32\nvixl:MOVK "
                 "sf=0\npeer:DC_CVAC faults\npeer:FNEG_vec ah\nvixl:@PAuth keys\n",
                 some));
    CHECK(some.rows(Exclusions::Generator) == std::vector<std::string>{"SVC"});
    CHECK(some.excludes(Exclusions::Vixl, kFmulElem, all, {}));
    CHECK(!some.excludes(Exclusions::Vixl, kFmulElemApart, all, {}));
    CHECK(!some.excludes(Exclusions::Peer, kFmulElem, all, {}));
    CHECK(some.excludes(Exclusions::Peer, 0x1ac24020, all, {}));  // crc32b w0, w1, w2
    CHECK(some.excludes(Exclusions::Vixl, 0x72800000, all, {}));  // movk w0, #0
    CHECK(!some.excludes(Exclusions::Vixl, 0xf2800000, all, {})); // movk x0, #0
    CHECK(!some.excludes(Exclusions::Peer, 0xd50b7a20, all, {})); // dc cvac, x0
    CHECK(some.excludes(Exclusions::Peer, 0xd50b7a20, all, {.faults = true}));
    CHECK(!some.excludes(Exclusions::Peer, 0x2ea0f820, all, {})); // fneg v0.2s, v1.2s
    CHECK(some.excludes(Exclusions::Peer, 0x2ea0f820, all, {.alternate = true}));
    CHECK(some.excludes(Exclusions::Vixl, 0xdac10020, all, {})); // pacia x0, x1
    CHECK(!some.excludes(Exclusions::Vixl, 0xdac10020, all, {.other_keys = false}));
    CHECK(some.rows(Exclusions::Peer).size() == 2); // of FEAT_CRC32
    for (const char* wrong : {"NOTHING\n", "vixl:MOVK nothing=1\n", "other:MOVK\n",
                              "vixl:@Nothing\n", "MOVK often\n", "vixl:@PAuth sf=0\n"}) {
        Exclusions none;
        CHECK(!read(wrong, none));
    }
    std::remove(path);
}
