// Single and double precision where the mode traps (fp_trap.h): host instructions with the operands
// in Arm's order, a probe behind what may be tiny, a guard before a fused multiply-add. A probe's
// operation leaves its operands in place.
//
// All else is emitted as without traps: its tests of operands and results come after instructions
// that may trap, which then are executed with Invalid masked.
#include "backend/x64/emit_fp.h"
#include "backend/x64/fp_trap.h"
#include "backend/x64/host_cpu.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

namespace {

using ir::Rounding;

[[nodiscard]] const EmitTable& ordinary() {
    static const EmitTable table = [] {
        EmitTable t;
        add_fp_emitters(t);
        return t;
    }();
    return table;
}
[[nodiscard]] bool is_trapping(const Inst& inst) {
    return !is_half_precision(inst) && lanes_of(inst.type, inst.aux).form != Form::Half;
}
[[nodiscard]] bool is_half_vector(const Inst& inst) {
    return !is_half_precision(inst) && lanes_of(inst.type, inst.aux).form == Form::Half;
}

// none 66 F3 F2, by width
[[nodiscard]] unsigned pp_of(Lanes lanes) { return (lanes.is_vector() ? 0u : 2u) + lanes.dbl; }

// An instruction in the forms that the handler tells apart from their end.
enum class Map : u8 { k0f = 1, k0f38 = 2 };
void vex(
    Emitter& e, Map map, unsigned pp, bool wide, u8 op, Xmm reg, unsigned vvvv, const XmmMem& rm) {
    const unsigned r = static_cast<unsigned>(reg.getIdx());
    const unsigned b =
        rm.is_mem() ? static_cast<unsigned>(kStateReg) : static_cast<unsigned>(rm.reg_index());
    CHECK(rm.is_reg() || rm.is_state());
    raw::Writer out(e.c);
    out.byte(kThreeByteVex)
        .byte((r < 8 ? 0x80u : 0u) | 0x40u | (b < 8 ? 0x20u : 0u) | static_cast<unsigned>(map))
        .byte((wide ? 0x80u : 0u) | (~vvvv & 15) << 3 | pp)
        .byte(op);
    if (rm.is_mem()) {
        constexpr unsigned kDisp32 = 0x80;
        out.byte(kDisp32 | (r & 7) << 3 | (b & 7)).dword(static_cast<u32>(rm.state_memory().disp));
    } else {
        out.registers(r, b);
    }
}
void vex(Emitter& e, Lanes lanes, u8 op, Xmm d, Xmm a, const XmmMem& b) {
    vex(e, Map::k0f, pp_of(lanes), false, op, d, static_cast<unsigned>(a.getIdx()), b);
}

// u = d / 2, by a multiplication whose VEX prefix has three bytes where two are enough.
void probe(Emitter& e, Lanes lanes, Xmm u, Xmm d) {
    const Address half = e.literal(lanes.power_of_two(-1));
    const u32 start = e.c.position();
    kMul(e, lanes, u, d, half);
    struct {
        u8 vex, r_vvvv_pp, opcode, modrm;
        u32 displacement;
    } insn;
    CHECK(e.c.position() == start + sizeof insn);
    std::memcpy(&insn, e.c.at(start), sizeof insn);
    e.c.rewind(start);
    raw::Writer(e.c)
        .byte(kThreeByteVex)
        .byte((insn.r_vvvv_pp & 0x80u) | 0x60u | static_cast<unsigned>(Map::k0f))
        .byte(insn.r_vvvv_pp & 0x7fu)
        .byte(insn.opcode)
        .byte(insn.modrm)
        .dword(insn.displacement - 1); // from the end, one byte further on
}

// A scalar d = a op b with zero above, where the plain instruction would leave what is above a;
// false, and nothing emitted, where there is no need or no way.
bool of_lane_0(Emitter& e,
               const Widths& op,
               const Inst& inst,
               Lanes lanes,
               Xmm d,
               const XmmMem& a,
               const XmmMem& b) {
    static const bool host_can = host_has_avx512_masks();
    if (!host_can || e.options().baseline_host || lanes.form != Form::Scalar || a.is_mem() ||
        b.is_mem() || e.scalar_is_clean(inst.args[0])) {
        return false;
    }
    op(e, {Form::Full, lanes.dbl}, d | Xbyak::Opmask(kLane0Mask) | e.c.T_z, Xmm(a.reg_index()),
       Xmm(b.reg_index()));
    e.mark_clean(inst);
    return true;
}

// The scalar result's upper bits are those of the first source.
void inherit_clean(Emitter& e, const Inst& inst, Lanes lanes, const XmmMem& a) {
    if (lanes.form == Form::Scalar && (a.is_mem() || e.scalar_is_clean(inst.args[0]))) {
        e.mark_clean(inst);
    }
}

// What raises an exception behind an operation where the exact evaluation may differ: directly
// behind it, with its operands still in place. `u` is none of them.
void check(Emitter& e, Lanes lanes, bool may_be_tiny, Xmm u, Xmm d) {
    if (may_be_tiny) {
        probe(e, lanes, u, d);
    }
    if (e.mode().traps_flushes()) {
        vex(e, lanes, fp_opcode::kCompare, u, d, d);
        e.c.db(kNanPredicate);
    }
}

// Two lanes are computed twice: nobody knows what is above the operands. False, and nothing
// emitted, where there are not enough registers.
bool half_vector(Emitter& e, const Inst& inst, u8 op, bool may_be_tiny, bool absolute) {
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]), b = fp_arg(e, inst.args[1]);
    const bool flushes = e.mode().traps_flushes();
    if (is_temporary(a) + is_temporary(b) + flushes > 1) {
        return false;
    }
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm(), w = e.scratch_xmm();
    const Xmm spare = flushes ? e.scratch_xmm() : u;
    copy_lanes(e, lanes, u, a);
    copy_lanes(e, lanes, w, b);
    const Lanes all{Form::Full, lanes.dbl};
    vex(e, all, op, d, u, w);
    check(e, all, may_be_tiny, spare, d);
    if (absolute) {
        e.c.vandps(d, d, e.literal(lanes.magnitude()));
    }
    zero_rest(e, lanes, d);
    return true;
}

