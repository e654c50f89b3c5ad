#include "runtime/system/fields.h"
#include "runtime/system/walk_stages.h"

namespace ulna::system {

namespace {

class Stage1 {
  public:
    Stage1(const RegimeRegisters& regime,
           const devices::PhysicalMemory& memory,
           GuestAddr va,
           const Access& access)
        : regime_(regime),
          memory_(memory),
          va_(va),
          access_(access),
          parameters_(stage1_parameters(regime, va)) {}

    // AArch64.S1Translate.
    StageAttempt translate() {
        if (parameters_.bad_shape || is_input_out_of_range() || parameters_.epd ||
            (parameters_.e0pd && access_.unprivileged)) {
            return fault(FaultKind::Translation, 0);
        }
        const auto locate = [this](PhysAddr entry, PhysAddr& physical) {
            return locate_entry(entry, physical, Stage2Use::TableRead);
        };
        if (std::optional<Fault> met =
                walk_tables(parameters_, memory_, parameters_.ttbr, va_, locate, leaf_)) {
            if (!met->stage2) {
                met->write = counts_as_write(access_, true);
            }
            return *met;
        }
        const Mapping to = mapping();
        if (access_.misaligned && to.attributes.is_device()) {
            return fault(FaultKind::Alignment, leaf_.level);
        }
        if (!is_permitted(to)) {
            Fault met = fault(FaultKind::Permission, leaf_.level);
            met.write = counts_as_write(access_, !can_read(to));
            return met;
        }
        return note_access(to);
    }

    // AArch64.S1DisabledOutput: flat.
    StageAttempt pass() const {
        if (bits(va_, address_top(), 0) >> regime_.pa_bits != 0) {
            return fault(FaultKind::AddressSize, 0);
        }
        Mapping to;
        to.address = bits(va_, address_top(), 0);
        to.secure = regime_.secure;
        to.attributes = disabled_attributes();
        to.el0 = to.el1 = {.read = true, .write = true, .execute = true};
        if (access_.misaligned && to.attributes.is_device()) {
            return fault(FaultKind::Alignment, 0);
        }
        return to;
    }

  private:
    Fault fault(FaultKind kind, i8 level) const {
        return {.kind = kind, .level = level, .write = counts_as_write(access_, true)};
    }

    // AArch64.AddrTop.
    unsigned address_top() const {
        const bool is_exempt = parameters_.tbid && access_.kind == AccessKind::Fetch;
        return parameters_.tbi && !is_exempt ? 55 : 63;
    }

    // AArch64.S1VAIsOutOfRange.
    bool is_input_out_of_range() const {
        const u64 upper = bits(va_, address_top(), parameters_.input_bits);
        return upper != (parameters_.upper ? ones(address_top() - parameters_.input_bits + 1) : 0);
    }

    // Of stage 1's tables, which stage 2 translates like any address.
    std::optional<Fault> locate_entry(PhysAddr entry, PhysAddr& physical, Stage2Use use) const {
        physical = entry;
        if (!stage2_enabled(regime_)) {
            return std::nullopt;
        }
        Mapping at;
        at.address = entry;
        at.attributes = {kNormalWriteBack, kInnerShareable};
        const StageResult result = stage2(regime_, memory_, at, access_, use);
        if (const Fault* const met = std::get_if<Fault>(&result)) {
            return *met;
        }
        physical = std::get<Mapping>(result).address;
        return std::nullopt;
    }

    Mapping mapping() const {
        const u64 descriptor = leaf_.descriptor;
        Mapping to;
        to.log2 = descriptor::mapping_log2(descriptor, leaf_.level, parameters_);
        to.address = leaf_.base | (va_ & ones(parameters_.level_shift(leaf_.level)));
        to.secure = regime_.secure && !bit(descriptor, descriptor::kNS) &&
                    !bit(leaf_.table_attributes, descriptor::kNSTable);
        const auto sh = static_cast<u8>(bits(descriptor, descriptor::kSH + 1, descriptor::kSH));
        to.attributes =
            stage1_attributes(regime_.mair,
                              static_cast<unsigned>(bits(descriptor, descriptor::kAttrIndx + 2,
                                                         descriptor::kAttrIndx)),
                              parameters_.ds ? parameters_.shareability : sh);
        to.attributes.tagged =
            to.attributes.tagged && regime_.features.mte && (regime_.sctlr & sctlr::C) != 0;
        to.global = !parameters_.two_privileges || !bit(descriptor, descriptor::kNG);
        to.guarded = regime_.features.bti && bit(descriptor, descriptor::kGP);
        to.needs_dirty =
            is_dirty_managed(descriptor, parameters_) && kStage1Dirty.is_clean(descriptor);
        if (parameters_.two_privileges) {
            set_permissions(to);
        } else {
            set_single_permissions(to);
        }
        return to;
    }

