// What the fault handler needs to know about the registers of translated code, and MXCSR <-> FPCR,
// FPSR.
#if defined(__x86_64__)

#include "backend/backend.h"
#include "backend/x64/fp_trap.h"
#include "backend/x64/pinned.h"
#include "backend/x64/signal_context.h"

namespace ulna::backend {

namespace {

using x64::greg, x64::set_xmm, x64::xmm;

u64& cell_of(ir::CpuState& state, ir::Slot slot) {
    return *reinterpret_cast<u64*>(reinterpret_cast<char*>(&state) + ir::slot_offset(slot));
}
V128& vec_cell_of(ir::CpuState& state, ir::Slot slot) {
    return *reinterpret_cast<V128*>(reinterpret_cast<char*>(&state) + ir::slot_offset(slot));
}

// What a string operation has not done yet belongs into the slot that counts for it.
void save_string_progress(const ucontext_t& context, ir::CpuState& state) {
    using ir::StringOp;
    if (state.string_op == 0) {
        return;
    }
    const u64 left = state.string_left +
                     (state.string_op & StringOp::kCounting ? greg(context, HostReg::RCX) : 0);
    const auto slot = static_cast<ir::Slot>(state.string_op & StringOp::kSlotMask);
    cell_of(state, slot) = state.string_op & StringOp::kDescending ? left : 0 - left;
    state.string_op = 0;
}

} // namespace

void save_pinned(const void* ucontext, ir::CpuState& state) {
    const auto& context = *static_cast<const ucontext_t*>(ucontext);
    for (const PinnedGpr& pin : kPinnedGprs) {
        if ((state.borrowed_gprs >> static_cast<unsigned>(pin.reg) & 1) == 0) {
            cell_of(state, pin.slot) = greg(context, pin.reg);
        }
    }
    state.borrowed_gprs = 0;
    save_string_progress(context, state);
    for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
        vec_cell_of(state, kPinnedVecs[n]) = xmm(context, n);
    }
}

void save_located(const void* ucontext,
                  std::span<const SlotLocation> locations,
                  ir::CpuState& state) {
    const auto& context = *static_cast<const ucontext_t*>(ucontext);
    save_pinned(ucontext, state);
    for (const SlotLocation& at : locations) {
        char* const cell = reinterpret_cast<char*>(&state) + ir::slot_offset(at.slot);
        const std::size_t bytes = ir::slot_type(at.slot) == ir::Type::V128   ? 16
                                  : ir::slot_type(at.slot) == ir::Type::Nzcv ? 4
                                                                             : 8;
        V128 value;
        switch (at.kind) {
        case SlotLocation::Kind::Gpr:
            value.lo = greg(context, static_cast<HostReg>(at.reg));
            break;
        case SlotLocation::Kind::Vec:
            value = xmm(context, at.reg);
            break;
        case SlotLocation::Kind::Memory:
            std::memcpy(static_cast<void*>(&value),
                        reinterpret_cast<const void*>(greg(context, static_cast<HostReg>(at.reg)) +
                                                      static_cast<u64>(i64{at.value})),
                        bytes);
            break;
        case SlotLocation::Kind::Constant:
            value.lo = static_cast<u64>(i64{at.value});
            break;
        case SlotLocation::Kind::LowWord:
            std::memcpy(&value.lo, cell, sizeof value.lo);
            value.lo = value.lo << 32 | static_cast<u32>(at.value);
            break;
        }
        std::memcpy(cell, &value, bytes);
    }
}

void redirect_to_exit(void* ucontext, ir::CpuState& state, ir::ExitReason reason) {
    auto& context = *static_cast<ucontext_t*>(ucontext);
    // The exit stub stores the registers into their cells: make them what the cells hold.
    for (const PinnedGpr& pin : kPinnedGprs) {
        greg(context, pin.reg) = static_cast<greg_t>(cell_of(state, pin.slot));
    }
    for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
        set_xmm(context, n, vec_cell_of(state, kPinnedVecs[n]));
    }
    state.exit_reason = static_cast<u32>(reason);
    greg(context, HostReg::R15) =
        static_cast<greg_t>(reinterpret_cast<u64>(&state) + ir::kStateBias);
    greg(context, HostReg::RSP) = static_cast<greg_t>(state.return_stack);
    context.uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(state.thunks.exit);
}

void reset_return_stack(void* ucontext, ir::CpuState& state) {
    greg(*static_cast<ucontext_t*>(ucontext), HostReg::RSP) =
        static_cast<greg_t>(state.return_stack);
}

ir::CpuState* state_of(const void* ucontext) {
    const u64 r15 = greg(*static_cast<const ucontext_t*>(ucontext), kStateReg);
    return reinterpret_cast<ir::CpuState*>(r15 - ir::kStateBias);
}

u32 mxcsr_of(ir::BlockMode mode, u32 fpsr) {
    constexpr u32 kAllMasked = 0x1f80, kFlushToZero = 1u << 15, kDenormalsAreZero = 1u << 6;
    constexpr u32 kRoundingOf[4] = {0, 2u << 13, 1u << 13, 3u << 13}; // RN RP RM RZ
    const u32 mxcsr = kAllMasked | kRoundingOf[static_cast<unsigned>(mode.rounding())];
    if (mode.traps_fp()) {
        return mxcsr & ~(x64::trapping(mode, fpsr) << x64::kMaskShift);
    }
    return mxcsr | (mode.fz() ? kFlushToZero : 0) |
           (mode.fiz() || (mode.fz() && !mode.ah()) ? kDenormalsAreZero : 0);
}

u32 fpsr_of_mxcsr(u32 mxcsr) {
    // IE ZE OE UE PE -> IOC DZC OFC UFC IXC. DE means a denormal operand was used, IDC that one was
    // flushed.
    return (mxcsr & 1) | (mxcsr >> 1 & 0x1e);
}

} // namespace ulna::backend

#endif
