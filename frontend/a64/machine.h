// What is different in a whole machine (TranslateOptions::system).
#pragma once

#include <optional>

#include "frontend/a64/translator.h"

namespace ulna::frontend {

// Lifts what other handlers do not know or know only as EL0 of Linux sees it: mostly by leaving it
// to the machine. As a handler's result; none: the handlers serve.
[[nodiscard]] std::optional<bool> lift_for_machine(Translator& t, u32 word);

} // namespace ulna::frontend