enum class Tiny : bool { Exact, Rounded }; // results that are tiny before they are rounded

template <Opcode kOpcode, const Widths& kOp, u8 kByte, Tiny kTiny, bool kAbsolute = false>
void emit_binary(Emitter& e, const Inst& inst) {
    constexpr bool kMayBeTiny = kTiny == Tiny::Rounded;
    if (is_half_vector(inst) && half_vector(e, inst, kByte, kMayBeTiny, kAbsolute)) {
        return;
    }
    if (!is_trapping(inst)) {
        return ordinary()[kOpcode].fn(e, inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]), b = fp_arg(e, inst.args[1]);
    const bool is_checked = kMayBeTiny || e.mode().traps_flushes();
    const Xmm d = e.def_xmm(inst, a.is_reg() && !is_checked ? Overlap::Any : Overlap::None);
    const Xmm u = is_checked ? e.scratch_xmm() : d;
    const Xmm first =
        in_register(e, lanes, a, e.mode().traps_flushes() && a.is_mem() ? e.scratch_xmm() : u);
    if (!of_lane_0(e, kOp, inst, lanes, d, a, b)) {
        is_checked ? vex(e, lanes, kByte, d, first, b) : kOp(e, lanes, d, first, b);
        inherit_clean(e, inst, lanes, a);
    }
    if (is_checked) {
        check(e, lanes, kMayBeTiny, u, d);
    }
    if (kAbsolute) {
        e.c.vandps(d, d, e.literal(lanes.magnitude()));
    }
    zero_rest(e, lanes, d);
}

