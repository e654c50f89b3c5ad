#include "runtime/system/cache_identity.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "runtime/persist/checksum.h"

namespace ulna::system {

namespace {

// A kernel or firmware by its first bytes and its size. What cannot be read is an error elsewhere,
// and a pipe's bytes are for who uses them.
u64 file_identity(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
        return 0;
    }
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const auto bytes = static_cast<u64>(std::max<std::streamoff>(file.tellg(), 0));
    std::vector<u8> start(std::min<u64>(bytes, 64u << 10));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(start.data()), static_cast<std::streamsize>(start.size()));
    return runtime::checksum(start, bytes);
}

} // namespace

// A disk changes all the time: its name stands for what is on it.
u64 cache_identity(const SystemOptions& options) {
    runtime::FieldHash hash;
    for (const std::string& path : {options.kernel, options.firmware}) {
        hash.add(path.empty() ? 0 : file_identity(path));
    }
    if (options.kernel.empty()) {
        for (const DriveOption& drive : options.drives) {
            hash.add({reinterpret_cast<const u8*>(drive.file.data()), drive.file.size()});
        }
        for (const BlockNodeOptions& node : options.nodes) {
            hash.add({reinterpret_cast<const u8*>(node.path.data()), node.path.size()});
        }
    }
    return hash.value();
}

} // namespace ulna::system
