#include "tests/decode/mnemonics.h"

#include <algorithm>
#include <cctype>

namespace ulna::decode {

namespace {

// Replaces the first {A,B} by each of its alternatives; {A} is nothing or A. Then n by a number.
void expand(const std::string& text, std::vector<std::string>& into) {
    const std::size_t open = text.find('{');
    if (open != text.npos) {
        const std::size_t close = text.find('}', open);
        std::string choices = text.substr(open + 1, close - open - 1);
        choices.insert(0, choices.find(',') == choices.npos ? "," : "");
        for (std::size_t at = 0; at <= choices.size();) {
            const std::size_t end = std::min(choices.find(',', at), choices.size());
            expand(text.substr(0, open) + choices.substr(at, end - at) + text.substr(close + 1),
                   into);
            at = end + 1;
        }
        return;
    }
    const std::size_t number = text.find('n');
    if (number != text.npos) {
        for (const char digit : {'1', '2', '3', '4'}) {
            expand(text.substr(0, number) + digit + text.substr(number + 1), into);
        }
        return;
    }
    std::string lower = text;
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    into.push_back(lower);
}

bool take(std::string_view& text, std::string_view prefix) {
    const bool found = text.starts_with(prefix);
    text.remove_prefix(found ? prefix.size() : 0);
    return found;
}

} // namespace

std::vector<std::string> mnemonics(std::string_view row_text) {
    std::vector<std::string> result;
    std::string item;
    int depth = 0; // of ( and {: what separates alternatives outside belongs to the text inside
    bool in_note = false;
    for (const char c : std::string{row_text} + ",") {
        depth += c == '(' || c == '{' ? 1 : c == ')' || c == '}' ? -1 : 0;
        in_note = in_note || c == '(';
        if (depth == 0 && (c == ',' || c == '/')) {
            expand(item, result);
            item.clear();
        } else if (!in_note && c != ' ') {
            item += c;
        }
        in_note = in_note && c != ')';
    }
    return result;
}

bool same_mnemonic(std::string_view row_text, std::string_view llvm) {
    return std::ranges::any_of(mnemonics(row_text), [&](const std::string& mnemonic) {
        std::string_view rest = llvm;
        if (!take(rest, mnemonic)) {
            return false;
        }
        take(rest, "a");
        take(rest, "l");
        take(rest, "b") || take(rest, "h") || take(rest, "w") || take(rest, "x");
        take(rest, "2");
        return rest.empty();
    });
}

} // namespace ulna::decode
