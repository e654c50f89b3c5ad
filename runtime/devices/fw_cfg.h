// fw_cfg: items that firmware reads by number, and files that it finds in a directory (QEMU's
// docs/specs/fw_cfg). As memory-mapped registers: data at 0, selector at 8, DMA at 16.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/devices/physical_memory.h"

namespace ulna::devices {

class StateVisitor;

class FwCfg final : public Device {
  public:
    // Keys of items that are no files.
    enum Key : u16 {
        kSignature = 0x00,
        kId = 0x01,
        kUuid = 0x02,
        kRamSize = 0x03,
        kNoGraphic = 0x04,
        kCpus = 0x05,
        kKernelBytes = 0x08,
        kInitrdBytes = 0x0b,
        kBootMenu = 0x0e,
        kMaxCpus = 0x0f,
        kKernelData = 0x11,
        kInitrdData = 0x12,
        kCommandLineBytes = 0x14,
        kCommandLineData = 0x15,
        kFileDirectory = 0x19,
        kFirstFile = 0x20,
    };

    explicit FwCfg(const PhysicalMemory& memory);

    // Before the machine starts. Numbers are little-endian.
    void set(Key key, std::vector<u8> bytes);
    void set_number(Key key, u64 value, unsigned bytes);
    // False, with a reason, for a name that is too long or there already, or one file too many.
    [[nodiscard]] bool
    add_file(const std::string& name, std::vector<u8> bytes, std::string& why_not);

    u64 read(u64 offset, unsigned bytes) override;
    void write(u64 offset, unsigned bytes, u64 value) override;
    void reset() override;
    void visit_state(StateVisitor& visit); // what is selected; items are the command line's

  private:
    [[nodiscard]] const std::vector<u8>& item() const;
    void select(u16 key);
    [[nodiscard]] u8 next_byte();
    void write_dma_address(u64 offset, unsigned bytes, u64 value);
    void run_dma(PhysAddr at);
    [[nodiscard]] bool copy_to(PhysAddr to, u64 bytes);
    void make_directory();

    const PhysicalMemory& memory_;
    std::map<u16, std::vector<u8>> items_;
    std::map<std::string, u16> files_;
    u16 selected_ = 0;
    u64 at_ = 0; // in the selected item
    u64 dma_address_ = 0;
};

} // namespace ulna::devices
