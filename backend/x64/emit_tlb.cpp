// Where an access of a machine finds its bytes (ir/tlb.h): a look at the TLB, and behind it the
// runtime.
#include "backend/x64/emitter.h"
#include "ir/tlb.h"

namespace ulna::backend::x64 {

using ir::Access;
using ir::CpuState;
using ir::ExitReason;
using ir::MemInfo;
using ir::TlbEntry;

namespace {

constexpr unsigned kEntryLog2 = 5;
static_assert(sizeof(TlbEntry) == 1u << kEntryLog2);

struct Lookup {
    MemInfo mem;
    u32 bytes;
    bool is_range; // of several accesses
    bool privileged;
    bool has_slot;
    GuestAddr pc;
    Gpr address, rax;
};

// Elements of an array, and the stack, are mostly on the page of the access before.
bool stays_on_page(const Emitter& e, const Inst& inst) {
    const Inst* base = &e.inst_of(inst.args[0]);
    if (inst.op == Opcode::HostAddress && inst.arg_count > 1 && inst.args[1] != ir::kNoValue) {
        return true;
    }
    while ((base->op == Opcode::Add || base->op == Opcode::Sub) && e.is_const(base->args[1])) {
        base = &e.inst_of(base->args[0]);
    }
    return base->op == Opcode::Add || (base->op == Opcode::Get && base->slot() == ir::Slot::SP);
}

// Makes of the address that of its bytes.
void emit_miss(Emitter& e, const Lookup& look) {
    const auto scratch = [&](unsigned n) {
        return e.state(offsetof(CpuState, scratch) + n * sizeof(V128));
    };
    Jump crosses{};
    if (look.is_range) {
        e.c.lea(look.rax, e.c.ptr[look.address + static_cast<int>(look.bytes - 1)]);
        e.c.xor_(look.rax, look.address);
        e.c.cmp(look.rax, static_cast<u32>(ones(ir::kTlbPageLog2)));
        crosses = e.jcc(Cc::A);
    }
    e.c.mov(scratch(0), look.address);
    const u64 further = look.is_range          ? u64{look.bytes} << 16
                        : e.mode().no_ranges() ? ir::kStoresAreCommitted
                                               : 0;
    e.c.mov(look.rax.cvt32(), static_cast<u32>(look.mem.pack() | further));
    e.c.mov(scratch(1), look.rax);
    e.c.mov(look.rax.cvt32(), static_cast<u32>(ir::HelperId::FindHostAddress));
    e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    e.c.mov(look.address, look.rax);
    e.c.test(look.rax, look.rax);
    const Jump found = e.jcc(Cc::NE);
    if (look.is_range) {
        e.bind(crosses);
        e.link_jump(look.pc | kWithoutRanges);
    } else {
        e.raise(look.pc, ExitReason::MemoryAccess);
    }
    e.bind(found);
}

// A page that can be written can be read: one comparison does for both.
void emit_look_at_tlb(Emitter& e, const Lookup& look, Gpr entry) {
    const Gpr address = look.address, rax = look.rax;
    e.c.rorx(entry, address, ir::kTlbPageLog2 - kEntryLog2);
    e.c.and_(entry.cvt32(), ones(ir::kTlbLog2) << kEntryLog2);
    e.c.add(entry,
            e.state(offsetof(CpuState, tlb) + (look.privileged ? sizeof(CpuState::tlb[0]) : 0)));
    if (const unsigned last = look.bytes - 1; last != 0) {
        e.c.lea(rax, e.c.ptr[address + static_cast<int>(last)]);
    } else {
        e.c.mov(rax, address);
    }
    e.c.and_(rax, static_cast<u32>(~ones(ir::kTlbPageLog2)));
    const bool reads = look.mem.access == Access::Reads;
    const std::size_t tag = reads ? offsetof(TlbEntry, read) : offsetof(TlbEntry, write);
    e.c.cmp(rax, e.c.ptr[entry + static_cast<int>(tag)]);
}

// look.address becomes that of its bytes: by the page that this instruction had last, else by the
// TLB, which then has the next one.
void emit_lookup(Emitter& e, const Lookup& look) {
    const Gpr address = look.address;
    const Gpr entry = e.scratch_gpr();
    const auto addend = e.c.ptr[entry + static_cast<int>(offsetof(TlbEntry, addend))];
    const auto size = ir::slot_size(look.bytes);
    if (!size || !look.has_slot || e.mode().no_ranges()) {
        emit_look_at_tlb(e, look, entry);
        const Jump missed = e.jcc(Cc::NE);
        e.c.add(address, addend);
        return e.cold(missed, [look](Emitter& cold) { emit_miss(cold, look); });
    }
    const unsigned group = ir::slot_group(look.privileged, look.mem.access != Access::Reads, *size);
    const std::size_t slot =
        offsetof(CpuState, page_slots) +
        (group * ir::kPageSlots + look.pc / 4 % ir::kPageSlots) * sizeof(ir::PageSlot);
    const auto cell = [&e, slot](std::size_t offset) { return e.state(slot + offset); };
    e.c.xor_(address, cell(offsetof(ir::PageSlot, page)));
    e.c.cmp(address, cell(offsetof(ir::PageSlot, limit)));
    const Jump missed = e.jcc(Cc::AE);
    e.c.add(address, cell(offsetof(ir::PageSlot, host)));
    e.cold(missed, [=](Emitter& cold) {
        const auto of_slot = [&cold, slot](std::size_t offset) {
            return cold.state(slot + offset);
        };
        cold.c.xor_(address, of_slot(offsetof(ir::PageSlot, page)));
        emit_look_at_tlb(cold, look, entry);
        const Jump found = cold.jcc(Cc::E);
        emit_miss(cold, look);
        const Jump done = cold.jmp();
        cold.bind(found);
        cold.c.mov(of_slot(offsetof(ir::PageSlot, page)), look.rax);
        cold.c.mov(entry, cold.c.ptr[entry + static_cast<int>(offsetof(TlbEntry, addend))]);
        cold.c.add(look.rax, entry);
        cold.c.mov(of_slot(offsetof(ir::PageSlot, host)), look.rax);
        const u32 limit =
            (1u << ir::kTlbPageLog2) - ir::kSlotBytes[static_cast<unsigned>(*size)] + 1;
        cold.c.mov(cold.state(slot + offsetof(ir::PageSlot, limit)), limit);
        cold.c.or_(cold.state(offsetof(CpuState, used_slot_groups)), 1u << group);
        cold.c.add(address, entry);
        cold.bind(done);
    });
}

void emit_HostAddress(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = e.memory_address_copy(inst);
    if (mem.aligned) {
        e.check_alignment(address, mem);
    }
    const bool privileged = e.mode().privileged() && !mem.unprivileged;
    emit_lookup(e, {mem, mem.bytes(), false, privileged, stays_on_page(e, inst), e.branch_pc(),
                    address, rax});
    e.define(inst, address);
}

void emit_HostRange(Emitter& e, const Inst& inst) {
    const auto range = ir::RangeInfo::unpack(inst.imm);
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr base = e.use_gpr(inst.args[0]);
    const Gpr address = e.scratch_gpr();
    e.c.lea(address, e.c.ptr[base + range.displacement]);
    emit_lookup(e,
                {inst.mem(), range.bytes, true, e.mode().privileged() && !inst.mem().unprivileged,
                 stays_on_page(e, inst), e.branch_pc(), address, rax});
    e.define(inst, address);
}

} // namespace

void add_tlb_emitters(EmitTable& table) {
    table.set(Opcode::HostAddress, emit_HostAddress);
    table.set(Opcode::HostRange, emit_HostRange);
}

} // namespace ulna::backend::x64
