// How the machine's own firmware is called, which answers PSCI.
#pragma once

#include "ir/support/types.h"

namespace ulna::system {

enum class PsciMethod : u8 { None /* the guest brings firmware for EL3 */, Hvc, Smc };

} // namespace ulna::system
