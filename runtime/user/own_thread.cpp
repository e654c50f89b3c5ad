#include "runtime/user/own_thread.h"

#include <cstddef>
#include <cstring>
#include <string>

#include <dirent.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

pid_t own_thread() {
    const runtime::Engine* const engine = process().engine.get();
    return engine != nullptr ? engine->own_thread() : 0;
}

// A directory of /proc with more than one below it: cheap to tell, and rarely another's.
bool may_be_tasks(u64 mode, u64 bytes, u64 links) {
    return mode == (S_IFDIR | 0555) && bytes == 0 && links >= 4;
}

bool is_own_tasks(dev_t device, ino_t inode) {
    struct stat tasks;
    return own_thread() != 0 && ::stat("/proc/self/task", &tasks) == 0 && tasks.st_dev == device &&
           tasks.st_ino == inode;
}

bool is_own_tasks(const struct stat& file) {
    return may_be_tasks(file.st_mode, static_cast<u64>(file.st_size), file.st_nlink) &&
           is_own_tasks(file.st_dev, file.st_ino);
}

// Of what may be tasks. A sandbox has a descriptor of /proc, to which no path leads any more, and
// which may number processes as an outer name space does.
bool names_own_tasks(const GuestName& named) {
    struct statfs system;
    const std::optional<std::string> name =
        named.name == 0 ? std::nullopt : guest_string(named.name);
    return own_thread() != 0 && name && (*name == "self/task" || *name == "self/task/") &&
           ::fstatfs(static_cast<int>(named.directory), &system) == 0 &&
           system.f_type == PROC_SUPER_MAGIC;
}

} // namespace

bool may_have_own_thread() { return own_thread() != 0; }

unsigned count_own_threads() {
    const std::string task = "/proc/self/task/" + std::to_string(own_thread());
    return may_have_own_thread() && ::access(task.c_str(), F_OK) == 0 ? 1 : 0;
}

void hide_own_thread(struct stat& file, const GuestName& named) {
    if (may_be_tasks(file.st_mode, static_cast<u64>(file.st_size), file.st_nlink) &&
        (is_own_tasks(file.st_dev, file.st_ino) || names_own_tasks(named))) {
        file.st_nlink -= 1;
    }
}

void hide_own_thread(struct statx& file, const GuestName& named) {
    if (may_be_tasks(file.stx_mode, file.stx_size, file.stx_nlink) &&
        (is_own_tasks(makedev(file.stx_dev_major, file.stx_dev_minor), file.stx_ino) ||
         names_own_tasks(named))) {
        file.stx_nlink -= 1;
    }
}

u64 hide_own_thread(int directory, u8* entries, u64 bytes) {
    struct stat file;
    if (own_thread() == 0 || ::fstat(directory, &file) != 0 || !is_own_tasks(file)) {
        return bytes;
    }
    const std::string name = std::to_string(own_thread());
    for (u64 at = 0; at < bytes;) {
        u16 length;
        std::memcpy(&length, entries + at + offsetof(dirent64, d_reclen), sizeof length);
        const auto* text = reinterpret_cast<const char*>(entries + at + offsetof(dirent64, d_name));
        if (name == text) {
            std::memmove(entries + at, entries + at + length, bytes - at - length);
            return bytes - length;
        }
        at += length;
    }
    return bytes;
}

} // namespace ulna::user
