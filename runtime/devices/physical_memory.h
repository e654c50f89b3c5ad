// The physical address space of a machine: RAM, ROM and devices.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/devices/device.h"

namespace ulna::devices {

class PhysicalMemory {
  public:
    PhysicalMemory();
    ~PhysicalMemory();
    PhysicalMemory(const PhysicalMemory&) = delete;
    PhysicalMemory& operator=(const PhysicalMemory&) = delete;

    // Pages come as they are touched, huge ones where the host has them: a guest's accesses miss
    // the host's TLB as well as ours. (A memfd, which other processes could share, gets none by
    // default.) Ranges are multiples of 4096 bytes and do not overlap. Null, with a reason, without
    // memory.
    [[nodiscard]] u8* add_ram(PhysAddr base, u64 bytes, std::string& why_not);
    void add_device(PhysAddr base, u64 bytes, Device& device);

    // Host address of `bytes` bytes of RAM from `at`; null when they are not all in one range of
    // RAM.
    [[nodiscard]] u8* ram(PhysAddr at, u64 bytes) const;
    // RAM or Device::rom, for code, tables and other reads without side effects.
    [[nodiscard]] const u8* readable(PhysAddr at, u64 bytes) const;

    struct Place {
        Device* device = nullptr; // null: nothing there
        u64 offset = 0;
    };
    [[nodiscard]] Place device_at(PhysAddr at, unsigned bytes) const;

    // RAM or device; false where there is neither (an external abort).
    [[nodiscard]] bool read(PhysAddr at, unsigned bytes, u64& value) const;
    [[nodiscard]] bool write(PhysAddr at, unsigned bytes, u64 value) const;
    // Several bytes of RAM, for devices that read and write memory; false when they are not all
    // RAM.
    [[nodiscard]] bool read_ram(PhysAddr at, void* to, u64 bytes) const;
    [[nodiscard]] bool write_ram(PhysAddr at, const void* from, u64 bytes) const;

  private:
    struct Ram {
        PhysAddr base;
        u64 bytes;
        u8* host;
        void* mapping; // what was mapped for it
        u64 mapping_bytes;
    };
    struct Mapped {
        PhysAddr base;
        u64 bytes;
        Device* device;
    };
    std::vector<Ram> ram_;
    std::vector<Mapped> devices_; // ascending
};

} // namespace ulna::devices
