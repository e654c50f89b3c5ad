// How a virtual CPU finds code and data: its TLB, the pages of its code, and accesses that go the
// long way.
#include <cstring>

#include "ir/support/check.h"
#include "runtime/system/fields.h"
#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"
#include "runtime/system/walk_registers.h"

namespace ulna::system {

using ir::MemInfo;

namespace {
constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
constexpr u8 kExternalAbort = 0x10; // FSC: synchronous, not on a walk

// Of which the alignment counts: of a pair, each.
unsigned unit_bytes(MemInfo mem) { return mem.bytes() >> mem.pair; }

bool crosses_page(GuestAddr address, unsigned bytes) {
    return (address & (kPageBytes - 1)) + bytes > kPageBytes;
}
} // namespace

// --- what a walk needs

const RegimeRegisters& Vcpu::regime() {
    if (!regime_valid_) {
        regime_ = walk_registers(cpu_, current_regime(cpu_));
        regime_valid_ = true;
    }
    return regime_;
}

// What is cached is of one regime; of its tables there may be several.
void Vcpu::translation_changed(Cpu&) {
    const RegimeRegisters before = regime_;
    regime_valid_ = false;
    const RegimeRegisters& now = regime();
    if (now.el != before.el || now.sctlr != before.sctlr || now.tcr != before.tcr ||
        now.mair != before.mair || now.hcr != before.hcr || now.vtcr != before.vtcr ||
        now.vttbr != before.vttbr || now.el2_enabled != before.el2_enabled) {
        forget_everything();
    }
    constexpr unsigned kA1 = 22; // TCR_EL1
    tlb_.use(now.ttbr0, now.ttbr1, bit(now.tcr, kA1));
    if (now.pan && !before.pan) {
        tlb_.set_pan();
    }
}

TranslationResult
Vcpu::translate(GuestAddr va, ir::Access access, bool unprivileged, bool misaligned) {
    return walk(regime(), machine_.memory(), va,
                {.kind = access == ir::Access::Reads ? AccessKind::Read : AccessKind::Write,
                 .unprivileged = unprivileged,
                 .atomic = access == ir::Access::ReadsAndWrites,
                 .misaligned = misaligned});
}

// --- data

// Of a page whose accesses are checked, the aligned ones.
std::optional<u64> Vcpu::find_checked(GuestAddr address, MemInfo mem, bool privileged) const {
    const ir::TlbEntry& entry = cpu_.state->tlb[privileged][ir::tlb_index(address)];
    const GuestAddr tag = align_down(address, kPageBytes) | ir::kTlbChecked;
    const bool found = mem.access == ir::Access::Reads ? entry.read == tag : entry.write == tag;
    return found && address % unit_bytes(mem) == 0 ? std::optional{address + entry.addend}
                                                   : std::nullopt;
}

// Of an access that translated code does not find in the TLB. 0: no_place_ says why.
u64 Vcpu::find_host_address(GuestAddr address, MemInfo mem) {
    const bool unprivileged = mem.unprivileged || cpu_.pstate.el == 0;
    const bool writes = mem.access != ir::Access::Reads;
    no_place_ = {{}, address, writes};
    constexpr unsigned kA = 1; // SCTLR_ELx.A
    const bool misaligned = address % unit_bytes(mem) != 0;
    const bool checks_alignment = bit(regime().sctlr, kA);
    if (misaligned && checks_alignment) {
        no_place_.fault = Fault{.kind = FaultKind::Alignment, .write = writes};
        return 0;
    }
    if (crosses_page(address, mem.bytes())) {
        return 0;
    }
    if (const auto known = find_checked(address, mem, !unprivileged)) {
        return *known;
    }
    const TranslationResult result = translate(address, mem.access, unprivileged, misaligned);
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        no_place_.fault = *fault;
        return 0;
    }
    if (meets_watchpoint(address, mem.bytes(), mem.access, unprivileged)) {
        return 0;
    }
    const Translation& page = std::get<Translation>(result);
    const bool is_ram = machine_.memory().ram(page.page, kPageBytes) != nullptr;
    const u8* const host = machine_.memory().readable(page.page, kPageBytes);
    if (host == nullptr || (writes && !is_ram)) {
        return 0;
    }
    if (is_watched_page(address)) {
        return reinterpret_cast<u64>(host) + address % kPageBytes;
    }
    const bool forbidden = !unprivileged && page.pan_forbids && regime().pan;
    const bool readable = (unprivileged ? page.readable_el0 : page.readable_el1) && !forbidden;
    const bool writable = (unprivileged ? page.writable_el0 : page.writable_el1) && readable;
    tlb_.enter({.start = align_down(address, kPageBytes),
                .bytes = host,
                .readable = readable,
                .writable = writable && is_ram && !page.writable_needs_dirty,
                .checked = !page.normal || checks_alignment,
                .global = page.global,
                .forbidden_by_pan = page.pan_forbids},
               !unprivileged);
    return reinterpret_cast<u64>(host) + address % kPageBytes;
}

