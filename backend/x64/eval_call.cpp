// Operations evaluated out of line: by ir::eval through the call_eval thunk, and runtime helpers.
//
// Arguments go to CpuState::scratch in the form eval() takes them (low bits, zero above), the
// result comes back in scratch[4]. The thunk preserves every register but EFLAGS.
#include "backend/x64/emitter.h"
#include "backend/x64/pinned.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

namespace {
constexpr std::size_t scratch_offset(unsigned index) {
    return offsetof(ir::CpuState, scratch) + index * 16;
}
constexpr unsigned kResult = 4;

V128 as_literal(const ir::OpParams& params) {
    static_assert(sizeof(V128) == sizeof(ir::OpParams));
    return std::bit_cast<V128>(params);
}
} // namespace

// Register `reg` of the kind `type` needs -> scratch[index].
void Emitter::store_scratch(unsigned index, Type type, u8 reg) {
    const Address low = state(scratch_offset(index)), high = state(scratch_offset(index) + 8);
    switch (type) {
    case Type::V128:
        c.vmovaps(state(scratch_offset(index), 128), Xmm(reg));
        return;
    case Type::I64:
        c.mov(low, Gpr(reg));
        break;
    case Type::F64:
        c.vmovsd(low, Xmm(reg));
        break;
    case Type::I8:
        c.mov(low, 0);
        c.mov(state(scratch_offset(index), 8), Gpr(reg).cvt8());
        break;
    case Type::I16:
        c.mov(low, 0);
        c.mov(state(scratch_offset(index), 16), Gpr(reg).cvt16());
        break;
    case Type::F16:
        c.mov(low, 0);
        c.vpextrw(state(scratch_offset(index), 16), Xmm(reg), 0);
        break;
    case Type::F32:
        c.mov(low, 0);
        c.vmovss(state(scratch_offset(index), 32), Xmm(reg));
        break;
    default:
        c.mov(state(scratch_offset(index), 32), Gpr(reg).cvt32());
        c.mov(state(scratch_offset(index) + 4, 32), 0);
        break;
    }
    c.mov(high, 0);
}

void Emitter::call_eval_thunk(const ir::OpParams& params) {
    c.mov(state(offsetof(ir::CpuState, thunk_save)), c.rax);
    c.lea(c.rax, literal(as_literal(params)));
    c.call(state(offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, call_eval)));
}

void Emitter::call_eval(const Inst& inst) {
    CHECK((*table_)[inst.op].role != FlagRole::Keeps);
    for (unsigned k = 0; k < inst.arg_count; ++k) {
        const ValueId v = inst.args[k];
        if (v == kNoValue) {
            c.mov(state(scratch_offset(k)), 0);
            c.mov(state(scratch_offset(k) + 8), 0);
        } else if (state_of(v).flags & kVector) {
            store_scratch(k, type_of(v), static_cast<u8>(use_xmm(v).getIdx()));
        } else {
            store_scratch(k, type_of(v), static_cast<u8>(use_gpr(v).getIdx()));
        }
    }
    call_eval_thunk(ir::params_of(*block_, inst));
    if (inst.type == Type::Void) {
        return;
    }
    if (ir::in_vector_register(inst.type)) {
        c.vmovaps(def_xmm(inst, Overlap::Any), state(scratch_offset(kResult), 128));
        mark_clean(inst);
    } else {
        c.mov(def_gpr(inst, Overlap::Any), state(scratch_offset(kResult)));
    }
}

ColdEval
Emitter::cold_eval_of(const Inst& inst, std::initializer_list<int> arg_regs, int result) const {
    ColdEval eval;
    eval.params = ir::params_of(*block_, inst);
    eval.arg_count = inst.arg_count;
    eval.result = static_cast<u8>(result);
    eval.result_type = inst.type;
    unsigned k = 0;
    for (const int reg : arg_regs) {
        eval.args[k] = static_cast<u8>(reg);
        eval.types[k] = type_of(inst.args[k]);
        ++k;
    }
    CHECK(k == inst.arg_count);
    for (const Borrowed& lent : borrowed_) {
        eval.borrowed |= 1u << (lent.reg + (lent.vector ? 16 : 0));
    }
    return eval;
}

void Emitter::emit_cold_eval(const ColdEval& eval) {
    for (unsigned k = 0; k < eval.arg_count; ++k) {
        store_scratch(k, eval.types[k], eval.args[k]);
    }
    // The thunk stores pinned registers to their cells, where the true values of those on loan are:
    // they go back early, and the code after the cold path finds no scratch value in them.
    for (unsigned reg = 0; reg < 16; ++reg) {
        if (eval.borrowed >> reg & 1) {
            c.mov(Gpr(static_cast<int>(reg)), state(static_cast<std::size_t>(kGprHome[reg])));
        }
        if (eval.borrowed >> (16 + reg) & 1) {
            c.vmovaps(Xmm(static_cast<int>(reg)),
                      state(static_cast<std::size_t>(kXmmHome[reg]), 128));
        }
    }
    call_eval_thunk(eval.params);
    if (eval.result == kNoReg) {
        return;
    }
    if (ir::in_vector_register(eval.result_type)) {
        c.vmovaps(Xmm(eval.result), state(scratch_offset(kResult), 128));
    } else {
        c.mov(Gpr(eval.result), state(scratch_offset(kResult)));
    }
}

// Arguments in scratch[k].lo, helper number in EAX, result in RAX; other registers are preserved.
void Emitter::call_helper(const Inst& inst) {
    const Gpr rax = take_gpr(HostReg::RAX);
    for (unsigned k = 0; k < ir::kMaxArgs; ++k) {
        const Address cell = state(scratch_offset(k));
        if (k < inst.arg_count && inst.args[k] != kNoValue) {
            c.mov(cell, use_gpr_zext(inst.args[k]));
        } else {
            c.mov(cell, 0);
        }
    }
    c.mov(rax.cvt32(), static_cast<u32>(inst.imm));
    c.call(state(offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, call_helper)));
    if (inst.type != Type::Void) {
        define(inst, rax);
    }
}

// Rarely more than a look.
void Emitter::commit_store() {
    static_cast<void>(take_gpr(HostReg::RAX));
    c.cmp(state(offsetof(ir::CpuState, uncommitted)), 0);
    cold(jcc(Cc::NE), [](Emitter& e) {
        e.c.mov(e.c.eax, static_cast<u32>(ir::HelperId::CommitStore));
        e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    });
}

} // namespace ulna::backend::x64
