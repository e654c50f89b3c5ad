#include "runtime/system/walk_stages.h"

namespace ulna::system {

namespace {

class Stage2 {
  public:
    Stage2(const RegimeRegisters& regime,
           const devices::PhysicalMemory& memory,
           const Mapping& stage1,
           const Access& access,
           Stage2Use use)
        : regime_(regime),
          memory_(memory),
          stage1_(stage1),
          access_(access),
          use_(use),
          parameters_(stage2_parameters(regime)) {}

    StageAttempt translate() {
        const u64 ipa = stage1_.address;
        if (parameters_.bad_shape || (ipa & ~ones(parameters_.input_bits)) != 0) {
            return fault(FaultKind::Translation, 0);
        }
        const auto in_place = [](PhysAddr, PhysAddr&) { return std::optional<Fault>{}; };
        if (const std::optional<Fault> met =
                walk_tables(parameters_, memory_, regime_.vttbr, ipa, in_place, leaf_)) {
            return fault(met->kind, met->level);
        }
        const Mapping to = mapping();
        if (access_.misaligned && is_access() && to.attributes.is_device()) {
            return fault(FaultKind::Alignment, leaf_.level);
        }
        if (!is_permitted(to)) {
            return permission_fault(to);
        }
        return note_access(to);
    }

  private:
    bool is_access() const { return use_ == Stage2Use::Access; }
    // Accesses of a walk are plain data accesses.
    bool is_write() const {
        return is_access() ? access_.kind == AccessKind::Write : use_ == Stage2Use::TableUpdate;
    }

    Fault fault(FaultKind kind, i8 level) const {
        return {.kind = kind,
                .level = level,
                .stage2 = true,
                .s1ptw = !is_access(),
                .write = is_access() ? counts_as_write(access_, true) : is_write(),
                .ipa = stage1_.address};
    }

    Fault permission_fault(const Mapping& to) const {
        Fault met = fault(FaultKind::Permission, leaf_.level);
        if (is_access()) {
            met.write = counts_as_write(access_, !to.el1.read);
        }
        return met;
    }

    Mapping mapping() const {
        const u64 descriptor = leaf_.descriptor;
        Mapping to;
        to.log2 = descriptor::mapping_log2(descriptor, leaf_.level, parameters_);
        to.address = leaf_.base | (stage1_.address & ones(parameters_.level_shift(leaf_.level)));
        const auto mem_attr =
            static_cast<unsigned>(bits(descriptor, descriptor::kMemAttr + 3, descriptor::kMemAttr));
        const auto sh = static_cast<u8>(bits(descriptor, descriptor::kSH + 1, descriptor::kSH));
        to.attributes =
            combine_stage2(stage1_.attributes, mem_attr,
                           parameters_.ds ? parameters_.shareability : sh, parameters_.fwb);
        set_permissions(to);
        return to;
    }

    // AArch64.S2HasPermissionsFault's r, w and x.
    void set_permissions(Mapping& to) const {
        const u64 descriptor = leaf_.descriptor;
        const bool is_managed = is_dirty_managed(descriptor, parameters_);
        to.needs_dirty = is_managed && kStage2Dirty.is_clean(descriptor);
        to.el0.read = bit(descriptor, descriptor::kS2APRead);
        to.el0.write = is_managed || bit(descriptor, descriptor::kS2APWrite);
        to.el1 = to.el0;
        // XN[1:0]: 00 all, 01 EL0 only, 10 none, 11 EL1 only; without FEAT_XNX only XN[1].
        const bool xn1 = bit(descriptor, descriptor::kXN + 1);
        const bool xn0 = parameters_.xnx && bit(descriptor, descriptor::kXN);
        to.el0.execute = !xn1;
        to.el1.execute = xn1 == xn0;
    }

    bool is_permitted(const Mapping& to) const {
        if (is_access()) {
            return !lacks_permission(access_.unprivileged ? to.el0 : to.el1, access_);
        }
        if (parameters_.ptw && to.attributes.is_device()) {
            return false; // HCR_EL2.PTW: no tables in Device memory
        }
        return use_ == Stage2Use::TableUpdate ? to.el1.read && to.el1.write : to.el1.read;
    }

    StageAttempt note_access(Mapping to) const {
        const u64 desired = updated_descriptor(leaf_.descriptor, parameters_, kStage2Dirty,
                                               is_write(), access_.updates);
        if (desired == leaf_.descriptor) {
            return to;
        }
        to.needs_dirty = to.needs_dirty && kStage2Dirty.is_clean(desired);
        return after_update(update_descriptor(memory_, leaf_.entry, leaf_.descriptor, desired,
                                              parameters_.big_endian),
                            to, fault(FaultKind::UnsupportedAtomic, leaf_.level));
    }

    const RegimeRegisters& regime_;
    const devices::PhysicalMemory& memory_;
    const Mapping& stage1_;
    const Access& access_;
    const Stage2Use use_;
    const Stage2Parameters parameters_;
    Leaf leaf_;
};

} // namespace

StageResult stage2(const RegimeRegisters& regime,
                   const devices::PhysicalMemory& memory,
                   const Mapping& stage1,
                   const Access& access,
                   Stage2Use use) {
    for (;;) {
        const StageAttempt attempt = Stage2(regime, memory, stage1, access, use).translate();
        if (const Mapping* const to = std::get_if<Mapping>(&attempt)) {
            return *to;
        }
        if (const Fault* const fault = std::get_if<Fault>(&attempt)) {
            return *fault;
        }
    }
}

} // namespace ulna::system
