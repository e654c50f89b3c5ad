// Which operations constant folding looks at.
#pragma once

#include <array>
#include <string_view>

#include "ir/opcodes.h"

namespace ulna::ir::opt {

// Foldable: Pure, with integers, conditions and flags as arguments and result. FP constants and
// vectors stay as they are: nothing would be gained from them.
[[nodiscard]] constexpr bool is_foldable(const OpInfo& row) {
    const std::string_view result = "T1wxn", args = "T1wxnI";
    if (row.effects != Effects::Pure || result.find(row.result) == std::string_view::npos ||
        row.args[0] == 0 || row.param == Param::Shape) {
        return false;
    }
    for (const char* letter = row.args; *letter != 0; ++letter) {
        if (args.find(*letter) == std::string_view::npos) {
            return false;
        }
    }
    return true;
}
inline constexpr auto kFoldable = [] {
    std::array<bool, kOpcodeCount> table{};
    for (unsigned i = 0; i < kOpcodeCount; ++i) {
        table[i] = is_foldable(kOpInfo[i]);
    }
    return table;
}();

} // namespace ulna::ir::opt
