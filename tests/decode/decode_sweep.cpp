// Compares which words are instructions with LLVM's decoder, for a CPU model.
//
//   decode_sweep [--cpu MODEL] [--full [--every N] [--threads N] | --random N --per-row N --seed N]
//                [--differences FILE] [--verbose]
//
// --full walks all 2^32 words (with --every N, one of N blocks of 2^20 words); otherwise it takes,
// for every row of insn.def, random words of it and of its neighbours (one fixed bit flipped), and
// all system instructions with two of their 32 registers, and random words of the whole space. A
// difference is explained by a line of differences.txt or makes the program fail; so does a word
// that is another instruction to LLVM than its row says, or that the NZCV look-ahead takes for
// harmless when it is not. --full also fails for a line that explains nothing and for a row that no
// word reaches, when the CPU has all features.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "frontend/a64/decoder.h"
#include "frontend/a64/flag_lookahead.h"
#include "tests/decode/differences.h"
#include "tests/decode/llvm_decoder.h"
#include "tests/decode/mnemonics.h"
#include "tests/decode/ulna_decoder.h"

using namespace ulna;
using namespace ulna::decode;

namespace {

struct Settings {
    std::string cpu = "max";
    bool full = false, verbose = false;
    u64 random = 4'000'000, per_row = 2048, seed = 1;
    unsigned threads = 1;
    u64 every = 1;
    std::string differences = ULNA_DECODE_DIFFERENCES;
};

std::vector<std::string> architectural_features(const frontend::CpuModel& cpu) {
    std::istringstream names{frontend::feature_names(cpu.features)};
    std::vector<std::string> result;
    for (std::string name; names >> name;) {
        result.push_back("FEAT_" + name);
    }
    return result;
}

// --- One thread's decoders and findings

class Sweep {
  public:
    Sweep(const frontend::CpuModel& cpu, const Explanations& known)
        : cpu_{cpu}, known_{known}, ulna_{cpu}, llvm_{architectural_features(cpu)} {}

    void compare(u32 word) {
        const frontend::Encoding* const row = ulna_.row(word);
        const bool ours = row != nullptr && ulna_.accepts(word);
        const LlvmDecoder::Result theirs = llvm_.decode(word);
        const bool allocated = theirs.verdict != Verdict::Unallocated;
        ++words_;
        if (ours && allocated) {
            ++both_;
            ++row_words_[row->index];
            pairs_[row->index * llvm_.instruction_count() + theirs.instruction] = true;
        }
        if (ours != allocated) {
            subject(ours ? Difference::Accepted : Difference::Rejected, row, word, theirs)
                .add(word);
        } else if (ours && theirs.verdict == Verdict::Unpredictable) {
            subject(Difference::Unpredictable, row, word, theirs).add(word);
        }
        if (ours && allocated && !is_safe_flag_use(word, theirs.instruction)) {
            subject(Difference::Flags, row, word, theirs).add(word);
        }
    }
    void merge(const Sweep& other) {
        words_ += other.words_;
        both_ += other.both_;
        for (std::size_t i = 0; i < row_words_.size(); ++i) {
            row_words_[i] += other.row_words_[i];
        }
        for (std::size_t i = 0; i < pairs_.size(); ++i) {
            pairs_[i] = pairs_[i] || other.pairs_[i];
        }
        for (const auto& [key, theirs] : other.subjects_) {
            subjects_.try_emplace(key, known_, key).first->second.merge(theirs);
        }
    }
    [[nodiscard]] u64 words() const { return words_; }
    [[nodiscard]] u64 both() const { return both_; }
    // Words of each row, by index, that both decoders have.
    [[nodiscard]] const std::vector<u64>& row_words() const { return row_words_; }
    [[nodiscard]] const std::map<Subject, SubjectDifferences>& subjects() const {
        return subjects_;
    }
    [[nodiscard]] bool is_pair(std::size_t row, unsigned instruction) const {
        return pairs_[row * llvm_.instruction_count() + instruction];
    }
    [[nodiscard]] LlvmDecoder& llvm() { return llvm_; }

