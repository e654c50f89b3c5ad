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
    bool guesses;  // the addend
    GuestAddr pc;
    Gpr address, rax;
};

// Elements of an array are mostly on pages with one addend, and what depends on them (a table of
// what to do next) waits for each look otherwise. Accesses that nobody waits for gain nothing.
bool reads_array(const Emitter& e, const Inst& inst) {
    const Inst& base = e.inst_of(inst.args[0]);
    const bool indexed = (inst.arg_count > 1 && inst.args[1] != ir::kNoValue) ||
                         (base.op == Opcode::Add && !e.is_const(base.args[1]));
    return inst.mem().access == Access::Reads && indexed;
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

// look.address becomes that of its bytes. A page that can be written can be read: one comparison
// does for both.
void emit_lookup(Emitter& e, const Lookup& look) {
    const Gpr address = look.address, rax = look.rax;
    const Gpr entry = e.scratch_gpr();
    e.c.rorx(entry, address, ir::kTlbPageLog2 - kEntryLog2);
    e.c.and_(entry.cvt32(), ones(ir::kTlbLog2) << kEntryLog2);
    const bool privileged = e.mode().privileged() && !look.mem.unprivileged;
    e.c.add(entry, e.state(offsetof(CpuState, tlb) + (privileged ? sizeof(CpuState::tlb[0]) : 0)));
    if (const unsigned last = look.bytes - 1; last != 0) {
        e.c.lea(rax, e.c.ptr[address + static_cast<int>(last)]);
    } else {
        e.c.mov(rax, address);
    }
    e.c.and_(rax, static_cast<u32>(~ones(ir::kTlbPageLog2)));
    const auto cell = [&](std::size_t offset) { return e.c.ptr[entry + static_cast<int>(offset)]; };
    e.c.cmp(rax, cell(look.mem.access == Access::Reads ? offsetof(TlbEntry, read)
                                                       : offsetof(TlbEntry, write)));
    const Jump missed = e.jcc(Cc::NE);
    const auto addend = cell(offsetof(TlbEntry, addend));
    if (look.guesses) {
        const std::size_t guess =
            offsetof(CpuState, guessed_addends) + (look.pc / 4 % ir::kGuessedAddends) * sizeof(u64);
        e.c.mov(rax, e.state(guess));
        e.c.cmp(rax, addend);
        e.cold(e.jcc(Cc::NE), [=](Emitter& cold) {
            cold.c.mov(rax, cold.c.ptr[entry + static_cast<int>(offsetof(TlbEntry, addend))]);
            cold.c.mov(cold.state(guess), rax);
        });
        e.c.add(address, rax);
    } else {
        e.c.add(address, addend);
    }
    e.cold(missed, [look](Emitter& cold) { emit_miss(cold, look); });
}

void emit_HostAddress(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = e.memory_address_copy(inst);
    if (mem.aligned) {
        e.check_alignment(address, mem);
    }
    emit_lookup(e, {mem, mem.bytes(), false, reads_array(e, inst), e.branch_pc(), address, rax});
    e.define(inst, address);
}

void emit_HostRange(Emitter& e, const Inst& inst) {
    const auto range = ir::RangeInfo::unpack(inst.imm);
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr base = e.use_gpr(inst.args[0]);
    const Gpr address = e.scratch_gpr();
    e.c.lea(address, e.c.ptr[base + range.displacement]);
    emit_lookup(e,
                {inst.mem(), range.bytes, true, reads_array(e, inst), e.branch_pc(), address, rax});
    e.define(inst, address);
}

} // namespace

void add_tlb_emitters(EmitTable& table) {
    table.set(Opcode::HostAddress, emit_HostAddress);
    table.set(Opcode::HostRange, emit_HostRange);
}

} // namespace ulna::backend::x64
