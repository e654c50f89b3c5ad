// Both stages in turn: AArch64.FullTranslate.
#include "ir/support/check.h"
#include "runtime/system/walk_stages.h"

namespace ulna::system {

namespace {

Translation translation_of(const Mapping& to, u64 ipa) {
    constexpr u64 kPage = 4096;
    return {.page = align_down(to.address, kPage),
            .ipa = align_down(ipa, kPage),
            .space = to.secure ? devices::Space::Secure : devices::Space::NonSecure,
            .page_log2 = static_cast<u8>(to.log2),
            .attributes = to.attributes.tagged ? kTaggedNormal : to.attributes.mair,
            .shareability = to.attributes.effective_shareability(),
            .normal = !to.attributes.is_device(),
            .aligned_only = to.device_by_stage1 || to.attributes.is_device(),
            .global = to.global,
            .guarded = to.guarded,
            .tagged = to.attributes.tagged,
            .readable_el0 = to.el0.read,
            .writable_el0 = to.el0.write,
            .executable_el0 = to.el0.execute,
            .readable_el1 = to.el1.read,
            .writable_el1 = to.el1.write,
            .executable_el1 = to.el1.execute,
            .pan_forbids = to.pan_forbids,
            .writable_needs_dirty = to.needs_dirty};
}

// Stage 1's mapping, which leads where stage 2 says.
Mapping combined(Mapping stage1, const Mapping& stage2) {
    stage1.address = stage2.address;
    stage1.device_by_stage1 = stage1.attributes.is_device();
    stage1.attributes = stage2.attributes;
    stage1.el0 = stage1.el0 & stage2.el0;
    stage1.el1 = stage1.el1 & stage2.el1;
    stage1.needs_dirty = stage1.needs_dirty || stage2.needs_dirty;
    return stage1;
}

} // namespace

bool lacks_permission(const Permissions& permissions, const Access& access) {
    switch (access.kind) {
    case AccessKind::Read:
        return !permissions.read;
    case AccessKind::Write:
        return !permissions.write || (access.atomic && !permissions.read);
    case AccessKind::Fetch:
        return !permissions.execute;
    }
    return true;
}

bool counts_as_write(const Access& access, bool reading_faults) {
    return access.kind == AccessKind::Write && !(access.atomic && reading_faults);
}

StageAttempt after_update(UpdateOutcome outcome, const Mapping& to, const Fault& not_ram) {
    switch (outcome) {
    case UpdateOutcome::Done:
        return to;
    case UpdateOutcome::Changed:
        return Retry{};
    case UpdateOutcome::NotRam:
        return not_ram;
    }
    UNREACHABLE("an outcome of update_descriptor");
}

bool Translation::permits(const Access& access, bool pan) const {
    const Permissions permissions = access.unprivileged
                                        ? Permissions{readable_el0, writable_el0, executable_el0}
                                        : Permissions{readable_el1, writable_el1, executable_el1};
    const bool is_forbidden =
        pan && pan_forbids && !access.unprivileged && access.kind != AccessKind::Fetch;
    return !is_forbidden && !lacks_permission(permissions, access);
}

TranslationResult walk(const RegimeRegisters& regime,
                       const devices::PhysicalMemory& memory,
                       GuestAddr va,
                       const Access& access) {
    for (;;) {
        const StageAttempt attempt = stage1(regime, memory, va, access);
        if (const Fault* const fault = std::get_if<Fault>(&attempt)) {
            return *fault;
        }
        const Mapping* const first = std::get_if<Mapping>(&attempt);
        if (first == nullptr) {
            continue; // Retry
        }
        if (access.stage1_only || !stage2_enabled(regime)) {
            return translation_of(*first, first->address);
        }
        const StageResult second = stage2(regime, memory, *first, access, Stage2Use::Access);
        if (const Fault* const fault = std::get_if<Fault>(&second)) {
            return *fault;
        }
        return translation_of(combined(*first, std::get<Mapping>(second)), first->address);
    }
}

} // namespace ulna::system
