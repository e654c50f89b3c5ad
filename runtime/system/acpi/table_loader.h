// etc/table-loader: how firmware puts ACPI tables into memory of its choice. A list of commands of
// fixed size that name fw_cfg files: allocate a file's memory and read it, add a file's address to
// a field of another (pointers between tables), make a checksum (QEMU's bios-linker-loader).
#pragma once

#include <string_view>

#include "runtime/system/byte_writer.h"

namespace ulna::system::acpi {

class TableLoader {
  public:
    enum class Zone : u8 { High = 1, FSegment = 2 /* where a PC's firmware looks for the RSDP */ };
    // Before other commands name the file.
    void allocate(std::string_view file, u32 alignment, Zone zone);
    // The field has the offset in the file `to` that it is to point at.
    void add_pointer(std::string_view in, u32 offset, u8 field_bytes, std::string_view to);
    // The byte at `offset`, 0 so far, makes the sum of `bytes` from `start` on zero.
    void add_checksum(std::string_view file, u32 offset, u32 start, u32 bytes);

    [[nodiscard]] const Bytes& commands() const { return commands_; }

  private:
    enum class Command : u32 { Allocate = 1, AddPointer = 2, AddChecksum = 3 };
    void begin(Command command, std::string_view file);
    void end();

    Bytes commands_;
};

} // namespace ulna::system::acpi
