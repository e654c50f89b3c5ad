// Maintenance of TLBs and caches, and address translation as instructions.
#include <cstring>
#include <thread>

#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"
#include "runtime/system/walk_registers.h"

namespace ulna::system {

namespace {
constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;
} // namespace

void Vcpu::invalidate_tlb(Cpu&, const TlbInvalidation& what) {
    using Kind = TlbInvalidation::Kind;
    constexpr u64 kMostPages = 16;
    const GuestAddr first = align_down(what.start, kPageBytes);
    const bool by_address = what.kind == Kind::Address || what.kind == Kind::AddressAllAsids;
    const auto forget_everywhere = [&](const Forgetting& some) {
        forget(some);
        if (what.broadcast) {
            machine_.request_forgetting(*this, some);
        }
    };
    if (by_address && what.bytes <= kMostPages * kPageBytes) {
        for (GuestAddr at = first; at - first < what.bytes + (what.start - first);
             at += kPageBytes) {
            forget_everywhere({.what = Forgetting::What::Mapping, .address = at});
        }
    } else if (what.kind == Kind::Asid) {
        forget_everywhere({.what = Forgetting::What::Asid, .asid = what.asid});
    } else {
        forget_everywhere({});
    }
    if (what.broadcast) { // complete with the next DSB
        cpu_.state->sync_due = 1;
    }
}

void Vcpu::forget(const Forgetting& what) {
    switch (what.what) {
    case Forgetting::What::Everything:
        return forget_everything();
    case Forgetting::What::Mapping:
        return forget_mapping(what.address);
    case Forgetting::What::Asid:
        return forget_asid(what.asid);
    }
}

void Vcpu::request_forgetting(const Forgetting& what) {
    {
        const std::lock_guard lock{forget_mutex_};
        if (what.what == Forgetting::What::Everything || to_forget_.size() == kMostToForget) {
            to_forget_.assign(1, {});
        } else {
            to_forget_.push_back(what);
        }
        forget_requested_.store(true);
    }
    engine_.request_safepoint(*cpu_.state);
}

void Vcpu::serve_forgetting() {
    const std::lock_guard lock{forget_mutex_};
    for (const Forgetting& what : to_forget_) {
        forget(what);
    }
    to_forget_.clear();
    forget_requested_.store(false);
}

// A CPU that is not in translated code forgets before it enters it again.
void Vcpu::wait_until_forgotten() const {
    while (forget_requested_.load() && in_guest_.load()) {
        std::this_thread::yield();
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
        const Translation& page = std::get<Translation>(result);
        const PhysAddr block = align_down(page.page + address % kPageBytes, sizeof kZeroes);
        if (u8* const host = machine_.memory().ram(block, sizeof kZeroes, page.space)) {
            std::memcpy(host, kZeroes, sizeof kZeroes);
        }
    }
    return std::nullopt;
}

} // namespace ulna::system
