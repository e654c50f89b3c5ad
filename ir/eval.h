// The meaning of every Pure and Sticky operation, shared by the constant folder, the interpreter
// and, as the out-of-line fallback, by translated code. Values travel as V128: low bits, upper bits
// zero; i1 is 0 or 1; nzcv is four bits.
#pragma once

#include "ir/block.h"

namespace ulna::ir {

// What an operation reads besides its arguments. 16 bytes: translated code keeps it in its literal
// pool.
struct OpParams {
    u64 imm;
    u16 op; // Opcode
    u16 aux;
    u8 type;     // Type of the result
    u8 arg_type; // Type of the first argument (Void when there is none); Crc32*: of the second
    u16 mode;    // BlockMode::bits
};
static_assert(sizeof(OpParams) == 16);

[[nodiscard]] OpParams params_of(const Block& block, const Inst& inst);

// Cumulative FPSR bits at their architectural positions.
namespace fpsr {
inline constexpr u32 kIOC = 1u << 0, kDZC = 1u << 1, kOFC = 1u << 2, kUFC = 1u << 3, kIXC = 1u << 4,
                     kIDC = 1u << 7, kQC = 1u << 27;
} // namespace fpsr

// Evaluates one operation; `args` has as many elements as the operation takes, FPSR bits are ORed
// in.
[[nodiscard]] V128 eval(const OpParams& params, const V128* args, u32& fpsr_bits);

// True when eval() implements the operation (all Pure and Sticky ones but Get).
[[nodiscard]] bool has_eval(Opcode op);

// One function per operation, registered by eval_int.cpp, eval_fp.cpp, eval_vec.cpp,
// eval_crypto.cpp.
using EvalFn = V128 (*)(const OpParams& params, const V128* args, u32& fpsr_bits);
struct EvalTable {
    EvalFn fn[kOpcodeCount] = {};
    constexpr EvalFn& operator[](Opcode op) { return fn[static_cast<unsigned>(op)]; }
};
void add_int_evals(EvalTable& table);
void add_fp_evals(EvalTable& table);
void add_vec_evals(EvalTable& table);
void add_crypto_evals(EvalTable& table);

} // namespace ulna::ir
