// The functions of sysreg_behaviours.def. They run after the access was found to be allowed.
#pragma once

#include "runtime/system/cpu.h"

namespace ulna::system {

#define BEHAVIOUR(name, read, write)                                                               \
    [[nodiscard]] u64 read(Cpu& cpu, SysReg reg);                                                  \
    void write(Cpu& cpu, SysReg reg, u64 value);
#include "runtime/system/sysreg_behaviours.def"
#undef BEHAVIOUR

} // namespace ulna::system
