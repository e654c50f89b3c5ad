// The MSI-X table of a PCI function (PCI Local Bus 3.0, section 6.8.2), in one page: the entries in
// the first half, the pending bits in the second.
#pragma once

#include <vector>

#include "runtime/devices/device.h"

namespace ulna::devices {
class StateVisitor;
}

namespace ulna::devices::pci {

// Takes the message-signalled interrupts of all functions. Called with the machine's lock held.
class MsiTarget {
  public:
    virtual ~MsiTarget() = default;
    virtual void send(PhysAddr address, u32 data, u32 requester_id) = 0;
};

class Msix {
  public:
    static constexpr u64 kBytes = 4096;
    static constexpr u64 kPendingOffset = 2048;
    static constexpr unsigned kMostVectors = kPendingOffset / 16;

    explicit Msix(unsigned vectors);

    [[nodiscard]] u64 read(u64 offset, unsigned bytes) const;
    void write(u64 offset, unsigned bytes, u64 value);
    void reset();
    void visit_state(StateVisitor& visit);

    // What the capability says; `masked` is the whole function's mask.
    void configure(bool enabled, bool masked);
    void connect(MsiTarget* target, u32 requester_id);
    [[nodiscard]] bool enabled() const { return enabled_; }
    [[nodiscard]] unsigned vectors() const { return static_cast<unsigned>(entries_.size()); }
    void trigger(unsigned vector); // or remember it while it is masked

  private:
    struct Entry {
        u64 address = 0;
        u32 data = 0;
        u32 control = 1; // bit 0: masked
    };
    void send_pending();

    std::vector<Entry> entries_;
    std::vector<bool> pending_;
    bool enabled_ = false, masked_ = false;
    MsiTarget* target_ = nullptr;
    u32 requester_id_ = 0;
};

} // namespace ulna::devices::pci
