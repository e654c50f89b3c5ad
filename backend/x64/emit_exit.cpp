// How a block ends. Direct exits are patchable jumps; calls push a host return address, and returns
// pop it: the code after a call compares where the guest really went (RAX) with where it was
// expected to go.
#include "backend/x64/emitter.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::CpuState;
using ir::ExitReason;
using ir::HostThunks;

namespace {
constexpr std::size_t kThunks = offsetof(CpuState, thunks);
constexpr std::size_t kLookup = kThunks + offsetof(HostThunks, lookup);
constexpr std::size_t kBranch = kThunks + offsetof(HostThunks, branch);
constexpr std::size_t kMachineBranch = kThunks + offsetof(HostThunks, machine_branch);
constexpr std::size_t kSafepoint = kThunks + offsetof(HostThunks, safepoint);
constexpr std::size_t kExit = kThunks + offsetof(HostThunks, exit);
} // namespace

void Emitter::store_pc(GuestAddr pc) {
    if (fits_imm32(pc)) {
        raw::store_imm64(c, offsetof(CpuState, pc), static_cast<u32>(pc));
        note_address(AddressSite::Form::SignExtended);
    } else {
        load_address(0, pc);
        raw::store64(c, offsetof(CpuState, pc), 0);
    }
}

void Emitter::load_address(unsigned reg, GuestAddr address) {
    raw::mov_imm(c, reg, address);
    note_address(address <= ones(32)   ? AddressSite::Form::ZeroExtended
                 : fits_imm32(address) ? AddressSite::Form::SignExtended
                                       : AddressSite::Form::Whole);
}

// The instruction just emitted ends with a guest address.
void Emitter::note_address(AddressSite::Form form) {
    out_->addresses.push_back(
        {c.position() - (form == AddressSite::Form::Whole ? u32{8} : u32{4}), form});
}

// The guest address of the instruction that leaves.
GuestAddr Emitter::branch_pc() const {
    if (block_->guest_pcs.empty()) {
        return block_->key.pc;
    }
    return index_ < count_ ? block_->guest_pcs[insts_[index_].guest_index]
                           : block_->guest_pcs.back();
}

// --- patchable jumps

// Where other threads may be executing what is patched: makes the displacement of an instruction
// with `opcode_bytes` before it stay in an aligned quadword, where every processor stores it at
// once (AMD64 manual, volume 1, "Atomicity of accesses"; Intel's ask for less). Padding goes before
// a compare that belongs to the jump, so that the two stay adjacent and fuse.
void Emitter::align_for_displacement(unsigned opcode_bytes) {
    const ir::BlockMode mode = block_->key.mode;
    const u32 end = c.position();
    const unsigned at = (end + opcode_bytes) % 8;
    if (at <= 4 || !(mode.shared() || mode.system())) {
        return;
    }
    const unsigned padding = 8 - at;
    const bool movable =
        condition_end_ == end && condition_start_ != 0 && condition_start_ < end &&
        (literal_uses_.empty() || literal_uses_.back().start < condition_start_) &&
        (out_->addresses.empty() || out_->addresses.back().code_offset < condition_start_);
    raw::nop(c, padding);
    if (movable) {
        u8 moved[16];
        const u32 bytes = end - condition_start_;
        if (bytes <= sizeof moved) {
            std::memcpy(moved, c.at(condition_start_), bytes);
            c.rewind(condition_start_);
            raw::nop(c, padding);
            for (u32 i = 0; i < bytes; ++i) {
                c.db(moved[i]);
            }
        }
    }
    condition_end_ = 0;
}

// In a machine another page may be elsewhere the next time.
bool Emitter::is_far(GuestAddr target) const {
    return block_->key.mode.system() && !block_->key.same_page(target);
}
void Emitter::jump_far(GuestAddr target) {
    load_address(0, target);
    jump_indirect();
}

void Emitter::link_jump(GuestAddr target) {
    if (is_far(target)) {
        return jump_far(target);
    }
    align_for_displacement(1);
    stubs_.push_back({jmp().end - 4, target});
}
void Emitter::link_jcc(Cc cc, GuestAddr target) {
    if (is_far(target)) {
        return cold_noreturn(jcc(cc), [target](Emitter& e) { e.jump_far(target); });
    }
    align_for_displacement(2);
    stubs_.push_back({jcc(cc).end - 4, target});
}
void Emitter::link_call(GuestAddr target) {
    align_for_displacement(1);
    raw::Writer(c).byte(0xe8).dword(0);
    stubs_.push_back({c.position() - 4, target});
}

// --- safe points: every cycle in the guest's control flow goes through one

