// Makes cases small: the shortest program and the smallest state that still do the same.
#pragma once

#include <functional>

#include "tests/insn/line.h"

namespace ulna::fuzz {

// The smallest case found for which `still` holds; it holds for `test`.
[[nodiscard]] insn::Case shrunk(insn::Case test,
                                const std::function<bool(const insn::Case&)>& still);

// Without what the outcome does not depend on; the program stays. `run` gives a case's outcome.
[[nodiscard]] insn::Case
simplified(insn::Case test, const std::function<bool(const insn::Case&, insn::Outcome&)>& run);

} // namespace ulna::fuzz
