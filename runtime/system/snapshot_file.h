// The file of a machine's snapshot: sections by name, each with a version and a checksum, found by
// a directory at the end. A file is made under another name and gets its own when it is whole.
//
//   header     64 bytes: Header, in snapshot_format.h
//   sections   bytes of a StatePart; or of a StateImage: how many runs, the runs, their bytes
//   directory  how many, then for each: name, version, offset, bytes, checksum
//
// Numbers are little-endian. Readers trust nothing: what a file has may be anything.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/devices/state_image.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/file_descriptor.h"

namespace ulna::runtime {
class FieldHash;
}

namespace ulna::system {

struct SnapshotSection {
    std::string name;
    u32 version = 0;
    u64 offset = 0, bytes = 0, checksum = 0;
};

class SnapshotWriter {
  public:
    // False, with a reason, when a file cannot be made. So it is for all that follow.
    [[nodiscard]] bool open(const std::string& path, std::string& why_not);
    ~SnapshotWriter(); // without finish(), nothing is left
    SnapshotWriter() = default;
    SnapshotWriter(const SnapshotWriter&) = delete;
    SnapshotWriter& operator=(const SnapshotWriter&) = delete;

    // Errors are told by finish().
    void add(const std::string& name, u32 version, std::span<const u8> bytes);
    void add(devices::StateImage& image);
    [[nodiscard]] bool finish(std::string& why_not);
    [[nodiscard]] u64 bytes() const { return at_; }

  private:
    void write(std::span<const u8> bytes);
    void flush();

    std::string path_, temporary_;
    runtime::FileDescriptor file_;
    std::vector<u8> waiting_; // to be written at the end of the file
    u64 at_ = 0;              // where the next byte goes
    std::vector<SnapshotSection> sections_;
    std::string error_;
};

class SnapshotReader {
  public:
    [[nodiscard]] bool open(const std::string& path, std::string& why_not);
    [[nodiscard]] const std::vector<SnapshotSection>& sections() const { return sections_; }
    [[nodiscard]] const SnapshotSection* find(const std::string& name) const;
    // Its bytes, if they are what was written.
    [[nodiscard]] bool
    read(const SnapshotSection& section, std::vector<u8>& bytes, std::string& why_not) const;
    // Puts them into the image, which has begun.
    [[nodiscard]] bool
    read(const SnapshotSection& section, devices::StateImage& image, std::string& why_not) const;
    [[nodiscard]] u64 bytes() const { return bytes_; }

  private:
    class Stream;
    // Into an image; `fits`: it takes them.
    [[nodiscard]] static bool
    read_runs(Stream& stream, devices::StateImage& image, runtime::FieldHash& hash, bool& fits);
    [[nodiscard]] bool read_at(u64 offset, std::span<u8> to) const;
    [[nodiscard]] bool read_directory(u64 offset, u64 bytes, u64 checksum);

    runtime::FileDescriptor file_;
    u64 bytes_ = 0;
    std::vector<SnapshotSection> sections_;
};

} // namespace ulna::system
