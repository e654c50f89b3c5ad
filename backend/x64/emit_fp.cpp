#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

u8 host_rounding(ir::Rounding rounding) {
    switch (rounding) {
    case ir::Rounding::TieEven:
        return kNearest;
    case ir::Rounding::PlusInf:
        return kUp;
    case ir::Rounding::MinusInf:
        return kDown;
    case ir::Rounding::Zero:
        return kTruncate;
    case ir::Rounding::Current:
        return kByMxcsr;
    default:
        UNREACHABLE("x86 has no such rounding");
    }
}

Lanes lanes_of(Type type, u16 aux) {
    if (type != Type::V128) {
        return {Form::Scalar, type == Type::F64};
    }
    const Shape shape = Shape::unpack(aux);
    const Form form = shape.lanes() == 1   ? Form::Lane
                      : shape.bytes() == 8 ? Form::Half
                                           : Form::Full;
    return {form, shape.lane_bytes() == 8};
}

bool inlines(Emitter& e, const Inst& inst, Type type, u16 aux) {
    if (type == Type::F16 || (type == Type::V128 && Shape::unpack(aux).lane_bytes() == 2)) {
        emit_half_precision(e, inst);
        return false;
    }
    if (e.mode().flushes_noticed() && lanes_of(type, aux).form == Form::Half) {
        e.call_eval(inst);
        return false;
    }
    return true;
}

XmmMem fp_arg(Emitter& e, ir::ValueId v) {
    if (e.is_const(v) || e.is_vconst(v)) {
        return e.use_xmm(v);
    }
    return e.use_xmm_mem(v);
}

void copy_lanes(Emitter& e, Lanes lanes, Xmm to, const XmmMem& from) {
    if (lanes.form == Form::Half) {
        e.c.vmovddup(to, from);
    } else if (from.is_reg()) {
        e.move(to, Xmm(from.reg_index()));
    } else if (lanes.form == Form::Full) {
        e.c.vmovaps(to, from);
    } else if (lanes.dbl) {
        e.c.vmovsd(to, from.mem());
    } else {
        e.c.vmovss(to, from.mem());
    }
}

Xmm in_register(Emitter& e, Lanes lanes, const XmmMem& arg, Xmm spare) {
    if (arg.is_reg() && lanes.form != Form::Half) {
        return Xmm(arg.reg_index());
    }
    copy_lanes(e, lanes, spare, arg);
    return spare;
}

void zero_rest(Emitter& e, Lanes lanes, Xmm d) {
    if (lanes.form == Form::Half || (lanes.form == Form::Lane && lanes.dbl)) {
        e.c.vmovq(d, d);
    } else if (lanes.form == Form::Lane) {
        e.c.vinsertps(d, d, d, 0b1110); // keeps lane 0, zeroes 1..3
    }
}

Jump jump_if_any(Emitter& e, Xmm u) {
    e.c.vtestps(u, u);
    return e.jcc(Cc::NE);
}

void ucomi(Emitter& e, Lanes lanes, Xmm a, const Xbyak::Operand& b) {
    lanes.dbl ? e.c.vucomisd(a, b) : e.c.vucomiss(a, b);
}

void vcmp(Emitter& e, Lanes lanes, Xmm d, Xmm a, const Xbyak::Operand& b, u8 predicate) {
    lanes.dbl ? e.c.vcmppd(d, a, b, predicate) : e.c.vcmpps(d, a, b, predicate);
}

Jump check_result(Emitter& e, Lanes lanes, Check check, Xmm d, Xmm u) {
    if (check == Check::NaN) {
        return jump_if_unordered(e, lanes, d, d, u);
    }
    e.c.vandps(u, d, e.literal(lanes.magnitude()));
    if (!lanes.is_vector()) {
        ucomi(e, lanes, u, e.literal(lanes.least_normal()));
        return e.jcc(Cc::E); // set when unordered, too
    }
    vcmp(e, lanes, u, u, e.literal(lanes.least_normal()), kEqualOrUnordered);
    return jump_if_any(e, u);
}

Jump jump_if_unordered(Emitter& e, Lanes lanes, Xmm a, const Xbyak::Operand& b, Xmm u) {
    if (!lanes.is_vector()) {
        ucomi(e, lanes, a, b);
        return e.jcc(Cc::P);
    }
    vcmp(e, lanes, u, a, b, kUnordered);
    return jump_if_any(e, u);
}

XmmMem park(Emitter& e, unsigned k, Xmm arg) {
    const std::size_t offset = offsetof(ir::CpuState, scratch) + k * sizeof(V128);
    e.c.vmovaps(e.state(offset, 128), arg);
    return e.state(offset, 128);
}

namespace {
Address state_at(Emitter& e, int displacement) {
    return Address(128, false, Xbyak::RegExp(e.c.r15) + displacement);
}
int displacement_of(const XmmMem& arg) { return static_cast<int>(arg.mem().getRegExp().getDisp()); }

// The exact evaluation as cold code makes it: arguments in memory are loaded first.
struct ColdPlan {
    struct Load {
        u8 reg;
        int displacement;
    };
    ColdEval eval;
    unsigned count = 0;
    Load loads[3];

