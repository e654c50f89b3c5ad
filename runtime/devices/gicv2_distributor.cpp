// GICD_* (IHI 0048 4.3). The registers of SGIs and PPIs are banked.
#include "runtime/devices/gicv2.h"

#include "runtime/devices/guest_error.h"

namespace ulna::devices {

using namespace gic;

namespace {
constexpr u64 kCtlr = 0x0, kTyper = 0x4, kIidr = 0x8;
constexpr u64 kIspendr = 0x200, kIspendrEnd = 0x300; // and ICPENDR
constexpr u64 kItargetsr = 0x800, kItargetsrEnd = 0xc00;
constexpr u64 kIcfgr0 = 0xc00;
constexpr u64 kNsacr = 0xe00, kNsacrEnd = 0xf00; // of Security Extensions
constexpr u64 kSgir = 0xf00, kCpendsgir = 0xf10, kSpendsgir = 0xf20, kSpendsgirEnd = 0xf30;
constexpr u64 kIds = 0xfd0, kIdsEnd = 0x1000;
constexpr u8 kIdBytes[] = {
    0x04, 0,    0,    0,    // PIDR4..7
    0x90, 0xb4, 0x2b, 0,    // PIDR0..3: architecture version 2
    0x0d, 0xf0, 0x05, 0xb1, // CIDR0..3
};

// Registers of a byte for each interrupt, which may be accessed by bytes.
bool is_byte_register(u64 offset) {
    return is_priority_register(offset) || (offset >= kItargetsr && offset < kItargetsrEnd) ||
           (offset >= kCpendsgir && offset < kSpendsgirEnd);
}
} // namespace

InterruptWord* Gicv2::bank_at(Cpu& cpu, unsigned word) {
    if (word == 0) {
        return &cpu.own;
    }
    return word - 1 < spis_.size() ? &spis_[word - 1] : nullptr;
}

void Gicv2::refresh_bank(Cpu& cpu, unsigned word) {
    if (word == 0) {
        refresh_own(cpu);
    } else {
        refresh_spis(word - 1);
    }
}

u8 Gicv2::read_byte(Cpu& cpu, u64 offset) {
    if (offset >= kCpendsgir) {
        const unsigned sgi = offset % 16;
        return (view_of(cpu.own, offset).visible >> sgi & 1) != 0 ? cpu.sgi_sources[sgi] : 0;
    }
    const unsigned intid = static_cast<unsigned>(offset % 0x400); // both ranges begin at multiples
    const InterruptWord* const word = bank_at(cpu, intid / 32);
    if (word == nullptr) {
        return 0;
    }
    const View view = view_of(*word, offset);
    if (is_priority_register(offset)) {
        return read_priority(*word, offset, view);
    }
    if ((view.visible >> intid % 32 & 1) == 0) {
        return 0;
    }
    // Of SGIs and PPIs each CPU is told itself; a single CPU has no targets to choose.
    const u8 self = static_cast<u8>(1 << cpu.number);
    return cpus_.size() == 1   ? 0
           : intid < kFirstSpi ? self
                               : spis_[intid / 32 - 1].targets[intid % 32];
}

void Gicv2::write_byte(Cpu& cpu, u64 offset, u8 value) {
    if (offset >= kCpendsgir) {
        const unsigned sgi = offset % 16;
        if ((view_of(cpu.own, offset).visible >> sgi & 1) == 0) {
            return;
        }
        u8& sources = cpu.sgi_sources[sgi];
        const u8 all = static_cast<u8>((1u << cpus_.size()) - 1);
        sources =
            offset >= kSpendsgir ? sources | (value & all) : static_cast<u8>(sources & ~value);
        cpu.own.latched = (cpu.own.latched & ~(1u << sgi)) | (sources != 0 ? 1u << sgi : 0);
        refresh_own(cpu);
        return;
    }
    const unsigned intid = static_cast<unsigned>(offset % 0x400);
    InterruptWord* const word = bank_at(cpu, intid / 32);
    if (word == nullptr) {
        return;
    }
    const View view = view_of(*word, offset);
    if (is_priority_register(offset)) {
        write_priority(*word, offset, value, view);
    } else if (intid >= kFirstSpi && cpus_.size() > 1 && (view.visible >> intid % 32 & 1) != 0) {
        spis_[intid / 32 - 1].targets[intid % 32] =
            static_cast<u8>(value & ((1u << cpus_.size()) - 1));
    }
    refresh_bank(cpu, intid / 32);
}

// With Security Extensions an SGI goes only to CPUs that have it in the group that Secure software
// names, or in Non-secure software's.
bool Gicv2::takes_sgi(const Cpu& target, u32 value) const {
    constexpr u32 kNsatt = 1 << 15;
    const unsigned meant = is_nonsecure_access() || (value & kNsatt) != 0 ? kGroup1 : kGroup0;
    return accesses_securely_ == nullptr || target.own.group_of(value & 15) == meant;
}

// GICD_SGIR
void Gicv2::send_sgi(Cpu& sender, u32 value) {
    enum Filter : u32 { kListed = 0, kOthers = 1, kSelf = 2 };
    const unsigned sgi = value & 15;
    const u32 filter = value >> 24 & 3;
    const u32 self = 1u << sender.number;
    const u32 targets = filter == kListed   ? value >> 16 & 0xff
                        : filter == kOthers ? ~self
                        : filter == kSelf   ? self
                                            : 0;
    for (Cpu& cpu : cpus_) {
        if ((targets >> cpu.number & 1) != 0 && takes_sgi(cpu, value)) {
            cpu.sgi_sources[sgi] |= static_cast<u8>(self);
            cpu.own.latched |= 1u << sgi;
            refresh_own(cpu);
        }
    }
}

// Non-secure software has one enable, of its own group.
u32 Gicv2::forwarded_groups() const {
    const u32 all = (group_forwarded_[kGroup0] ? 1 : 0) | (group_forwarded_[kGroup1] ? 2 : 0);
    return is_nonsecure_access() ? all >> 1 : all;
}

void Gicv2::forward_groups(u32 value) {
    if (is_nonsecure_access()) {
        group_forwarded_[kGroup1] = (value & 1) != 0;
    } else {
        group_forwarded_ = {(value & 1) != 0, (value & 2) != 0};
    }
    refresh_all();
}

u64 Gicv2::read_distributor(Cpu& cpu, u64 offset, unsigned bytes) {
    if (bytes <= 4 && is_byte_register(offset)) {
        u32 value = 0;
        for (unsigned i = 0; i < bytes; ++i) {
            value |= u32{read_byte(cpu, offset + i)} << (8 * i);
        }
        return value;
    }
    if (bytes == 4 && is_bank_register(offset)) {
        const InterruptWord* const word = bank_at(cpu, bank_word(offset));
        return word != nullptr ? read_bank(*word, offset, view_of(*word, offset)) : 0;
    }
    if (bytes == 4 && offset >= kIds && offset < kIdsEnd) {
        return kIdBytes[(offset - kIds) / 4];
    }
    switch (bytes == 4 ? offset : ~u64{0}) {
    case kCtlr:
        return forwarded_groups();
    case kTyper: {
        constexpr u64 kSecurityExtn = 1 << 10;
        return spis_.size() | (cpus_.size() - 1) << 5 |
               (accesses_securely_ != nullptr ? kSecurityExtn : 0);
    }
    case kIidr:
        return 0x43b; // implementer: Arm
    case kSgir:
        return 0; // write-only
    default:
        break;
    }
    if (offset < kNsacr || offset >= kNsacrEnd) {
        log_bad_access("gicv2 distributor", Direction::Read, offset, bytes);
    }
    return 0;
}

void Gicv2::write_distributor(Cpu& cpu, u64 offset, unsigned bytes, u32 value) {
    if (bytes <= 4 && is_byte_register(offset)) {
        for (unsigned i = 0; i < bytes; ++i) {
            write_byte(cpu, offset + i, static_cast<u8>(value >> (8 * i)));
        }
    } else if (bytes == 4 && is_bank_register(offset)) {
        const unsigned index = bank_word(offset);
        const bool pending = offset >= kIspendr && offset < kIspendrEnd;
        InterruptWord* const word = bank_at(cpu, index);
        if (word != nullptr && offset != kIcfgr0) {
            // SGIs become pending by GICD_SPENDSGIR, which says from whom.
            write_bank(*word, offset, index == 0 && pending ? value & ~kSgis : value,
                       view_of(*word, offset));
            refresh_bank(cpu, index);
        }
    } else if (bytes == 4 && offset == kCtlr) {
        forward_groups(value);
    } else if (bytes == 4 && offset == kSgir) {
        send_sgi(cpu, value);
    } else if (offset < kNsacr || offset >= kNsacrEnd) {
        log_bad_access("gicv2 distributor", Direction::Write, offset, bytes);
    }
}

} // namespace ulna::devices