  private:
    // Whether what the look-ahead makes of the word leaves nobody with stale flags. To take a
    // writer for an instruction that does not touch the flags is.
    [[nodiscard]] bool is_safe_flag_use(u32 word, unsigned instruction) {
        const frontend::FlagUse use = frontend::flag_info(word, cpu_.features).use;
        if (use == frontend::FlagUse::Unknown || use == frontend::FlagUse::Reads) {
            return true;
        }
        const LlvmDecoder::FlagUse theirs = llvm_.flag_use(instruction);
        return !theirs.reads && (theirs.writes || use != frontend::FlagUse::WritesAll);
    }
    using Combination = std::tuple<Difference, const frontend::Encoding*, unsigned, u32>;
    SubjectDifferences& subject(Difference kind,
                                const frontend::Encoding* row,
                                u32 word,
                                const LlvmDecoder::Result& theirs) {
        // Neighbours mostly differ alike.
        const bool system = llvm_.is_system(theirs.instruction);
        const Combination combination{kind, row, theirs.instruction, system ? word >> 5 : 0};
        if (last_ == nullptr || combination != last_combination_) {
            const Subject subject{kind,
                                  row == nullptr ? "-" : frontend::encodings()[row->index].name,
                                  llvm_.name(theirs, word)};
            last_ = &subjects_.try_emplace(subject, known_, subject).first->second;
            last_combination_ = combination;
        }
        return *last_;
    }

