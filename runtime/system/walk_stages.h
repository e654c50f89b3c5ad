// The two stages of translation, each by itself.
#pragma once

#include <variant>

#include "runtime/system/memory_attributes.h"
#include "runtime/system/table_walk.h"

namespace ulna::system {

struct Permissions {
    bool read = false, write = false, execute = false;
    friend Permissions operator&(const Permissions& a, const Permissions& b) {
        return {a.read && b.read, a.write && b.write, a.execute && b.execute};
    }
};

// What a stage, or both, make of an address.
struct Mapping {
    u64 address = 0;
    MemoryAttributes attributes;
    Permissions el0, el1; // where there is no EL0, the same
    bool pan_forbids = false;
    bool secure = false; // its address
    bool global = true, guarded = false;
    bool needs_dirty = false;
    bool device_by_stage1 = false; // of both stages' mapping
    unsigned log2 = 12;
};

using StageResult = std::variant<Mapping, Fault>;
// Of one attempt: a descriptor that changes meanwhile asks for another.
struct Retry {};
using StageAttempt = std::variant<Mapping, Fault, Retry>;

// Which permissions an access lacks.
[[nodiscard]] bool lacks_permission(const Permissions& permissions, const Access& access);
// ESR_ELx.WnR: an atomic access is a read as long as reading alone would have faulted.
[[nodiscard]] bool counts_as_write(const Access& access, bool reading_faults);
// An attempt's end: its leaf was to be updated, for which this fault stands where it is no RAM.
[[nodiscard]] StageAttempt
after_update(UpdateOutcome outcome, const Mapping& to, const Fault& not_ram);

// AArch64.S1Translate, or AArch64.S1DisabledOutput.
[[nodiscard]] StageAttempt stage1(const RegimeRegisters& regime,
                                  const devices::PhysicalMemory& memory,
                                  GuestAddr va,
                                  const Access& access);

// Why stage 2 is asked.
enum class Stage2Use : u8 {
    Access,
    TableRead, // a walk of stage 1
    TableUpdate,
};
// AArch64.S2Translate of stage 1's output. The result's permissions are stage 2's alone.
[[nodiscard]] StageResult stage2(const RegimeRegisters& regime,
                                 const devices::PhysicalMemory& memory,
                                 const Mapping& stage1,
                                 const Access& access,
                                 Stage2Use use);

} // namespace ulna::system
