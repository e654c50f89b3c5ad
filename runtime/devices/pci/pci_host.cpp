#include "runtime/devices/pci/pci_host.h"

namespace ulna::devices::pci {
namespace {

constexpr u64 kSlotBytes = 8 * PciFunction::kConfigBytes; // eight functions
constexpr u64 kBusBytes = PciHost::kSlots * kSlotBytes;

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
        for (const Plugged& slot : host_.slots_) {
            if (slot.function != nullptr) {
                if (const auto hit = slot.function->decode(base_ + offset, bytes)) {
                    return slot.function->read_memory(*hit, bytes);
                }
            }
        }
        return all_ones(bytes);
    }
    void write(u64 offset, unsigned bytes, u64 value) override {
        for (const Plugged& slot : host_.slots_) {
            if (slot.function != nullptr) {
                if (const auto hit = slot.function->decode(base_ + offset, bytes)) {
                    return slot.function->write_memory(*hit, bytes, value);
                }
            }
        }
    }

  private:
    const PciHost& host_;
    PhysAddr base_;
};

class PciHost::Pin final : public InterruptLine {
  public:
    Pin(SharedLine& line, unsigned slot) : line_(line), bit_(1u << slot) {}
    void set(bool asserted) override {
        line_.asserted = asserted ? line_.asserted | bit_ : line_.asserted & ~bit_;
        line_.line->set(line_.asserted != 0);
    }

  private:
    SharedLine& line_;
    u32 bit_;
};

PciHost::PciHost(const std::array<InterruptLine*, kLines>& lines, MsiTarget* messages)
    : bridge_(std::make_unique<Bridge>()), messages_(messages) {
    for (unsigned i = 0; i < kLines; ++i) {
        lines_[i].line = lines[i];
    }
    slots_[0].function = bridge_.get();
}

PciHost::~PciHost() = default;

bool PciHost::plug(PciFunction& function) {
    for (unsigned slot = 1; slot < kSlots; ++slot) {
        if (slots_[slot].function == nullptr) {
            // Pin A of a slot is the line of its number, as the device tree's map says.
            slots_[slot] = {&function, std::make_unique<Pin>(lines_[slot % kLines], slot)};
            function.attach({slots_[slot].pin.get(), messages_, slot << 3});
            return true;
        }
    }
    return false;
}

PciFunction* PciHost::function_at(u64 offset) const {
    const bool is_there = offset < kBusBytes && offset % kSlotBytes < PciFunction::kConfigBytes;
    return is_there ? slots_[offset / kSlotBytes].function : nullptr;
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
    for (const Plugged& slot : slots_) {
        if (slot.function != nullptr) {
            slot.function->reset();
        }
    }
}

std::vector<PciHost::Report> PciHost::report() const {
    std::vector<Report> all;
    for (unsigned slot = 0; slot < kSlots; ++slot) {
        if (slots_[slot].function != nullptr) {
            all.push_back({slot, slots_[slot].function->report()});
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
