// What the engine reads and changes in a signal context of this host, beyond what the back end
// offers.
#pragma once

#include <ucontext.h>

#include "ir/support/types.h"

namespace ulna::runtime {

#if defined(__x86_64__)

[[nodiscard]] inline u64 host_pc(const void* context) {
    return static_cast<u64>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
}
// The context goes on as if it called `function(argument)`, which does not return.
inline void divert(void* context, void (*function)(void*), void* argument) {
    greg_t* const gregs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    constexpr u64 kRedZone = 128;
    const u64 sp = (static_cast<u64>(gregs[REG_RSP]) - kRedZone) & ~u64{15};
    gregs[REG_RSP] = static_cast<greg_t>(sp - 8); // as after a call
    gregs[REG_RDI] = reinterpret_cast<greg_t>(argument);
    gregs[REG_RIP] = reinterpret_cast<greg_t>(function);
}

enum class HostTrap { PageFault, NonCanonical, FloatingPoint, SingleStep, Other };
[[nodiscard]] inline HostTrap host_trap(const void* context) {
    constexpr greg_t kDebug = 1, kStackFault = 12, kGeneralProtection = 13, kPageFault = 14,
                     kSimdException = 19;
    switch (static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_TRAPNO]) {
    case kPageFault:
        return HostTrap::PageFault;
    case kGeneralProtection:
    case kStackFault:
        return HostTrap::NonCanonical; // #SS when the base register is RBP or RSP
    case kSimdException:
        return HostTrap::FloatingPoint;
    case kDebug:
        return HostTrap::SingleStep;
    default:
        return HostTrap::Other;
    }
}
// Meaningful for page faults only.
[[nodiscard]] inline bool host_fault_is_write(const void* context) {
    constexpr greg_t kErrorWrite = 1 << 1;
    return (static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & kErrorWrite) != 0;
}
[[nodiscard]] inline u64 host_fault_address(const void* context) {
    return static_cast<u64>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_CR2]);
}

#else
#error "host_context.h: add this host"
#endif

} // namespace ulna::runtime
