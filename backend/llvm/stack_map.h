// LLVM's stack map section, version 3 (llvm.org/docs/StackMaps.html): for each patchpoint its place
// and where its operands are.
#pragma once

#include <functional>

#include "backend/llvm/llvm_headers.h"
#include "ir/support/types.h"

namespace ulna::backend::tier2 {

struct StackMapLocation {
    enum class Kind : u8 { Register = 1, Direct, Indirect, Constant, ConstantIndex };
    Kind kind;
    u16 dwarf_register;
    i32 value; // offset, constant
    u64 large; // ConstantIndex: the constant
};
struct StackMapRecord {
    u64 id;
    u32 function;                                      // number of the function in the section
    u32 code_offset;                                   // from its start
    llvm::SmallVector<StackMapLocation, 40> locations; // the result's first
};
struct StackMapFunction {
    u32 address_offset; // in the section, of the cell that is relocated to the function's address
    u64 frame_bytes;
};

// False when the section is damaged.
[[nodiscard]] bool read_stack_map(llvm::StringRef section,
                                  llvm::SmallVectorImpl<StackMapFunction>& functions,
                                  llvm::SmallVectorImpl<StackMapRecord>& records);

} // namespace ulna::backend::tier2
