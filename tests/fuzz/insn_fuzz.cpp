// Random programs on every engine and oracle; what differs is shrunk and printed as a line for
// tests/insn.
//
//   insn_fuzz [--count N] [--minutes N] [--seed N] [--jobs N]     executed instructions, time,
//   processes
//             [--filter NAME] [--length N] [--fpcr 0|1]           rows, instructions in a program,
//             FPCR modes
//             [--vixl 0|1] [--tier2 0|1] [--peer "EMULATOR ARGUMENTS" HARNESS]  oracles
//             [--pauth qarma5|qarma3]                 sign pointers as a peer of that algorithm
//             [--exclusions FILE] [--keep-going N]                differences before a process
//             stops
//   insn_fuzz --emit-lines N [--alternate] [--filter ROW] [--into FOLDER] ...   makes lines
//             (tests/README.md)
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fuzz/emit_lines.h"
#include "tests/fuzz/generator.h"
#include "tests/fuzz/judge.h"
#include "tests/fuzz/peer_keys.h"
#include "tests/fuzz/shrink.h"
#include "tests/support/peer.h"

using namespace ulna;
using namespace ulna::fuzz;

namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
    u64 seed = 1, count = 200'000;
    double minutes = 0;
    unsigned jobs = 1, keep_going = 10;
    unsigned emit = 0;
    bool emit_alternate = false;
    std::string into;
    Judge::Options judge;
    GeneratorOptions generator;
};

unsigned long long print(u64 value) { return value; }

// One process of a campaign.
class Campaign {
  public:
    Campaign(const Settings& settings, unsigned job, Counters& counters)
        : settings_{settings},
          counters_{counters},
          judge_{settings.judge, counters},
          generator_{settings.seed * 1000 + job, settings.generator} {}

    int run() {
        std::string why_not;
        if (!judge_.ready(why_not)) {
            std::printf("insn_fuzz: %s\n", why_not.c_str());
            return 2;
        }
        const auto start = Clock::now();
        const u64 share = settings_.count / settings_.jobs;
        const auto done = [&] {
            if (settings_.minutes > 0) {
                const std::chrono::duration<double> elapsed = Clock::now() - start;
                return elapsed.count() >= settings_.minutes * 60;
            }
            return judge_.stepper().executed() >= share;
        };
        while (!done() && counters_.differences < settings_.keep_going) {
            if (++batches_ % 16 == 0) {
                wild_batch();
            } else {
                batch();
            }
            counters_.executed = judge_.stepper().executed();
        }
        const auto& rows = judge_.stepper().executed_rows();
        std::copy(rows.begin(), rows.end(), counters_.rows);
        return counters_.differences == 0 ? 0 : 1;
    }

  private:
    void batch() {
        MachineProgram programs[kPrograms];
        std::vector<Judge::Run> runs;
        for (unsigned p = 0; p < kPrograms; ++p) {
            programs[p] = generator_.program();
            for (unsigned s = 0; s < kRuns / kPrograms; ++s) {
                runs.push_back({p, generator_.state()});
            }
        }
        unsigned last_program = kPrograms;
        for (const auto& found : judge_.check_batch(programs, runs)) {
            const Judge::Run& run = runs[found.run];
            if (run.program != last_program && counters_.differences < settings_.keep_going) {
                report({programs[run.program], run.state, rich_memory()}, found.what);
                last_program = run.program;
            }
        }
    }

    // Programs whose stores may go anywhere, so one run at a time.
    void wild_batch() {
        judge_.allow_only_first_window(true);
        for (unsigned p = 0; p < kPrograms; ++p) {
            const MachineProgram program = generator_.program(true);
            for (unsigned s = 0; s < kRuns / kPrograms; ++s) {
                const Judge::Run run{0, generator_.state()};
                const auto found = judge_.check_batch({&program, 1}, {&run, 1});
                if (!found.empty() && counters_.differences < settings_.keep_going) {
                    report({program, run.state, rich_memory()}, found[0].what);
                    break;
                }
            }
        }
        judge_.allow_only_first_window(false);
    }

