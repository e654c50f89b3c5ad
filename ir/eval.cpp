#include "ir/eval.h"

namespace ulna::ir {

namespace {
const EvalTable& table() {
    static const EvalTable instance = [] {
        EvalTable t;
        add_int_evals(t);
        add_fp_evals(t);
        add_vec_evals(t);
        add_crypto_evals(t);
        return t;
    }();
    return instance;
}
} // namespace

OpParams params_of(const Block& block, const Inst& inst) {
    // CRC32's accumulator is always i32: what varies is the data.
    const unsigned typed_arg = inst.op == Opcode::Crc32 || inst.op == Opcode::Crc32C ? 1 : 0;
    const Type arg_type = inst.arg_count > typed_arg && inst.args[typed_arg] != kNoValue
                              ? block.insts[inst.args[typed_arg]].type
                              : Type::Void;
    return {inst.imm,
            static_cast<u16>(inst.op),
            inst.aux,
            static_cast<u8>(inst.type),
            static_cast<u8>(arg_type),
            static_cast<u16>(block.key.mode.bits)};
}

V128 eval(const OpParams& params, const V128* args, u32& fpsr_bits) {
    const EvalFn fn = table().fn[params.op];
    CHECK(fn != nullptr);
    return fn(params, args, fpsr_bits);
}

bool has_eval(Opcode op) { return table().fn[static_cast<unsigned>(op)] != nullptr; }

} // namespace ulna::ir
