#include "runtime/system/sysregs.h"

#include <algorithm>
#include <array>

#include "ir/helpers.h"

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

// Rows by encoding without the upper bit of op0, which all have; 1 + index, 0 where there is none.
constexpr u16 kFirstEncoding = sysreg_encoding(2, 0, 0, 0, 0);
constexpr unsigned kIndexEntries = 1u << 15;
constexpr auto kIndex = [] {
    std::array<u16, kIndexEntries> index{};
    for (u16 i = 0; i < kSysRegCount; ++i) {
        index[kRows[i].encoding % kIndexEntries] = static_cast<u16>(i + 1);
    }
    return index;
}();
static_assert(kRows[0].encoding >= kFirstEncoding);

} // namespace

std::span<const SysRegRow> system_registers() { return kRows; }

const SysRegRow& row_of(SysReg reg) { return kRows[static_cast<unsigned>(reg)]; }

std::optional<SysReg> find_register(u16 encoding) {
    const u16 index = kIndex[encoding % kIndexEntries];
    return encoding < kFirstEncoding || index == 0 ? std::nullopt
                                                   : std::optional{static_cast<SysReg>(index - 1)};
}

std::span<const HostAlias> host_aliases() { return kHostAliases; }

} // namespace ulna::system
