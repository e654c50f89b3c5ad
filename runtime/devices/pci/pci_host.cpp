#include "runtime/devices/pci/pci_host.h"

#include <algorithm>

namespace ulna::devices::pci {
namespace {

constexpr u64 kBusBytes = u64{PciHost::kSlots} * PciHost::kFunctions * PciFunction::kConfigBytes;

// What a read finds where there is nothing.
u64 all_ones(unsigned bytes) { return bytes == 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1; }

} // namespace

// What shows that there is a bus. Numbers and class (06 00: host bridge) are those of QEMU's.
class PciHost::Bridge final : public PciFunction {
  public:
    Bridge()
        : PciFunction({.vendor = 0x1b36,
                       .device = 0x0008,
                       .class_code = 0x06'00'00,
                       .subsystem_vendor = 0x1af4,
                       .subsystem = 0x1100}) {
        *config(0x3d) = 0; // no interrupt pin
    }

  private:
    u64 read_bar(unsigned, u64, unsigned) override { return 0; }
    void write_bar(unsigned, u64, unsigned, u64) override {}
};

class PciHost::Window final : public Device {
  public:
    Window(const PciHost& host, PhysAddr base) : host_(host), base_(base) {}

    u64 read(u64 offset, unsigned bytes) override {
        PciFunction::Hit hit{};
        PciFunction* const function = host_.find(base_ + offset, bytes, hit);
        return function != nullptr ? function->read_memory(hit, bytes) : all_ones(bytes);
    }
    void write(u64 offset, unsigned bytes, u64 value) override {
        PciFunction::Hit hit{};
        if (PciFunction* const function = host_.find(base_ + offset, bytes, hit)) {
            function->write_memory(hit, bytes, value);
        }
    }

  private:
    const PciHost& host_;
    PhysAddr base_;
};

class PciHost::Pin final : public InterruptLine {
  public:
    Pin(SharedLine& line, unsigned number) : line_(line), number_(number) {}
    void set(bool asserted) override {
        line_.asserted.set(number_, asserted);
        line_.line->set(line_.asserted.any());
    }

  private:
    SharedLine& line_;
    unsigned number_;
};

PciHost::PciHost(const std::array<InterruptLine*, kLines>& lines, MsiTarget* messages)
    : bridge_(std::make_unique<Bridge>()), messages_(messages) {
    for (unsigned i = 0; i < kLines; ++i) {
        lines_[i].line = lines[i];
    }
    static_cast<void>(put(0, *bridge_));
}

PciHost::~PciHost() = default;

std::optional<unsigned> PciHost::number_of(std::optional<Place> place) const {
    if (place) {
        const unsigned number = place->slot * kFunctions + place->function;
        return number < kNumbers && plugged_[number].function == nullptr ? std::optional{number}
                                                                         : std::nullopt;
    }
    for (unsigned number = kFunctions; number < kNumbers; number += kFunctions) {
        const auto first = plugged_.begin() + number;
        if (std::all_of(first, first + kFunctions,
                        [](const Plugged& one) { return one.function == nullptr; })) {
            return number;
        }
    }
    return std::nullopt;
}

// Pin A of a slot is the line of its number, as the device tree's map says; pins of what is behind
// a port are the port's.
PciFunction::Slot PciHost::slot_of(unsigned number, std::unique_ptr<Pin>& pin, bool below) {
    pin = std::make_unique<Pin>(lines_[number / kFunctions % kLines],
                                number + (below ? kNumbers : 0));
    return {pin.get(), messages_, number};
}

PciHost::Plugged& PciHost::put(unsigned number, PciFunction& function) {
    plugged_[number].function = &function;
    present_.push_back(&plugged_[number]);
    return plugged_[number];
}

bool PciHost::plug(PciFunction& function, std::optional<Place> place) {
    const auto number = number_of(place);
    if (number) {
        Plugged& to = put(*number, function);
        function.attach(slot_of(*number, to.pin, false));
    }
    return number.has_value();
}

bool PciHost::plug_port(RootPort& port, std::optional<Place> place) {
    const auto number = number_of(place);
    if (number) {
        Plugged& to = put(*number, port);
        to.port = &port;
        port.attach(slot_of(*number, to.pin, false));
        port.connect(slot_of(*number, to.pin_below, true));
    }
    return number.has_value();
}

// A port shows one function at the first place of its bus.
PciFunction* PciHost::function_at(u64 offset) const {
    const u64 bus = offset / kBusBytes, in_bus = offset % kBusBytes;
    if (bus == 0) {
        return plugged_[in_bus / PciFunction::kConfigBytes].function;
    }
    if (in_bus >= PciFunction::kConfigBytes) {
        return nullptr;
    }
    for (const Plugged* const one : present_) {
        if (one->port != nullptr && one->port->bus().secondary == bus) {
            return one->port->behind();
        }
    }
    return nullptr;
}

// Who has an address in memory.
PciFunction* PciHost::find(PhysAddr at, unsigned bytes, PciFunction::Hit& hit) const {
    const auto takes = [&](const PciFunction* function) {
        const auto found = function != nullptr ? function->decode(at, bytes) : std::nullopt;
        hit = found.value_or(hit);
        return found.has_value();
    };
    for (const Plugged* const one : present_) {
        if (takes(one->function)) {
            return one->function;
        }
        if (one->port != nullptr && one->port->forwards(at) && takes(one->port->behind())) {
            return one->port->behind();
        }
    }
    return nullptr;
}

u64 PciHost::read(u64 offset, unsigned bytes) {
    PciFunction* const function = function_at(offset);
    if (function == nullptr) {
        return all_ones(bytes);
    }
    const u32 at = static_cast<u32>(offset % PciFunction::kConfigBytes);
    if (bytes == 8) {
        return function->read_config(at, 4) | u64{function->read_config(at + 4, 4)} << 32;
    }
    return function->read_config(at, bytes);
}

void PciHost::write(u64 offset, unsigned bytes, u64 value) {
    PciFunction* const function = function_at(offset);
    if (function == nullptr) {
        return;
    }
    const u32 at = static_cast<u32>(offset % PciFunction::kConfigBytes);
    function->write_config(at, bytes == 8 ? 4 : bytes, static_cast<u32>(value));
    if (bytes == 8) {
        function->write_config(at + 4, 4, static_cast<u32>(value >> 32));
    }
}

void PciHost::reset() {
    for (const Plugged& one : plugged_) {
        if (one.function != nullptr) {
            one.function->reset();
        }
    }
}

std::vector<PciHost::Report> PciHost::report() const {
    std::vector<Report> all;
    for (unsigned number = 0; number < kNumbers; ++number) {
        const Plugged& one = plugged_[number];
        if (one.function == nullptr) {
            continue;
        }
        const auto port = one.port != nullptr ? std::optional{one.port->bus()} : std::nullopt;
        all.push_back({0, number / kFunctions, number % kFunctions, one.function->report(), port,
                       true, one.function});
        if (port && port->secondary != 0 && one.port->plugged() != nullptr) {
            all.push_back({port->secondary, 0, 0, one.port->plugged()->report(), std::nullopt,
                           false, one.port->plugged()});
        }
    }
    return all;
}

void PciHost::visit_state(StateVisitor& visit) { bridge_->visit_state(visit); }

Device& PciHost::window(PhysAddr base) {
    windows_.push_back(std::make_unique<Window>(*this, base));
    return *windows_.back();
}

} // namespace ulna::devices::pci