    void emit(Emitter& e) const {
        for (unsigned n = 0; n < count; ++n) {
            e.c.vmovaps(Xmm(loads[n].reg), state_at(e, loads[n].displacement));
        }
        e.emit_cold_eval(eval);
    }
};

ColdPlan plan_cold(Emitter& e,
                   const Inst& inst,
                   std::initializer_list<XmmMem> args,
                   Xmm d,
                   std::initializer_list<Xmm> spare) {
    ColdPlan plan;
    int regs[ir::kMaxArgs] = {};
    unsigned i = 0;
    for (const XmmMem& arg : args) {
        if (arg.is_reg()) {
            regs[i++] = arg.reg_index();
            continue;
        }
        CHECK(plan.count <= spare.size());
        const int reg = plan.count == 0 ? d.getIdx() : spare.begin()[plan.count - 1].getIdx();
        plan.loads[plan.count++] = {static_cast<u8>(reg), displacement_of(arg)};
        regs[i++] = reg;
    }
    plan.eval = args.size() == 1   ? e.cold_eval_of(inst, {regs[0]}, d.getIdx())
                : args.size() == 2 ? e.cold_eval_of(inst, {regs[0], regs[1]}, d.getIdx())
                                   : e.cold_eval_of(inst, {regs[0], regs[1], regs[2]}, d.getIdx());
    return plan;
}

// Results of these are never denormal with FPCR.FZ.
[[nodiscard]] bool is_flushed(const Inst& producer) {
    switch (producer.op) {
    case Opcode::FAdd:
    case Opcode::FSub:
    case Opcode::FMul:
    case Opcode::FDiv:
    case Opcode::FSqrt:
    case Opcode::FMulAdd:
    case Opcode::FRInt:
    case Opcode::FCvtFromInt:
    case Opcode::VFCvtFromInt:
        return true;
    default:
        return false;
    }
}

// The Shape of the arguments: the result's, but for narrowing.
[[nodiscard]] u16 operand_shape(const Inst& inst) {
    Shape shape = inst.shape();
    shape.lane_log2 = static_cast<u8>(shape.lane_log2 + (inst.op == Opcode::VFCvtN));
    return shape.pack();
}
} // namespace

void cold_exact(Emitter& e,
                Jump from,
                const Inst& inst,
                std::initializer_list<XmmMem> args,
                Xmm d,
                std::initializer_list<Xmm> spare) {
    const ColdPlan plan = plan_cold(e, inst, args, d, spare);
    e.cold(from, [plan](Emitter& cold) { plan.emit(cold); });
}

void Flush::operand(unsigned k, const XmmMem& arg, Xmm u) {
    const ir::ValueId v = inst_.args[k];
    const bool zero = (e_.is_const(v) && e_.const_value(v) == 0) ||
                      (e_.is_vconst(v) && e_.vconst_value(v) == V128{});
    if (!e_.mode().flushes_noticed() || zero) {
        return;
    }
    const Inst& producer = e_.inst_of(inst_.args[k]);
    if (is_flushed(producer) &&
        (producer.type != Type::V128 || producer.aux == operand_shape(inst_))) {
        return;
    }
    e_.c.vxorps(u, u, u);
    Guard guard{};
    if (lanes_.is_vector()) {
        vcmp(e_, lanes_, u, u, arg, kEqualOrUnordered);
        guard.jump = jump_if_any(e_, u);
    } else {
        ucomi(e_, lanes_, u, arg);
        guard.jump = e_.jcc(Cc::E);
    }
    guard.back = e_.here();
    guard.u = static_cast<u8>(u.getIdx());
    guard.reg = arg.is_mem() ? kNoReg : static_cast<u8>(arg.reg_index());
    guard.displacement = arg.is_mem() ? displacement_of(arg) : 0;
    guards_[count_++] = guard;
}

void Flush::flushes_result() {
    if (e_.mode().flushes_noticed()) {
        e_.c.test(e_.state(offsetof(ir::CpuState, fpsr), 32), ir::fpsr::kIXC);
        inexact_clear_ = e_.jcc(Cc::E);
        flushes_ = true;
    }
}

// Cold code of a guard: true zeros go on where they left, denormals and NaNs are evaluated exactly.
void Flush::finish(std::initializer_list<XmmMem> args, Xmm d, std::initializer_list<Xmm> spare) {
    if (count_ == 0 && !flushes_) {
        return;
    }
    const ColdPlan plan = plan_cold(e_, inst_, args, d, spare);
    if (flushes_) {
        e_.cold(inexact_clear_, [plan](Emitter& cold) { plan.emit(cold); });
    }
    const Position end = e_.here();
    const Lanes lanes = lanes_;
    for (unsigned i = 0; i < count_; ++i) {
        const Guard guard = guards_[i];
        e_.cold_noreturn(guard.jump, [plan, guard, end, lanes](Emitter& cold) {
            const Xmm u(guard.u);
            V128 mask = lanes.magnitude();
            if (!lanes.is_vector()) {
                mask = {lanes.dbl ? mask.lo : mask.lo & 0xffff'ffff, 0};
                cold.c.vpcmpeqd(u, u, u);
            } // else u says which lanes are zero, denormal or NaN
            cold.c.vandps(u, u,
                          guard.reg != kNoReg ? XmmMem(Xmm(guard.reg))
                                              : XmmMem(state_at(cold, guard.displacement)));
            cold.c.vandps(u, u, cold.literal(mask));
            cold.c.vptest(u, u);
            cold.bind(cold.jcc(Cc::E), guard.back);
            plan.emit(cold);
            cold.bind(cold.jmp(), end);
        });
    }
}

void add_fp_emitters(EmitTable& table) {
    add_fp_arithmetic_emitters(table);
    add_fp_misc_emitters(table);
    add_fp_estimate_emitters(table);
    add_fp_convert_emitters(table);
}

} // namespace ulna::backend::x64
