// The Interrupt Translation Service of a GICv3 (IHI 0069 5): turns a write of a device (DeviceID,
// EventID) into an LPI of a CPU, by tables in the guest's memory that the guest fills by commands
// in a queue, which is in its memory, too. Nothing that it finds there is believed: what does not
// fit is a command without effect, or a message that is lost, and logged.
//
// Parts: gicv3_its.cpp (registers), gicv3_its_tables.cpp, gicv3_its_commands.cpp.
#pragma once

#include <array>
#include <optional>

#include "runtime/devices/gicv3.h"
#include "runtime/devices/physical_memory.h"

namespace ulna::devices {

class Gicv3Its : public Device {
  public:
    static constexpr u64 kBytes = 0x20000;
    static constexpr u64 kTranslater = 0x10040; // where devices write an EventID

    // Makes the GIC have LPIs.
    Gicv3Its(Gicv3& gic, PhysicalMemory& memory);

    // A message of a device, for example of PCI's requester `device`.
    void send(u32 device, u32 event);

    // A vCPU that writes GITS_TRANSLATER has no DeviceID: only send() is a message.
    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit);

  private:
    static constexpr unsigned kDeviceBits = 16, kEventBits = 16;
    // What the guest may write of GITS_CBASER, of CWRITER, and of BASER, whose Type and Entry_Size
    // are ours to say.
    static constexpr u64 kQueueFields = 0xb8ef'ffff'ffff'fcff, kOffsetFields = 0xf'ffe0;
    static constexpr u64 kBaserFields = 0xf8e0'ffff'ffff'ffff;

    enum Table : unsigned { kDevices, kCollections, kTables };
    using Command = std::array<u64, 4>;
    // What the tables say, checked.
    struct DeviceEntry {
        PhysAddr events; // its table of events
        unsigned event_bits;
    };
    struct Event {
        PhysAddr at; // of its entry
        u32 intid;
        u16 collection;
    };

    // --- gicv3_its_tables.cpp
    [[nodiscard]] std::optional<PhysAddr> entry_of(Table table, u32 index) const;
    [[nodiscard]] bool read_entry(PhysAddr at, u64& entry) const;
    [[nodiscard]] bool write_entry(PhysAddr at, u64 entry);
    [[nodiscard]] std::optional<DeviceEntry> find_device(u32 device) const;
    [[nodiscard]] std::optional<PhysAddr> event_place(u32 device, u32 event) const;
    [[nodiscard]] std::optional<Event> find_event(u32 device, u32 event) const;
    [[nodiscard]] std::optional<unsigned> find_cpu(u16 collection) const;
    [[nodiscard]] bool map_device(u32 device, std::optional<DeviceEntry> entry);
    [[nodiscard]] bool map_event(u32 device, u32 event, u32 intid, u16 collection);
    [[nodiscard]] bool map_collection(u16 collection, std::optional<unsigned> cpu);

    // --- gicv3_its_commands.cpp
    void run_queue();
    [[nodiscard]] bool run(const Command& command); // false: it does not fit
    [[nodiscard]] bool run_on_event(unsigned operation, const Command& command);

    void write_register(u64 offset, u64 value);
    [[nodiscard]] std::optional<u64> read_register(u64 offset) const;

    Gicv3& gic_;
    PhysicalMemory& memory_;
    bool enabled_ = false;
    u64 queue_base_ = 0, queue_write_ = 0, queue_read_ = 0; // GITS_CBASER, CWRITER, CREADR
    std::array<u64, kTables> tables_{};                     // GITS_BASER
};

} // namespace ulna::devices
