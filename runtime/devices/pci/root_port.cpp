#include "runtime/devices/pci/root_port.h"

#include <cstring>

namespace ulna::devices::pci {

namespace {

// The header of type 1.
constexpr u32 kCommand = 0x04, kHeaderType = 0x0e, kBusNumbers = 0x18, kMemoryBase = 0x20,
              kMemoryLimit = 0x22, kPrefetchableBase = 0x24, kPrefetchableLimit = 0x26,
              kPrefetchableUpper = 0x28, kBridgeControl = 0x3e;
constexpr u8 kBridge = 1;
constexpr u16 kCommandMemory = 1 << 1;
constexpr u16 kWindowBits = 0xfff0, kIs64Bit = 1;
constexpr u64 kWindowGrain = 1 << 20;

// Section 7.5.3: the capability of a root port without a slot, and a link of the first generation.
constexpr u8 kExpressId = 0x10;
constexpr u16 kVersion2RootPort = 2 | 4 << 4;
constexpr u32 kRoleBasedErrors = 1u << 15, kLink = 1 | 1 << 4;

template <class T> T at(const u8* config, u32 offset) {
    T value;
    std::memcpy(&value, config + offset, sizeof value);
    return value;
}

} // namespace

RootPort::RootPort() : PciFunction({.vendor = 0x1b36, .device = 0x000c, .class_code = 0x06'04'00}) {
    *config(kHeaderType) = kBridge;
    make_writable(kBusNumbers, 3);
    for (const u32 window : {kMemoryBase, kMemoryLimit, kPrefetchableBase, kPrefetchableLimit}) {
        make_writable_bits(window, kWindowBits);
    }
    const auto set = [&](u32 offset, u16 value) {
        std::memcpy(config(offset), &value, sizeof value);
    };
    set(kMemoryBase, kWindowBits); // above their limits
    set(kPrefetchableBase, kWindowBits | kIs64Bit);
    set(kPrefetchableLimit, kIs64Bit);
    make_writable(kPrefetchableUpper, 8);
    make_writable_bits(kBridgeControl, 0x0003); // parity and SERR, which nothing here has
    std::array<u8, 58> express{};
    const auto put = [&](std::size_t offset, auto value) {
        std::memcpy(&express[offset - 2], &value, sizeof value);
    };
    put(0x02, kVersion2RootPort);
    put(0x04, kRoleBasedErrors);
    put(0x0c, kLink);
    put(0x12, static_cast<u16>(kLink));
    add_capability(kExpressId, express);
}

RootPort::Bus RootPort::bus() const {
    const u8* const own = config(0);
    const auto window = [&](u32 base, u32 upper) {
        return u64{at<u32>(own, upper)} << 32 | u64{at<u16>(own, base) & u32{kWindowBits}} << 16;
    };
    const auto memory = [&](u32 base) { return u64{at<u16>(own, base)} << 16; };
    return {own[kBusNumbers],
            own[kBusNumbers + 1],
            own[kBusNumbers + 2],
            memory(kMemoryBase),
            memory(kMemoryLimit) + kWindowGrain - 1,
            window(kPrefetchableBase, kPrefetchableUpper),
            window(kPrefetchableLimit, kPrefetchableUpper + 4) + kWindowGrain - 1};
}

bool RootPort::forwards(PhysAddr address) const {
    const Bus now = bus();
    return (at<u16>(config(0), kCommand) & kCommandMemory) != 0 &&
           ((address >= now.base && address <= now.limit) ||
            (address >= now.prefetchable_base && address <= now.prefetchable_limit));
}

void RootPort::connect(const Slot& below) { below_ = below; }

bool RootPort::plug(PciFunction& function) {
    if (behind_ != nullptr) {
        return false;
    }
    behind_ = &function;
    tell_requester();
    return true;
}

void RootPort::tell_requester() {
    if (behind_ != nullptr) {
        below_.requester_id = u32{bus().secondary} << 8;
        behind_->attach(below_);
    }
}

void RootPort::write_config(u32 offset, unsigned bytes, u32 value) {
    PciFunction::write_config(offset, bytes, value);
    tell_requester();
}

void RootPort::reset() {
    PciFunction::reset();
    tell_requester();
    if (behind_ != nullptr) {
        behind_->reset();
    }
}

void RootPort::visit_state(StateVisitor& visit) {
    PciFunction::visit_state(visit);
    tell_requester();
}

} // namespace ulna::devices::pci
