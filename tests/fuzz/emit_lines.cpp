// Of many random cases of a row, a few lines that differ in as much as possible: fields, special
// registers, faults, flags, rounding modes, classes of results.
#include "tests/fuzz/emit_lines.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <set>

#include "runtime/debug/disassemble.h"
#include "tests/fuzz/shrink.h"

namespace ulna::fuzz {

namespace {

using insn::Case;
using insn::Line;
using insn::Outcome;

struct Candidate {
    Line line;
    std::set<std::string> features;
    bool judged; // by the peer
};

template <class Bits> const char* lane_class(Bits bits, unsigned fraction) {
    const Bits magnitude = bits & static_cast<Bits>(~Bits{0} >> 1);
    const Bits infinity = static_cast<Bits>((~Bits{0} >> 1) >> fraction << fraction);
    return magnitude == 0                      ? "zero"
           : magnitude > infinity              ? "nan"
           : magnitude == infinity             ? "infinity"
           : magnitude < (Bits{1} << fraction) ? "denormal"
           : magnitude + 1 == infinity         ? "largest"
                                               : "number";
}

std::set<std::string> features_of(const Row& row, const Case& test, const Outcome& outcome) {
    std::set<std::string> features;
    u32 word = 0;
    for (unsigned i = 0; i < test.program.count; ++i) {
        const char* const name = frontend::encoding_name(test.program.words[i]);
        if (name != nullptr && row.name() == name) {
            word = test.program.words[i];
        }
    }
    const auto add = [&](std::string_view what, u64 value) {
        features.insert(std::string{what} + "=" + std::to_string(value));
    };
    unsigned previous = 99;
    for (const Field& field : row.fields) {
        const u32 value = field.get(word);
        if (field.name[0] == 'R' && field.width == 5) {
            features.insert(std::string{field.name} + (value == 31 ? " is 31" : " is not"));
            if (value == previous) {
                add("same registers", 1);
            }
            previous = value;
        } else if (field.width <= 4 && !field.ignored) {
            add(field.name, value);
        } else if (value == 0 || value == (1u << field.width) - 1) {
            add(field.name, value);
        }
    }
    const auto &in = test.state, &out = outcome.result.state;
    add("signal", outcome.result.signal);
    add("code", outcome.result.code);
    add("nzcv", out.nzcv);
    add("rounding", in.fpcr >> 22 & 3);
    for (const unsigned bit : {0u, 1u, 2u, 19u, 24u, 25u, 26u}) {
        add("fpcr" + std::to_string(bit), in.fpcr >> bit & 1);
    }
    for (const unsigned bit : {0u, 1u, 2u, 3u, 4u, 7u, 27u}) {
        add("fpsr" + std::to_string(bit), (out.fpsr & ~in.fpsr) >> bit & 1);
    }
    const bool fp = row.info->feature != frontend::Feature::Base;
    for (unsigned i = 0; i < 32; ++i) {
        if (out.v[2 * i] == in.v[2 * i] || !fp) {
            continue;
        }
        const u64 lane = out.v[2 * i];
        features.insert(std::string{"double "} + lane_class<u64>(lane, 52));
        features.insert(std::string{"single "} + lane_class<u32>(static_cast<u32>(lane), 23));
        features.insert(std::string{"half "} + lane_class<u16>(static_cast<u16>(lane), 10));
    }
    for (unsigned i = 0; i < 31; ++i) {
        if (out.x[i] != in.x[i]) {
            features.insert(out.x[i] == 0         ? "x zero"
                            : out.x[i] >> 63 != 0 ? "x negative"
                            : out.x[i] >> 32 == 0 ? "x short"
                                                  : "x long");
        }
    }
    add("memory", outcome.memory.size());
    return features;
}

class Emitter {
  public:
    Emitter(Judge& judge, const frontend::CpuModel& cpu, const EmitOptions& options)
        : judge_{judge}, cpu_{cpu}, options_{options} {
        if (!options_.folder.empty()) {
            read_folder();
        }
    }

