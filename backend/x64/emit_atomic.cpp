// Atomic read-modify-write, compare and swap, exclusives. All are locked instructions, which are
// full barriers: every MemOrder is served.
//
// Exclusives: the monitor is address and value (CpuState::excl_*); a store-exclusive succeeds when
// a locked compare-and-exchange finds the value that was loaded.
#include "backend/sized_register.h"
#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::AtomicOp;
using ir::CpuState;
using ir::MemInfo;
using ir::Type;

namespace {

Address at(Gpr address, unsigned size_log2) {
    return Address(8u << size_log2, false, Xbyak::RegExp(address));
}

// Old values come back zero-extended; 8- and 16-bit instructions leave the upper bits alone.
void zero_extend_old(Emitter& e, Gpr reg, unsigned size_log2) {
    if (size_log2 == 0) {
        e.c.movzx(reg.cvt32(), reg.cvt8());
    } else if (size_log2 == 1) {
        e.c.movzx(reg.cvt32(), reg.cvt16());
    }
}

// Atomics and exclusives must be aligned, whatever MemInfo::aligned says (and x86 is very slow at
// locks that leave a cache line).
Gpr checked_address(Emitter& e, const Inst& inst) {
    const Gpr address = e.memory_address(inst);
    e.check_alignment(address, inst.mem());
    return address;
}

void emit_without_result(Emitter& e, const Inst& inst, AtomicOp op) {
    const unsigned size = inst.mem().size_log2;
    const Gpr address = checked_address(e, inst);
    if (op == AtomicOp::Clr) {
        const Gpr mask = e.use_gpr_copy(inst.args[1]);
        e.c.not_(mask);
        e.fault_site();
        e.c.lock();
        e.c.and_(at(address, size), sized(mask, size));
        return;
    }
    const Xbyak::Reg operand = sized(e.use_gpr(inst.args[1]), size);
    e.fault_site();
    e.c.lock();
    switch (op) {
    case AtomicOp::Add:
        e.c.add(at(address, size), operand);
        break;
    case AtomicOp::Eor:
        e.c.xor_(at(address, size), operand);
        break;
    default:
        e.c.or_(at(address, size), operand);
        break;
    }
}

void emit_exchange(Emitter& e, const Inst& inst, AtomicOp op) {
    const unsigned size = inst.mem().size_log2;
    const Gpr address = checked_address(e, inst);
    const Gpr operand = e.scratch_copy(inst.args[1]);
    e.fault_site();
    if (op == AtomicOp::Add) {
        e.c.lock();
        e.c.xadd(at(address, size), sized(operand, size));
    } else {
        e.c.xchg(at(address, size), sized(operand, size));
    }
    zero_extend_old(e, operand, size);
    e.define(inst, operand);
}

// fresh = op(old, operand)
void combine(Emitter& e, AtomicOp op, unsigned size, Gpr fresh, Gpr old, Gpr operand) {
    const auto take = [&](Cc cc) { // fresh = cc(old, operand) ? operand : old, at full extension
        const bool is_signed = cc == Cc::L || cc == Cc::G;
        if (size >= 2) {
            e.c.mov(sized(fresh, size), sized(old, size));
        } else if (is_signed) {
            e.c.movsx(fresh.cvt32(), sized(old, size));
        } else {
            e.c.movzx(fresh.cvt32(), sized(old, size));
        }
        const unsigned width = size == 3 ? 3 : 2;
        e.c.cmp(sized(fresh, width), sized(operand, width));
        e.cmov(cc, width == 3, fresh, operand);
    };
    switch (op) {
    case AtomicOp::Clr:
        e.c.andn(fresh, operand, old);
        break;
    case AtomicOp::Eor:
        e.c.mov(fresh, old);
        e.c.xor_(fresh, operand);
        break;
    case AtomicOp::Set:
        e.c.mov(fresh, old);
        e.c.or_(fresh, operand);
        break;
    case AtomicOp::SMax:
        take(Cc::L);
        break;
    case AtomicOp::SMin:
        take(Cc::G);
        break;
    case AtomicOp::UMax:
        take(Cc::B);
        break;
    case AtomicOp::UMin:
        take(Cc::A);
        break;
    default:
        UNREACHABLE("add and swap have their own instructions");
    }
}

// The operand of a minimum or maximum, extended as combine() compares it; in place, because a fifth
// temporary would be a pinned register's, and the access may fault.
Gpr extended_operand(Emitter& e, ValueId v, AtomicOp op, unsigned size) {
    const bool min_max = op >= AtomicOp::SMax && op <= AtomicOp::UMin;
    if (!min_max || size >= 2) {
        return e.use_gpr(v);
    }
    const Gpr operand = e.use_gpr_copy(v);
    if (op == AtomicOp::SMax || op == AtomicOp::SMin) {
        e.c.movsx(operand.cvt32(), sized(operand, size));
    } else {
        e.c.movzx(operand.cvt32(), sized(operand, size));
    }
    return operand;
}

void emit_loop(Emitter& e, const Inst& inst, AtomicOp op) {
    const unsigned size = inst.mem().size_log2;
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = checked_address(e, inst);
    const Gpr operand = extended_operand(e, inst.args[1], op, size);
    const Gpr fresh = e.scratch_gpr();
    e.fault_site();
    if (size >= 2) {
        e.c.mov(sized(rax, size), at(address, size));
    } else {
        e.c.movzx(e.c.eax, at(address, size));
    }
    const Position again = e.here();
    combine(e, op, size, fresh, rax, operand);
    e.fault_site();
    e.c.lock();
    e.c.cmpxchg(at(address, size), sized(fresh, size));
    e.jcc_back(Cc::NE, again);
    zero_extend_old(e, rax, size);
    e.define(inst, rax);
}

void emit_AtomicRmw(Emitter& e, const Inst& inst) {
    const auto op = static_cast<AtomicOp>(inst.imm);
    const bool simple =
        op == AtomicOp::Add || op == AtomicOp::Clr || op == AtomicOp::Eor || op == AtomicOp::Set;
    if (!e.is_used(inst) && simple) {
        emit_without_result(e, inst, op);
    } else if (op == AtomicOp::Add || op == AtomicOp::Swp) {
        emit_exchange(e, inst, op);
    } else {
        emit_loop(e, inst, op);
    }
}

// --- 16 bytes: cmpxchg16b compares RDX:RAX and stores RCX:RBX

// RCX and RDX are pinned: their contents wait in memory. Should the exchange fault, save_pinned()
// knows by CpuState::borrowed_gprs not to look at the registers.
constexpr u32 kPair =
    1u << static_cast<unsigned>(HostReg::RCX) | 1u << static_cast<unsigned>(HostReg::RDX);

struct WideExchange {
    Gpr address;
    Xmm desired;
};
// Takes RAX and RBX, and an address register that is none of RAX RBX RCX RDX.
WideExchange prepare_wide(Emitter& e, const Inst& inst, ValueId desired) {
    e.take_gpr(HostReg::RAX);
    e.take_gpr(HostReg::RBX);
    const Gpr address = e.memory_address_copy(inst);
    e.check_alignment(address, inst.mem());
    return {address, e.use_xmm(desired)};
}

void exchange_wide(Emitter& e, const WideExchange& exchange) {
    e.c.vmovq(e.c.rbx, exchange.desired);
    e.c.vpextrq(e.c.rcx, exchange.desired, 1);
    e.fault_site();
    e.c.lock();
    e.c.cmpxchg16b(e.c.ptr[exchange.address]);
}

void emit_wide_Cas(Emitter& e, const Inst& inst) {
    const WideExchange exchange = prepare_wide(e, inst, inst.args[2]);
    const Xmm expected = e.use_xmm(inst.args[1]);
    const Xmm old = e.scratch_xmm();
    e.lend_gprs(kPair);
    e.c.vmovq(e.c.rax, expected);
    e.c.vpextrq(e.c.rdx, expected, 1);
    exchange_wide(e, exchange);
    e.c.vmovq(old, e.c.rax);
    e.c.vpinsrq(old, old, e.c.rdx, 1);
    e.return_gprs(kPair);
    e.define(inst, old);
}

void emit_Cas(Emitter& e, const Inst& inst) {
    const unsigned size = inst.mem().size_log2;
    if (size == 4) {
        emit_wide_Cas(e, inst);
        return;
    }
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = checked_address(e, inst);
    const Gpr desired = e.use_gpr(inst.args[2]);
    const Gpr expected = e.use_gpr(inst.args[1]);
    const unsigned width = size == 3 ? 3 : 2;
    e.c.mov(sized(rax, width), sized(expected, width));
    e.fault_site();
    e.c.lock();
    e.c.cmpxchg(at(address, size), sized(desired, size));
    zero_extend_old(e, rax, size);
    e.define(inst, rax);
}

// --- exclusives

void arm_monitor(Emitter& e, Gpr address, unsigned bytes) {
    e.c.mov(e.state(offsetof(CpuState, excl_addr)), address);
    e.c.mov(e.state(offsetof(CpuState, excl_bytes), 32), bytes);
}

void emit_LoadExcl(Emitter& e, const Inst& inst) {
    const unsigned size = inst.mem().size_log2;
    const Gpr address = checked_address(e, inst);
    if (size == 4) {
        const Xmm value = e.def_xmm(inst);
        e.fault_site();
        e.c.vmovaps(value, e.c.xword[address]);
        e.c.vmovaps(e.state(offsetof(CpuState, excl_value), 128), value);
    } else {
        const Gpr value = e.def_gpr(inst, Overlap::None);
        e.fault_site();
        if (size >= 2) {
            e.c.mov(sized(value, size), at(address, size));
        } else {
            e.c.movzx(value.cvt32(), at(address, size));
        }
        e.c.mov(e.state(offsetof(CpuState, excl_value)), value);
        e.c.mov(e.state(offsetof(CpuState, excl_value) + 8), 0);
    }
    arm_monitor(e, address, inst.mem().bytes());
}

// Jumps to the failing outcome unless the monitor holds `bytes` at `address`.
struct MonitorCheck {
    Jump wrong_size, wrong_address;
};
MonitorCheck check_monitor(Emitter& e, Gpr address, unsigned bytes) {
    MonitorCheck check;
    e.c.cmp(e.state(offsetof(CpuState, excl_bytes), 32), bytes);
    check.wrong_size = e.jcc(Cc::NE);
    e.c.cmp(e.state(offsetof(CpuState, excl_addr)), address);
    check.wrong_address = e.jcc(Cc::NE);
    return check;
}
// EAX = 0 when the exchange was made, else 1; the monitor is disarmed either way.
void finish_store_exclusive(Emitter& e, const Inst& inst, const MonitorCheck& check) {
    e.c.setne(e.c.al);
    e.c.movzx(e.c.eax, e.c.al);
    const auto fail = [](Emitter& cold) { cold.c.mov(cold.c.eax, 1); };
    e.cold(check.wrong_size, fail);
    e.cold(check.wrong_address, fail);
    e.c.mov(e.state(offsetof(CpuState, excl_bytes), 32), 0);
    e.define(inst, e.c.rax);
}

void emit_wide_StoreExcl(Emitter& e, const Inst& inst) {
    const WideExchange exchange = prepare_wide(e, inst, inst.args[1]);
    const MonitorCheck check = check_monitor(e, exchange.address, 16);
    e.lend_gprs(kPair);
    e.c.mov(e.c.rax, e.state(offsetof(CpuState, excl_value)));
    e.c.mov(e.c.rdx, e.state(offsetof(CpuState, excl_value) + 8));
    exchange_wide(e, exchange);
    e.return_gprs(kPair); // moves: the exchange's ZF stays
    finish_store_exclusive(e, inst, check);
}

void emit_StoreExcl(Emitter& e, const Inst& inst) {
    const unsigned size = inst.mem().size_log2;
    if (size == 4) {
        emit_wide_StoreExcl(e, inst);
        return;
    }
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = checked_address(e, inst);
    const Gpr value = e.use_gpr(inst.args[1]);
    const MonitorCheck check = check_monitor(e, address, inst.mem().bytes());
    e.c.mov(rax, e.state(offsetof(CpuState, excl_value)));
    e.fault_site();
    e.c.lock();
    e.c.cmpxchg(at(address, size), sized(value, size));
    finish_store_exclusive(e, inst, check);
}

void emit_ClearExcl(Emitter& e, const Inst&) {
    e.c.mov(e.state(offsetof(CpuState, excl_bytes), 32), 0);
}

} // namespace

void add_atomic_emitters(EmitTable& table) {
    table.set(Opcode::AtomicRmw, emit_AtomicRmw);
    table.set(Opcode::Cas, emit_Cas);
    table.set(Opcode::LoadExcl, emit_LoadExcl);
    table.set(Opcode::StoreExcl, emit_StoreExcl);
    table.set(Opcode::ClearExcl, emit_ClearExcl, kKeepsFlags);
}

} // namespace ulna::backend::x64
