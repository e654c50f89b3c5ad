#include "runtime/system/acpi/table_loader.h"

namespace ulna::system::acpi {

namespace {
constexpr std::size_t kCommandBytes = 128, kNameBytes = 56; // a name ends with a zero
} // namespace

void TableLoader::begin(Command command, std::string_view file) {
    CHECK(file.size() < kNameBytes);
    put(commands_, static_cast<u32>(command), 4);
    put_text(commands_, file, kNameBytes, '\0');
}
void TableLoader::end() {
    put_zeros(commands_, (kCommandBytes - commands_.size() % kCommandBytes) % kCommandBytes);
}

void TableLoader::allocate(std::string_view file, u32 alignment, Zone zone) {
    begin(Command::Allocate, file);
    put(commands_, alignment, 4);
    put(commands_, static_cast<u8>(zone), 1);
    end();
}

void TableLoader::add_pointer(std::string_view in,
                              u32 offset,
                              u8 field_bytes,
                              std::string_view to) {
    begin(Command::AddPointer, in);
    put_text(commands_, to, kNameBytes, '\0');
    put(commands_, offset, 4);
    put(commands_, field_bytes, 1);
    end();
}

void TableLoader::add_checksum(std::string_view file, u32 offset, u32 start, u32 bytes) {
    begin(Command::AddChecksum, file);
    put(commands_, offset, 4);
    put(commands_, start, 4);
    put(commands_, bytes, 4);
    end();
}

} // namespace ulna::system::acpi