    unsigned run() {
        unsigned missing = 0, lines = 0, unjudged = 0;
        for (const Row& row : rows_of(cpu_)) {
            const std::string name{row.name()};
            if (name.find(options_.filter) == std::string::npos || exempt_.contains(name)) {
                continue;
            }
            if (options_.alternate) {
                std::vector<Candidate> candidates = make(row);
                for (const Candidate& chosen :
                     choose(candidates, options_.lines, false, false, {})) {
                    write(row, chosen.line);
                    ++lines;
                    unjudged += !chosen.judged;
                }
                continue;
            }
            const std::vector<Line>& existing = lines_[name];
            const auto have = static_cast<unsigned>(existing.size());
            // Rounding, NaNs, infinities and denormals need more lines.
            constexpr unsigned kMoreFloating = 2;
            bool floating = std::ranges::any_of(
                existing, [&](const Line& line) { return is_floating(line.test.program); });
            if (have >= options_.lines + (floating ? kMoreFloating : 0)) {
                continue;
            }
            std::vector<Candidate> candidates = make(row);
            floating = floating || std::ranges::any_of(candidates, [&](const Candidate& c) {
                           return is_floating(c.line.test.program);
                       });
            const unsigned wanted = options_.lines + (floating ? kMoreFloating : 0);
            const unsigned want = wanted - have;
            if (candidates.size() < want) {
                std::fprintf(stderr, "%s: only %zu cases\n", row.info->name, candidates.size());
                ++missing;
            }
            bool may_fault = row.is_load_store();
            std::set<std::string> covered;
            for (const Line& line : existing) {
                covered.merge(features_of(row, line.test, line.expected));
                may_fault = may_fault && line.expected.result.signal == 0;
            }
            for (const Candidate& chosen :
                 choose(candidates, want, have == 0, may_fault, std::move(covered))) {
                write(row, chosen.line);
                ++lines;
                unjudged += !chosen.judged;
            }
        }
        std::fprintf(stderr, "%u lines; the peer could not judge %u of them\n", lines, unjudged);
        return missing;
    }

  private:
    void read_folder() {
        for (const std::string& path : insn::line_files(options_.folder)) {
            for (const auto& text : insn::read_lines(path)) {
                Line line;
                std::string why_not;
                if (!insn::parse_line(text.text, line, why_not)) {
                    continue;
                }
                std::set<std::string> names;
                for (unsigned i = 0; i < line.test.program.count; ++i) {
                    if (const char* name = frontend::encoding_name(line.test.program.words[i])) {
                        names.insert(name);
                    }
                }
                for (const std::string& name : names) {
                    lines_[name].push_back(line);
                }
            }
        }
        for (const auto& text : insn::read_lines(options_.folder + "/exempt")) {
            exempt_.insert(text.text.substr(0, text.text.find(' ')));
        }
    }

    std::vector<Candidate> make(const Row& row) {
        GeneratorOptions options;
        options.cpu = &cpu_;
        options.filter = row.name();
        options.exact_filter = true;
        options.length = 1;
        Generator generator{options_.seed + row.index * 7919u, options};
        std::vector<Candidate> candidates;
        std::set<std::string> words_seen;
        const unsigned kTries = options_.alternate ? 1000 : 260;
        for (unsigned tries = 0; tries < kTries; ++tries) {
            Candidate candidate;
            Line& line = candidate.line;
            line.test.program = generator.program(tries % 8 == 0);
            line.test.state = generator.state();
            line.test.memory = rich_memory();
            if (!has_row(line.test.program, row) || (options_.alternate && !is_alternate(line))) {
                continue;
            }
            const Difference found = judge_.check(line.test, &line.expected);
            if (!found.what.empty()) {
                std::fprintf(stderr, "%s: not emitted: %s\n", row.info->name, found.what.c_str());
                continue;
            }
            candidate.judged = judge_.peer_judged();
            if (line.expected.result.signal == SIGALRM || line.expected.result.pc == 0) {
                continue; // does not end
            }
            const u64 address = line.expected.result.address;
            if (line.expected.result.signal == SIGSEGV && address != insn::kUnknownAddress &&
                address - (MACHINE_DATA - kWindowStride) >= 2 * u64{kWindowStride}) {
                continue; // who knows what a process has there
            }
            drop_idle_mode(line);
            candidate.features = features_of(row, line.test, line.expected);
            if (options_.alternate && !add_dependence(line, candidate.features)) {
                continue;
            }
            candidates.push_back(std::move(candidate));
        }
        return candidates;
    }

    bool is_floating(const MachineProgram& program) const {
        return std::any_of(program.words, program.words + program.count,
                           [&](u32 word) { return effects_of(word, cpu_).floating; });
    }

    [[nodiscard]] static bool is_alternate(const Line& line) {
        return (line.test.state.fpcr & 7) != 0;
    }

    // Which of FPCR.FIZ, AH and NEP the outcome depends on; false: on none.
    bool add_dependence(const Line& line, std::set<std::string>& features) {
        bool any = false;
        for (unsigned bit = 0; bit < 3; ++bit) {
            Case plain = line.test;
            plain.state.fpcr &= ~(u64{1} << bit);
            Outcome outcome;
            if (plain.state.fpcr == line.test.state.fpcr || !judge_.step(plain, outcome)) {
                continue;
            }
            outcome.result.state.fpcr = line.expected.result.state.fpcr;
            if (!difference(line.expected, outcome, {.nzcv_at_fault = true}).empty()) {
                for (const char* weight : {"", "+", "++", "+++"}) { // before other differences
                    features.insert("depends on " + std::to_string(bit) + weight);
                }
                any = true;
            }
        }
        return any;
    }

