// Where an access of a machine finds its bytes (ir/tlb.h): a look at the TLB, and behind it the
// runtime.
#include "backend/x64/emitter.h"
#include "backend/x64/host_cpu.h"
#include "ir/tlb.h"

namespace ulna::backend::x64 {

using ir::Access;
using ir::CpuState;
using ir::ExitReason;
using ir::MemInfo;
using ir::PageSlot;
using ir::Tlb;

namespace {

struct Lookup {
    MemInfo mem;
    u32 bytes;
    bool is_range; // of several accesses
    bool privileged;
    bool by_gs; // the TLB is at GS: not of accesses with less privilege than the block's others
    GuestAddr pc;
    Gpr address, rax;
    Gpr entry; // where the TLB has it

    [[nodiscard]] std::size_t known_page() const {
        return mem.access == Access::Reads ? offsetof(Tlb, read) : offsetof(Tlb, write);
    }
};

// Elements of an array, and the stack, are mostly on the page of the access before.
bool stays_on_page(const Emitter& e, const Inst& inst) {
    const Inst* base = &e.inst_of(inst.args[0]);
    if (inst.args[1] != ir::kNoValue) {
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

// For the next instruction, which it may give a prefix.
Address of_entry(Emitter& e, const Lookup& look, std::size_t array) {
    constexpr int kGs = 0x65;
    if (look.by_gs) {
        e.c.db(kGs);
    }
    return e.c.ptr[look.entry + static_cast<int>(array)];
}

// RAX becomes the offset in the page, which leaves no room for the access where the jump is taken;
// or too large for any access, when the entry is another page's. The address stays as it is, so
// that it need not wait. A page that can be written can be read.
Jump emit_look_at_tlb(Emitter& e, const Lookup& look) {
    constexpr unsigned kLog2 = 3;
    static_assert(sizeof(Tlb::read[0]) == 1u << kLog2);
    e.c.rorx(look.entry, look.address, ir::kTlbPageLog2 - kLog2);
    e.c.and_(look.entry.cvt32(), ones(ir::kTlbLog2) << kLog2);
    if (!look.by_gs) {
        e.c.add(look.entry, e.state(offsetof(CpuState, tlb) +
                                    (look.privileged ? sizeof(CpuState::tlb[0]) : 0)));
    }
    e.c.mov(look.rax, of_entry(e, look, look.known_page()));
    e.c.xor_(look.rax, look.address);
    e.c.cmp(look.rax, static_cast<u32>(ir::kTlbPageBytes - look.bytes));
    return e.jcc(Cc::A);
}

// look.address becomes that of its bytes.
void emit_plain_lookup(Emitter& e, const Lookup& look) {
    const Jump missed = emit_look_at_tlb(e, look);
    e.c.add(look.address, of_entry(e, look, offsetof(Tlb, addend)));
    e.cold(missed, [look](Emitter& cold) { emit_miss(cold, look); });
}

struct SlotOfLookup {
    u32 offset; // in CpuState
    u16 group;
    u16 bytes; // the most that are looked for by it

    [[nodiscard]] Address cell(Emitter& e, std::size_t member) const {
        return e.state(offset + member);
    }
};

// By the TLB, whose page is then the slot's.
void emit_miss_of_slot(Emitter& e, const Lookup& look, SlotOfLookup slot) {
    const Gpr address = look.address, rax = look.rax;
    const Jump missed = emit_look_at_tlb(e, look);
    e.c.xor_(rax, address);
    e.c.mov(slot.cell(e, offsetof(PageSlot, page)), rax);
    e.c.mov(rax, of_entry(e, look, offsetof(Tlb, addend)));
    e.c.mov(slot.cell(e, offsetof(PageSlot, addend)), rax);
    e.c.mov(slot.cell(e, offsetof(PageSlot, limit)),
            static_cast<u32>(ir::kTlbPageBytes - slot.bytes + 1));
    e.c.or_(e.state(offsetof(CpuState, used_slot_groups)), 1u << slot.group);
    e.c.add(address, rax);
    const Jump done = e.jmp();
    e.bind(missed);
    emit_miss(e, look);
    e.bind(done);
}

// By the page that this instruction had last.
void emit_slot_lookup(Emitter& e, const Lookup& look, ir::SlotSize size) {
    const unsigned group = ir::slot_group(look.privileged, look.mem.access != Access::Reads, size);
    const SlotOfLookup slot{
        static_cast<u32>(offsetof(CpuState, page_slots) +
                         (group * ir::kPageSlots + look.pc / 4 % ir::kPageSlots) *
                             sizeof(PageSlot)),
        static_cast<u16>(group), static_cast<u16>(ir::kSlotBytes[static_cast<unsigned>(size)])};
    e.c.mov(look.rax, slot.cell(e, offsetof(PageSlot, page)));
    e.c.xor_(look.rax, look.address);
    e.c.cmp(look.rax, slot.cell(e, offsetof(PageSlot, limit)));
    const Jump missed = e.jcc(Cc::AE);
    e.c.add(look.address, slot.cell(e, offsetof(PageSlot, addend)));
    e.cold(missed, [look, slot](Emitter& cold) { emit_miss_of_slot(cold, look, slot); });
}

void emit_lookup(Emitter& e, const Inst& inst, Gpr rax, Gpr address, u32 bytes) {
    const bool privileged = e.mode().privileged() && !inst.mem().unprivileged;
    const auto size = ir::slot_size(bytes);
    const bool has_slot = size && stays_on_page(e, inst) && !e.mode().no_ranges();
    const Lookup look{.mem = inst.mem(),
                      .bytes = bytes,
                      .is_range = inst.op == Opcode::HostRange,
                      .privileged = privileged,
                      .by_gs = host_has_fsgsbase() && !e.options().baseline_host &&
                               privileged == e.mode().privileged(),
                      .pc = e.branch_pc(),
                      .address = address,
                      .rax = rax,
                      .entry = e.scratch_gpr()};
    if (has_slot) {
        emit_slot_lookup(e, look, *size);
    } else {
        emit_plain_lookup(e, look);
    }
}

void emit_HostAddress(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = e.memory_address_copy(inst);
    if (mem.aligned) {
        e.check_alignment(address, mem);
    }
    emit_lookup(e, inst, rax, address, mem.bytes());
    e.define(inst, address);
}

void emit_HostRange(Emitter& e, const Inst& inst) {
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = e.memory_address_copy(inst);
    emit_lookup(e, inst, rax, address, ir::RangeInfo::unpack(inst.imm).bytes);
    e.define(inst, address);
}

} // namespace

void add_tlb_emitters(EmitTable& table) {
    table.set(Opcode::HostAddress, emit_HostAddress);
    table.set(Opcode::HostRange, emit_HostRange);
}

} // namespace ulna::backend::x64
