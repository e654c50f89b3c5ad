// exec_abi.h as an LLVM function type: x86_regcallcc hands out RAX RCX RDX RDI RSI R8 R9 R12 R13
// R14 R15 and XMM0..XMM15 in this order, for arguments and results alike.
#pragma once

#include "backend/exec_abi.h"
#include "backend/llvm/llvm_headers.h"

namespace ulna::backend::tier2 {

// Argument numbers: RAX, the pinned registers in the order of their table, R15, XMM0..
inline constexpr unsigned kPcArgument = 0, kFirstGprArgument = 1,
                          kStateArgument = kFirstGprArgument + kPinnedGprs.size(),
                          kFirstVecArgument = kStateArgument + 1,
                          kArgumentCount = kFirstVecArgument + kPinnedVecs.size();

constexpr bool is_regcall_order() {
    constexpr HostReg kOrder[] = {HostReg::RCX, HostReg::RDX, HostReg::RDI,
                                  HostReg::RSI, HostReg::R8,  HostReg::R9,
                                  HostReg::R12, HostReg::R13, HostReg::R14};
    for (unsigned i = 0; i < kPinnedGprs.size(); ++i) {
        if (kPinnedGprs[i].reg != kOrder[i]) {
            return false;
        }
    }
    return kPinnedGprs.size() == std::size(kOrder) && kPcReg == HostReg::RAX &&
           kStateReg == HostReg::R15;
}
static_assert(is_regcall_order(), "the convention is LLVM's");

// Type of every function of tier 2: returns what it takes, for guest returns.
[[nodiscard]] llvm::FunctionType* function_type(llvm::LLVMContext& context);
// A declaration with the convention and the attributes that go with it.
llvm::Function* declare_function(llvm::Module& module, const llvm::Twine& name);
// What a frame may take below the return address of its function, with what is pushed on top. Every
// function begins by looking at a place that far below: where that is in the guard page of the
// return stack, the runtime drops all frames and goes on, which it could not once there is a frame.
inline constexpr u32 kFrameRoom = 2048;
void add_stack_probe(llvm::Function& function);
// The same attributes, for a call.
void add_call_attributes(llvm::CallInst& call);

} // namespace ulna::backend::tier2
