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

struct Miss {
    MemInfo mem;
    GuestAddr pc;
    Gpr address, rax;
};

// Makes of the address that of its bytes.
void emit_miss(Emitter& e, const Miss& miss) {
    const auto scratch = [&](unsigned n) {
        return e.state(offsetof(CpuState, scratch) + n * sizeof(V128));
    };
    e.c.mov(scratch(0), miss.address);
    e.c.mov(scratch(1), miss.mem.pack());
    e.c.mov(miss.rax.cvt32(), static_cast<u32>(ir::HelperId::FindHostAddress));
    e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    e.c.mov(miss.address, miss.rax);
    e.c.test(miss.rax, miss.rax);
    const Jump found = e.jcc(Cc::NE);
    e.raise(miss.pc, ExitReason::MemoryAccess);
    e.bind(found);
}

// A page that can be written can be read: one comparison does for both.
void emit_HostAddress(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr base = e.use_gpr(inst.args[0]);
    const Gpr address = e.scratch_gpr();
    e.c.lea(address, e.c.ptr[base + static_cast<i32>(inst.imm)]);
    if (mem.aligned) {
        e.check_alignment(address, mem);
    }
    const Gpr entry = e.scratch_gpr();
    e.c.rorx(entry, address, ir::kTlbPageLog2 - kEntryLog2);
    e.c.and_(entry.cvt32(), ones(ir::kTlbLog2) << kEntryLog2);
    const bool privileged = e.mode().privileged() && !mem.unprivileged;
    e.c.add(entry, e.state(offsetof(CpuState, tlb) + (privileged ? sizeof(CpuState::tlb[0]) : 0)));
    if (const unsigned last = mem.bytes() - 1; last != 0) {
        e.c.lea(rax, e.c.ptr[address + last]);
    } else {
        e.c.mov(rax, address);
    }
    e.c.and_(rax, static_cast<u32>(~ones(ir::kTlbPageLog2)));
    const auto cell = [&](std::size_t offset) { return e.c.ptr[entry + static_cast<int>(offset)]; };
    e.c.cmp(rax, cell(mem.access == Access::Reads ? offsetof(TlbEntry, read)
                                                  : offsetof(TlbEntry, write)));
    const Jump missed = e.jcc(Cc::NE);
    e.c.add(address, cell(offsetof(TlbEntry, addend)));
    e.cold(missed, [miss = Miss{mem, e.branch_pc(), address, rax}](Emitter& cold) {
        emit_miss(cold, miss);
    });
    e.define(inst, address);
}

} // namespace

void add_tlb_emitters(EmitTable& table) { table.set(Opcode::HostAddress, emit_HostAddress); }

} // namespace ulna::backend::x64
