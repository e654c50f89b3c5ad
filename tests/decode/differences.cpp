#include "tests/decode/differences.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace ulna::decode {

namespace {

const std::string kNames[] = {"accepted", "rejected", "unpredictable", "flags"};

struct Field {
    const char* name;
    u8 lsb, width;
};
constexpr Field kFields[] = {
    {"Rd", 0, 5},  {"Rt", 0, 5},  {"Rn", 5, 5},   {"Rt2", 10, 5},  {"Ra", 10, 5},
    {"Rm", 16, 5}, {"Rs", 16, 5}, {"op0", 19, 2}, {"op1", 16, 3},  {"CRn", 12, 4},
    {"CRm", 8, 4}, {"op2", 5, 3}, {"cond", 0, 4}, {"size", 30, 2}, {"op3", 14, 2},
};

const Field* find_field(const std::string& name) {
    const auto found =
        std::ranges::find_if(kFields, [&](const Field& field) { return name == field.name; });
    return found == std::end(kFields) ? nullptr : found;
}

Condition read_condition(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == text.npos || equals == 0) {
        throw std::runtime_error{"a condition is FIELD=VALUE or FIELD!=VALUE"};
    }
    const bool equal = text[equals - 1] != '!';
    const Field* const field = find_field(text.substr(0, equals - (equal ? 0 : 1)));
    if (field == nullptr) {
        throw std::runtime_error{"no such field"};
    }
    const std::string right = text.substr(equals + 1);
    if (const Field* const other = find_field(right)) {
        return {field->lsb, field->width, equal, true, other->lsb};
    }
    return {field->lsb, field->width, equal, false, static_cast<u32>(std::stoul(right))};
}

std::vector<std::string> split(const std::string& text) {
    std::istringstream in{text};
    std::vector<std::string> result;
    for (std::string item; std::getline(in, item, ',');) {
        result.push_back(item);
    }
    return result;
}

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(' ');
    return first == text.npos ? "" : text.substr(first, text.find_last_not_of(' ') + 1 - first);
}

void read_line(const std::string& text, unsigned number, Explanations& into) {
    const std::size_t hash = text.find('#');
    std::istringstream words{text.substr(0, hash)};
    std::string kind, instructions, conditions;
    if (!(words >> kind >> instructions)) {
        return; // empty, or all comment
    }
    words >> conditions;
    const std::string reason = hash == text.npos ? "" : trimmed(text.substr(hash + 1));
    if (reason.empty()) {
        throw std::runtime_error{"no reason"};
    }
    if (kind == "feature") {
        into.features[instructions] = reason;
        return;
    }
    if (kind == "mnemonic") {
        into.names.push_back({number, split(instructions), conditions, reason});
        return;
    }
    const auto found = std::ranges::find(kNames, kind);
    if (found == std::end(kNames)) {
        throw std::runtime_error{"no such kind of difference"};
    }
    Explanation& line = into.lines.emplace_back();
    line.line = number;
    line.kind = static_cast<Difference>(found - std::begin(kNames));
    line.instructions = split(instructions);
    for (const std::string& condition : split(conditions)) {
        line.conditions.push_back(read_condition(condition));
    }
    line.reason = reason;
}

} // namespace

const char* name(Difference kind) { return kNames[static_cast<unsigned>(kind)].c_str(); }

Explanations read_explanations(std::istream& file, const std::string& file_name) {
    Explanations result;
    unsigned number = 0;
    for (std::string text; std::getline(file, text);) {
        ++number;
        try {
            read_line(text, number, result);
        } catch (const std::exception& error) {
            throw std::runtime_error{file_name + ":" + std::to_string(number) + ": " +
                                     error.what()};
        }
    }
    return result;
}

bool names(const std::vector<std::string>& patterns, const std::string& name) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
        return pattern.back() == '*' ? name.starts_with(pattern.substr(0, pattern.size() - 1))
                                     : name == pattern;
    });
}

void Group::merge(const Group& other) {
    count += other.count;
    all_and &= other.all_and;
    all_or |= other.all_or;
    examples.insert(examples.end(), other.examples.begin(), other.examples.end());
    std::ranges::sort(examples);
    examples.resize(std::min(examples.size(), kExamples));
}

std::string Group::pattern() const {
    std::string result;
    for (unsigned bit = 32; bit-- > 0;) {
        result += (all_and >> bit & 1) != 0 ? '1' : (all_or >> bit & 1) != 0 ? 'x' : '0';
        result += bit % 4 == 0 && bit != 0 ? " " : "";
    }
    return result;
}

SubjectDifferences::SubjectDifferences(const Explanations& known, const Subject& subject) {
    for (const Explanation& line : known.lines) {
        if (line.kind == subject.kind &&
            (names(line.instructions, subject.row) || names(line.instructions, subject.llvm))) {
            candidates.push_back(&line);
        }
    }
    explained.resize(candidates.size());
}

void SubjectDifferences::add(u32 word) {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (candidates[i]->covers(word)) {
            explained[i].add(word);
            return;
        }
    }
    unexplained.add(word);
}

void SubjectDifferences::merge(const SubjectDifferences& other) {
    for (std::size_t i = 0; i < explained.size(); ++i) {
        explained[i].merge(other.explained[i]);
    }
    unexplained.merge(other.unexplained);
}

} // namespace ulna::decode
