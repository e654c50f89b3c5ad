// Loads and stores: one host instruction per access, whose addressing mode takes base, index and
// displacement. Guest address = host address. Every faulting instruction has a fault site, and
// guest state is canonical there. Atomics and exclusives are in emit_atomic.cpp.
#include "backend/x64/emitter.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::ExitReason;
using ir::FenceKind;
using ir::kNoValue;
using ir::MemInfo;
using ir::MemOrder;
using ir::Type;

void add_atomic_emitters(EmitTable& table);
void add_string_emitters(EmitTable& table);
void add_tag_emitters(EmitTable& table);
void add_tlb_emitters(EmitTable& table);
void add_watch_emitters(EmitTable& table);

namespace {

bool fits_disp(u64 value) { return Emitter::fits_imm32(value); }

// Of a store: Arm's acquire and release are sequentially consistent among themselves.
bool orders_later_loads(MemOrder order) {
    return order == MemOrder::Release || order == MemOrder::AcquireRelease;
}

unsigned access_bits(MemInfo mem) { return 8u << mem.size_log2; }

void load_gpr(Emitter& e, const Inst& inst, const Mem& from) {
    const MemInfo mem = inst.mem();
    const Gpr to = e.def_gpr(inst, Overlap::Any);
    e.fault_site();
    raw::load(e.c, to, from, mem.size_log2, mem.sign, inst.type == Type::I64);
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
    const Mem from = e.memory_operand(inst);
    if (ir::in_vector_register(inst.type)) {
        load_xmm(e, inst, from.address(access_bits(inst.mem())));
    } else {
        load_gpr(e, inst, from);
    }
}

// x86 stores are release stores; an Arm store-release is also ordered before later load-acquires,
// which takes a full barrier.
void emit_Store(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const ValueId value = inst.args[2];
    const unsigned bits = access_bits(mem);
    e.prepare_store_value(value, bits);
    const Mem to = e.memory_operand(inst);
    e.fault_site();
    e.store_value(to, value, bits);
    if (orders_later_loads(mem.order)) {
        e.full_fence();
    }
}

void emit_Fence(Emitter& e, const Inst& inst) {
    if (static_cast<FenceKind>(inst.imm) == FenceKind::Full && !e.is_drained()) {
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

// Into all caches, whatever level the guest asks for.
void emit_Prefetch(Emitter& e, const Inst& inst) {
    const Address at = e.memory_operand(inst).address(8);
    if (inst.mem().access == ir::Access::Writes) {
        e.c.prefetchw(at);
    } else {
        e.c.prefetcht0(at);
    }
}

} // namespace

// base + (index << shift) + displacement.
Mem Emitter::address_expression(const Inst& inst) {
    const bool is_access = ir::is_indexed(inst.op);
    const ValueId base = inst.args[0], index = is_access ? inst.args[1] : kNoValue;
    const unsigned shift = is_access ? inst.mem().index_shift : 0;
    const u64 disp = is_access ? ir::displacement_of(inst) : 0;
    Mem mem;
    if (is_const(base) && index == kNoValue && fits_disp(const_value(base) + disp)) {
        mem.disp = static_cast<i32>(const_value(base) + disp);
        return mem;
    }
    mem.base = static_cast<u8>(use_gpr(base).getIdx());
    if (index != kNoValue) {
        if (is_const(index) && fits_disp((const_value(index) << shift) + disp)) {
            mem.disp = static_cast<i32>((const_value(index) << shift) + disp);
            return mem;
        }
        const Gpr scaled = use_gpr(index);
        mem.index = static_cast<u8>(scaled.getIdx());
        mem.scale_log2 = static_cast<u8>(shift);
        if (shift > 3) {
            const Gpr shifted = scratch_gpr();
            move(shifted, scaled);
            c.shl(shifted, shift);
            mem.index = static_cast<u8>(shifted.getIdx());
            mem.scale_log2 = 0;
        }
    }
    if (fits_disp(disp)) {
        mem.disp = static_cast<i32>(disp);
        return mem;
    }
    const Gpr sum = scratch_gpr();
    const auto sum_reg = static_cast<u8>(sum.getIdx());
    raw::mov_imm(c, sum_reg, disp);
    if (index == kNoValue) {
        mem.index = sum_reg;
        return mem;
    }
    raw::emit(c, raw::Op::Lea, true, sum_reg, Mem{mem.base, sum_reg, 0, 0});
    mem.base = sum_reg;
    return mem;
}

// Bits 63:56 := bit 55 (top byte ignore).
void Emitter::strip_tag(Gpr address) {
    c.shl(address, 8);
    c.sar(address, 8);
}

// The access's address in a register of its own.
Gpr Emitter::memory_address_copy(const Inst& inst) {
    const Mem expression = address_expression(inst);
    const Gpr address = scratch_gpr();
    raw::emit(c, raw::Op::Lea, true, address, expression);
    if (options_->mask_tags) {
        strip_tag(address);
    }
    return address;
}

Gpr Emitter::memory_address(const Inst& inst) {
    const bool is_access = ir::is_indexed(inst.op);
    const bool plain = !is_access || (inst.args[1] == kNoValue && inst.imm == 0);
    if (plain && !options_->mask_tags) {
        return use_gpr(inst.args[0]);
    }
    return memory_address_copy(inst);
}

Mem Emitter::memory_operand(const Inst& inst) {
    const MemInfo mem = inst.mem();
    if (!mem.aligned && !options_->mask_tags) {
        return address_expression(inst);
    }
    const Gpr address = memory_address(inst);
    if (mem.aligned) {
        check_alignment(address, mem);
    }
    return {static_cast<u8>(address.getIdx())};
}

// MemInfo::allows. That 16 bytes are left is found out in memory: no register is free there.
void Emitter::check_alignment(Gpr address, MemInfo mem) {
    const u32 bytes = mem.bytes();
    if (bytes == 1) {
        return;
    }
    c.test(address.cvt8(), bytes - 1);
    const GuestAddr pc = block_->guest_pcs[insts_[index_].guest_index];
    const auto fault = [=](Emitter& e) {
        e.c.mov(e.state(offsetof(ir::CpuState, exit_arg)), address);
        e.raise(pc, ExitReason::Alignment);
    };
    const Jump misaligned = jcc(Cc::NE);
    if (!mem.within_16 || bytes == 16) {
        cold_noreturn(misaligned, fault);
        return;
    }
    cold(misaligned, [=](Emitter& e) {
        const Address in_16 = e.state(offsetof(ir::CpuState, exit_arg), 32);
        e.c.mov(in_16, address.cvt32());
        e.c.and_(in_16, 15);
        e.c.cmp(in_16, 16 - bytes);
        const Jump inside = e.jcc(Cc::BE);
        fault(e);
        e.bind(inside);
    });
}

// Cheaper than mfence; the top of the return stack is always there.
void Emitter::full_fence() {
    c.lock();
    c.or_(c.dword[c.rsp], 0);
}

// There was a full barrier in this block, and no store since: locked instructions are such
// barriers, and later loads before earlier stores are all that this host reorders. What compilers
// make of atomic operations without LSE ends with a fence.
bool Emitter::is_drained() const {
    for (unsigned i = index_; i-- > 0;) {
        const Inst& inst = insts_[i];
        const bool fences =
            inst.op == Opcode::Fence && static_cast<FenceKind>(inst.imm) == FenceKind::Full;
        if (fences || inst.op == Opcode::AtomicRmw || inst.op == Opcode::Cas) {
            return true;
        }
        if (ir::has_effect(inst.op, ir::Effects::Store, ir::Effects::Call)) {
            return inst.op == Opcode::Store && orders_later_loads(inst.mem().order);
        }
    }
    return false;
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
    table.set(Opcode::Prefetch, emit_Prefetch);
    table.set(Opcode::Fence, emit_Fence);
    table.set(Opcode::ZeroBlock, emit_ZeroBlock);
    table.set(Opcode::Probe, emit_Probe, kKeepsFlags);
    add_atomic_emitters(table);
    add_string_emitters(table);
    add_tag_emitters(table);
    add_tlb_emitters(table);
    add_watch_emitters(table);
}

} // namespace ulna::backend::x64