    void report(const insn::Case& test, const std::string& what) {
        ++counters_.differences;
        std::string text = "DIFFERENCE " + what + "\n";
        const auto pair = [](const std::string& w) { return w.substr(0, w.find(':')); };
        Difference found = judge_.check(test);
        if (found.what.empty()) {
            text += "  (only with what ran before it)\n";
            print_line(text, {"", test, {}});
            return;
        }
        const std::string wanted = pair(found.what);
        const insn::Case small = shrunk(test, [&](const insn::Case& smaller) {
            return pair(judge_.check(smaller).what) == wanted;
        });
        found = judge_.check(small);
        text += "  shrunk: " + found.what + "; rows:" + row_names(small.program) + "\n";
        print_line(text, {disassembly(small.program), small, found.expected});
    }
    std::string row_names(const MachineProgram& program) const {
        std::string names;
        for (unsigned i = 0; i < program.count; ++i) {
            const char* const name = frontend::encoding_name(program.words[i]);
            names += program.words[i] == MACHINE_NOP ? "" : std::string{" "} + (name ? name : "?");
        }
        return names;
    }
    void print_line(const std::string& head, const insn::Line& line) {
        std::printf("%s%s\n", head.c_str(), insn::format_line(line).c_str());
        std::fflush(stdout);
    }

    const Settings& settings_;
    u64 batches_ = 0;
    Counters& counters_;
    Judge judge_;
    Generator generator_;
};

// The sum over all processes.
void summary(const Settings& settings, const Counters* counters, double seconds) {
    Counters sum{};
    for (unsigned job = 0; job < settings.jobs; ++job) {
        const auto* from = reinterpret_cast<const u64*>(&counters[job]);
        auto* to = reinterpret_cast<u64*>(&sum);
        for (std::size_t i = 0; i < sizeof(Counters) / 8; ++i) {
            to[i] += from[i];
        }
    }
    std::printf("insn_fuzz: %llu instructions executed in %llu runs of %llu programs, %.0f s, %.0f "
                "a second\n",
                print(sum.executed), print(sum.runs), print(sum.programs), seconds,
                static_cast<double>(sum.executed) / seconds);
    const char* const engines[] = {"interp", "jit", "jit-tags", "jit-spill", "tier2"};
    std::printf("  comparisons of runs:");
    for (unsigned i = 0; i < std::size(engines); ++i) {
        std::printf(" %s %llu,", engines[i], print(sum.compared_engines[i]));
    }
    std::printf(" vixl %llu, peer %llu\n", print(sum.compared_vixl), print(sum.compared_peer));
    for (unsigned i = 0; i < static_cast<unsigned>(Unjudged::Count); ++i) {
        if (sum.unjudged[i] != 0) {
            std::printf("  not judged: %llu (%s)\n", print(sum.unjudged[i]),
                        unjudged_name(static_cast<Unjudged>(i)));
        }
    }
    if (sum.endless != 0) {
        std::printf("  not run: %llu (does not end)\n", print(sum.endless));
    }
    std::string never;
    unsigned count = 0, wanted = 0;
    for (const Row& row : rows_of(*settings.generator.cpu)) {
        const bool excluded = std::ranges::count(settings.generator.excluded, row.name()) != 0;
        if (!excluded && row.name().find(settings.generator.filter) != std::string_view::npos) {
            ++wanted;
            if (sum.rows[row.index] == 0) {
                never += " " + std::string{row.name()};
                ++count;
            }
        }
    }
    std::printf("  rows never executed: %u of %u%s\n", count, wanted, never.c_str());
    std::printf("  differences: %llu\n", print(sum.differences));
}

int run_campaign(const Settings& settings) {
    const std::size_t bytes = sizeof(Counters) * settings.jobs;
    auto* const counters = static_cast<Counters*>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::printf("insn_fuzz: seed %llu, %u process%s\n", print(settings.seed), settings.jobs,
                settings.jobs == 1 ? "" : "es");
    std::fflush(stdout);
    const auto start = Clock::now();
    std::vector<pid_t> children;
    for (unsigned job = 0; job < settings.jobs; ++job) {
        const pid_t child = fork();
        if (child == 0) {
            const int status = Campaign{settings, job, counters[job]}.run();
            std::fflush(stdout);
            std::exit(status);
        }
        children.push_back(child);
    }
    int worst = 0;
    for (const pid_t child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        if (!WIFEXITED(status)) {
            std::printf("insn_fuzz: a process died of signal %d\n", WTERMSIG(status));
        }
        worst = std::max(worst, WIFEXITED(status) ? WEXITSTATUS(status) : 2);
    }
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    summary(settings, counters, elapsed.count());
    return worst;
}