void Emitter::check_pending(GuestAddr resume) {
    raw::compare_zero32(c, offsetof(CpuState, pending));
    cold_noreturn(jcc(Cc::NE), [=](Emitter& e) { e.leave_at_safepoint(resume); });
}
void Emitter::check_pending_rax(unsigned btype) {
    raw::compare_zero32(c, offsetof(CpuState, pending));
    cold_noreturn(jcc(Cc::NE), [=](Emitter& e) {
        e.store_btype(btype);
        raw::store64(e.c, offsetof(CpuState, pc), 0);
        e.load_address(0, e.block_->key.pc);
        raw::store64(e.c, offsetof(CpuState, indirect_site), 0);
        raw::jump_state(e.c, kSafepoint);
    });
}

// Leaves for pending work; `resume` is done again afterwards.
void Emitter::leave_at_safepoint(GuestAddr resume) {
    store_pc(resume);
    raw::jump_state(c, kSafepoint);
}

// Backward, the jump of the loop is the one that finds nothing pending. Its link stub stands where
// it goes on otherwise: with something pending, the runtime links nothing and leaves.
void Emitter::leave_backward(GuestAddr target) {
    if (is_far(target)) {
        return jump_far(target);
    }
    condition_start_ = c.position();
    raw::compare_zero32(c, offsetof(CpuState, pending));
    condition_end_ = c.position();
    align_for_displacement(2);
    emit_link_stub({jcc(Cc::E).end - 4, target});
}

void Emitter::leave_direct(GuestAddr target) {
    target <= branch_pc() ? leave_backward(target) : link_jump(target);
}

void Emitter::leave_if(Cc cc, GuestAddr target) {
    if (target > branch_pc()) {
        link_jcc(cc, target);
        return;
    }
    cold_noreturn(jcc(cc), [=](Emitter& e) { e.leave_backward(target); });
}

void Emitter::leave_if(Condition condition, GuestAddr target) {
    switch (condition.parity) {
    case Condition::Plain:
        leave_if(condition.cc, target);
        break;
    case Condition::OrParity:
        leave_if(Cc::P, target);
        leave_if(condition.cc, target);
        break;
    case Condition::AndNoParity: {
        const Jump unordered = jcc(Cc::P);
        leave_if(condition.cc, target);
        bind(unordered);
        break;
    }
    }
}

void Emitter::leave_unless(Condition condition, GuestAddr target) {
    Condition opposite{ulna::backend::x64::negate(condition.cc), condition.parity};
    if (condition.parity == Condition::AndNoParity) {
        opposite.parity = Condition::OrParity;
    } else if (condition.parity == Condition::OrParity) {
        opposite.parity = Condition::AndNoParity;
    }
    leave_if(opposite, target);
}

void Emitter::emit_exit_if(const Inst& inst) {
    const Condition held = condition(inst.args[0]);
    if (inst.aux == ir::kExitIfContextSync) {
        leave_for_sync(held, inst.imm);
    } else if (plan_[index_] & kSinksFlags) {
        leave_with_flags(held.cc, inst.imm);
    } else {
        leave_if(held, inst.imm);
    }
}

// Leaves to the dispatcher, in cold code, with the flags that are due on the way out.
void Emitter::leave_for_sync(Condition held, GuestAddr target) {
    CHECK(held.parity == Condition::Plain);
    const bool sinks_flags = plan_[index_] & kSinksFlags;
    const bool invert_carry = sinks_flags && sunk_carry_is_borrow(index_);
    cold_noreturn(jcc(held.cc), [=](Emitter& e) {
        if (sinks_flags) {
            e.emit_flags_bits(invert_carry);
            raw::store32(e.c, offsetof(CpuState, nzcv), 0);
        }
        e.raise(target, ExitReason::ContextSync);
    });
}

// Leaves with an exception of the guest instruction at pc.
void Emitter::raise(GuestAddr pc, ExitReason reason, u32 exit_arg) {
    if (exit_arg != 0) {
        c.mov(c.eax, exit_arg);
        c.mov(state(offsetof(CpuState, exit_arg)), c.rax);
    }
    raise(pc, reason);
}
void Emitter::raise(GuestAddr pc, ExitReason reason) {
    c.mov(state(offsetof(CpuState, exit_reason), 32), static_cast<u32>(reason));
    store_pc(pc);
    raw::jump_state(c, kExit);
}