// --- code

const CodePages::Page* Vcpu::find_code(GuestAddr pc) {
    const bool privileged = cpu_.pstate.el != 0;
    CodePages& known = code_pages_[privileged];
    if (const CodePages::Page* const page = known.find(pc)) {
        return page;
    }
    const TranslationResult result = walk(regime(), machine_.memory(), pc,
                                          {.kind = AccessKind::Fetch, .unprivileged = !privileged});
    const Translation* const page = std::get_if<Translation>(&result);
    const u8* const bytes =
        page == nullptr ? nullptr : machine_.memory().readable(page->page, kPageBytes);
    if (bytes == nullptr) {
        return nullptr;
    }
    const bool local = !page->global || !bit(pc, 55);
    return &known.enter(pc, page->page / kPageBytes, bytes, local);
}

std::optional<u64> Vcpu::code_page(GuestAddr pc) {
    const CodePages::Page* const page = find_code(pc);
    return page != nullptr ? std::optional{page->number} : std::nullopt;
}

const u8* Vcpu::code_bytes(GuestAddr pc) {
    const CodePages::Page* const page = find_code(pc);
    return page != nullptr ? page->bytes : nullptr;
}

// Before code of the current EL runs.
void Vcpu::use_code_tables() {
    const bool privileged = cpu_.pstate.el != 0;
    const RegimeRegisters& now = regime();
    if (!code_pages_[privileged].use(now.ttbr0, now.ttbr1)) {
        engine_.forget_code_addresses(*cpu_.state, privileged);
    }
}

void Vcpu::forget_code() {
    for (const bool privileged : {false, true}) {
        code_pages_[privileged].forget();
        engine_.forget_code_addresses(*cpu_.state, privileged);
    }
}

void Vcpu::forget_page(GuestAddr address) {
    tlb_.forget_page(address);
    for (const bool privileged : {false, true}) {
        if (code_pages_[privileged].may_have(address)) {
            code_pages_[privileged].forget();
            engine_.forget_code_addresses(*cpu_.state, privileged);
        }
    }
}

void Vcpu::forget_everything() {
    tlb_.forget_all();
    forget_code();
}

void Vcpu::on_fetch_fault() {
    const GuestAddr pc = cpu_.state->pc;
    if (pc % 4 != 0) { // before any fault of the fetch (D1.3.5.5)
        return raise(pc_alignment(pc));
    }
    const TranslationResult result =
        walk(regime(), machine_.memory(), pc,
             {.kind = AccessKind::Fetch, .unprivileged = cpu_.pstate.el == 0});
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        return raise(instruction_abort({.fsc = fault_status_code(*fault),
                                        .s1ptw = fault->s1ptw,
                                        .stage2 = fault->stage2,
                                        .ipa = fault->ipa,
                                        .external = fault->kind == FaultKind::ExternalAbortOnWalk},
                                       pc));
    }
    const Translation& page = std::get<Translation>(result);
    if (machine_.memory().readable(page.page, kPageBytes) == nullptr) {
        raise(instruction_abort({.fsc = kExternalAbort, .external = true}, pc));
    } else {
        on_stop_point(); // or it was mapped meanwhile
    }
}