int run_emit(Settings& settings) {
    static Counters counters;
    settings.judge.adopt_peer_ids = false; // lines hold for the default CPU
    Judge judge{settings.judge, counters};
    std::string why_not;
    if (!judge.ready(why_not)) {
        std::fprintf(stderr, "insn_fuzz: %s\n", why_not.c_str());
        return 2;
    }
    EmitOptions options;
    options.lines = settings.emit;
    options.filter = settings.generator.filter;
    options.folder = settings.into;
    options.alternate = settings.emit_alternate;
    options.seed = settings.seed;
    return emit_lines(judge, *settings.generator.cpu, options) == 0 ? 0 : 1;
}

std::vector<std::string> split_words(const char* text) {
    std::istringstream stream{text};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) {
        words.push_back(word);
    }
    return words;
}

} // namespace

int main(int argc, char** argv) {
    Settings settings;
    settings.judge.cpu = settings.generator.cpu = &frontend::default_cpu();
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto value = [&] {
            if (i + 1 >= argc) {
                std::fprintf(stderr, "insn_fuzz: %s needs a value\n", option.c_str());
                std::exit(2);
            }
            return argv[++i];
        };
        const auto number = [&] { return std::strtoull(value(), nullptr, 0); };
        if (option == "--seed") {
            settings.seed = number();
        } else if (option == "--count") {
            settings.count = number();
        } else if (option == "--minutes") {
            settings.minutes = std::atof(value());
        } else if (option == "--jobs") {
            settings.jobs = std::max(1u, static_cast<unsigned>(number()));
        } else if (option == "--length") {
            settings.generator.length = static_cast<unsigned>(number());
        } else if (option == "--filter") {
            settings.generator.filter = value();
        } else if (option == "--fpcr") {
            settings.generator.random_fpcr = number() != 0;
        } else if (option == "--tier2") {
            settings.judge.tier2 = number() != 0;
        } else if (option == "--vixl") {
            settings.judge.vixl = number() != 0;
        } else if (option == "--peer") {
            settings.judge.peer = split_words(value());
            settings.judge.harness = value();
            const std::string unfit = test::why_unfit_as_peer(settings.judge.peer.at(0));
            if (!unfit.empty()) {
                std::printf("insn_fuzz: without the peer: %s\n", unfit.c_str());
                settings.judge.peer.clear();
            }
        } else if (option == "--pauth") {
            static frontend::CpuModel cpu;
            std::string why_not;
            cpu = frontend::parse_cpu(std::string{"max,pauth-"} + value() + "=on", why_not).value();
            settings.judge.cpu = settings.generator.cpu = &cpu;
            settings.judge.peer_keys = true;
        } else if (option == "--exclusions") {
            std::string why_not;
            if (!settings.judge.exclusions.read(value(), why_not)) {
                std::fprintf(stderr, "insn_fuzz: %s\n", why_not.c_str());
                return 2;
            }
            settings.generator.excluded = settings.judge.exclusions.rows(Exclusions::Generator);
        } else if (option == "--keep-going") {
            settings.keep_going = static_cast<unsigned>(number());
        } else if (option == "--emit-lines") {
            settings.emit = static_cast<unsigned>(number());
        } else if (option == "--alternate") {
            settings.emit_alternate = true;
        } else if (option == "--into") {
            settings.into = value();
        } else {
            std::fprintf(stderr, "insn_fuzz: unknown option %s\n", option.c_str());
            return 2;
        }
    }
    if (settings.judge.peer_keys && !settings.judge.peer.empty()) {
        auto& command = settings.judge.peer;
        command.insert(command.end(), {"-seed", kPeerSeed});
    }
    return settings.emit != 0 ? run_emit(settings) : run_campaign(settings);
}
