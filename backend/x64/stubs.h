// The code through which the runtime enters and leaves translated code (backend.h Stubs).
#pragma once

#include "backend/backend.h"

namespace ulna::backend::x64 {

[[nodiscard]] Stubs make_stubs();

} // namespace ulna::backend::x64
