#include "backend/page_look.h"

#include <sys/auxv.h>

namespace ulna::backend {

using ir::Opcode;

namespace {

// Of what the address is made, constants left away.
const ir::Inst& base_of(const ir::Block& block, const ir::Inst& inst) {
    const ir::Inst* base = &block[inst.args[0]];
    while ((base->op == Opcode::Add || base->op == Opcode::Sub) && block.is_const(base->args[1])) {
        base = &block[base->args[0]];
    }
    return *base;
}

// Elements of an array, and the stack, are mostly on the page of the access before.
bool is_of_array(const ir::Block& block, const ir::Inst& inst) {
    const Opcode base = base_of(block, inst).op;
    return inst.args[1] != ir::kNoValue || base == Opcode::Add || base == Opcode::AddShl;
}
bool is_of_stack(const ir::Block& block, const ir::Inst& inst) {
    const ir::Inst& base = base_of(block, inst);
    return inst.args[1] == ir::kNoValue && base.op == Opcode::Get && base.slot() == ir::Slot::SP;
}

} // namespace

bool host_has_fsgsbase() {
    constexpr unsigned long kInHwcap2 = 1u << 1;
    return (getauxval(AT_HWCAP2) & kInHwcap2) != 0;
}

PageLook page_look(const ir::Block& block, const ir::Inst& inst, GuestAddr pc) {
    const ir::BlockMode mode = block.key.mode;
    const ir::MemInfo mem = inst.mem();
    PageLook look;
    look.is_range = inst.op == Opcode::HostRange;
    look.bytes = look.is_range ? ir::RangeInfo::unpack(inst.imm).bytes : mem.bytes();
    look.writes = mem.access != ir::Access::Reads;
    look.privileged = mode.privileged() && !mem.unprivileged;
    look.by_gs = host_has_fsgsbase() && look.privileged == mode.privileged();
    const u64 further = look.is_range      ? u64{look.bytes} << 16
                        : mode.no_ranges() ? ir::kStoresAreCommitted
                                           : 0;
    look.request = static_cast<u32>(mem.pack() | further);
    const auto size = ir::slot_size(look.bytes);
    look.of_stack = is_of_stack(block, inst);
    if (size && !mode.no_ranges() && (look.of_stack || is_of_array(block, inst))) {
        const unsigned group = ir::slot_group(look.privileged, look.writes, *size);
        const u64 number = group * ir::kPageSlots + pc / 4 % ir::kPageSlots;
        look.slot =
            static_cast<u32>(offsetof(ir::CpuState, page_slots) + number * sizeof(ir::PageSlot));
        look.slot_group = static_cast<u16>(group);
        look.slot_bytes = static_cast<u16>(ir::kSlotBytes[static_cast<unsigned>(*size)]);
    }
    return look;
}

} // namespace ulna::backend
