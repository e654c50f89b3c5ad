// Random instructions on every engine and oracle; the first difference of a case is shrunk and
// printed.
//
//   insn_fuzz [--seed N] [--count N] [--length N] [--filter NAME] [--fpcr] [--vixl 0|1] [--peer
//   EMULATOR HARNESS]
//             [--exclusions FILE] [--keep-going N]
//
// The IR interpreter without passes is the base; compared with it are the interpreter with passes,
// the JIT, the JIT with every value spilled, and the oracles.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/fuzz/engine_runner.h"
#include "tests/fuzz/generator.h"
#include "tests/fuzz/oracle.h"

using namespace ulna;
using namespace ulna::fuzz;

namespace {

struct Settings {
    u64 seed = 1, count = 20000;
    unsigned keep_going = 10;
    bool vixl = true;
    std::string emulator, harness;
    GeneratorOptions generator;
};

// Exclusions: "row-name  # reason" a line; "vixl:row-name" excludes it for one oracle only.
void read_exclusions(const char* path,
                     Settings& settings,
                     std::map<std::string, std::vector<std::string>>& per_oracle) {
    std::ifstream file{path};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line.substr(0, line.find('#'))};
        std::string word;
        if (!(words >> word)) {
            continue;
        }
        if (const auto colon = word.find(':'); colon != std::string::npos) {
            per_oracle[word.substr(0, colon)].push_back(word.substr(colon + 1));
        } else {
            settings.generator.excluded.push_back(word);
        }
    }
}

// What differs, in one line; empty when equal.
std::string difference(const FuzzResult& a, const FuzzResult& b, bool compare_fpsr) {
    char text[200];
    const auto say = [&](const char* what, u64 x, u64 y) {
        std::snprintf(text, sizeof text, "%s %016llx != %016llx", what,
                      static_cast<unsigned long long>(x), static_cast<unsigned long long>(y));
        return std::string{text};
    };
    if (a.signal != b.signal) {
        return say("signal", a.signal, b.signal);
    }
    if (a.signal != 0 && a.pc != b.pc) {
        return say("pc", a.pc, b.pc);
    }
    for (unsigned i = 0; i < 31; ++i) {
        if (a.state.x[i] != b.state.x[i]) {
            return say(("x" + std::to_string(i)).c_str(), a.state.x[i], b.state.x[i]);
        }
    }
    if (a.state.sp != b.state.sp) {
        return say("sp", a.state.sp, b.state.sp);
    }
    for (unsigned i = 0; i < 64; ++i) {
        if (a.state.v[i] != b.state.v[i]) {
            return say(("v" + std::to_string(i / 2) + (i % 2 ? ".hi" : ".lo")).c_str(),
                       a.state.v[i], b.state.v[i]);
        }
    }
    // NZCV at a fault may be stale where it is provably dead (ir/opt/README.md).
    if (a.signal == 0 && a.state.nzcv != b.state.nzcv) {
        return say("nzcv", a.state.nzcv, b.state.nzcv);
    }
    if (compare_fpsr && a.state.fpsr != b.state.fpsr) {
        return say("fpsr", a.state.fpsr, b.state.fpsr);
    }
    return a.data_hash != b.data_hash ? say("memory", a.data_hash, b.data_hash) : "";
}

void print_case(const FuzzCase& test) {
    std::printf("  words:");
    for (unsigned i = 0; i < test.count; ++i) {
        const char* name = frontend::encoding_name(test.words[i]);
        std::printf(" %08x(%s)", test.words[i], name ? name : "?");
    }
    std::printf(" fpcr %08llx nzcv %llx\n", static_cast<unsigned long long>(test.state.fpcr),
                static_cast<unsigned long long>(test.state.nzcv));
    for (unsigned i = 0; i < test.count && test.count == 1; ++i) {
        for (const unsigned lsb : {5u, 16u, 10u, 0u}) {
            const unsigned r = test.words[i] >> lsb & 31;
            std::printf("    r%u: x %016llx v %016llx:%016llx\n", r,
                        static_cast<unsigned long long>(r < 31 ? test.state.x[r] : test.state.sp),
                        static_cast<unsigned long long>(test.state.v[2 * r + 1]),
                        static_cast<unsigned long long>(test.state.v[2 * r]));
        }
    }
}

class Campaign {
  public:
    explicit Campaign(Settings settings) : settings_{std::move(settings)} {}

    int run(const std::map<std::string, std::vector<std::string>>& per_oracle) {
        per_oracle_ = per_oracle;
        if (!prepare()) {
            return 2;
        }
        Generator generator{settings_.seed, settings_.generator};
        std::printf("insn_fuzz: %zu rows, seed %llu, %llu cases of %u\n", generator.row_count(),
                    static_cast<unsigned long long>(settings_.seed),
                    static_cast<unsigned long long>(settings_.count), settings_.generator.length);
        for (u64 i = 0; i < settings_.count && failures_ < settings_.keep_going; ++i) {
            FuzzCase test = generator.next();
            if (const std::string what = check(test); !what.empty()) {
                shrink(test);
                std::printf("DIFFERENCE case %llu: %s\n", static_cast<unsigned long long>(i),
                            check(test).c_str());
                print_case(test);
                std::fflush(stdout);
                ++failures_;
            }
            ++cases_;
        }
        std::printf("insn_fuzz: %llu cases, %llu comparisons with oracles, %u differences\n",
                    static_cast<unsigned long long>(cases_),
                    static_cast<unsigned long long>(judged_), failures_);
        return failures_ == 0 ? 0 : 1;
    }