    const frontend::CpuModel& cpu_;
    const Explanations& known_;
    UlnaDecoder ulna_;
    LlvmDecoder llvm_;
    u64 words_ = 0, both_ = 0;
    std::vector<u64> row_words_ = std::vector<u64>(frontend::encodings().size());
    // Whether a row and an instruction of LLVM, by index, have a word in common.
    std::vector<bool> pairs_ =
        std::vector<bool>(frontend::encodings().size() * llvm_.instruction_count());
    std::map<Subject, SubjectDifferences> subjects_;
    SubjectDifferences* last_ = nullptr;
    Combination last_combination_{};
};

// --- Which words

constexpr u64 kChunk = u64{1} << 20;
constexpr u64 kChunks = (u64{1} << 32) / kChunk;

void walk_all(Sweep& sweep, std::atomic<u64>& next, u64 every) {
    for (u64 chunk; (chunk = next.fetch_add(every)) < kChunks;) {
        for (u64 i = 0; i < kChunk; ++i) {
            sweep.compare(static_cast<u32>(chunk * kChunk + i));
        }
    }
}

// Registers 31 and equal registers decide legality more often than chance brings them up.
u32 with_telling_registers(u32 word, u32 random) {
    constexpr unsigned kFields[] = {0, 5, 10, 16};
    const unsigned to = kFields[random & 3], from = kFields[random >> 2 & 3];
    const u32 value = (random >> 4 & 1) != 0 ? 31 : word >> from & 31;
    return (random >> 5 & 3) == 0 ? (word & ~(u32{31} << to)) | value << to : word;
}

void walk_sample(Sweep& sweep, const Settings& settings) {
    std::mt19937 random{static_cast<u32>(settings.seed)};
    const auto draw = [&] { return static_cast<u32>(random()); };
    for (const frontend::EncodingInfo& row : frontend::encodings()) {
        for (u64 n = 0; n < settings.per_row; ++n) {
            const u32 operands = with_telling_registers(draw(), draw()) & ~row.mask;
            sweep.compare(row.bits | operands);
            sweep.compare((row.bits ^ u32{1} << (draw() & 31)) | operands);
        }
    }
    // System instructions: one register or operation is as good a place for a mistake as another.
    for (u32 word = 0xd500'0000; word < 0xd540'0000; word += 32) {
        sweep.compare(word);
        sweep.compare(word | 31);
    }
    for (u64 n = 0; n < settings.random; ++n) {
        sweep.compare(draw());
    }
}

// --- The report

void print_group(const Group& group, LlvmDecoder& llvm) {
    std::printf("    %12llu  %s\n", static_cast<unsigned long long>(group.count),
                group.pattern().c_str());
    for (const u32 word : group.examples) {
        std::printf("                  %08x %s\n", word, llvm.text(word).c_str());
    }
}

// Returns the number of failures.
unsigned print_differences(Sweep& sweep, const Settings& settings) {
    unsigned failures = 0;
    u64 explained = 0, unexplained = 0;
    for (const auto& [subject, differences] : sweep.subjects()) {
        for (std::size_t i = 0; i < differences.explained.size(); ++i) {
            const Group& group = differences.explained[i];
            explained += group.count;
            if (settings.verbose && group.count != 0) {
                std::printf("%s: row %s, LLVM %s: %s\n", name(subject.kind), subject.row.c_str(),
                            subject.llvm.c_str(), differences.candidates[i]->reason.c_str());
                print_group(group, sweep.llvm());
            }
        }
        if (differences.unexplained.count != 0) {
            ++failures;
            unexplained += differences.unexplained.count;
            std::printf("UNEXPLAINED %s: row %s, LLVM %s\n", name(subject.kind),
                        subject.row.c_str(), subject.llvm.c_str());
            print_group(differences.unexplained, sweep.llvm());
        }
    }
    std::printf("%s: %llu words, %llu instructions to both, %llu differ as explained, %llu "
                "unexplained in %u groups\n",
                settings.cpu.c_str(), static_cast<unsigned long long>(sweep.words()),
                static_cast<unsigned long long>(sweep.both()),
                static_cast<unsigned long long>(explained),
                static_cast<unsigned long long>(unexplained), failures);
    return failures;
}

unsigned print_unknown_features(Sweep& sweep, const Explanations& known) {
    unsigned failures = 0;
    for (const std::string& feature : sweep.llvm().unknown_features()) {
        if (!known.features.contains(feature)) {
            ++failures;
            std::printf("%s: LLVM has no such feature\n", feature.c_str());
        }
    }
    return failures;
}

// A line that explains nothing is wrong or left over; so is a row that no word has.
unsigned
print_unused(Sweep& sweep, const Explanations& known, const std::vector<bool>& used_names) {
    std::map<const Explanation*, u64> uses;
    std::map<std::string, u64> rows;
    for (const auto& [subject, differences] : sweep.subjects()) {
        for (std::size_t i = 0; i < differences.explained.size(); ++i) {
            uses[differences.candidates[i]] += differences.explained[i].count;
            rows[subject.row] += differences.explained[i].count;
        }
    }
    unsigned failures = 0;
    for (const Explanation& line : known.lines) {
        if (uses[&line] == 0) {
            ++failures;
            std::printf("differences.txt:%u: explains nothing\n", line.line);
        }
    }
    for (std::size_t i = 0; i < known.names.size(); ++i) {
        if (!used_names[i]) {
            ++failures;
            std::printf("differences.txt:%u: explains nothing\n", known.names[i].line);
        }
    }
    for (const auto& [feature, reason] : known.features) {
        if (std::ranges::count(sweep.llvm().unknown_features(), feature) == 0) {
            ++failures;
            std::printf("differences.txt: %s: LLVM knows it, or no CPU has it\n", feature.c_str());
        }
    }
    for (std::size_t i = 0; i < sweep.row_words().size(); ++i) {
        const frontend::EncodingInfo& row = frontend::encodings()[i];
        if (sweep.row_words()[i] + rows[row.name] == 0 &&
            frontend::FeatureSet::all().has(row.feature)) {
            ++failures;
            std::printf("%s: no word reaches this row\n", row.name);
        }
    }
    return failures;
}

// The words that both have are the same instruction to both. Marks the lines that it uses.
unsigned print_other_names(Sweep& sweep, const Explanations& known, std::vector<bool>& used) {
    unsigned failures = 0;
    for (std::size_t index = 0; index < frontend::encodings().size(); ++index) {
        const frontend::EncodingInfo& row = frontend::encodings()[index];
        std::set<std::string> others;
        for (unsigned i = 1; i < sweep.llvm().instruction_count(); ++i) {
            if (sweep.is_pair(index, i) && !same_mnemonic(row.mnemonic, sweep.llvm().mnemonic(i))) {
                others.insert(sweep.llvm().mnemonic(i));
            }
        }
        for (const std::string& other : others) {
            const auto line = std::ranges::find_if(known.names, [&](const OtherName& name) {
                return name.mnemonic == other && names(name.rows, row.name);
            });
            if (line != known.names.end()) {
                used[static_cast<std::size_t>(line - known.names.begin())] = true;
                continue;
            }
            ++failures;
            std::printf("UNEXPLAINED mnemonic: row %s, %s, is %s to LLVM\n", row.name, row.mnemonic,
                        other.c_str());
        }
    }
    return failures;
}

int run(const Settings& settings) {
    std::string why_not;
    const std::optional<frontend::CpuModel> cpu = frontend::parse_cpu(settings.cpu, why_not);
    if (!cpu) {
        throw std::runtime_error{why_not};
    }
    std::ifstream differences{settings.differences};
    if (!differences) {
        throw std::runtime_error{settings.differences + ": cannot be read"};
    }
    const Explanations known = read_explanations(differences, settings.differences);
    std::vector<std::unique_ptr<Sweep>> sweeps;
    for (unsigned i = 0; i < (settings.full ? settings.threads : 1); ++i) {
        sweeps.push_back(std::make_unique<Sweep>(*cpu, known));
    }
    if (settings.full) {
        std::atomic<u64> next = 0;
        std::vector<std::jthread> threads;
        for (const auto& sweep : sweeps) {
            threads.emplace_back([&] { walk_all(*sweep, next, settings.every); });
        }
    } else {
        walk_sample(*sweeps[0], settings);
    }
    Sweep& all = *sweeps[0];
    for (std::size_t i = 1; i < sweeps.size(); ++i) {
        all.merge(*sweeps[i]);
    }
    std::vector<bool> used_names(known.names.size());
    unsigned failures = print_differences(all, settings) + print_unknown_features(all, known) +
                        print_other_names(all, known, used_names);
    if (settings.full && settings.every == 1 && cpu->features == frontend::default_cpu().features) {
        failures += print_unused(all, known, used_names);
    }
    return failures == 0 ? 0 : 1;
}

Settings parse(int argc, char** argv) {
    Settings settings;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto value = [&] {
            if (i + 1 >= argc) {
                throw std::runtime_error{option + " needs a value"};
            }
            return std::string{argv[++i]};
        };
        if (option == "--full") {
            settings.full = true;
        } else if (option == "--verbose") {
            settings.verbose = true;
        } else if (option == "--cpu") {
            settings.cpu = value();
        } else if (option == "--random") {
            settings.random = std::stoull(value());
        } else if (option == "--per-row") {
            settings.per_row = std::stoull(value());
        } else if (option == "--seed") {
            settings.seed = std::stoull(value());
        } else if (option == "--every") {
            settings.every = std::max(1ull, std::stoull(value()));
        } else if (option == "--threads") {
            settings.threads = std::max(1, std::stoi(value()));
        } else if (option == "--differences") {
            settings.differences = value();
        } else {
            throw std::runtime_error{option + ": no such option"};
        }
    }
    return settings;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(parse(argc, argv));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "decode_sweep: %s\n", error.what());
        return 2;
    }
}
