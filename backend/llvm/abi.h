// exec_abi.h as an LLVM function type: x86_regcallcc hands out RAX RCX RDX RDI RSI R8 R9 R12 R13
// R14 R15 and XMM0..XMM15 in this order.
//
// Functions have no results: whatever leaves one is a tail call, a guest return too (exits.h). Most
// functions never touch a vector: those do not even have vector arguments, and may not use vector
// registers for anything else, so that pinned ones stay where they are, and cost nothing at each of
// the places that name all of the state. Calls between the two kinds have the caller's type.
#pragma once

#include "backend/exec_abi.h"
#include "backend/llvm/llvm_headers.h"

namespace ulna::backend::tier2 {

// Argument numbers: RAX, the pinned registers in the order of their table, R15, XMM0..
inline constexpr unsigned kPcArgument = 0, kFirstGprArgument = 1,
                          kStateArgument = kFirstGprArgument + kPinnedGprs.size(),
                          kFirstVecArgument = kStateArgument + 1,
                          kArgumentCount = kFirstVecArgument + kPinnedVecs.size();

// Of pinned slots; 0: not pinned.
inline constexpr auto kArgumentOfSlot = [] {
    std::array<u8, ir::kSlotCount> table{};
    for (unsigned i = 0; i < kPinnedGprs.size(); ++i) {
        table[static_cast<unsigned>(kPinnedGprs[i].slot)] = static_cast<u8>(kFirstGprArgument + i);
    }
    for (unsigned i = 0; i < kPinnedVecs.size(); ++i) {
        table[static_cast<unsigned>(kPinnedVecs[i])] = static_cast<u8>(kFirstVecArgument + i);
    }
    return table;
}();

enum class Vectors : u8 { None, Pinned };
[[nodiscard]] constexpr unsigned argument_count(Vectors vectors) {
    return vectors == Vectors::None ? kFirstVecArgument : kArgumentCount;
}

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

[[nodiscard]] llvm::FunctionType* function_type(llvm::LLVMContext& context, Vectors vectors);
// A declaration with the convention and the attributes that go with it.
llvm::Function* declare_function(llvm::Module& module, const llvm::Twine& name, Vectors vectors);
// What a frame may take below the return address of its function, with what is pushed on top. Every
// function begins by looking at a place that far below: where that is in the guard page of the
// return stack, the runtime drops all frames and goes on, which it could not once there is a frame.
// `then`: machine code that follows.
inline constexpr u32 kFrameRoom = 2048;
inline constexpr u32 kStackProbeBytes = 8;
void add_stack_probe(llvm::Function& function, llvm::ArrayRef<u8> then = {});
// The same attributes, for a call.
void add_call_attributes(llvm::CallInst& call);

} // namespace ulna::backend::tier2