void Emitter::emit_raise_if(const Inst& inst) {
    const Condition held = condition(inst.args[0]);
    const GuestAddr pc = branch_pc();
    const auto raise_on = [&](Cc cc) {
        cold_noreturn(jcc(cc), [pc, imm = inst.imm](Emitter& e) {
            e.raise(pc, static_cast<ExitReason>(imm & ones(32)), static_cast<u32>(imm >> 32));
        });
    };
    switch (held.parity) {
    case Condition::Plain:
        raise_on(held.cc);
        break;
    case Condition::OrParity:
        raise_on(Cc::P);
        raise_on(held.cc);
        break;
    case Condition::AndNoParity: {
        const Jump unordered = jcc(Cc::P);
        raise_on(held.cc);
        bind(unordered);
        break;
    }
    }
}

// A backward branch is the hot side of a loop and has a safe point, so it comes last as the plain
// jump.
void Emitter::exit_conditionally(const ir::ExitCond& exit) {
    const Condition held = condition(exit.condition);
    if (plan_[index_] & kSinksFlags) {
        leave_with_flags(ulna::backend::x64::negate(held.cc), exit.not_taken);
        leave_direct(exit.taken);
    } else if (exit.taken <= branch_pc()) {
        leave_unless(held, exit.not_taken);
        leave_direct(exit.taken);
    } else {
        leave_if(held, exit.taken);
        leave_direct(exit.not_taken);
    }
}

// Leaves under a condition whose EFLAGS are also the flags to be seen outside, and not seen inside.
void Emitter::leave_with_flags(Cc cc, GuestAddr target) {
    const bool invert_carry = sunk_carry_is_borrow(index_);
    const bool backward = target <= branch_pc();
    const u32 known = cc == Cc::E ? sunk_flags_of_zero(index_) : 0;
    cold_noreturn(jcc(cc), [=](Emitter& e) {
        if (known != 0) {
            e.c.mov(e.state(offsetof(CpuState, nzcv), 32), known);
        } else {
            e.emit_flags_bits(invert_carry);
            raw::store32(e.c, offsetof(CpuState, nzcv), 0);
        }
        backward ? e.leave_backward(target) : e.link_jump(target);
    });
}

// --- indirect: RAX = target

namespace {
// The table that serves branches which set BTYPE. That of a machine's other branches is where a
// pointer in CpuState says: in R11, once probe_jump_cache() has been there.
struct JumpTable {
    bool is_pointed_to;
    std::size_t place; // in CpuState, of the entries or of the pointer
    u32 index_mask;    // the bits of the PC that are the index

    JumpTable(ir::BlockMode mode, unsigned btype)
        : is_pointed_to{mode.system() && btype == 0},
          place{is_pointed_to
                    ? offsetof(CpuState, machine_jump_cache) + mode.privileged() * sizeof(u64)
                : btype == 0 ? offsetof(CpuState, jump_cache)
                             : offsetof(CpuState, guarded_jump_cache) +
                                   (btype - 1) * sizeof(CpuState::guarded_jump_cache[0])},
          index_mask{((btype == 0 ? ir::kJumpCacheEntries : ir::kGuardedJumpCacheEntries) - 1)
                     << 2} {}

    // RAX's entry, when R10 is its index.
    [[nodiscard]] Mem entry(std::size_t member) const {
        return {.base = static_cast<u8>(is_pointed_to ? HostReg::R11 : kStateReg),
                .index = static_cast<u8>(HostReg::R10),
                .scale_log2 = 2,
                .disp = static_cast<i32>(is_pointed_to ? member : place + member - ir::kStateBias)};
    }
};
} // namespace

// EFLAGS: equal when the entry is the one of RAX.
void Emitter::probe_jump_cache(unsigned btype) {
    static_assert(sizeof(ir::JumpCacheEntry) == 16);
    const JumpTable table(mode(), btype);
    raw::Writer(c)
        .bytes({0x41, 0x89, 0xc2, 0x41, 0x81, 0xe2}) // mov r10d, eax; and r10d, mask
        .dword(table.index_mask);
    if (table.is_pointed_to) {
        raw::load64(c, c.r11, table.place);
    }
    constexpr unsigned kCmp = 0x3b;
    raw::reg_mem(c, kCmp, true, c.rax, table.entry(offsetof(ir::JumpCacheEntry, guest_pc)));
}

// Then goes there, or calls what is there.
void Emitter::jump_to_probed(unsigned btype) { branch_to_probed(4, btype); }
void Emitter::call_probed(unsigned btype) { branch_to_probed(2, btype); }
void Emitter::branch_to_probed(unsigned operation, unsigned btype) {
    constexpr unsigned kGroup5 = 0xff;
    raw::reg_mem(c, kGroup5, false, operation,
                 JumpTable(mode(), btype).entry(offsetof(ir::JumpCacheEntry, host_pc)));
}

// For the runtime, which looks the target up or stops before it. Translated code keeps it zero.
void Emitter::store_btype(unsigned btype) {
    if (btype != 0) {
        c.mov(state(offsetof(CpuState, btype), 32), btype);
    }
}

