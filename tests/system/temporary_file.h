// A file of the host for a test, removed with the object.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ir/support/types.h"

namespace ulna::test {

class TemporaryFile {
  public:
    explicit TemporaryFile(std::string_view bytes) {
        const char* const folder = std::getenv("TMPDIR");
        path_ = std::string(folder != nullptr ? folder : "/tmp") + "/ulna-test-XXXXXX";
        const int fd = mkstemp(path_.data());
        while (!bytes.empty()) {
            const ssize_t written = write(fd, bytes.data(), bytes.size());
            if (written <= 0) {
                break;
            }
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
        close(fd);
    }
    explicit TemporaryFile(const std::vector<u8>& bytes)
        : TemporaryFile(
              std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {}
    ~TemporaryFile() { unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace ulna::test