// --- the long way

// Of an instruction that has been fetched; 0 if its page has gone.
u32 Vcpu::word_at(GuestAddr pc) {
    const u8* const bytes = code_bytes(pc);
    u32 word = 0;
    if (bytes != nullptr) {
        std::memcpy(&word, bytes + pc % kPageBytes, sizeof word);
    }
    return word;
}

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
    AbortDetail detail{.fsc = kExternalAbort, .write = where.write, .external = true};
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
    }
    return data_abort(where.address, detail, pc);
}

void Vcpu::on_memory_access() {
    const bool refused = no_place_.fault || no_place_.watcher != Watcher::None;
    refused ? on_refused_access(cpu_.state->pc) : step_slowly();
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
        unit_bytes_ = unit_bytes(mem);
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
    bool each_part(GuestAddr address, unsigned size_log2, u8* bytes, bool writes) {
        const u64 total = u64{1} << size_log2;
        const u64 first = std::min(total, kPageBytes - address % kPageBytes);
        PhysAddr places[2] = {};
        // Both pages before either is written.
        if (!find(address, writes, places[0]) ||
            (first < total && !find(address + first, writes, places[1])) ||
            vcpu_.meets_watchpoint(address, total, writes ? ir::Access::Writes : ir::Access::Reads,
                                   unprivileged_)) {
            return false;
        }
        return transfer(address, places[0], bytes, first, writes) &&
               (first == total ||
                transfer(address + first, places[1], bytes + first, total - first, writes));
    }
    bool find(GuestAddr address, bool writes, PhysAddr& place) {
        const TranslationResult result =
            vcpu_.translate(address, writes ? ir::Access::Writes : ir::Access::Reads, unprivileged_,
                            address % unit_bytes_ != 0);
        if (const Fault* const fault = std::get_if<Fault>(&result)) {
            vcpu_.no_place_ = {*fault, address, writes};
            return false;
        }
        place = std::get<Translation>(result).page + address % kPageBytes;
        return true;
    }
    bool transfer(GuestAddr address, PhysAddr place, u8* bytes, u64 count, bool writes) {
        if (vcpu_.machine_.access(place, bytes, count, writes)) {
            return true;
        }
        vcpu_.no_place_ = {{}, address, writes};
        return false;
    }

    Vcpu& vcpu_;
    bool unprivileged_ = false;
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
            !machine_.access(page->page + at % kPageBytes, bytes, piece, writes)) {
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

void Vcpu::translate_one(GuestAddr pc, u64 page) {
    const ir::CpuState& state = *cpu_.state;
    const u64 sp = checks_sp() ? state.sp : 0;
    const u32 bits = ir::BlockMode::from_registers(state.fpcr, sp).bits | state.mode_bits;
    frontend::TranslateOptions options = machine_.translate_options();
    options.max_instructions = 1;
    frontend::translate({pc, {bits}, page}, machine_.code(), options, slow_block_);
}

// Translated code always checks SP; without SCTLR_ELx.SA or SA0 the instruction goes the long way.
void Vcpu::on_misaligned_sp() {
    const GuestAddr pc = cpu_.state->pc;
    const std::optional<u64> page = code_page(pc);
    if (checks_sp() || !page) {
        return raise(sp_alignment(pc));
    }
    translate_one(pc, *page);
    after_step(ir::interpret(slow_block_, *cpu_.state), /*steps=*/false);
}

void Vcpu::step_slowly() {
    ir::CpuState& state = *cpu_.state;
    const GuestAddr pc = state.pc;
    const std::optional<u64> page = code_page(pc);
    if (!page) {
        return; // it went away: fetching it says so
    }
    translate_one(pc, *page);
    Port port{*this};
    const auto reason = ir::interpret(slow_block_, state, port);
    if (reason == ir::ExitReason::MemoryAccess) {
        on_refused_access(pc);
    } else if (reason != ir::ExitReason::Lookup && reason != ir::ExitReason::ContextSync) {
        on_exit(reason);
    }
}

// --- maintenance

void Vcpu::invalidate_tlb(Cpu&, const TlbInvalidation& what) {
    using Kind = TlbInvalidation::Kind;
    constexpr u64 kMostPages = 16;
    const GuestAddr first = align_down(what.start, kPageBytes);
    const bool by_address = what.kind == Kind::Address || what.kind == Kind::AddressAllAsids;
    if (by_address && what.bytes <= kMostPages * kPageBytes) {
        for (GuestAddr at = first; at - first < what.bytes + (what.start - first);
             at += kPageBytes) {
            forget_page(at);
            if (what.broadcast) {
                machine_.request_forgetting(*this, at);
            }
        }
    } else {
        if (what.kind == Kind::Asid) {
            tlb_.forget_asid(what.asid);
            forget_code();
        } else {
            forget_everything();
        }
        if (what.broadcast) {
            machine_.request_forgetting(*this, std::nullopt);
        }
    }
    if (what.broadcast) { // complete with the next DSB
        cpu_.state->sync_due = 1;
    }
}

u64 Vcpu::translate_address(Cpu&,
                            const AddressTranslation& at,
                            std::optional<Exception>& exception) {
    const Regime which = at.el == 3   ? Regime::El3
                         : at.el == 2 ? (e2h(cpu_) ? Regime::El20 : Regime::El2)
                                      : Regime::El10;
    RegimeRegisters registers = walk_registers(cpu_, which);
    registers.pan = at.pan && cpu_.pstate.pan;
    const TranslationResult result =
        walk(registers, machine_.memory(), at.address,
             {.kind = at.write ? AccessKind::Write : AccessKind::Read,
              .unprivileged = at.unprivileged,
              .stage1_only = at.stages == AddressTranslation::Stages::Stage1,
              .updates = TableUpdates::AccessFlag});
    if (const Fault* const fault = std::get_if<Fault>(&result);
        fault != nullptr && fault->stage2 && fault->s1ptw && cpu_.pstate.el == 1) {
        exception = data_abort(at.address,
                               {.fsc = fault_status_code(*fault),
                                .cache_maintenance = true,
                                .s1ptw = true,
                                .stage2 = true,
                                .ipa = fault->ipa},
                               cpu_.state->pc);
    }
    return par_of(result);
}

void Vcpu::invalidate_all_instructions(Cpu&, bool) { engine_.invalidate(0, ~u64{0}); }

void Vcpu::invalidate_instructions(Cpu&, GuestAddr address) {
    constexpr u64 kLineBytes = 64;
    const TranslationResult result =
        walk(regime(), machine_.memory(), address,
             {.kind = AccessKind::Read, .updates = TableUpdates::None});
    if (const auto* const page = std::get_if<Translation>(&result)) {
        engine_.invalidate(align_down(page->page + address % kPageBytes, kLineBytes), kLineBytes);
    }
}

std::optional<Exception> Vcpu::cache_operation(Cpu&, CacheOp operation, GuestAddr address) {
    const bool zeroes = operation == CacheOp::Zero;
    const TranslationResult result = translate(
        address, zeroes ? ir::Access::Writes : ir::Access::Reads, cpu_.pstate.el == 0, false);
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        return data_abort(address,
                          {.fsc = fault_status_code(*fault),
                           .write = true,
                           .cache_maintenance = !zeroes,
                           .s1ptw = fault->s1ptw,
                           .stage2 = fault->stage2,
                           .ipa = fault->ipa},
                          cpu_.state->pc);
    }
    if (zeroes) {
        static constexpr u8 kZeroes[64] = {};
        const PhysAddr block =
            align_down(std::get<Translation>(result).page + address % kPageBytes, sizeof kZeroes);
        static_cast<void>(machine_.memory().write_ram(block, kZeroes, sizeof kZeroes));
    }
    return std::nullopt;
}

} // namespace ulna::system