    // FPCR goes where it changes nothing.
    void drop_idle_mode(Line& line) {
        if (line.test.state.fpcr == 0) {
            return;
        }
        Case plain = line.test;
        plain.state.fpcr = 0;
        Outcome outcome;
        if (!judge_.step(plain, outcome) || outcome.result.state.fpcr != 0) {
            return;
        }
        outcome.result.state.fpcr = line.expected.result.state.fpcr;
        if (difference(line.expected, outcome, {.nzcv_at_fault = true}).empty()) {
            line.expected.result.state.fpcr = line.test.state.fpcr = 0;
        }
    }

    static bool has_row(const MachineProgram& program, const Row& row) {
        for (unsigned i = 0; i < program.count; ++i) {
            const char* const name = frontend::encoding_name(program.words[i]);
            if (name != nullptr && row.name() == name) {
                return true;
            }
        }
        return false;
    }

    // Greedily, the one with most features that no earlier one has; judged ones first.
    // The row's first line is an ordinary one, its last one a fault where that can be.
    std::vector<Candidate> choose(std::vector<Candidate>& candidates,
                                  unsigned count,
                                  bool first,
                                  bool may_fault,
                                  std::set<std::string> covered) {
        std::vector<Candidate> chosen;
        std::set<std::string> texts;
        while (chosen.size() < count && !candidates.empty()) {
            const auto score = [&](const Candidate& c) {
                int fresh = 0;
                for (const std::string& feature : c.features) {
                    fresh += !covered.contains(feature);
                }
                const bool fault = c.line.expected.result.signal != 0;
                const bool wanted = chosen.size() + 1 == count ? may_fault && fault
                                    : chosen.empty()           ? first && !fault
                                                               : false;
                return fresh * 4 + c.judged * 2 + (wanted ? 1000 : 0);
            };
            const auto best = std::ranges::max_element(
                candidates, [&](const auto& a, const auto& b) { return score(a) < score(b); });
            Candidate candidate = std::move(*best);
            candidates.erase(best);
            finish(candidate.line);
            const std::string text = insn::format_line(candidate.line);
            if (texts.insert(text).second) {
                covered.insert(candidate.features.begin(), candidate.features.end());
                may_fault = may_fault && candidate.line.expected.result.signal == 0;
                chosen.push_back(std::move(candidate));
            }
        }
        return chosen;
    }

    void finish(Line& line) {
        line.test = simplified(line.test, [&](const Case& test, Outcome& outcome) {
            return judge_.step(test, outcome);
        });
        static_cast<void>(judge_.step(line.test, line.expected));
        line.text = disassembly(line.test.program);
    }

    void write(const Row& row, const Line& line) {
        const std::string text = insn::format_line(line) + "\n";
        if (options_.folder.empty()) {
            std::fputs(text.c_str(), stdout);
            return;
        }
        const std::string path =
            options_.folder + "/" +
            (options_.alternate ? "alternate_fp" : insn::group_of(row.info->bits)) + ".txt";
        if (std::FILE* file = std::fopen(path.c_str(), "a")) {
            std::fputs(text.c_str(), file);
            std::fclose(file);
        } else {
            std::perror(path.c_str());
        }
    }

    Judge& judge_;
    const frontend::CpuModel& cpu_;
    const EmitOptions& options_;
    std::map<std::string, std::vector<Line>> lines_; // that a row has
    std::set<std::string> exempt_;
};

} // namespace

std::string disassembly(const MachineProgram& program) {
    std::string text;
    for (unsigned i = 0; i < program.count; ++i) {
        const u32 word = program.words[i];
        std::string one = runtime::debug::disassemble_guest({&word, 1}, MACHINE_CODE + i * 4);
        // "address: bytes text": the text alone
        while (!one.empty() && (one.back() == '\n' || one.back() == ' ')) {
            one.pop_back();
        }
        char bytes[12];
        std::snprintf(bytes, sizeof bytes, "%08x", word);
        if (const auto at = one.find(bytes); at != std::string::npos) {
            one = one.substr(std::min(one.size(), one.find_first_not_of(" \t", at + 8)));
        }
        std::ranges::replace(one, '\t', ' ');
        std::ranges::replace(one, '|', '/');
        if (one.empty() || one.find(".byte") != std::string::npos || one[0] == '.') {
            const char* const name = frontend::encoding_name(word);
            one = name == nullptr ? ".word" : name;
        }
        text += (i == 0 ? "" : "; ") + one;
    }
    return text;
}

unsigned emit_lines(Judge& judge, const frontend::CpuModel& cpu, const EmitOptions& options) {
    return Emitter{judge, cpu, options}.run();
}

} // namespace ulna::fuzz