    // AP, the tables' APTable and their XN, unless HPD.
    bool is_table(unsigned attribute) const {
        return !parameters_.hpd && bit(leaf_.table_attributes, attribute);
    }
    bool is_writable() const {
        const bool is_read_only = bit(leaf_.descriptor, descriptor::kAP2) &&
                                  !is_dirty_managed(leaf_.descriptor, parameters_);
        return !is_read_only && !is_table(descriptor::kAPTableReadOnly);
    }
    bool is_xn() const {
        return bit(leaf_.descriptor, descriptor::kUXN) || is_table(descriptor::kUXNTable);
    }

    // AArch64.S1DirectBasePermissions of regimes with EL0.
    void set_permissions(Mapping& to) const {
        const bool is_of_el0 =
            bit(leaf_.descriptor, descriptor::kAP1) && !is_table(descriptor::kAPTableNoEl0);
        to.el1.read = true;
        to.el1.write = is_writable();
        to.el0.read = is_of_el0;
        to.el0.write = is_of_el0 && is_writable();
        const bool is_pxn =
            bit(leaf_.descriptor, descriptor::kPXN) || is_table(descriptor::kPXNTable);
        to.el1.execute = !is_pxn && !to.el0.write; // what EL0 writes, EL1 does not execute
        to.el0.execute = !is_xn();
        // With EPAN, pages that EL0 may only execute count as EL0's, too.
        to.pan_forbids = to.el0.read || (parameters_.epan && to.el0.execute);
        apply_wxn(to.el0);
        apply_wxn(to.el1);
    }

    // Of EL2 and EL3, where AP[1] is RES1 and PXN RES0.
    void set_single_permissions(Mapping& to) const {
        to.el1 = {.read = true, .write = is_writable(), .execute = !is_xn()};
        apply_wxn(to.el1);
        to.el0 = to.el1;
    }

    void apply_wxn(Permissions& permissions) const {
        permissions.execute = permissions.execute && !(parameters_.wxn && permissions.write);
    }

    bool is_forbidden_by_pan(const Mapping& to) const {
        return regime_.pan && to.pan_forbids && !access_.unprivileged &&
               access_.kind != AccessKind::Fetch;
    }
    bool can_read(const Mapping& to) const {
        return (access_.unprivileged ? to.el0.read : to.el1.read) && !is_forbidden_by_pan(to);
    }
    bool is_permitted(const Mapping& to) const {
        return !is_forbidden_by_pan(to) &&
               !lacks_permission(access_.unprivileged ? to.el0 : to.el1, access_);
    }

    StageAttempt note_access(Mapping to) const {
        const u64 desired = updated_descriptor(leaf_.descriptor, parameters_, kStage1Dirty,
                                               access_.kind == AccessKind::Write, access_.updates);
        if (desired == leaf_.descriptor) {
            return to;
        }
        to.needs_dirty = to.needs_dirty && kStage1Dirty.is_clean(desired);
        PhysAddr physical = 0;
        if (const std::optional<Fault> met =
                locate_entry(leaf_.entry, physical, Stage2Use::TableUpdate)) {
            return *met;
        }
        return after_update(
            update_descriptor(memory_, physical, leaf_.descriptor, desired, parameters_.big_endian),
            to, fault(FaultKind::UnsupportedAtomic, leaf_.level));
    }

    MemoryAttributes disabled_attributes() const {
        const bool is_cached_by_default = regime_.el == 1 && regime_.el2_enabled &&
                                          (regime_.hcr & hcr::DC) != 0 &&
                                          (regime_.hcr & hcr::TGE) == 0;
        if (is_cached_by_default) {
            return {kNormalWriteBack, kNonShareable,
                    regime_.features.mte && (regime_.hcr & hcr::DCT) != 0};
        }
        if (access_.kind == AccessKind::Fetch) {
            return {(regime_.sctlr & sctlr::I) != 0 ? kNormalWriteThrough : kNormalNonCacheable,
                    kOuterShareable};
        }
        return {kDeviceNGnRnE, kOuterShareable};
    }

    const RegimeRegisters& regime_;
    const devices::PhysicalMemory& memory_;
    const GuestAddr va_;
    const Access& access_;
    const Stage1Parameters parameters_;
    Leaf leaf_;
};

} // namespace

StageAttempt stage1(const RegimeRegisters& regime,
                    const devices::PhysicalMemory& memory,
                    GuestAddr va,
                    const Access& access) {
    Stage1 translation(regime, memory, va, access);
    return stage1_enabled(regime) ? translation.translate() : translation.pass();
}

} // namespace ulna::system
