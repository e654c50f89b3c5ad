#include "runtime/devices/pci/root_port.h"

#include <cstring>
#include <utility>

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

constexpr u8 kSubsystemId = 0x0d; // the capability of bridges

// Section 7.5.3: the capability of a root port with a slot; offsets, and values as the peer's.
constexpr u8 kExpressId = 0x10;
constexpr u32 kExpressBytes = 0x3c, kFlags = 0x02, kDeviceCapabilities = 0x04,
              kLinkCapabilities = 0x0c, kLinkStatus = 0x12, kSlotCapabilities = 0x14,
              kSlotControl = 0x18, kSlotStatus = 0x1a, kLinkCapabilities2 = 0x2c,
              kLinkControl2 = 0x30;
constexpr u16 kVersion2RootPort = 2 | 4 << 4 | 1 << 8 /* a slot */;
constexpr u32 kRoleBasedErrors = 1u << 15, kExtendedTags = 1u << 5;
constexpr u32 kGeneration4 = 4, kTellsOfBandwidth = 1 << 21, kTellsWhetherActive = 1 << 20;
constexpr u32 kWidestLink = kGeneration4 | 32 << 4 | 1 << 10 /* saves power by L0s */;
constexpr u16 kActiveLink = 1 | 1 << 4 | 1 << 13, kNoLink = kGeneration4 | 32 << 4;
constexpr u32 kGenerations1To4 = 0x1e;

constexpr unsigned kMsixBar = 0;

template <class T> T at(const u8* config, u32 offset) {
    T value;
    std::memcpy(&value, config + offset, sizeof value);
    return value;
}

template <class T> void store(u8* to, T value) { std::memcpy(to, &value, sizeof value); }

} // namespace

RootPort::RootPort(const RootPortOptions& options)
    : PciFunction({.vendor = 0x1b36, .device = 0x000c, .class_code = 0x06'04'00}), slot_{options} {
    *config(kHeaderType) = kBridge;
    make_writable(kBusNumbers, 3);
    for (const u32 window : {kMemoryBase, kMemoryLimit, kPrefetchableBase, kPrefetchableLimit}) {
        make_writable_bits(window, kWindowBits);
    }
    const auto set = [&](u32 offset, u16 value) { store(config(offset), value); };
    set(kMemoryBase, kWindowBits); // above their limits
    set(kPrefetchableBase, kWindowBits | kIs64Bit);
    set(kPrefetchableLimit, kIs64Bit);
    make_writable(kPrefetchableUpper, 8);
    make_writable_bits(kBridgeControl, 0x0003); // parity and SERR, which nothing here has
    add_capability(kSubsystemId, std::array<u8, 6>{0, 0, 0x36, 0x1b});
    add_msix(kMsixBar, 1);
    add_express(options);
    slot_.reset();
    show_slot();
}

void RootPort::add_express(const RootPortOptions& options) {
    express_ = add_capability(kExpressId, std::array<u8, kExpressBytes - 2>{});
    const auto set = [&](u32 offset, auto value) { store(config(express_ + offset), value); };
    set(kFlags, kVersion2RootPort);
    set(kDeviceCapabilities, kRoleBasedErrors | kExtendedTags);
    set(kLinkCapabilities,
        kWidestLink | kTellsOfBandwidth | kTellsWhetherActive | u32{options.port} << 24);
    set(kSlotCapabilities, slot_.capabilities());
    set(kLinkCapabilities2, kGenerations1To4);
    set(kLinkControl2, static_cast<u16>(kGeneration4));
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

bool RootPort::plug(PciFunction& function) { return put_in(function, &PortSlot::reset); }

bool RootPort::plug_in(PciFunction& function) {
    return put_in(function, &PortSlot::tell_of_arrival);
}

bool RootPort::put_in(PciFunction& function, void (PortSlot::*tell)()) {
    if (plugged_ != nullptr) {
        return false;
    }
    plugged_ = &function;
    slot_.fill(true);
    (slot_.*tell)();
    show_slot();
    tell_requester();
    return true;
}

std::string RootPort::ask_to_let_go() {
    if (slot_.is_off()) {
        let_go();
    } else if (!slot_.ask_to_let_go()) {
        return "the guest is busy (the slot's power indicator blinks)";
    }
    show_slot();
    return "";
}

void RootPort::let_go() {
    PciFunction& function = *std::exchange(plugged_, nullptr);
    slot_.fill(false);
    slot_.tell_of_departure();
    function.reset();
    function.attach({});
    if (on_answer_) {
        on_answer_(function, true);
    }
}

void RootPort::tell_requester() {
    if (plugged_ != nullptr) {
        below_.requester_id = u32{bus().secondary} << 8;
        plugged_->attach(below_);
    }
}

void RootPort::write_config(u32 offset, unsigned bytes, u32 value) {
    PciFunction::write_config(offset, bytes, value);
    write_slot(offset, bytes, value);
    tell_requester();
}

void RootPort::write_slot(u32 offset, unsigned bytes, u32 value) {
    const u32 begin = express_ + kSlotControl;
    u32 merged = slot_.control(), touched = 0; // control, and status above it
    for (unsigned i = 0; i < bytes; ++i) {
        const u32 at = offset + i - begin;
        if (at < sizeof merged) {
            const u32 mask = u32{0xff} << (8 * at);
            merged = (merged & ~mask) | (value >> (8 * i) & 0xff) << (8 * at);
            touched |= mask;
        }
    }
    slot_.clear_events(static_cast<u16>(merged >> 16));
    if ((touched & 0xffff) != 0) {
        set_control(static_cast<u16>(merged));
    }
    if (touched != 0) {
        show_slot();
    }
}

void RootPort::set_control(u16 value) {
    const bool had_power = slot_.is_powered();
    const PortSlot::Answer answer = slot_.set_control(value);
    if (answer == PortSlot::Answer::LetGo) {
        return let_go();
    }
    if (plugged_ != nullptr && had_power && !slot_.is_powered()) {
        plugged_->reset();
    }
    if (answer == PortSlot::Answer::Refusal && on_answer_) {
        on_answer_(*plugged_, false);
    }
}

void RootPort::show_registers() {
    store(config(express_ + kSlotControl), slot_.control());
    store(config(express_ + kSlotStatus), slot_.status());
    store(config(express_ + kLinkStatus), plugged_ != nullptr ? kActiveLink : kNoLink);
}

void RootPort::show_slot() {
    show_registers();
    const bool interrupts = slot_.interrupts();
    if (interrupts && !interrupts_) {
        send_message(0);
    }
    interrupts_ = interrupts;
    set_interrupt(interrupts);
}

void RootPort::reset() {
    PciFunction::reset();
    slot_.reset();
    show_slot();
    tell_requester();
    if (plugged_ != nullptr) {
        plugged_->reset();
    }
}

void RootPort::visit_state(StateVisitor& visit) {
    slot_.visit_state(visit);
    interrupts_ = slot_.interrupts();
    show_registers();
    PciFunction::visit_state(visit);
    tell_requester();
}

} // namespace ulna::devices::pci
