// Where an access of a machine finds its bytes (ir/tlb.h): a look at the TLB, and behind it the
// runtime.
#include "backend/page_look.h"
#include "backend/x64/emitter.h"
#include "ir/memory_tags.h"
#include "ir/tlb.h"

namespace ulna::backend::x64 {

using ir::CpuState;
using ir::ExitReason;
using ir::MemInfo;
using ir::PageSlot;
using ir::Tlb;

namespace {

struct Lookup {
    PageLook page;
    GuestAddr pc;
    Gpr address, rax;
    Gpr entry; // where the TLB has it
};

// For the next instruction, which it may give a prefix.
Address of_entry(Emitter& e, const Lookup& look, std::size_t array) {
    constexpr int kGs = 0x65;
    if (look.page.by_gs) {
        e.c.db(kGs);
    }
    return e.c.ptr[look.entry + static_cast<int>(array)];
}

// Of a machine with allocation tags (BlockMode::kTags). After a look at the TLB that has not found
// the page: is it there as one whose tags are compared (tagged_tlb_page)? Then an access inside a
// granule that has its tag is found here, at once, and a range is not found. All other cases are
// the runtime's. The address is in scratch(0), too.
struct TaggedLook {
    Jump found, no_range; // of an access, of a range
    Jump slow[3];
    unsigned slow_count = 0;
    void slow_when(Emitter& e, Cc cc) { slow[slow_count++] = e.jcc(cc); }
};
TaggedLook emit_tagged_look(Emitter& e, const Lookup& look) {
    constexpr u32 kGranule = ir::kTagGranuleBytes;
    constexpr std::size_t kLogicalTag = offsetof(CpuState, scratch) + 7; // the top byte
    const MemInfo mem = MemInfo::unpack(static_cast<u16>(look.page.request));
    TaggedLook jumps{};
    e.c.rorx(look.rax, look.address, ir::kTagShift); // without its tag
    e.c.and_(look.rax.cvt8(), 0xf0);
    e.c.rorx(look.rax, look.rax, 64 - ir::kTagShift);
    e.c.mov(look.address, look.rax);
    e.c.and_(look.address, -static_cast<int>(ir::kTlbPageBytes));
    e.c.xor_(look.address, of_entry(e, look, look.page.known_page()));
    e.c.cmp(look.address, static_cast<u32>(ir::tagged_tlb_page(0)));
    if (look.page.is_range) {
        jumps.no_range = e.jcc(Cc::E);
        return jumps;
    }
    jumps.slow_when(e, Cc::NE);
    if (!mem.tag_unchecked && mem.bytes() > 1) {
        e.c.mov(look.address.cvt32(), look.rax.cvt32());
        e.c.and_(look.address.cvt32(), kGranule - 1);
        e.c.cmp(look.address.cvt32(), kGranule - mem.bytes());
        jumps.slow_when(e, Cc::A);
    }
    e.c.add(look.rax, of_entry(e, look, offsetof(Tlb, addend)));
    if (!mem.tag_unchecked) {
        constexpr unsigned kGranuleLog2 = 4;
        static_assert(kGranule == 1u << kGranuleLog2);
        e.c.mov(look.entry, look.rax);
        e.c.shr(look.entry, kGranuleLog2);
        e.c.add(look.entry,
                e.state(offsetof(CpuState, tag_memory) + offsetof(ir::TagMemory, tags)));
        e.c.movzx(look.entry.cvt32(), e.c.byte[look.entry]);
        e.c.xor_(look.entry.cvt8(), e.state(kLogicalTag, 8));
        e.c.test(look.entry.cvt8(), 0xf);
        jumps.slow_when(e, Cc::NE);
    }
    e.c.mov(look.address, look.rax);
    jumps.found = e.jmp();
    return jumps;
}

// Makes of the address that of its bytes.
void emit_miss(Emitter& e, const Lookup& look) {
    const auto scratch = [&](unsigned n) {
        return e.state(offsetof(CpuState, scratch) + n * sizeof(V128));
    };
    const bool has_tags = e.mode().tags();
    TaggedLook tagged{};
    if (has_tags) {
        e.c.mov(scratch(0), look.address);
        tagged = emit_tagged_look(e, look);
        for (unsigned i = 0; i < tagged.slow_count; ++i) {
            e.bind(tagged.slow[i]);
        }
        e.c.mov(look.address, scratch(0));
    }
    Jump crosses{};
    if (look.page.is_range) {
        e.c.lea(look.rax, e.c.ptr[look.address + static_cast<int>(look.page.bytes - 1)]);
        e.c.xor_(look.rax, look.address);
        e.c.cmp(look.rax, static_cast<u32>(ones(ir::kTlbPageLog2)));
        crosses = e.jcc(Cc::A);
    }
    if (!has_tags) {
        e.c.mov(scratch(0), look.address);
    }
    e.c.mov(look.rax.cvt32(), look.page.request);
    e.c.mov(scratch(1), look.rax);
    e.c.mov(look.rax.cvt32(), static_cast<u32>(ir::HelperId::FindHostAddress));
    e.c.call(e.thunk(offsetof(ir::HostThunks, call_helper)));
    e.c.mov(look.address, look.rax);
    e.c.test(look.rax, look.rax);
    const Jump found = e.jcc(Cc::NE);
    if (look.page.is_range) {
        e.bind(crosses);
        if (has_tags) {
            e.bind(tagged.no_range);
        }
        e.link_jump(look.pc | kWithoutRanges);
    } else {
        e.raise(look.pc, ExitReason::MemoryAccess);
    }
    if (has_tags && !look.page.is_range) {
        e.bind(tagged.found);
    }
    e.bind(found);
}

// RAX becomes the offset in the page, which leaves no room for the access where the jump is taken;
// or too large for any access, when the entry is another page's. The address stays as it is, so
// that it need not wait. A page that can be written can be read.
Jump emit_look_at_tlb(Emitter& e, const Lookup& look) {
    constexpr unsigned kLog2 = 3;
    static_assert(sizeof(Tlb::read[0]) == 1u << kLog2);
    e.c.rorx(look.entry, look.address, ir::kTlbPageLog2 - kLog2);
    e.c.and_(look.entry.cvt32(), ones(ir::kTlbLog2) << kLog2);
    if (!look.page.by_gs) {
        e.c.add(look.entry, e.state(look.page.tlb()));
    }
    e.c.mov(look.rax, of_entry(e, look, look.page.known_page()));
    e.c.xor_(look.rax, look.address);
    e.c.cmp(look.rax, static_cast<u32>(ir::kTlbPageBytes - look.page.bytes));
    return e.jcc(Cc::A);
}

// look.address becomes that of its bytes.
void emit_plain_lookup(Emitter& e, const Lookup& look) {
    const Jump missed = emit_look_at_tlb(e, look);
    e.c.add(look.address, of_entry(e, look, offsetof(Tlb, addend)));
    e.cold(missed, [look](Emitter& cold) { emit_miss(cold, look); });
}

Address slot_cell(Emitter& e, const Lookup& look, std::size_t member) {
    return e.state(look.page.slot + member);
}

// By the TLB, whose page is then the slot's.
void emit_miss_of_slot(Emitter& e, const Lookup& look) {
    const Gpr address = look.address, rax = look.rax;
    const Jump missed = emit_look_at_tlb(e, look);
    e.c.xor_(rax, address);
    e.c.mov(slot_cell(e, look, offsetof(PageSlot, page)), rax);
    e.c.add(rax, of_entry(e, look, offsetof(Tlb, addend)));
    e.c.mov(slot_cell(e, look, offsetof(PageSlot, host)), rax);
    e.c.mov(rax, of_entry(e, look, offsetof(Tlb, addend)));
    e.c.mov(slot_cell(e, look, offsetof(PageSlot, addend)), rax);
    e.c.mov(slot_cell(e, look, offsetof(PageSlot, limit)),
            static_cast<u32>(ir::kTlbPageBytes - look.page.slot_bytes + 1));
    e.c.or_(e.state(offsetof(CpuState, used_slot_groups)), 1u << look.page.slot_group);
    e.c.add(address, rax);
    const Jump done = e.jmp();
    e.bind(missed);
    emit_miss(e, look);
    e.bind(done);
}

// By the page that this instruction had last, whose offset the address becomes: two instructions
// less, but it waits for one more.
void emit_stack_lookup(Emitter& e, const Lookup& look) {
    e.c.xor_(look.address, slot_cell(e, look, offsetof(PageSlot, page)));
    e.c.cmp(look.address, slot_cell(e, look, offsetof(PageSlot, limit)));
    const Jump missed = e.jcc(Cc::AE);
    e.c.add(look.address, slot_cell(e, look, offsetof(PageSlot, host)));
    e.cold(missed, [look](Emitter& cold) {
        cold.c.xor_(look.address, slot_cell(cold, look, offsetof(PageSlot, page)));
        emit_miss_of_slot(cold, look);
    });
}

// The same where others wait for what is there.
void emit_slot_lookup(Emitter& e, const Lookup& look) {
    e.c.mov(look.rax, slot_cell(e, look, offsetof(PageSlot, page)));
    e.c.xor_(look.rax, look.address);
    e.c.cmp(look.rax, slot_cell(e, look, offsetof(PageSlot, limit)));
    const Jump missed = e.jcc(Cc::AE);
    e.c.add(look.address, slot_cell(e, look, offsetof(PageSlot, addend)));
    e.cold(missed, [look](Emitter& cold) { emit_miss_of_slot(cold, look); });
}

void emit_lookup(Emitter& e, const Inst& inst, Gpr rax, Gpr address) {
    Lookup look{.page = page_look(e.block(), inst, e.branch_pc()),
                .pc = e.branch_pc(),
                .address = address,
                .rax = rax,
                .entry = e.scratch_gpr()};
    look.page.by_gs = look.page.by_gs && !e.options().baseline_host;
    if (look.page.slot != 0 && look.page.of_stack) {
        emit_stack_lookup(e, look);
    } else if (look.page.slot != 0) {
        emit_slot_lookup(e, look);
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
    emit_lookup(e, inst, rax, address);
    e.define(inst, address);
}

void emit_HostRange(Emitter& e, const Inst& inst) {
    const Gpr rax = e.take_gpr(HostReg::RAX);
    const Gpr address = e.memory_address_copy(inst);
    emit_lookup(e, inst, rax, address);
    e.define(inst, address);
}

} // namespace

void add_tlb_emitters(EmitTable& table) {
    table.set(Opcode::HostAddress, emit_HostAddress);
    table.set(Opcode::HostRange, emit_HostRange);
}

} // namespace ulna::backend::x64
