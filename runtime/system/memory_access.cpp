#include "runtime/system/memory_access.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "runtime/system/machine.h"

namespace ulna::system {

namespace {

constexpr u64 kPageBytes = u64{1} << ir::kTlbPageLog2;

std::optional<u64> place_of(Vcpu* cpu, u64 address) {
    if (cpu == nullptr) {
        return address;
    }
    const TranslationResult result = cpu->look_up(address);
    const auto* const page = std::get_if<Translation>(&result);
    return page != nullptr ? std::optional{page->page + address % kPageBytes} : std::nullopt;
}

} // namespace

// One page's bytes at a time, as what is beside it may be elsewhere.
bool read_memory(Machine& machine, const MemoryRange& from, u8* to) {
    for (u64 done = 0; done < from.bytes;) {
        const u64 at = from.address + done;
        const u64 piece = std::min(from.bytes - done, kPageBytes - at % kPageBytes);
        const auto place = place_of(from.cpu, at);
        if (!place || !machine.peek(*place, to + done, piece)) {
            return false;
        }
        done += piece;
    }
    return true;
}

std::string save_memory(Machine& machine, const MemoryRange& from, const std::string& name) {
    constexpr u64 kPiece = 1 << 20;
    std::ofstream file{name, std::ios::binary | std::ios::trunc};
    std::vector<u8> bytes(kPiece);
    for (u64 done = 0; file && done < from.bytes; done += kPiece) {
        const MemoryRange piece{from.cpu, from.address + done, std::min(kPiece, from.bytes - done)};
        if (!read_memory(machine, piece, bytes.data())) {
            return fmt::format("cannot read {} bytes at {:#x}", piece.bytes, piece.address);
        }
        file.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(piece.bytes));
    }
    file.close();
    return file ? "" : "cannot write '" + name + "'";
}

} // namespace ulna::system
