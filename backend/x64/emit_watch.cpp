// Watchpoints (ir/watchpoints.h): most accesses are outside of the range that has them all.
#include "backend/x64/emitter.h"
#include "ir/watchpoints.h"

namespace ulna::backend::x64 {

using ir::CpuState;

namespace {

constexpr std::size_t kStart = offsetof(CpuState, watched) + offsetof(ir::Watched, start);
constexpr std::size_t kBytes = offsetof(CpuState, watched) + offsetof(ir::Watched, bytes);

struct NearAccess {
    u16 mem; // MemInfo
    GuestAddr pc;
    Gpr address, rax;
};

void emit_near_access(Emitter& e, const NearAccess& near) {
    const auto scratch = [&](unsigned n) {
        return e.state(offsetof(CpuState, scratch) + n * sizeof(V128));
    };
    e.c.mov(scratch(0), near.address);
    e.c.mov(scratch(1), near.mem);
    e.c.mov(near.rax.cvt32(), static_cast<u32>(ir::HelperId::FindWatched));
    e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    e.c.test(near.rax, near.rax);
    const Jump unwatched = e.jcc(Cc::E);
    e.c.mov(e.state(offsetof(CpuState, exit_arg)), near.rax);
    e.raise(near.pc, ir::ExitReason::Watchpoint);
    e.bind(unwatched);
}

void emit_Watch(Emitter& e, const Inst& inst) {
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr base = e.use_gpr(inst.args[0]);
    const Gpr address = e.scratch_gpr();
    e.c.lea(address, e.c.ptr[base + static_cast<i32>(inst.imm)]);
    e.strip_tag(address);
    e.c.mov(rax, address);
    e.c.sub(rax, e.state(kStart));
    e.c.cmp(rax, e.state(kBytes));
    const NearAccess near{inst.aux, e.branch_pc(), address, rax};
    e.cold(e.jcc(Cc::B), [=](Emitter& cold) { emit_near_access(cold, near); });
}

} // namespace

void add_watch_emitters(EmitTable& table) { table.set(Opcode::Watch, emit_Watch); }

} // namespace ulna::backend::x64
