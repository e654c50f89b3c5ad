#include "runtime/system/sysregs.h"

#include <algorithm>

namespace ulna::system {

namespace {

using frontend::Feature;

constexpr SysRegRow kRows[] = {
#define SYSREG(name, op0, op1, CRn, CRm, op2, access, feature, guard, behaviour, writable, reset)  \
    {#name,        sysreg_encoding(op0, op1, CRn, CRm, op2),                                       \
     access,       Feature::feature,                                                               \
     Guard::guard, Behaviour::behaviour,                                                           \
     writable,     reset},
#include "runtime/system/sysregs.def"
#undef SYSREG
};

constexpr HostAlias kHostAliases[] = {
#define EL12(name, op0, op1, CRn, CRm, op2, el1, el2)                                              \
    {#name, sysreg_encoding(op0, op1, CRn, CRm, op2), SysReg::el1, SysReg::el2},
#include "runtime/system/sysregs.def"
#undef EL12
};

constexpr auto by_encoding = [](const auto& a, const auto& b) { return a.encoding >= b.encoding; };
static_assert(std::ranges::adjacent_find(kRows, by_encoding) == std::end(kRows),
              "rows ascend, so no encoding is there twice");
static_assert(std::ranges::adjacent_find(kHostAliases, by_encoding) == std::end(kHostAliases));

} // namespace

std::span<const SysRegRow> system_registers() { return kRows; }

const SysRegRow& row_of(SysReg reg) { return kRows[static_cast<unsigned>(reg)]; }

std::optional<SysReg> find_register(u16 encoding) {
    const auto* const row = std::ranges::lower_bound(kRows, encoding, {}, &SysRegRow::encoding);
    if (row == std::end(kRows) || row->encoding != encoding) {
        return std::nullopt;
    }
    return static_cast<SysReg>(row - kRows);
}

std::span<const HostAlias> host_aliases() { return kHostAliases; }

} // namespace ulna::system
