// Branches and exception generating instructions.
#include "frontend/a64/translate/branch.h"

#include "frontend/a64/translate/handlers_base.h"

namespace ulna::frontend {

namespace {
template <unsigned N> GuestAddr branch_target(Translator& t, Imm<N> imm) {
    return t.pc() + (static_cast<u64>(imm.sext()) << 2);
}
} // namespace

// --- Conditional branches

bool B_cond(Translator& t, Imm<19> imm19, Cond cond) {
    const GuestAddr target = branch_target(t, imm19);
    if (cond >= Cond::AL) {
        return t.jump(target);
    }
    const bool goes_on = t.branch_if(t.holds(cond), target);
    if (goes_on && cond == Cond::NE && t.falls_through()) {
        t.found_equal();
    }
    return goes_on;
}

bool BC_cond(Translator& t, Imm<19> imm19, Cond cond) { return B_cond(t, imm19, cond); }

bool CBZ(Translator& t, bool sf, Imm<19> imm19, Reg Rt) {
    const Type type = gpr(sf);
    return t.branch_if(t.b.icmp(Cond::EQ, t.X(type, Rt), t.imm(type, 0)), branch_target(t, imm19));
}
bool CBNZ(Translator& t, bool sf, Imm<19> imm19, Reg Rt) {
    const Type type = gpr(sf);
    return t.branch_if(t.b.icmp(Cond::NE, t.X(type, Rt), t.imm(type, 0)), branch_target(t, imm19));
}

bool TBZ(Translator& t, bool b5, Imm<5> b40, Imm<14> imm14, Reg Rt) {
    const Value set = t.b.testbit(t.X(Type::I64, Rt), concat(b5, b40).v);
    return t.branch_if(t.b.not_(set), branch_target(t, imm14));
}
bool TBNZ(Translator& t, bool b5, Imm<5> b40, Imm<14> imm14, Reg Rt) {
    const Value set = t.b.testbit(t.X(Type::I64, Rt), concat(b5, b40).v);
    return t.branch_if(set, branch_target(t, imm14));
}

// --- Unconditional branches

// BTYPE (DDI 0487, BR): X16 and X17 are what linkers' veneers and PLTs branch through.
bool branch_to(Translator& t, Reg Rn, Value target) {
    const bool any = !t.guarded() || Rn == Reg{16} || Rn == Reg{17};
    return t.end(ir::ExitIndirect{target.id, static_cast<u8>(!t.mode().bti() ? 0 : any ? 1 : 3)});
}
// The target was read before X30 changes: BLR X30 is legal.
bool call_to(Translator& t, Value target) {
    t.set_X(Reg::LR, t.b.code_address(t.next()));
    return t.end(
        ir::ExitCallIndirect{target.id, t.next(), static_cast<u8>(t.mode().bti() ? 2 : 0)});
}

bool B_uncond(Translator& t, Imm<26> imm26) { return t.jump(branch_target(t, imm26)); }

bool BL(Translator& t, Imm<26> imm26) {
    t.set_X(Reg::LR, t.b.code_address(t.next()));
    return t.end(ir::ExitCall{branch_target(t, imm26), t.next()});
}

bool BR(Translator& t, Reg Rn) { return branch_to(t, Rn, t.X(Type::I64, Rn)); }
bool BLR(Translator& t, Reg Rn) { return call_to(t, t.X(Type::I64, Rn)); }
bool RET(Translator& t, Reg Rn) { return t.end(ir::ExitReturn{t.X(Type::I64, Rn).id}); }

// --- Exception generating

bool SVC(Translator& t, Imm<16> imm16) {
    return t.leave(ir::ExitReason::Svc, t.next(), imm16.zext());
}
bool BRK(Translator& t, Imm<16> imm16) {
    return t.leave(ir::ExitReason::Breakpoint, t.pc(), imm16.zext());
}
bool UDF(Translator& t) { return t.undefined(); }

} // namespace ulna::frontend