// There is one set of tables for branches that set BTYPE, and it is EL0's.
bool Emitter::has_jump_table(unsigned btype) const { return btype == 0 || !mode().privileged(); }

void Emitter::jump_indirect(unsigned btype) {
    check_pending_rax(btype);
    if (!has_jump_table(btype)) {
        store_btype(btype);
        return raw::jump_state(c, kLookup);
    }
    probe_jump_cache(btype);
    cold_noreturn(jcc(Cc::NE), [=](Emitter& e) {
        e.store_btype(btype);
        raw::jump_state(e.c, kLookup);
    });
    jump_to_probed(btype);
}

// Where a host return arrives: on to the expected block, or wherever RAX says.
void Emitter::return_site(GuestAddr return_to) {
    const bool is_short = return_to == static_cast<u64>(i64{static_cast<i8>(return_to)});
    if (fits_imm32(return_to) && !is_short) {
        condition_start_ = c.position();
        raw::alu_imm(c, raw::Alu::Cmp, true, c.rax, static_cast<u32>(return_to));
        note_address(AddressSite::Form::SignExtended);
    } else {
        load_address(10, return_to);
        condition_start_ = c.position();
        c.cmp(c.rax, c.r10);
    }
    condition_end_ = c.position();
    link_jcc(Cc::E, return_to);
    raw::jump_state(c,
                    mode().system() ? kMachineBranch + mode().privileged() * sizeof(u64) : kBranch);
}

void Emitter::exit_by_call(const ir::ExitCall& exit) {
    if (is_far(exit.target)) {
        load_address(0, exit.target);
        return call_indirect(exit.return_to, 0);
    }
    if (exit.target <= branch_pc()) {
        check_pending(exit.target);
    }
    if (!options_->call_return_pairing) {
        link_jump(exit.target);
        return;
    }
    link_call(exit.target);
    return_site(exit.return_to);
}

void Emitter::exit_by_indirect_call(const ir::ExitCallIndirect& exit) {
    use_gpr_in(exit.target, kPcReg);
    call_indirect(exit.return_to, exit.btype);
}

// Calls what RAX says.
void Emitter::call_indirect(GuestAddr return_to, unsigned btype) {
    if (!options_->call_return_pairing) {
        jump_indirect(btype);
        return;
    }
    check_pending_rax(btype);
    if (!has_jump_table(btype)) {
        store_btype(btype);
        raw::call_state(c, kLookup);
        return return_site(return_to);
    }
    probe_jump_cache(btype);
    const Jump miss = jcc(Cc::NE);
    call_probed(btype);
    // The thunk goes on in the target with this return address on the stack.
    cold(miss, [btype](Emitter& e) {
        e.store_btype(btype);
        raw::call_state(e.c, kLookup);
    });
    return_site(return_to);
}

void Emitter::exit_by_return(const ir::ExitReturn& exit) {
    use_gpr_in(exit.target, kPcReg);
    if (options_->call_return_pairing) {
        c.ret();
    } else {
        jump_indirect();
    }
}

void Emitter::exit_to_runtime(const ir::ExitTo& exit) {
    if (exit.arg != ir::kNoValue) {
        c.mov(state(offsetof(CpuState, exit_arg)), use_gpr(exit.arg));
    } else if (fits_imm32(exit.imm)) {
        c.mov(state(offsetof(CpuState, exit_arg)), exit.imm);
    } else {
        c.mov(c.rax, exit.imm);
        c.mov(state(offsetof(CpuState, exit_arg)), c.rax);
    }
    c.mov(state(offsetof(CpuState, exit_reason), 32), static_cast<u32>(exit.reason));
    store_pc(exit.pc);
    raw::jump_state(c, kExit);
}

void Emitter::emit_exit() {
    struct Visitor {
        Emitter& e;
        void operator()(const ir::ExitDirect& exit) { e.leave_direct(exit.target); }
        void operator()(const ir::ExitCond& exit) { e.exit_conditionally(exit); }
        void operator()(const ir::ExitIndirect& exit) {
            e.use_gpr_in(exit.target, kPcReg);
            e.jump_indirect(exit.btype);
        }
        void operator()(const ir::ExitCall& exit) { e.exit_by_call(exit); }
        void operator()(const ir::ExitCallIndirect& exit) { e.exit_by_indirect_call(exit); }
        void operator()(const ir::ExitReturn& exit) { e.exit_by_return(exit); }
        void operator()(const ir::ExitTo& exit) { e.exit_to_runtime(exit); }
    };
    index_ = count_;
    flags_held_ = false;
    std::visit(Visitor{*this}, block_->exit);
}

} // namespace ulna::backend::x64
