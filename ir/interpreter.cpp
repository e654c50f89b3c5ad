// The IR interpreter: values live in a per-thread array of 128-bit containers, pure operations go
// through eval(), and this file does what has an effect.
//
// A guest access may fault, and the host's signal handler then leaves interpret() by longjmp. So
// nothing here owns anything that a skipped destructor would leak, state is written only by
// complete operations, and interpreter_guest_pc is set before every access.
#include "ir/interpreter.h"

#include <vector>

#include "ir/eval.h"
#include "ir/guest_access.h"
#include "ir/guest_string.h"
#include "ir/helpers.h"

namespace ulna::ir {

thread_local volatile GuestAddr interpreter_guest_pc = 0;

namespace {

template <class... Fs> struct Overloaded : Fs... { using Fs::operator()...; };
template <class... Fs> Overloaded(Fs...) -> Overloaded<Fs...>;

thread_local std::vector<V128> value_storage;

class Interpreter {
  public:
    Interpreter(const Block& block, CpuState& state, V128* values, MemoryPort* port)
        : block_{block}, state_{state}, values_{values}, port_{port} {}

    ExitReason run() {
        for (std::size_t i = 0; i < block_.insts.size(); ++i) {
            const Inst& inst = block_.insts[i];
            if (!inst.dead && !step(inst, values_[i])) {
                return static_cast<ExitReason>(state_.exit_reason);
            }
        }
        std::visit(Overloaded{
                       [&](const ExitDirect& e) { leave(e.target); },
                       [&](const ExitCond& e) {
                           leave(value(e.condition).lo != 0 ? e.taken : e.not_taken);
                       },
                       [&](const ExitIndirect& e) { leave_indirect(e.target, e.btype); },
                       [&](const ExitCall& e) { leave(e.target); },
                       [&](const ExitCallIndirect& e) { leave_indirect(e.target, e.btype); },
                       [&](const ExitReturn& e) { leave_indirect(e.target); },
                       [&](const ExitTo& e) {
                           leave(e.pc, e.reason, e.arg == kNoValue ? e.imm : value(e.arg).lo);
                       },
                   },
                   block_.exit);
        return static_cast<ExitReason>(state_.exit_reason);
    }

  private:
    [[nodiscard]] const V128& value(ValueId id) const { return values_[id]; }
    [[nodiscard]] const V128& arg(const Inst& inst, unsigned i) const {
        return values_[inst.args[i]];
    }

    void leave(GuestAddr pc, ExitReason reason = ExitReason::Lookup, u64 exit_arg = 0) {
        state_.pc = pc;
        state_.exit_reason = static_cast<u32>(reason);
        state_.exit_arg = exit_arg;
    }
    void leave_indirect(ValueId target, unsigned btype = 0) {
        const GuestAddr pc = untagged(value(target).lo); // AArch64.BranchAddr with TBI
        leave(pc, is_aligned(pc, 4) ? ExitReason::Lookup : ExitReason::MisalignedPc);
        state_.btype = btype;
    }

    // False: the block was left.
    bool step(const Inst& inst, V128& result);
    bool memory_step(const Inst& inst, V128& result);
    bool port_step(const Inst& inst, V128& result);

    void get(const Inst& inst, V128& result) const;
    void set(const Inst& inst);
    void load(const Inst& inst, GuestAddr address, V128& result) const;
    static void extend(const Inst& inst, V128& loaded);
    void store(const Inst& inst, GuestAddr address);
    void load_exclusive(const Inst& inst, GuestAddr address, V128& result);
    void store_exclusive(const Inst& inst, GuestAddr address, V128& result);
    [[nodiscard]] bool string_step(const Inst& inst);
    bool check_tag(const Inst& inst, V128& result);
    bool watch(const Inst& inst, GuestAddr address);
    [[nodiscard]] u64 find_in_tlb(GuestAddr address, MemInfo mem, u32 bytes) const;
    bool host_address(const Inst& inst, V128& result);
    bool host_range(const Inst& inst, V128& result);
    bool store_tag_of(const Inst& inst, GuestAddr address);
    void call_helper(const Inst& inst, V128& result);
    void pure(const Inst& inst, V128& result);
    [[nodiscard]] GuestAddr address_of(const Inst& inst) const;
    [[nodiscard]] GuestAddr pc_of(const Inst& inst) const;

