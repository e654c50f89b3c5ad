// The table of system registers (sysregs.def) as C++.
#pragma once

#include <optional>
#include <span>

#include "frontend/frontend.h"

namespace ulna::system {

enum class SysReg : u16 {
#define SYSREG(name, ...) name,
#include "runtime/system/sysregs.def"
#undef SYSREG
};
inline constexpr unsigned kSysRegCount = 0
#define SYSREG(...) +1
#include "runtime/system/sysregs.def"
#undef SYSREG
    ;

// op0:op1:CRn:CRm:op2, as MRS, MSR and SYS have them in bits 20..5.
[[nodiscard]] constexpr u16
sysreg_encoding(unsigned op0, unsigned op1, unsigned CRn, unsigned CRm, unsigned op2) {
    return static_cast<u16>(op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2);
}
[[nodiscard]] constexpr u16 sysreg_encoding(u32 word) { return static_cast<u16>(word >> 5); }

// Who may read (low four bits, one for each EL) and write (the next four).
inline constexpr u8 kEl0RO = 0x0f, kEl0RW = 0xff, kEl0WO = 0xf0, kEl0ReadEl1Write = 0xef,
                    kEl1RO = 0x0e, kEl1RW = 0xee, kEl1WO = 0xe0, kEl2RO = 0x0c, kEl2RW = 0xcc,
                    kEl3RO = 0x08, kEl3RW = 0x88;

enum class Guard : u8 {
#define GUARD(name, meaning) name,
#include "runtime/system/sysreg_guards.def"
#undef GUARD
};
enum class Behaviour : u8 {
#define BEHAVIOUR(name, read, write) name,
#include "runtime/system/sysreg_behaviours.def"
#undef BEHAVIOUR
};

struct SysRegRow {
    const char* name;
    u16 encoding;
    u8 access;
    frontend::Feature feature;
    Guard guard;
    Behaviour behaviour;
    u64 writable, reset;

    [[nodiscard]] constexpr unsigned op1() const { return encoding >> 11 & 7; }
    [[nodiscard]] constexpr unsigned CRn() const { return encoding >> 7 & 0xf; }
    [[nodiscard]] constexpr unsigned CRm() const { return encoding >> 3 & 0xf; }
    [[nodiscard]] constexpr unsigned op2() const { return encoding & 7; }
};
// Of SysReg, in its order, which is ascending by encoding.
[[nodiscard]] std::span<const SysRegRow> system_registers();
[[nodiscard]] const SysRegRow& row_of(SysReg reg);
[[nodiscard]] std::optional<SysReg> find_register(u16 encoding);

// An encoding of HCR_EL2.E2H: `alias` is `el1`, and `el1` at EL2 is `el2`.
struct HostAlias {
    const char* name;
    u16 encoding;
    SysReg el1, el2;
};
[[nodiscard]] std::span<const HostAlias> host_aliases(); // ascending by encoding

} // namespace ulna::system
