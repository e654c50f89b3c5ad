// Allocation tags (ir/memory_tags.h): their loads, stores, and the check of an access.
//
// At most five temporaries are in use, the arguments' among them: a sixth would be a pinned
// register's, and all of these may fault.
#include "backend/x64/emitter.h"
#include "ir/memory_tags.h"

namespace ulna::backend::x64 {

using ir::Access;
using ir::CpuState;
using ir::ExitReason;
using ir::kTagGranuleBytes;
using ir::MemInfo;
using ir::TagSpan;

namespace {

constexpr unsigned kGranuleLog2 = 4;
static_assert(kTagGranuleBytes == 1u << kGranuleLog2);

constexpr std::size_t kTags = offsetof(CpuState, tag_memory) + offsetof(ir::TagMemory, tags);
constexpr std::size_t kPages = offsetof(CpuState, tag_memory) + offsetof(ir::TagMemory, pages);

// A writable copy of the address, without its tag.
Gpr untagged_copy(Emitter& e, ValueId address) {
    const Gpr tagged = e.use_gpr(address);
    const Gpr copy = e.scratch_gpr();
    e.move(copy, tagged);
    e.strip_tag(copy);
    return copy;
}

// Faults as a store would, and changes nothing, whoever else writes there.
void touch_for_writing(Emitter& e, Gpr address) {
    e.c.lock();
    e.c.or_(e.c.byte[address], 0);
}

void emit_LoadTag(Emitter& e, const Inst& inst) {
    const Gpr address = untagged_copy(e, inst.args[0]);
    const Gpr tag = e.scratch_gpr();
    e.fault_site();
    e.c.movzx(tag.cvt32(), e.c.byte[address]);
    if (e.mode().tags()) {
        e.c.shr(address, kGranuleLog2);
        e.c.add(address, e.state(kTags));
        e.c.movzx(tag.cvt32(), e.c.byte[address]);
    } else {
        e.c.xor_(tag.cvt32(), tag.cvt32());
    }
    e.define(inst, tag);
}

void emit_StoreTag(Emitter& e, const Inst& inst) {
    const bool block = static_cast<TagSpan>(inst.imm) == TagSpan::Block;
    const Gpr tagged = e.use_gpr(inst.args[1]);
    const Gpr address = untagged_copy(e, inst.args[0]);
    if (!block) {
        e.check_alignment(address, {.size_log2 = kGranuleLog2, .aligned = true});
    }
    const Gpr tag = e.scratch_gpr();
    e.fault_site();
    touch_for_writing(e, address);
    if (!e.mode().tags()) {
        return;
    }
    const Gpr page = tag; // first
    e.c.mov(page, address);
    e.c.shr(page, ir::kTagPageLog2);
    e.c.add(page, e.state(kPages));
    e.c.cmp(e.c.byte[page], 0);
    const Jump no_tags = e.jcc_short(Cc::E);
    e.c.rorx(tag, tagged, ir::kTagShift);
    e.c.and_(tag.cvt32(), 15);
    e.c.shr(address, kGranuleLog2);
    e.c.add(address, e.state(kTags));
    if (block) {
        e.c.and_(address, -4);
        static_assert(ir::kZeroBlockBytes / kTagGranuleBytes == 4);
        e.c.imul(tag.cvt32(), tag.cvt32(), 0x0101'0101);
        e.c.mov(e.c.dword[address], tag.cvt32());
    } else {
        e.c.mov(e.c.byte[address], tag.cvt8());
    }
    e.bind_short(no_tags);
}

// --- the check

// ZF: the granule of `at` has the tag of `at`. Any address: only the low 47 bits name the cell, and
// where the guest has no memory the access itself faults. `cell` and `tag` change; `at` may be
// `tag`.
void compare_tag(Emitter& e, Gpr at, Gpr cell, Gpr tag) {
    constexpr unsigned kUnused = 64 - ir::kTaggedAddressBits;
    e.c.mov(cell, at);
    e.c.shl(cell, kUnused);
    e.c.shr(cell, kUnused + kGranuleLog2);
    e.c.add(cell, e.state(kTags));
    e.c.rorx(tag, at, ir::kTagShift);
    e.c.xor_(tag.cvt8(), e.c.byte[cell]);
    e.c.test(tag.cvt8(), 15);
}

// What a check that fails at first sight does.
struct SlowCheck {
    MemInfo mem;
    ir::TagCheck check;
    u16 guest_index;
    GuestAddr pc;
    Gpr tagged, rax, temporary;
};

// Asks about the whole access: pages without tags match everything.
void emit_slow_check(Emitter& e, const SlowCheck& s) {
    const auto scratch = [&](unsigned n) {
        return e.state(offsetof(CpuState, scratch) + n * sizeof(V128));
    };
    e.c.mov(scratch(0), s.tagged);
    e.c.mov(scratch(1), s.mem.pack());
    e.c.mov(s.rax.cvt32(), static_cast<u32>(ir::HelperId::CheckTag));
    e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    e.c.test(s.rax, s.rax);
    const Jump matches = e.jcc(Cc::E);
    e.c.mov(s.temporary, s.rax);
    e.strip_tag(s.temporary);
    e.fault_site(s.guest_index); // a fault of the access itself comes first
    if (s.mem.access == Access::Reads) {
        e.c.movzx(s.temporary.cvt32(), e.c.byte[s.temporary]);
    } else {
        touch_for_writing(e, s.temporary);
    }
    if (ir::raises(s.check, s.mem.access)) {
        e.c.mov(e.state(offsetof(CpuState, exit_arg)), s.rax);
        e.raise(s.pc, s.mem.access == Access::Writes ? ExitReason::TagCheckStore
                                                     : ExitReason::TagCheckLoad);
    } else {
        e.c.mov(e.state(offsetof(CpuState, tfsre0_el1), 32), 1);
        e.c.lock();
        e.c.or_(e.state(offsetof(CpuState, pending), 32), ir::kPendingRequest);
    }
    e.bind(matches);
}

void emit_CheckTag(Emitter& e, const Inst& inst) {
    const MemInfo mem = inst.mem();
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr base = e.use_gpr(inst.args[0]);
    const Gpr tagged = e.scratch_gpr();
    e.c.lea(tagged, e.c.ptr[base + static_cast<i32>(inst.imm)]);
    if (mem.aligned) {
        e.check_alignment(tagged, mem);
    }
    if (const ir::TagCheck check = e.mode().tag_check(); check != ir::TagCheck::None) {
        const Gpr temporary = e.scratch_gpr();
        const SlowCheck slow{mem, check, inst.guest_index, e.branch_pc(), tagged, rax, temporary};
        compare_tag(e, tagged, rax, temporary);
        e.cold(e.jcc(Cc::NE), [=](Emitter& cold) { emit_slow_check(cold, slow); });
        if (mem.bytes() > 1) { // a misaligned access may reach into the next granule
            e.c.test(tagged.cvt8(), mem.bytes() - 1);
            e.cold(e.jcc(Cc::NE), [=](Emitter& cold) {
                cold.c.lea(slow.temporary, cold.c.ptr[slow.tagged + (slow.mem.bytes() - 1)]);
                compare_tag(cold, slow.temporary, slow.rax, slow.temporary);
                const Jump matches = cold.jcc(Cc::E);
                emit_slow_check(cold, slow);
                cold.bind(matches);
            });
        }
    }
    e.strip_tag(tagged);
    e.define(inst, tagged);
}

} // namespace

void add_tag_emitters(EmitTable& table) {
    table.set(Opcode::CheckTag, emit_CheckTag);
    table.set(Opcode::LoadTag, emit_LoadTag);
    table.set(Opcode::StoreTag, emit_StoreTag);
}

} // namespace ulna::backend::x64
