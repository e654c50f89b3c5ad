// A conventional PCI function: configuration space, base address registers, capabilities, INTx and
// MSI-X (PCI Local Bus 3.0, chapter 6). Called with the machine's lock held.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/pci/msix.h"
#include "runtime/devices/state_visitor.h"

namespace ulna::devices::pci {

class PciFunction {
  public:
    struct Identity {
        u16 vendor = 0, device = 0;
        u32 class_code = 0; // 24 bits: base class, subclass, interface
        u8 revision = 0;
        u16 subsystem_vendor = 0, subsystem = 0;
    };
    // Where the function is plugged in. What it does not have is absent: no interrupt reaches
    // anyone until it is attached.
    struct Slot {
        InterruptLine* interrupt = nullptr; // of its INTx pin
        MsiTarget* messages = nullptr;
        u32 requester_id = 0; // bus, device, function
    };

    static constexpr u32 kConfigBytes = 4096;
    static constexpr unsigned kBars = 6;

    explicit PciFunction(const Identity& identity);
    virtual ~PciFunction() = default;
    PciFunction(const PciFunction&) = delete;
    PciFunction& operator=(const PciFunction&) = delete;

    void attach(const Slot& slot);
    // The slot has other functions besides this, its first one.
    void show_others() { config_[0x0e] |= 0x80; }
    [[nodiscard]] virtual u32 read_config(u32 offset, unsigned bytes);
    virtual void write_config(u32 offset, unsigned bytes, u32 value);
    virtual void reset();
    virtual void visit_state(StateVisitor& visit);

    // Which of its base address registers decodes an access to memory; none if it is not ours.
    struct Hit {
        unsigned bar;
        u64 offset;
    };
    [[nodiscard]] std::optional<Hit> decode(PhysAddr at, unsigned bytes) const;
    [[nodiscard]] u64 read_memory(const Hit& hit, unsigned bytes);
    void write_memory(const Hit& hit, unsigned bytes, u64 value);

    // What there is, and where the guest has put it; for people.
    struct Region {
        unsigned bar;
        u64 bytes;
        std::optional<PhysAddr> address; // it has one
        bool is_64_bit, is_prefetchable;
    };
    struct Report {
        Identity identity;
        u8 pin, line; // of INTx: 0: none, 1: A; what the guest noted
        std::vector<Region> regions;
    };
    [[nodiscard]] Report report() const;

  protected:
    // --- while it is built. `bytes` is a power of two of at least 16; a BAR of 64 bits takes the
    // next register, too.
    void add_bar(unsigned bar, u64 bytes, bool is_64_bit);
    // Offset of the capability; `body` follows its two bytes of header.
    u32 add_capability(u8 id, std::span<const u8> body);
    void make_writable(u32 offset, u32 bytes); // by the guest
    void make_writable_bits(u32 offset, u16 bits);
    void add_msix(unsigned bar, unsigned vectors);

    [[nodiscard]] virtual u64 read_bar(unsigned bar, u64 offset, unsigned bytes) = 0;
    virtual void write_bar(unsigned bar, u64 offset, unsigned bytes, u64 value) = 0;

    // The level of INTx; goes nowhere while the guest has turned it off or uses MSI-X.
    void set_interrupt(bool asserted);
    [[nodiscard]] bool uses_msix() const;
    void send_message(unsigned vector); // of MSI-X

    [[nodiscard]] u8* config(u32 offset) { return &config_[offset]; }
    [[nodiscard]] const u8* config(u32 offset) const { return &config_[offset]; }

  private:
    template <class T> [[nodiscard]] T get(u32 offset) const;
    template <class T> void put(u32 offset, T value);
    [[nodiscard]] PhysAddr bar_base(unsigned bar) const;
    void update_status();
    void update_interrupt();
    void update_msix();

    struct Bar {
        u64 bytes = 0; // 0: absent
        bool is_64_bit = false;
    };
    std::array<Bar, kBars> bars_{};
    // Capabilities end with the first 256 bytes; the rest, which is PCI Express', is empty.
    std::array<u8, 256> config_{};
    std::array<u8, 256> writable_{}; // bits that the guest can change
    std::array<u8, 256> at_reset_{};
    u32 next_capability_ = 0x40;
    Slot slot_;
    bool interrupt_ = false;
    std::unique_ptr<Msix> msix_;
    unsigned msix_bar_ = 0;
    u32 msix_capability_ = 0;
    bool has_been_used_ = false; // at_reset_ is taken before the first access
};

} // namespace ulna::devices::pci