void emit_FSqrt(Emitter& e, const Inst& inst) {
    if (!is_trapping(inst)) {
        return ordinary()[Opcode::FSqrt].fn(e, inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem a = fp_arg(e, inst.args[0]);
    if (lanes.is_vector()) {
        const Xmm d = e.def_xmm(inst, Overlap::Any);
        lanes.dbl ? e.c.vsqrtpd(d, a) : e.c.vsqrtps(d, a);
        return;
    }
    const Xmm d = e.def_xmm(inst, Overlap::None);
    e.c.vxorps(d, d, d); // no dependency on the old contents, and zero upper bits
    lanes.dbl ? e.c.vsqrtsd(d, d, a) : e.c.vsqrtss(d, d, a);
    e.mark_clean(inst);
}

// The addend is copied first, where a probe's handler finds it.
void emit_FMulAdd(Emitter& e, const Inst& inst) {
    if (!is_trapping(inst)) {
        return ordinary()[Opcode::FMulAdd].fn(e, inst);
    }
    const Lanes lanes = lanes_of(inst.type, inst.aux);
    const XmmMem addend = fp_arg(e, inst.args[0]);
    const Xmm op1 = e.use_xmm(inst.args[1]);
    const XmmMem op2 = fp_arg(e, inst.args[2]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    const bool loads_scalar = addend.is_mem() && !lanes.is_vector();
    if (loads_scalar) {
        vex(e, Map::k0f, pp_of(lanes), false, fp_opcode::kLoad, d, 0, addend);
    } else {
        vex(e, Map::k0f, 0, false, fp_opcode::kMove, d, 0, addend);
    }
    const bool negates = (inst.imm & ir::fmuladd::kNegateFactor) != 0;
    vex(e, lanes, fp_opcode::kCompare, u, d, negates ? op1 : d);
    e.c.db(kGuardPredicate);
    const u8 op = static_cast<u8>(fp_opcode::kFused + !lanes.is_vector() + (negates ? 4 : 0) +
                                  ((inst.imm & ir::fmuladd::kNegateAddend) != 0 ? 2 : 0));
    vex(e, Map::k0f38, 1, lanes.dbl, op, d, static_cast<unsigned>(op1.getIdx()), op2);
    check(e, lanes, true, u, d);
    zero_rest(e, lanes, d);
    if (lanes.form == Form::Scalar && (loads_scalar || e.scalar_is_clean(inst.args[0]))) {
        e.mark_clean(inst);
    }
}

// To single precision. Other conversions have no result that may be tiny, or are emitted as without
// traps.
void emit_FCvt(Emitter& e, const Inst& inst) {
    const bool narrows = static_cast<Type>(inst.aux) == Type::F64 && inst.type == Type::F32 &&
                         static_cast<Rounding>(inst.imm) == Rounding::Current;
    if (!narrows) {
        return ordinary()[Opcode::FCvt].fn(e, inst);
    }
    const XmmMem a = fp_arg(e, inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm u = e.scratch_xmm();
    e.c.vxorps(d, d, d);
    vex(e, {Form::Scalar, true}, fp_opcode::kConvert, d, d, a);
    probe(e, {Form::Scalar, false}, u, d);
    e.mark_clean(inst);
}

} // namespace

void add_trapping_emitters(EmitTable& table) {
    table.set(Opcode::FAdd, emit_binary<Opcode::FAdd, kAdd, fp_opcode::kAdd, Tiny::Exact>);
    table.set(Opcode::FSub, emit_binary<Opcode::FSub, kSub, fp_opcode::kSub, Tiny::Exact>);
    table.set(Opcode::FAbd, emit_binary<Opcode::FAbd, kSub, fp_opcode::kSub, Tiny::Exact, true>);
    table.set(Opcode::FMul, emit_binary<Opcode::FMul, kMul, fp_opcode::kMul, Tiny::Rounded>);
    table.set(Opcode::FDiv, emit_binary<Opcode::FDiv, kDiv, fp_opcode::kDiv, Tiny::Rounded>);
    table.set(Opcode::FSqrt, emit_FSqrt);
    table.set(Opcode::FMulAdd, emit_FMulAdd);
    table.set(Opcode::FCvt, emit_FCvt);
}

} // namespace ulna::backend::x64
