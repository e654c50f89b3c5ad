// Handles of semihosting: files of the host, the console, and the file that says what is there.
#pragma once

#include <string>
#include <vector>

#include "ir/support/types.h"

namespace ulna::devices {
class StateVisitor;
}

namespace ulna::system {

class SemihostingFiles {
  public:
    enum class Kind : u8 { Closed, Host, ConsoleInput, ConsoleOutput, Features };

    SemihostingFiles() = default;
    ~SemihostingFiles();
    SemihostingFiles(const SemihostingFiles&) = delete;
    SemihostingFiles& operator=(const SemihostingFiles&) = delete;

    // As the calls of the specification return: -1, with errno, is failure. `mode` is an index into
    // fopen's modes: r, rb, r+, r+b, w, wb, w+, w+b, a, ab, a+, a+b.
    [[nodiscard]] i64 open(const std::string& path, u64 mode);
    [[nodiscard]] i64 close(u64 handle);
    [[nodiscard]] Kind kind(u64 handle) const;
    // Bytes that were read or written; -1 as above.
    [[nodiscard]] i64 read(u64 handle, char* to, u64 bytes);
    [[nodiscard]] i64 write(u64 handle, const char* from, u64 bytes);
    [[nodiscard]] i64 seek(u64 handle, u64 position);
    [[nodiscard]] i64 length(u64 handle) const;
    [[nodiscard]] i64 is_terminal(u64 handle) const;

    [[nodiscard]] i64 fail(int error); // -1, and the number for SYS_ERRNO
    [[nodiscard]] int last_error() const { return error_; }

    // --- for snapshots, which have no files of the host
    [[nodiscard]] bool has_host_files() const;
    void visit_state(devices::StateVisitor& visit);

  private:
    struct Entry {
        Kind kind = Kind::Closed;
        int fd = -1;
        u64 position = 0; // in Features
    };
    [[nodiscard]] i64 add(Entry entry);
    [[nodiscard]] const Entry* find(u64 handle) const;

    std::vector<Entry> entries_; // handle - 1
    int error_ = 0;
};

} // namespace ulna::system