    const Block& block_;
    CpuState& state_;
    V128* const values_;
    MemoryPort* const port_; // or null
};

void Interpreter::get(const Inst& inst, V128& result) const {
    const Slot slot = inst.slot();
    const char* const cell = reinterpret_cast<const char*>(&state_) + slot_offset(slot);
    switch (slot_type(slot)) {
    case Type::V128:
        result = *reinterpret_cast<const V128*>(cell);
        break;
    case Type::Nzcv:
        result = {*reinterpret_cast<const u32*>(cell), 0};
        break;
    default:
        result = {*reinterpret_cast<const u64*>(cell), 0};
        break;
    }
}

void Interpreter::set(const Inst& inst) {
    const Slot slot = inst.slot();
    char* const cell = reinterpret_cast<char*>(&state_) + slot_offset(slot);
    const V128& v = arg(inst, 0);
    switch (slot_type(slot)) {
    case Type::V128:
        *reinterpret_cast<V128*>(cell) = v;
        break;
    case Type::Nzcv:
        *reinterpret_cast<u32*>(cell) = static_cast<u32>(v.lo);
        break;
    default:
        *reinterpret_cast<u64*>(cell) = v.lo;
        break;
    }
}

GuestAddr Interpreter::address_of(const Inst& inst) const {
    GuestAddr address = arg(inst, 0).lo;
    if (is_check(inst.op)) {
        address += inst.imm;
    } else if (is_indexed(inst.op)) {
        if (inst.args[1] != kNoValue) {
            address += arg(inst, 1).lo << inst.mem().index_shift;
        }
        address += displacement_of(inst);
    }
    const bool is_look = inst.op == Opcode::HostAddress || inst.op == Opcode::HostRange;
    return is_look ? address : untagged(address);
}

// Arm's acquire and release are sequentially consistent among themselves (LDAR, STLR); the fence
// after a release store is what the host needs for that.
void Interpreter::load(const Inst& inst, GuestAddr address, V128& result) const {
    const MemInfo mem = inst.mem();
    result = load_guest(address, mem.size_log2);
    if (mem.order != MemOrder::Plain) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }
    extend(inst, result);
}

void Interpreter::extend(const Inst& inst, V128& loaded) {
    if (const MemInfo mem = inst.mem(); mem.sign) {
        loaded.lo =
            static_cast<u64>(sign_extend(loaded.lo, mem.bytes() * 8)) & ones(bit_width(inst.type));
    }
}

void Interpreter::store(const Inst& inst, GuestAddr address) {
    const MemInfo mem = inst.mem();
    if (mem.order == MemOrder::Plain) {
        store_guest(address, mem.size_log2, arg(inst, 2));
    } else {
        __atomic_thread_fence(__ATOMIC_RELEASE);
        store_guest(address, mem.size_log2, arg(inst, 2));
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

void Interpreter::load_exclusive(const Inst& inst, GuestAddr address, V128& result) {
    load(inst, address, result);
    state_.excl_addr = address;
    state_.excl_value = result;
    state_.excl_bytes = inst.mem().bytes();
}

// The monitor is modelled by address and value: the store succeeds when memory still holds what the
// load saw. An ABA change goes unnoticed, which no portable guest code can depend on.
void Interpreter::store_exclusive(const Inst& inst, GuestAddr address, V128& result) {
    const MemInfo mem = inst.mem();
    const bool armed = state_.excl_bytes == mem.bytes() && state_.excl_addr == address;
    bool stored = false;
    if (armed) {
        const V128 old =
            compare_exchange_guest(address, mem.size_log2, state_.excl_value, arg(inst, 1));
        stored = old == state_.excl_value;
    }
    state_.excl_bytes = 0;
    result = {!stored, 0};
}

// The slot follows the copy, for faults; a completed one leaves it as it was.
bool Interpreter::string_step(const Inst& inst) {
    u64& slot = state_.x[inst.imm];
    const u64 before = slot;
    const GuestAddr to = arg(inst, 0).lo;
    const bool completed =
        inst.op == Opcode::MemSet
            ? set_guest(to, arg(inst, 1).lo, static_cast<u8>(arg(inst, 2).lo), slot, state_.pending)
            : copy_guest(to, arg(inst, 1).lo, arg(inst, 2).lo, slot, state_.pending);
    if (completed) {
        slot = before;
    }
    return completed;
}

// A fault of the access itself comes first.
bool Interpreter::check_tag(const Inst& inst, V128& result) {
    const MemInfo mem = inst.mem();
    const GuestAddr tagged = arg(inst, 0).lo + inst.imm;
    result = {untagged(tagged), 0};
    const TagCheck check = block_.key.mode.tag_check();
    if (check == TagCheck::None) {
        return true;
    }
    const auto bad = tag_mismatch(state_.tag_memory, tagged, mem.bytes());
    if (!bad) {
        return true;
    }
    touch_guest(untagged(*bad), mem.access != Access::Reads);
    if (raises(check, mem.access)) {
        leave(pc_of(inst),
              mem.access == Access::Writes ? ExitReason::TagCheckStore : ExitReason::TagCheckLoad,
              *bad);
        return false;
    }
    state_.tfsre0_el1 = 1;
    __atomic_fetch_or(&state_.pending, kPendingRequest, __ATOMIC_RELAXED);
    return true;
}

bool Interpreter::watch(const Inst& inst, GuestAddr address) {
    const MemInfo mem = inst.mem();
    const auto met = state_.watched.first_met(address, mem.bytes(), mem.access);
    if (met) {
        leave(pc_of(inst), ExitReason::Watchpoint, *met);
    }
    return !met;
}

// 0: it is not there.
u64 Interpreter::find_in_tlb(GuestAddr address, MemInfo mem, u32 bytes) const {
    const Tlb& tlb = *state_.tlb[block_.key.mode.privileged() && !mem.unprivileged];
    const std::size_t index = tlb_index(address);
    const u64 page = mem.access == Access::Reads ? tlb.read[index] : tlb.write[index];
    return tlb_finds(page, address, bytes) ? address + tlb.addend[index] : 0;
}

// The address may have a tag, which the TLB does not know.
bool Interpreter::host_address(const Inst& inst, V128& result) {
    const MemInfo mem = inst.mem();
    const u64 address = address_of(inst);
    if (mem.aligned && !mem.allows(address)) {
        leave(pc_of(inst), ExitReason::Alignment, address);
        return false;
    }
    if (const u64 known = find_in_tlb(address, mem, mem.bytes()); known != 0) {
        result = {known, 0};
        return true;
    }
    const auto find = reinterpret_cast<FindHostAddress>(state_.find_host_address);
    const u64 commits = block_.key.mode.no_ranges() ? kStoresAreCommitted : 0;
    result = {find(state_, address, mem.pack() | commits), 0};
    if (result.lo == 0) {
        leave(pc_of(inst), ExitReason::MemoryAccess);
    }
    return result.lo != 0;
}

bool Interpreter::host_range(const Inst& inst, V128& result) {
    const MemInfo mem = inst.mem();
    const RangeInfo range = RangeInfo::unpack(inst.imm);
    const u64 address = address_of(inst);
    if (const u64 known = find_in_tlb(address, mem, range.bytes); known != 0) {
        result = {known, 0};
        return true;
    }
    const auto find = reinterpret_cast<FindHostAddress>(state_.find_host_address);
    const bool in_one_page = tlb_finds(align_down(address, kTlbPageBytes), address, range.bytes);
    result = {in_one_page ? find(state_, address, mem.pack() | u64{range.bytes} << 16) : 0, 0};
    if (result.lo == 0) {
        leave(pc_of(inst), ExitReason::RangeMiss);
    }
    return result.lo != 0;
}

bool Interpreter::store_tag_of(const Inst& inst, GuestAddr address) {
    const auto span = static_cast<TagSpan>(inst.imm);
    if (span == TagSpan::Granule && !is_aligned(address, kTagGranuleBytes)) {
        leave(pc_of(inst), ExitReason::Alignment, address);
        return false;
    }
    touch_guest(address, true); // a fault names the address as it is
    if (block_.key.mode.tags()) {
        store_tag(state_.tag_memory, address, logical_tag(arg(inst, 1).lo), span);
    }
    return true;
}

void Interpreter::call_helper(const Inst& inst, V128& result) {
    u64 args[kMaxArgs] = {};
    for (unsigned i = 0; i < inst.arg_count; ++i) {
        args[i] = inst.args[i] == kNoValue ? 0 : arg(inst, i).lo;
    }
    result = {kHelpers[inst.imm](state_, args[0], args[1], args[2], args[3]), 0};
}

void Interpreter::pure(const Inst& inst, V128& result) {
    V128 args[kMaxArgs];
    for (unsigned i = 0; i < inst.arg_count; ++i) {
        if (inst.args[i] != kNoValue) {
            args[i] = arg(inst, i);
        }
    }
    result = eval(params_of(block_, inst), args, state_.fpsr);
}

GuestAddr Interpreter::pc_of(const Inst& inst) const {
    return block_.guest_pcs.empty() ? block_.key.pc : block_.guest_pcs[inst.guest_index];
}

bool Interpreter::port_step(const Inst& inst, V128& result) {
    const MemInfo mem = inst.mem();
    const GuestAddr address = inst.op == Opcode::HostAddress ? address_of(inst)
                              : inst.op == Opcode::ZeroBlock ? arg(inst, 0).lo
                                                             : arg(inst, 0).lo + inst.imm;
    bool done = false;
    switch (inst.op) {
    case Opcode::HostAddress:
        if (mem.aligned && !mem.allows(address)) {
            leave(pc_of(inst), ExitReason::Alignment, address);
            return false;
        }
        result = {address, 0};
        done = port_->announce(address, mem);
        break;
    case Opcode::Load:
        done = port_->load(address, mem.size_log2, result);
        extend(inst, result);
        break;
    case Opcode::Store:
        done = port_->store(address, mem.size_log2, arg(inst, 2));
        break;
    default:
        port_->refuse(arg(inst, 0).lo);
        break;
    }
    if (!done) {
        leave(pc_of(inst), ExitReason::MemoryAccess);
    }
    return done;
}

bool Interpreter::memory_step(const Inst& inst, V128& result) {
    if (port_ != nullptr) {
        return port_step(inst, result);
    }
    const GuestAddr pc = pc_of(inst);
    interpreter_guest_pc = pc;
    if (inst.op == Opcode::HostAddress) {
        return host_address(inst, result);
    }
    if (inst.op == Opcode::HostRange) {
        return host_range(inst, result);
    }
    const GuestAddr address = address_of(inst);
    const MemInfo mem = inst.mem();
    if (info(inst.op).param == Param::Mem) {
        const bool plain = inst.op == Opcode::Load || inst.op == Opcode::Store || is_check(inst.op);
        if ((mem.aligned || !plain) && !mem.allows(address)) {
            const bool has_tag = inst.op == Opcode::CheckTag; // the others' is gone
            leave(pc, ExitReason::Alignment, has_tag ? arg(inst, 0).lo + inst.imm : address);
            return false;
        }
    }
    switch (inst.op) {
    case Opcode::Load:
        load(inst, address, result);
        break;
    case Opcode::Store:
        store(inst, address);
        break;
    case Opcode::LoadExcl:
        load_exclusive(inst, address, result);
        break;
    case Opcode::StoreExcl:
        store_exclusive(inst, address, result);
        break;
    case Opcode::AtomicRmw:
        result = {atomic_rmw_guest(address, mem.size_log2, static_cast<AtomicOp>(inst.imm),
                                   arg(inst, 1).lo),
                  0};
        break;
    case Opcode::Cas:
        result = compare_exchange_guest(address, mem.size_log2, arg(inst, 1), arg(inst, 2));
        break;
    case Opcode::ZeroBlock:
        zero_guest_block(address);
        break;
    case Opcode::MemCopy:
    case Opcode::MemSet:
        if (!string_step(inst)) {
            leave(pc);
            return false;
        }
        break;
    case Opcode::Probe:
        touch_guest(address, false);
        break;
    case Opcode::CheckTag:
        return check_tag(inst, result);
    case Opcode::Watch:
        return watch(inst, address);
    case Opcode::LoadTag:
        touch_guest(address, false);
        result = {block_.key.mode.tags() ? load_tag(state_.tag_memory, address) : 0, 0};
        break;
    case Opcode::StoreTag:
        return store_tag_of(inst, address);
    default:
        UNREACHABLE("not a memory operation");
    }
    return true;
}

void fence(FenceKind kind) {
    switch (kind) {
    case FenceKind::Load:
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        break;
    case FenceKind::Store:
        __atomic_thread_fence(__ATOMIC_RELEASE);
        break;
    case FenceKind::Full:
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        break;
    }
}

bool Interpreter::step(const Inst& inst, V128& result) {
    if (accesses_memory(inst.op)) {
        return memory_step(inst, result);
    }
    switch (inst.op) {
    case Opcode::Get:
        get(inst, result);
        break;
    case Opcode::Set:
        set(inst);
        break;
    case Opcode::ClearExcl:
        state_.excl_bytes = 0;
        break;
    case Opcode::Fence:
        fence(static_cast<FenceKind>(inst.imm));
        break;
    case Opcode::Prefetch:
        break;
    case Opcode::CallHelper:
        call_helper(inst, result);
        break;
    case Opcode::ExitIf:
        if (arg(inst, 0).lo != 0) {
            leave(inst.imm,
                  inst.aux == kExitIfContextSync ? ExitReason::ContextSync : ExitReason::Lookup);
            return false;
        }
        break;
    case Opcode::RaiseIf:
        if (arg(inst, 0).lo != 0) {
            leave(pc_of(inst), static_cast<ExitReason>(inst.imm & ones(32)), inst.imm >> 32);
            return false;
        }
        break;
    default:
        pure(inst, result);
        break;
    }
    return true;
}

ExitReason run(const Block& block, CpuState& state, MemoryPort* port) {
    if (value_storage.size() < block.insts.size()) {
        value_storage.resize(block.insts.size() + 256);
    }
    return Interpreter{block, state, value_storage.data(), port}.run();
}

} // namespace

ExitReason interpret(const Block& block, CpuState& state) { return run(block, state, nullptr); }

ExitReason interpret(const Block& block, CpuState& state, MemoryPort& port) {
    return run(block, state, &port);
}

} // namespace ulna::ir
