// The registers of translated code in a signal context.
#pragma once

#if defined(__x86_64__)

#include <ucontext.h>

#include <cstring>

#include "backend/exec_abi.h"

namespace ulna::backend::x64 {

// Index into mcontext_t::gregs of each host register, in HostReg order.
inline constexpr int kGregOf[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                    REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                    REG_R12, REG_R13, REG_R14, REG_R15};

inline greg_t& greg(ucontext_t& context, HostReg reg) {
    return context.uc_mcontext.gregs[kGregOf[static_cast<unsigned>(reg)]];
}
[[nodiscard]] inline u64 greg(const ucontext_t& context, HostReg reg) {
    return static_cast<u64>(context.uc_mcontext.gregs[kGregOf[static_cast<unsigned>(reg)]]);
}
[[nodiscard]] inline V128 xmm(const ucontext_t& context, unsigned n) {
    V128 value;
    std::memcpy(static_cast<void*>(&value), &context.uc_mcontext.fpregs->_xmm[n], sizeof value);
    return value;
}
inline void set_xmm(ucontext_t& context, unsigned n, const V128& value) {
    std::memcpy(&context.uc_mcontext.fpregs->_xmm[n], &value, sizeof value);
}

} // namespace ulna::backend::x64

#endif
