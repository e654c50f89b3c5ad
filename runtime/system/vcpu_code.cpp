// How a virtual CPU finds code.
#include <cstring>

#include "runtime/system/machine.h"
#include "runtime/system/vcpu.h"

namespace ulna::system {

namespace {
constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;

CodeMapping mapping_of(GuestAddr pc, const Translation& page) {
    const u64 offset = align_down(pc, kPageBytes) & ones(page.page_log2);
    return {.start = align_down(pc, u64{1} << page.page_log2),
            .ipa = page.ipa - offset,
            .space = page.space,
            .log2 = page.page_log2,
            .guarded = page.guarded};
}

CodePages::Scope scope_of(GuestAddr pc, const Translation& page) {
    return !bit(pc, 55)  ? CodePages::Scope::Own
           : page.global ? CodePages::Scope::Tables
                         : CodePages::Scope::Asid;
}
} // namespace

const CodePages::Page* Vcpu::find_code(GuestAddr pc) {
    use_code_tables();
    const bool privileged = cpu_.pstate.el != 0;
    CodePages& known = code_pages_[privileged];
    if (const CodePages::Page* const page = known.find(pc)) {
        return page;
    }
    const TranslationResult result = walk_for_code(pc);
    const Translation* const page = std::get_if<Translation>(&result);
    const u8* const bytes =
        page == nullptr ? nullptr : machine_.memory().readable(page->page, kPageBytes, page->space);
    if (bytes == nullptr || (page->guarded && !checks_branch_targets_)) {
        return nullptr; // on_fetch_fault() goes on
    }
    return &known.enter({.start = align_down(pc, kPageBytes),
                         .number = page->page / kPageBytes,
                         .bytes = bytes,
                         .guarded = page->guarded},
                        mapping_of(pc, *page), scope_of(pc, *page));
}

TranslationResult Vcpu::walk_for_code(GuestAddr pc) {
    return walk(regime(), machine_.memory(), pc,
                {.kind = AccessKind::Fetch, .unprivileged = cpu_.pstate.el == 0});
}

bool Vcpu::has_mapping(const CodeMapping& mapping) {
    const TranslationResult result = walk_for_code(mapping.start);
    const Translation* const page = std::get_if<Translation>(&result);
    return page != nullptr && mapping_of(mapping.start, *page) == mapping;
}

std::optional<u64> Vcpu::code_page(GuestAddr pc) {
    const CodePages::Page* const page = find_code(pc);
    return page != nullptr ? std::optional{page->number} : std::nullopt;
}

// Two names of a page that differ in this share translations: what BR says of its page is then that
// of the name met first.
std::optional<u32> Vcpu::guarded_word(GuestAddr pc) {
    const CodePages::Page* const page = find_code(pc);
    return page != nullptr && page->guarded ? std::optional{word_at(pc)} : std::nullopt;
}

const u8* Vcpu::code_bytes(GuestAddr pc) {
    const CodePages::Page* const page = find_code(pc);
    return page != nullptr ? page->bytes : nullptr;
}

// Before code of the current EL runs.
void Vcpu::use_code_tables() {
    const bool privileged = cpu_.pstate.el != 0;
    static_cast<void>(regime()); // as it is now
    CodePages& pages = code_pages_[privileged];
    const auto holds = [this](const CodeMapping& mapping) { return has_mapping(mapping); };
    switch (pages.use(tables_, holds)) {
    case CodePages::Tables::Same:
        return;
    case CodePages::Tables::New:
        engine_.forget_code_addresses(*cpu_.state, privileged, pages.current());
        break;
    case CodePages::Tables::Known:
        break;
    }
    engine_.use_code_addresses(*cpu_.state, privileged, pages.current());
}

// `forget(pages, forgotten)` forgets some of them.
template <class Forget> void Vcpu::forget_code(Forget forget) {
    for (const bool privileged : {false, true}) {
        forget(code_pages_[privileged],
               [&](unsigned set) { engine_.forget_code_addresses(*cpu_.state, privileged, set); });
    }
}

void Vcpu::forget_mapping(GuestAddr address) {
    tlb_.forget_mapping(address);
    forget_code(
        [&](CodePages& pages, auto forgotten) { pages.forget_mapping(address, forgotten); });
}

void Vcpu::forget_asid(u16 asid) {
    tlb_.forget_asid(asid);
    forget_code([&](CodePages& pages, auto forgotten) { pages.forget_asid(asid, forgotten); });
}

void Vcpu::forget_everything() {
    tlb_.forget_all();
    forget_code([](CodePages& pages, auto forgotten) { pages.forget(forgotten); });
}

void Vcpu::on_fetch_fault() {
    const GuestAddr pc = cpu_.state->pc;
    if (pc % 4 != 0) { // before any fault of the fetch (D1.3.5.5)
        return raise(pc_alignment(pc));
    }
    const TranslationResult result = walk_for_code(pc);
    if (const Fault* const fault = std::get_if<Fault>(&result)) {
        return raise(instruction_abort({.fsc = fault_status_code(*fault),
                                        .s1ptw = fault->s1ptw,
                                        .stage2 = fault->stage2,
                                        .ipa = fault->ipa,
                                        .external = fault->kind == FaultKind::ExternalAbortOnWalk},
                                       pc));
    }
    const Translation& page = std::get<Translation>(result);
    if (machine_.memory().readable(page.page, kPageBytes, page.space) == nullptr) {
        raise(instruction_abort({.fsc = kSynchronousExternalAbort, .external = true}, pc));
    } else if (page.guarded && !checks_branch_targets_) {
        // Until there is such a page, no branch need say what it is. The one to here did not.
        checks_branch_targets_ = true;
        engine_.add_mode(ir::BlockMode::kBti);
    } else {
        on_stop_point(); // or it was mapped meanwhile
    }
}

// Of an instruction that has been fetched; 0 if its page has gone.
u32 Vcpu::word_at(GuestAddr pc) {
    const u8* const bytes = code_bytes(pc);
    u32 word = 0;
    if (bytes != nullptr) {
        std::memcpy(&word, bytes + pc % kPageBytes, sizeof word);
    }
    return word;
}

} // namespace ulna::system
