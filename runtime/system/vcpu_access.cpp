// Accesses that translated code does not make itself: those that fault, and those that go the long
// way, one instruction in the interpreter.

#include "runtime/system/debug_exceptions.h"
#include "runtime/system/exception_log.h"
#include "runtime/system/fields.h"
#include "runtime/system/machine.h"
#include "runtime/system/sysreg_access.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

using ir::MemInfo;

namespace {
constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;

// CPY*, SET*; the prologues access nothing.
bool is_copy_or_set(u32 word) { return (word & 0xfb20'0c00) == 0x1900'0400; }
} // namespace

// Of an access whose alignment is always checked: exclusives, ordered accesses, atomics. Those that
// read and write say that they read (WnR, D19.2.40).
Exception Vcpu::misaligned_access(GuestAddr address, GuestAddr pc) {
    constexpr unsigned kL = 22; // opc<0> of LDAPUR and STLUR
    const u32 word = word_at(pc);
    const bool exclusive_or_ordered = (word & 0x3f00'0000) == 0x0800'0000;
    const bool with_offset = (word & 0x3f20'0c00) == 0x1900'0000;
    const bool is_cas = exclusive_or_ordered && (word & 0x00a0'7c00) == 0x00a0'7c00;
    const bool is_casp = exclusive_or_ordered && (word & 0x80a0'7c00) == 0x0020'7c00;
    const bool loads_too = is_cas || is_casp || bit(word, kL) || (with_offset && bit(word, 23));
    return alignment_fault(address, (exclusive_or_ordered || with_offset) && !loads_too, pc);
}

Exception Vcpu::abort(const NoPlace& where, GuestAddr pc) {
    const u32 word = word_at(pc);
    AbortDetail detail{.fsc = kSynchronousExternalAbort, .write = where.write, .external = true};
    if (where.fault) {
        detail = {.fsc = fault_status_code(*where.fault),
                  .write = where.fault->write,
                  .s1ptw = where.fault->s1ptw,
                  .stage2 = where.fault->stage2,
                  .ipa = where.fault->ipa,
                  .external = where.fault->kind == FaultKind::ExternalAbortOnWalk};
        if (where.fault->stage2 && !where.fault->s1ptw) {
            detail.access_syndrome = access_syndrome(word);
        }
    } else {
        log_no_memory(cpu_, where.address, where.write, pc);
    }
    return data_abort(where.address, detail, pc);
}

void Vcpu::on_memory_access() {
    const bool refused = no_place_.fault || no_place_.watcher != Watcher::None;
    if (refused) {
        on_refused_access(cpu_.state->pc);
    } else if (const u32 word = word_at(cpu_.state->pc); is_copy_or_set(word)) {
        copy_or_set_slowly(word);
    } else if (no_place_.two_pages) {
        engine_.run_without_ranges(*cpu_.state);
    } else {
        step_slowly();
    }
}

void Vcpu::on_refused_access(GuestAddr pc) {
    switch (no_place_.watcher) {
    case Watcher::None:
        return raise(abort(no_place_, pc));
    case Watcher::Guest:
        return raise(watchpoint(no_place_.address, no_place_.write, false, pc));
    case Watcher::Debugger:
        machine_.run_control().report({.cpu = index(),
                                       .reason = RunControl::Stop::Reason::Watchpoint,
                                       .address = no_place_.address});
    }
}

// Makes each access as it comes: of devices, and of two pages.
class Vcpu::Port final : public ir::MemoryPort {
  public:
    explicit Port(Vcpu& vcpu) : vcpu_{vcpu} {}

    bool announce(GuestAddr, MemInfo mem) override {
        unprivileged_ = mem.unprivileged || vcpu_.cpu_.pstate.el == 0;
        unit_bytes_ = mem.unit_bytes();
        tag_unchecked_ = mem.tag_unchecked;
        return true;
    }
    bool load(GuestAddr address, unsigned size_log2, V128& value) override {
        value = {};
        return each_part(address, size_log2, reinterpret_cast<u8*>(&value), false);
    }
    bool store(GuestAddr address, unsigned size_log2, const V128& value) override {
        V128 bytes = value;
        return each_part(address, size_log2, reinterpret_cast<u8*>(&bytes), true);
    }
    // DC ZVA and atomics of Device memory (D8.6; DC ZVA's is an alignment fault).
    void refuse(GuestAddr address) override {
        vcpu_.no_place_ = {Fault{.kind = FaultKind::Alignment, .write = true}, address, true};
    }

  private:
    struct Place {
        PhysAddr at = 0;
        devices::Space space = devices::Space::NonSecure;
        bool tagged = false;
    };
    bool each_part(GuestAddr address, unsigned size_log2, u8* bytes, bool writes) {
        const u64 total = u64{1} << size_log2;
        const u64 first = std::min(total, kPageBytes - address % kPageBytes);
        Place places[2] = {};
        // Both pages before either is written.
        if (!find(address, writes, places[0]) ||
            (first < total && !find(address + first, writes, places[1])) ||
            vcpu_.meets_watchpoint(address, total, writes ? ir::Access::Writes : ir::Access::Reads,
                                   unprivileged_) ||
            !has_tag(address, places[0], first, writes) ||
            (first < total && !has_tag(address + first, places[1], total - first, writes))) {
            return false;
        }
        return transfer(address, places[0], bytes, first, writes) &&
               (first == total ||
                transfer(address + first, places[1], bytes + first, total - first, writes));
    }
    bool find(GuestAddr address, bool writes, Place& place) {
        const TranslationResult result =
            vcpu_.translate(address, writes ? ir::Access::Writes : ir::Access::Reads, unprivileged_,
                            address % unit_bytes_ != 0);
        if (const Fault* const fault = std::get_if<Fault>(&result)) {
            vcpu_.no_place_ = {*fault, address, writes};
            return false;
        }
        const Translation& page = std::get<Translation>(result);
        place = {page.page + address % kPageBytes, page.space,
                 !tag_unchecked_ && vcpu_.compares_tags(page, address, !unprivileged_)};
        return true;
    }
    bool has_tag(GuestAddr address, const Place& place, u64 count, bool writes) {
        const u8* const host =
            place.tagged ? vcpu_.machine_.memory().ram(place.at, count, place.space) : nullptr;
        return host == nullptr ||
               vcpu_.has_tag(address, count, host, writes ? ir::Access::Writes : ir::Access::Reads,
                             !unprivileged_);
    }
    bool transfer(GuestAddr address, const Place& place, u8* bytes, u64 count, bool writes) {
        if (vcpu_.machine_.access(place.at, place.space, bytes, count, writes)) {
            return true;
        }
        vcpu_.no_place_ = {{}, address, writes};
        return false;
    }

    Vcpu& vcpu_;
    bool unprivileged_ = false, tag_unchecked_ = false;
    unsigned unit_bytes_ = 1;
};

bool Vcpu::copy(GuestAddr at, u8* bytes, u64 count, bool writes) {
    while (count != 0) {
        const u64 piece = std::min(count, kPageBytes - at % kPageBytes);
        const TranslationResult result =
            translate(at, writes ? ir::Access::Writes : ir::Access::Reads, cpu_.pstate.el == 0,
                      /*misaligned=*/false);
        const auto* const page = std::get_if<Translation>(&result);
        if (page == nullptr ||
            !machine_.access(page->page + at % kPageBytes, page->space, bytes, piece, writes)) {
            return false;
        }
        at += piece;
        bytes += piece;
        count -= piece;
    }
    return true;
}

bool Vcpu::checks_sp() const {
    const u64 sctlr = sctlr_of(cpu_, current_regime(cpu_));
    return (sctlr & (cpu_.pstate.el == 0 ? sctlr::SA0 : sctlr::SA)) != 0;
}

const ir::Block& Vcpu::one_instruction(GuestAddr pc, u64 page) {
    const ir::CpuState& state = *cpu_.state;
    const u64 sp = checks_sp() ? state.sp : 0;
    const u32 bits = ir::BlockMode::from_registers(state.fpcr, sp).bits | state.mode_bits;
    const ir::BlockKey key{pc, {bits}, page};
    ir::Block& block = slow_blocks_[pc / 4 % slow_blocks_.size()];
    const bool is_there = block.key == key && block.guest_words.size() == 1 &&
                          block.guest_words.front() == word_at(pc);
    if (!is_there) {
        frontend::TranslateOptions options = machine_.translate_options();
        options.max_instructions = 1;
        frontend::translate(key, machine_.code(), options, block);
    }
    return block;
}

// The main or epilogue instruction at pc, as far as it gets without looking for interrupts, which
// come in between. While it is a step, all of it.
void Vcpu::copy_or_set_slowly(u32 word) {
    ir::CpuState& state = *cpu_.state;
    const auto field = [&](unsigned high, unsigned low) {
        return static_cast<unsigned>(bits(word, high, low));
    };
    const unsigned Rd = field(4, 0), Rn = field(9, 5), Rs = field(20, 16);
    const bool sets = bits(word, 23, 22) == 3, uao = cpu_.pstate.uao;
    const ir::CopyOrSetInfo how{.sets = sets,
                                .writes_unprivileged = !uao && bit(word, 12),
                                .reads_unprivileged = !uao && !sets && bit(word, 13)};
    const u64 source = read_x(cpu_, Rs), to = state.x[Rd];
    const bool is_step = step_state(cpu_) == StepState::ActiveNotPending;
    Moved moved = Moved::Enough;
    do {
        moved = copy_or_set(to, source, state.x[Rn], how);
        if (moved == Moved::NoPlace && !no_place_.fault && no_place_.watcher == Watcher::None &&
            move_device_byte(to, source, state.x[Rn], how)) {
            moved = state.x[Rn] == 0 ? Moved::All : Moved::Enough;
        }
    } while (moved == Moved::Enough && is_step);
    if (moved == Moved::NoPlace) {
        on_refused_access(state.pc);
    } else if (moved == Moved::All) {
        if (ir::BlockMode{state.mode_bits}.counts()) {
            --state.instructions_left;
        }
        state.pc += 4;
    }
}

bool Vcpu::move_device_byte(GuestAddr to, u64 source, u64& left, const ir::CopyOrSetInfo& how) {
    constexpr unsigned kByte = 0;
    const bool up = static_cast<i64>(left) < 0;
    const u64 index = up ? left : left - 1;
    V128 byte{source, 0};
    Port port{*this};
    if (!how.sets && (!port.announce(source + index, {.unprivileged = how.reads_unprivileged}) ||
                      !port.load(source + index, kByte, byte))) {
        return false;
    }
    if (!port.announce(to + index, {.unprivileged = how.writes_unprivileged}) ||
        !port.store(to + index, kByte, byte)) {
        return false;
    }
    left = up ? left + 1 : left - 1;
    return true;
}

// Translated code always checks SP; without SCTLR_ELx.SA or SA0 the instruction goes the long way.
void Vcpu::on_misaligned_sp() {
    const GuestAddr pc = cpu_.state->pc;
    const std::optional<u64> page = code_page(pc);
    if (checks_sp() || !page) {
        return raise(sp_alignment(pc));
    }
    after_step(ir::interpret(one_instruction(pc, *page), *cpu_.state), /*steps=*/false);
}

void Vcpu::step_slowly() {
    ir::CpuState& state = *cpu_.state;
    const GuestAddr pc = state.pc;
    const std::optional<u64> page = code_page(pc);
    if (!page) {
        return; // it went away: fetching it says so
    }
    Port port{*this};
    const auto reason = ir::interpret(one_instruction(pc, *page), state, port);
    if (reason == ir::ExitReason::MemoryAccess) {
        on_refused_access(pc);
    } else if (reason != ir::ExitReason::Lookup && reason != ir::ExitReason::ContextSync) {
        on_exit(reason);
    }
}

} // namespace ulna::system
