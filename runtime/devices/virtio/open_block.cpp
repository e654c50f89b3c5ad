// Which back end a user's words mean.
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

#include "runtime/devices/virtio/image_server.h"
#include "runtime/devices/virtio/nbd_client.h"
#include "runtime/devices/virtio/null_disk.h"
#include "runtime/devices/virtio/raw_file.h"
#include "runtime/devices/virtio/snapshot.h"

namespace ulna::devices::virtio {

using runtime::FileDescriptor;

namespace {

bool looks_like_qcow2(const std::string& path) {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 4> magic{};
    return file && pread(file.get(), magic.data(), magic.size(), 0) == 4 &&
           std::memcmp(magic.data(), "QFI\xfb", 4) == 0;
}

// Null where there is none.
std::unique_ptr<BlockBackend> of_format(std::unique_ptr<BlockBackend> image, std::string format) {
    if (image != nullptr) {
        image->set_format(std::move(format));
    }
    return image;
}

std::unique_ptr<BlockBackend>
open_image(const BlockOptions& options, bool read_only, std::string& why_not) {
    const std::string& path = options.path;
    if (options.format == BlockFormat::Null) {
        return of_format(std::make_unique<NullDisk>(options.null_bytes, read_only), "null-co");
    }
    if (const auto server = NbdClient::parse(path)) {
        return of_format(NbdClient::connect(*server, read_only, why_not), "nbd");
    }
    if (is_qcow2(options)) {
        return of_format(open_served_image(path, "qcow2", read_only, why_not), "qcow2");
    }
    return of_format(RawFile::open(path, read_only, why_not), "raw");
}

std::unique_ptr<BlockBackend> open_as_allowed(const BlockOptions& options, std::string& why_not) {
    const bool read_only = options.read_only || options.snapshot;
    auto image = open_image(options, read_only, why_not);
    if (image == nullptr && !read_only && options.auto_read_only) {
        image = open_image(options, true, why_not);
    }
    return image;
}

// Its size, and when the file was changed last; of what a server has, the size.
std::string identity_of(const BlockBackend& image, const std::string& path) {
    struct stat info {};
    const bool is_file = stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
    return std::to_string(image.bytes()) + " bytes" +
           (is_file ? " changed at " + std::to_string(info.st_mtim.tv_sec) + "." +
                          std::to_string(info.st_mtim.tv_nsec)
                    : "");
}

} // namespace

bool is_qcow2(const BlockOptions& image) {
    return image.format == BlockFormat::Qcow2 ||
           (image.format == BlockFormat::Detect && looks_like_qcow2(image.path));
}

std::unique_ptr<BlockBackend> open_block_backend(const BlockOptions& options,
                                                 std::string& why_not) {
    auto image = open_as_allowed(options, why_not);
    if (image == nullptr) {
        return nullptr;
    }
    const std::string identity = identity_of(*image, options.path);
    const std::string format = image->format();
    if (options.snapshot && !options.read_only) {
        std::unique_ptr<BlockBackend> overlay = RawFile::temporary(image->bytes(), why_not);
        image = overlay != nullptr
                    ? of_format(std::make_unique<Snapshot>(std::move(image), std::move(overlay)),
                                format)
                    : nullptr;
    }
    if (image != nullptr) {
        image->set_policy(options.policy);
        image->set_identity(identity + (image->read_only()          ? ", read only"
                                        : image->changes_are_ours() ? ", with -snapshot"
                                                                    : ""));
    }
    return image;
}

} // namespace ulna::devices::virtio
