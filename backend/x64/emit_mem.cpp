// Loads and stores: one host instruction per access, whose addressing mode takes base, index and
// displacement. Guest address = host address. Every faulting instruction has a fault site, and
// guest state is canonical there. Atomics and exclusives are in emit_atomic.cpp.
#include "backend/x64/emitter.h"

namespace ulna::backend::x64 {

using ir::ExitReason;
using ir::FenceKind;
using ir::kNoValue;
using ir::MemInfo;
using ir::MemOrder;
using ir::Type;

void add_atomic_emitters(EmitTable& table);

namespace {

bool fits_disp(u64 value) { return Emitter::fits_imm32(value); }

unsigned access_bits(MemInfo mem) { return 8u << mem.size_log2; }

void load_gpr(Emitter& e, const Inst& inst, const Address& from) {
    const MemInfo mem = inst.mem();
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    const bool wide = inst.type == Type::I64;
    e.fault_site();
    switch (mem.size_log2) {
    case 3:
        e.c.mov(to, from);
        break;
    case 2:
        if (mem.sign && wide) {
            e.c.movsxd(to, from);
        } else {
            e.c.mov(to.cvt32(), from);
        }
        break;
    default:
        if (!mem.sign) {
            e.c.movzx(to.cvt32(), from);
        } else if (wide) {
            e.c.movsx(to, from);
        } else {
            e.c.movsx(to.cvt32(), from);
        }
        break;
    }
}

void load_xmm(Emitter& e, const Inst& inst, const Address& from) {
    e.mark_clean(inst);
    switch (inst.mem().size_log2) {
    case 4: {
        const Xmm to = e.def_xmm(inst);
        e.fault_site();
        e.c.vmovups(to, from);
        break;
    }
    case 3: {
        const Xmm to = e.def_xmm(inst);
        e.fault_site();
        e.c.vmovq(to, from);
        break;
    }
    case 2: {
        const Xmm to = e.def_xmm(inst);
        e.fault_site();
        e.c.vmovd(to, from);
        break;
    }
    default: {
        const Gpr low = e.scratch_gpr();
        const Xmm to = e.def_xmm(inst);
        e.fault_site();
        e.c.movzx(low.cvt32(), from);
        e.c.vmovd(to, low.cvt32());
        break;
    }
    }
}

// x86 loads are acquire loads.
void emit_Load(Emitter& e, const Inst& inst) {
    const Address from = e.memory_operand(inst, access_bits(inst.mem()));
    ir::in_vector_register(inst.type) ? load_xmm(e, inst, from) : load_gpr(e, inst, from);
}

// x86 stores are release stores; an Arm store-release is also ordered before later load-acquires,
// which takes a full barrier.
void emit_Store(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const ValueId value = inst.args[2];
    const unsigned bits = access_bits(mem);
    e.prepare_store_value(value, bits);
    const Address to = e.memory_operand(inst, bits);
    e.fault_site();
    e.store_value(to, value, bits);
    if (mem.order == MemOrder::Release || mem.order == MemOrder::AcquireRelease) {
        e.full_fence();
    }
}

void emit_Fence(Emitter& e, const Inst& inst) {
    if (static_cast<FenceKind>(inst.imm) == FenceKind::Full) {
        e.full_fence();
    }
}

void emit_ZeroBlock(Emitter& e, const Inst& inst) {
    const Gpr address = e.memory_address_copy(inst);
    const Xmm zero = e.scratch_xmm();
    e.c.and_(address, -64);
    e.c.vpxor(zero, zero, zero);
    for (int at = 0; at < 64; at += 16) {
        e.fault_site();
        e.c.vmovaps(e.c.xword[address + at], zero);
    }
}

void emit_Probe(Emitter& e, const Inst& inst) {
    const Gpr address = e.memory_address(inst);
    const Gpr ignored = e.scratch_gpr();
    e.fault_site();
    e.c.movzx(ignored.cvt32(), e.c.byte[address]);
}

} // namespace

// The parts of base + (index << shift) + displacement.
Xbyak::RegExp Emitter::address_expression(const Inst& inst) {
    const bool is_access = inst.op == Opcode::Load || inst.op == Opcode::Store;
    const ValueId base = inst.args[0], index = is_access ? inst.args[1] : kNoValue;
    const unsigned shift = is_access ? inst.mem().index_shift : 0;
    const u64 disp = is_access ? inst.imm : 0;
    if (is_const(base) && index == kNoValue && fits_disp(const_value(base) + disp)) {
        return Xbyak::RegExp(const_value(base) + disp);
    }
    Xbyak::RegExp address(use_gpr(base));
    if (index != kNoValue) {
        if (is_const(index) && fits_disp((const_value(index) << shift) + disp)) {
            return address + static_cast<std::size_t>((const_value(index) << shift) + disp);
        }
        const Gpr scaled = use_gpr(index);
        if (shift <= 3) {
            address = address + Xbyak::RegExp(scaled, 1 << shift);
        } else {
            const Gpr shifted = scratch_gpr();
            c.mov(shifted, scaled);
            c.shl(shifted, shift);
            address = address + Xbyak::RegExp(shifted);
        }
    }
    if (disp == 0) {
        return address;
    }
    if (fits_disp(disp)) {
        return address + static_cast<std::size_t>(disp);
    }
    const Gpr sum = scratch_gpr();
    c.mov(sum, disp);
    if (index == kNoValue) {
        return address + Xbyak::RegExp(sum);
    }
    c.lea(sum, Address(64, false, Xbyak::RegExp(use_gpr(base)) + Xbyak::RegExp(sum)));
    Xbyak::RegExp rest(sum);
    if (shift <= 3) {
        return rest + Xbyak::RegExp(use_gpr(index), 1 << shift);
    }
    const Gpr shifted = scratch_gpr();
    c.mov(shifted, use_gpr(index));
    c.shl(shifted, shift);
    return rest + Xbyak::RegExp(shifted);
}

// Bits 63:56 := bit 55 (top byte ignore).
void Emitter::strip_tag(Gpr address) {
    c.shl(address, 8);
    c.sar(address, 8);
}

// The access's address in a register of its own.
Gpr Emitter::memory_address_copy(const Inst& inst) {
    const Xbyak::RegExp expression = address_expression(inst);
    const Gpr address = scratch_gpr();
    c.lea(address, Address(64, false, expression));
    if (options_->mask_tags) {
        strip_tag(address);
    }
    return address;
}

Gpr Emitter::memory_address(const Inst& inst) {
    const bool is_access = inst.op == Opcode::Load || inst.op == Opcode::Store;
    const bool plain = !is_access || (inst.args[1] == kNoValue && inst.imm == 0);
    if (plain && !options_->mask_tags) {
        return use_gpr(inst.args[0]);
    }
    return memory_address_copy(inst);
}

Address Emitter::memory_operand(const Inst& inst, unsigned bits) {
    const MemInfo mem = inst.mem();
    if (!mem.aligned && !options_->mask_tags) {
        return Address(bits, false, address_expression(inst));
    }
    const Gpr address = memory_address(inst);
    if (mem.aligned) {
        check_alignment(address, mem.bytes());
    }
    return Address(bits, false, Xbyak::RegExp(address));
}

void Emitter::check_alignment(Gpr address, unsigned bytes) {
    if (bytes == 1) {
        return;
    }
    c.test(address.cvt8(), bytes - 1);
    const GuestAddr pc = block_->guest_pcs[block_->insts[index_].guest_index];
    cold_noreturn(jcc(Cc::NE), [=](Emitter& e) {
        e.c.mov(e.state(offsetof(ir::CpuState, exit_arg)), address);
        e.c.mov(e.state(offsetof(ir::CpuState, exit_reason), 32),
                static_cast<u32>(ExitReason::Alignment));
        e.store_pc(pc);
        e.c.jmp(e.thunk(offsetof(ir::HostThunks, exit)));
    });
}

// Cheaper than mfence; the top of the return stack is always there.
void Emitter::full_fence() {
    c.lock();
    c.or_(c.dword[c.rsp], 0);
}

// Brings a value to be stored into a register beforehand, so that nothing but the store itself
// follows the fault site.
void Emitter::prepare_store_value(ValueId v, unsigned bits) {
    const ValueId r = rep(v);
    if (values_[r].flags & kVector) {
        (void)use_xmm(v);
    } else if (!is_const(v) || (bits == 64 && !fits_imm32(const_value(v)))) {
        (void)use_gpr(v);
    }
}

void add_mem_emitters(EmitTable& table) {
    table.set(Opcode::Load, emit_Load);
    table.set(Opcode::Store, emit_Store);
    table.set(Opcode::Fence, emit_Fence);
    table.set(Opcode::ZeroBlock, emit_ZeroBlock);
    table.set(Opcode::Probe, emit_Probe, kKeepsFlags);
    add_atomic_emitters(table);
}

} // namespace ulna::backend::x64
