// Words on which two decoders differ: those that differences.txt explains, and the rest, in groups.
#pragma once

#include <istream>
#include <map>
#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::decode {

enum class Difference : u8 {
    Accepted,      // Ulna runs it, LLVM knows no such instruction
    Rejected,      // UNDEFINED in Ulna, an instruction to LLVM
    Unpredictable, // Ulna runs it, LLVM says that it is CONSTRAINED UNPREDICTABLE
    Flags,         // the NZCV look-ahead takes it for something else than it is to LLVM
};
[[nodiscard]] const char* name(Difference kind);

// Whether one of the patterns is the name; a last * of a pattern is any rest.
[[nodiscard]] bool names(const std::vector<std::string>& patterns, const std::string& name);

// "Rt=Rn", "Ra!=31": a field of a word is, or is not, equal to another or to a number.
struct Condition {
    u8 lsb = 0, width = 0;
    bool equal = true;
    bool is_field = false;
    u32 other = 0; // a number, or the lowest bit of a field of the same width

    [[nodiscard]] bool holds(u32 word) const {
        const u32 mask = (u32{1} << width) - 1;
        const u32 right = is_field ? word >> other & mask : other;
        return ((word >> lsb & mask) == right) == equal;
    }
};

// A line of differences.txt.
struct Explanation {
    unsigned line = 0;
    Difference kind{};
    std::vector<std::string> instructions; // rows of insn.def, names of LLVM; a last * is any rest
    std::vector<Condition> conditions;     // all hold
    std::string reason;

    [[nodiscard]] bool covers(u32 word) const {
        for (const Condition& condition : conditions) {
            if (!condition.holds(word)) {
                return false;
            }
        }
        return true;
    }
};

// A row whose text is not what LLVM calls the instruction.
struct OtherName {
    unsigned line = 0;
    std::vector<std::string> rows; // as Explanation::instructions
    std::string mnemonic;          // LLVM's
    std::string reason;
};

struct Explanations {
    std::vector<Explanation> lines;
    std::vector<OtherName> names;
    std::map<std::string, std::string> features; // unknown to LLVM -> why that is right
};

// Throws std::runtime_error with the file's name and the line for what it cannot read.
[[nodiscard]] Explanations read_explanations(std::istream& file, const std::string& file_name);

// Words that differ in the same way.
struct Group {
    u64 count = 0;
    u32 all_and = ~u32{0}, all_or = 0; // bits that are one in all, and in any
    std::vector<u32> examples;

    void add(u32 word) {
        ++count;
        all_and &= word;
        all_or |= word;
        if (examples.size() < kExamples) {
            examples.push_back(word);
        }
    }
    void merge(const Group& other);
    [[nodiscard]] std::string pattern() const; // the bits that all have in common, x for the others

    static constexpr std::size_t kExamples = 4;
};

// What differs: kind, row of insn.def and LLVM's name; "-" for none.
struct Subject {
    Difference kind;
    std::string row, llvm;
    [[nodiscard]] auto operator<=>(const Subject&) const = default;
};

// The words of one subject, by explanation.
class SubjectDifferences {
  public:
    SubjectDifferences(const Explanations& known, const Subject& subject);
    void add(u32 word);
    void merge(const SubjectDifferences& other);

    std::vector<const Explanation*> candidates;
    std::vector<Group> explained; // one for each candidate
    Group unexplained;
};

} // namespace ulna::decode
