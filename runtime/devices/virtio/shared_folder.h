// A folder of the host as a guest may see it. Paths are relative to it, without "." and "..", and
// empty for itself. The kernel keeps every look-up inside and follows no symbolic link
// (openat2), whatever the guest asks for and the host changes meanwhile.
// Results are 0 or an errno. Only one thread uses it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <time.h>

#include <memory>
#include <string>

#include "ir/support/types.h"
#include "runtime/file_descriptor.h"

namespace ulna::devices::virtio {

// Whose files are.
enum class Ownership : u8 {
    Host,   // ours, with the mode that the guest gives ("none")
    Mapped, // what the guest says is kept in extended attributes, as QEMU's mapped-xattr does
};

class SharedFolder {
  public:
    struct Options {
        std::string path;
        Ownership ownership = Ownership::Host;
        bool read_only = false;
    };
    // Null with a reason, one line.
    [[nodiscard]] static std::unique_ptr<SharedFolder> open(const Options& options,
                                                            std::string& why_not);

    // `info` is what the guest sees: mapped attributes are in it.
    [[nodiscard]] int status(const std::string& path, struct stat& info) const;
    [[nodiscard]] int status(int file, struct stat& info) const;
    // A file or folder for reading and writing, by open(2)'s access mode, O_TRUNC, O_APPEND and
    // O_SYNC. Nothing else is ever opened: special files are the guest's own business.
    [[nodiscard]] int
    open_file(const std::string& path, int flags, runtime::FileDescriptor& file) const;
    [[nodiscard]] int read_link(const std::string& path, std::string& target) const;
    [[nodiscard]] int file_system(const std::string& path, struct statfs& info) const;

    // --- changes; EROFS if there are to be none. `name` is one component, checked by the caller.
    struct Creation {
        u32 mode; // with the file's type, for make_node
        u32 uid, gid;
    };
    [[nodiscard]] int create(const std::string& folder,
                             const std::string& name,
                             int flags,
                             const Creation& creation,
                             runtime::FileDescriptor& file) const;
    [[nodiscard]] int
    make_folder(const std::string& folder, const std::string& name, const Creation& creation) const;
    [[nodiscard]] int make_node(const std::string& folder,
                                const std::string& name,
                                const Creation& creation,
                                dev_t device) const;
    [[nodiscard]] int make_symlink(const std::string& folder,
                                   const std::string& name,
                                   const std::string& target,
                                   const Creation& creation) const;
    [[nodiscard]] int
    make_link(const std::string& path, const std::string& folder, const std::string& name) const;
    [[nodiscard]] int rename(const std::string& from_folder,
                             const std::string& from_name,
                             const std::string& to_folder,
                             const std::string& to_name) const;
    [[nodiscard]] int
    remove(const std::string& folder, const std::string& name, bool is_folder) const;
    [[nodiscard]] int set_mode(const std::string& path, u32 mode) const;
    [[nodiscard]] int set_owner(const std::string& path, u32 uid, u32 gid) const; // ~0: as it is
    [[nodiscard]] int set_size(const std::string& path, u64 bytes) const;
    [[nodiscard]] int set_times(const std::string& path, const timespec (&times)[2]) const;

  private:
    explicit SharedFolder(Options options) : options_(std::move(options)) {}

    [[nodiscard]] int
    look_up(const std::string& path, int flags, runtime::FileDescriptor& place) const;
    [[nodiscard]] int parent(const std::string& path, runtime::FileDescriptor& place) const;
    [[nodiscard]] int
    claim(int folder, const std::string& name, const Creation& creation, dev_t device) const;
    [[nodiscard]] bool is_mapped() const { return options_.ownership == Ownership::Mapped; }

    Options options_;
    runtime::FileDescriptor root_;
};

} // namespace ulna::devices::virtio