  private:
    bool prepare() {
        const auto add = [&](const char* name, runtime::EngineConfig config) {
            std::string why;
            config.code_cache_bytes = 4u << 20;
            auto runner = EngineRunner::create(name, config, why);
            if (runner == nullptr) {
                std::printf("insn_fuzz: %s: %s\n", name, why.c_str());
                return false;
            }
            engines_.push_back(std::move(runner));
            return true;
        };
        runtime::EngineConfig config;
        config.kind = runtime::EngineKind::Interpreter;
        config.passes = false;
        bool ok = add("interp-nopass", config);
        config.passes = true;
        ok = ok && add("interp", config);
        config.kind = runtime::EngineKind::Jit;
        ok = ok && add("jit", config);
        config.compile.spill_everything = true;
        ok = ok && add("jit-spill", config);
        if (settings_.vixl) {
            oracles_.push_back(make_vixl_oracle());
        }
        if (!settings_.emulator.empty()) {
            std::string why;
            if (auto peer = make_peer_oracle(settings_.emulator, settings_.harness, why)) {
                oracles_.push_back(std::move(peer));
            } else {
                std::printf("insn_fuzz: without the peer: %s\n", why.c_str());
            }
        }
        return ok;
    }

    std::string check(const FuzzCase& test) {
        const FuzzResult base = engines_[0]->run(test);
        for (size_t i = 1; i < engines_.size(); ++i) {
            if (const std::string what = difference(base, engines_[i]->run(test), true);
                !what.empty()) {
                return engines_[0]->name() + " / " + engines_[i]->name() + ": " + what;
            }
        }
        for (const auto& oracle : oracles_) {
            const bool simulator = !oracle->models_fpsr();
            // The simulator has no faults. The peer's CPU has features that ours lacks: FP16 and
            // others (SIGILL here), and unaligned exclusives and ordered accesses inside 16 bytes
            // (FEAT_LSE2; SIGBUS here).
            const bool lacks_feature = base.signal == SIGILL || base.signal == SIGBUS;
            if (excluded(*oracle, test) || lacks_feature || (simulator && base.signal != 0)) {
                continue;
            }
            if (const auto theirs = oracle->run(test)) {
                ++judged_;
                if (const std::string what = difference(base, *theirs, oracle->models_fpsr());
                    !what.empty()) {
                    return engines_[0]->name() + " / " + oracle->name() + ": " + what;
                }
            }
        }
        return "";
    }

    bool excluded(const Oracle& oracle, const FuzzCase& test) const {
        const auto found = per_oracle_.find(oracle.name());
        if (found == per_oracle_.end()) {
            return false;
        }
        for (unsigned i = 0; i < test.count; ++i) {
            const char* name = frontend::encoding_name(test.words[i]);
            for (const auto& row : found->second) {
                if (name != nullptr && row == name) {
                    return true;
                }
            }
        }
        return false;
    }

    // Drops instructions while the case still fails.
    void shrink(FuzzCase& test) {
        for (unsigned i = 0; i < test.count && test.count > 1;) {
            FuzzCase smaller = test;
            std::memmove(smaller.words + i, smaller.words + i + 1, (smaller.count - i - 1) * 4);
            --smaller.count;
            if (check(smaller).empty()) {
                ++i;
            } else {
                test = smaller;
            }
        }
    }

    Settings settings_;
    std::map<std::string, std::vector<std::string>> per_oracle_;
    std::vector<std::unique_ptr<EngineRunner>> engines_;
    std::vector<std::unique_ptr<Oracle>> oracles_;
    u64 cases_ = 0, judged_ = 0;
    unsigned failures_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    Settings settings;
    std::map<std::string, std::vector<std::string>> per_oracle;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto value = [&] {
            if (i + 1 >= argc) {
                std::fprintf(stderr, "insn_fuzz: %s needs a value\n", option.c_str());
                std::exit(2);
            }
            return argv[++i];
        };
        if (option == "--seed") {
            settings.seed = std::strtoull(value(), nullptr, 0);
        } else if (option == "--count") {
            settings.count = std::strtoull(value(), nullptr, 0);
        } else if (option == "--length") {
            settings.generator.length = std::min<unsigned>(
                kMaxWords - 1, static_cast<unsigned>(std::strtoul(value(), nullptr, 0)));
        } else if (option == "--filter") {
            settings.generator.filter = value();
        } else if (option == "--fpcr") {
            settings.generator.random_fpcr = true;
        } else if (option == "--vixl") {
            settings.vixl = std::atoi(value()) != 0;
        } else if (option == "--peer") {
            settings.emulator = value();
            settings.harness = value();
        } else if (option == "--exclusions") {
            read_exclusions(value(), settings, per_oracle);
        } else if (option == "--keep-going") {
            settings.keep_going = static_cast<unsigned>(std::atoi(value()));
        } else {
            std::fprintf(stderr, "insn_fuzz: unknown option %s\n", option.c_str());
            return 2;
        }
    }
    return Campaign{settings}.run(per_oracle);
}
