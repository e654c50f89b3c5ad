// The format of snapshots' files, for those who write and read them.
#pragma once

#include <cstddef>

#include "runtime/persist/checksum.h"
#include "runtime/system/snapshot_file.h"

namespace ulna::system::snapshot_format {

using devices::StateImage;
using devices::StateVisitor;

struct Header {
    char magic[8];
    u32 format, reserved;
    u64 directory_offset, directory_bytes, directory_checksum;
    u64 reserved2[2];
    u64 checksum; // of what is before it
};
static_assert(sizeof(Header) == 64);
inline constexpr char kMagic[8] = {'u', 'l', 'n', 'a', 's', 'n', 'a', 'p'};
inline constexpr u32 kFormat = 1;

inline constexpr u64 kMostSections = 4096, kMostName = 128;
inline constexpr u64 kMostSectionBytes = u64{16} << 20; // of what is no image
inline constexpr u64 kMostDirectoryBytes = u64{1} << 20;
inline constexpr u64 kPiece = u64{256} << 10; // images go by these, and so do their checksums

inline std::span<const u8> bytes_of(const Header& header) {
    return {reinterpret_cast<const u8*>(&header), sizeof header};
}
inline u64 checksum_of(const Header& header) {
    return runtime::checksum(bytes_of(header).first(offsetof(Header, checksum)));
}

inline void visit_directory(StateVisitor& visit, std::vector<SnapshotSection>& sections) {
    sections.resize(visit.count(sections.size(), kMostSections));
    for (SnapshotSection& section : sections) {
        visit.text(section.name, kMostName);
        visit(section.version, section.offset, section.bytes, section.checksum);
    }
    visit.finish();
}

inline std::span<const u8> bytes_of(std::span<const StateImage::Run> runs) {
    return {reinterpret_cast<const u8*>(runs.data()), runs.size_bytes()};
}

} // namespace ulna::system::snapshot_format
