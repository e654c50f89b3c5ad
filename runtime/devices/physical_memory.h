// The physical address space of a machine: RAM, ROM and devices. It is one for both Security
// states, but for what is only there for Secure accesses.
#pragma once

#include <string>
#include <vector>

#include "ir/support/bits.h"
#include "runtime/devices/device.h"

namespace ulna::devices {

class PhysicalMemory {
  public:
    PhysicalMemory();
    ~PhysicalMemory();
    PhysicalMemory(const PhysicalMemory&) = delete;
    PhysicalMemory& operator=(const PhysicalMemory&) = delete;

    // Shared: a memfd, which back ends in other processes can map. It gets no huge pages by
    // default, and a guest's accesses miss the host's TLB as well as ours; so it is only for who
    // needs it.
    enum class RamKind : u8 { Private, Shared };
    // Pages come as they are touched. Ranges are multiples of 4096 bytes and do not overlap. Null,
    // with a reason, without memory.
    [[nodiscard]] u8* add_ram(PhysAddr base,
                              u64 bytes,
                              std::string& why_not,
                              RamKind kind = RamKind::Private,
                              Space space = Space::NonSecure,
                              const std::string& file = ""); // of Shared: in place of a memfd
    // Allocation tags of all RAM that there is now, which come as they are touched, too. False,
    // with a reason, without memory.
    [[nodiscard]] bool add_tags(std::string& why_not);
    // Of the 16 bytes that a byte of RAM is among, followed by those behind; null where there are
    // none.
    [[nodiscard]] u8* tags_of(const u8* host) const;
    void add_device(PhysAddr base, u64 bytes, Device& device, Space space = Space::NonSecure);
    // As after power on: RAM is zero, devices are reset. With the machine's lock held.
    void reset();

    // Host address of `bytes` bytes of RAM from `at`; null when they are not all in one range of
    // RAM.
    [[nodiscard]] u8* ram(PhysAddr at, u64 bytes, Space by = Space::Secure) const;
    // The pages that lie wholly in this part of one range of RAM are given back to the host, and
    // read as zero until they are written. Contents that code was translated from may go, too.
    void discard(u8* host, u64 bytes) const;
    // RAM or Device::rom, for code, tables and other reads without side effects.
    [[nodiscard]] const u8* readable(PhysAddr at, u64 bytes, Space by = Space::Secure) const;

    struct Ram {
        PhysAddr base;
        u64 bytes;
        Space space;
        u8* host;
        int fd;        // of Shared, all of which is this range; else -1
        void* mapping; // what was mapped for it
        u64 mapping_bytes;
        u8* tags = nullptr; // one byte each, or null
        [[nodiscard]] u64 tag_bytes() const { return align_up(bytes / kBytesOfTag, 4096); }
    };
    static constexpr u64 kBytesOfTag = 16;
    [[nodiscard]] const std::vector<Ram>& ram_ranges() const { return ram_; }

    // What is where, ascending.
    struct Region {
        PhysAddr base;
        u64 bytes;
        bool is_ram;
    };
    [[nodiscard]] std::vector<Region> regions() const;

    struct Place {
        Device* device = nullptr; // null: nothing there
        u64 offset = 0;
    };
    [[nodiscard]] Place device_at(PhysAddr at, unsigned bytes, Space by = Space::Secure) const;

    // RAM or device; false where there is neither (an external abort).
    [[nodiscard]] bool
    read(PhysAddr at, unsigned bytes, u64& value, Space by = Space::Secure) const;
    [[nodiscard]] bool
    write(PhysAddr at, unsigned bytes, u64 value, Space by = Space::Secure) const;
    // By whom a device is accessed, while it is.
    [[nodiscard]] Space accessed_by() const { return accessed_by_; }
    // Several bytes of RAM, for devices that read and write memory; false when they are not all
    // RAM.
    [[nodiscard]] bool read_ram(PhysAddr at, void* to, u64 bytes) const;
    [[nodiscard]] bool write_ram(PhysAddr at, const void* from, u64 bytes) const;

  private:
    static void give_back(const Ram& part);

    struct Mapped {
        PhysAddr base;
        u64 bytes;
        Device* device;
        Space space;
    };
    std::vector<Ram> ram_;
    std::vector<Mapped> devices_; // ascending
    mutable Space accessed_by_ = Space::Secure;
};

} // namespace ulna::devices
