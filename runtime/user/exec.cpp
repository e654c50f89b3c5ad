// execve of the guest. Everything that can fail is checked first, so that the guest gets the
// kernel's error; then either this very file is executed again with the options it has now, or the
// host's kernel gets a program that is not for Arm.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/debug/log.h"
#include "runtime/user/command_line.h"
#include "runtime/user/exec_format.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/own_file.h"
#include "runtime/user/paths.h"
#include "runtime/user/process.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/signals_state.h"
#include "runtime/user/thread_group.h"

namespace ulna::user {

namespace {

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

// Strings and the array of pointers to them.
struct StringList {
    std::vector<std::string> strings;
    std::vector<const char*> pointers;

    const char* const* c_array() {
        pointers.clear();
        for (const std::string& text : strings) {
            pointers.push_back(text.c_str());
        }
        pointers.push_back(nullptr);
        return pointers.data();
    }
};

// Owned by the thread's signals while the call is made: a vfork child that succeeds never returns,
// and its parent frees it. The descriptors are closed by hand, because the parent's table has
// others at their numbers.
struct Image {
    std::string guest_path; // as given
    std::string path;       // for the host
    StringList args, environment, host_args;
    int file = -1;                          // the program
    int passed_file = -1, passed_self = -1; // survive the exec
    std::vector<std::string> filters;       // of system calls
    std::string trace;                      // of ptrace
    SignalSet blocked_by_us = 0;

    void close_files() const {
        for (const int fd : {file, passed_file, passed_self}) {
            if (fd >= 0) {
                close(fd);
            }
        }
    }
};

i64 read_strings(GuestAddr array, std::vector<std::string>& out) {
    constexpr u64 kMaxString = 131072;      // MAX_ARG_STRLEN
    constexpr u64 kMaxStrings = 0x7fffffff; // MAX_ARG_STRINGS
    constexpr u64 kMaxTotal = 6 << 20;      // three quarters of _STK_LIM
    u64 total = 0;
    for (u64 i = 0; array != 0 && i < kMaxStrings; ++i) {
        GuestAddr text;
        if (!get_guest(array + i * sizeof text, text)) {
            return -EFAULT;
        }
        if (text == 0) {
            break;
        }
        std::optional<std::string> read = guest_string(text, kMaxString);
        if (!read) {
            char probe;
            return get_guest(text, probe) ? -E2BIG : -EFAULT;
        }
        total += read->size() + 1 + sizeof text;
        if (total > kMaxTotal) {
            return -E2BIG;
        }
        out.push_back(std::move(*read));
    }
    return 0;
}

i64 read_path(GuestAddr from, std::string& out) {
    std::optional<std::string> path = guest_string(from, PATH_MAX - 1);
    if (!path) {
        char probe;
        return get_guest(from, probe) ? -ENAMETOOLONG : -EFAULT;
    }
    out = std::move(*path);
    return 0;
}

i64 read_request(const ExecRequest& request, Image& image) {
    if (const i64 error = read_path(request.path, image.guest_path); error != 0) {
        return error;
    }
    if (const i64 error = read_strings(request.args, image.args.strings); error != 0) {
        return error;
    }
    if (const i64 error = read_strings(request.environment, image.environment.strings);
        error != 0) {
        return error;
    }
    if (image.args.strings.empty()) {
        image.args.strings.emplace_back(); // since 5.18 the kernel adds an empty argv[0]
    }
    return 0;
}

bool is_by_descriptor(const ExecRequest& request, const Image& image) {
    return image.guest_path.empty() && (request.flags & AT_EMPTY_PATH);
}

i64 open_program(const ExecRequest& request, Image& image) {
    if (request.flags & ~u64{AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}) {
        return -EINVAL;
    }
    if (is_by_descriptor(request, image)) {
        // It may have been opened with O_PATH: reading needs an open file description of its own.
        const std::string link = "/proc/self/fd/" + std::to_string(request.directory_fd);
        image.file = open(link.c_str(), O_RDONLY | O_CLOEXEC);
        if (image.file < 0) {
            image.file = fcntl(request.directory_fd, F_DUPFD_CLOEXEC, 0);
        }
    } else {
        const bool follows = !(request.flags & AT_SYMLINK_NOFOLLOW);
        image.path = host_path(image.guest_path, follows ? FollowLinks::Yes : FollowLinks::No);
        image.file = openat(request.directory_fd, image.path.c_str(),
                            O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follows ? 0 : O_NOFOLLOW));
    }
    return image.file < 0 ? -errno : 0;
}

// The name by which the new program finds its file again.
void name_program(const ExecRequest& request, Image& image) {
    const bool is_relative = !image.path.starts_with('/') && request.directory_fd != AT_FDCWD;
    const bool is_descriptor = image.path.starts_with("/proc/"); // it may be closed by then
    if (!image.path.empty() && !is_relative && !is_descriptor) {
        return;
    }
    const std::string link = "/proc/self/fd/" + std::to_string(image.file);
    char target[PATH_MAX];
    const ssize_t length = readlink(link.c_str(), target, sizeof target);
    struct stat named, open_one;
    if (length > 0 && length < PATH_MAX && (target[length] = '\0', stat(target, &named) == 0) &&
        fstat(image.file, &open_one) == 0 && named.st_ino == open_one.st_ino &&
        named.st_dev == open_one.st_dev) {
        image.path = target;
        return;
    }
    image.passed_file = fcntl(image.file, F_DUPFD, 0); // a file without a name
    image.path = "/proc/self/fd/" + std::to_string(image.passed_file);
}

// bprm->filename of the kernel.
std::string asked_name(const ExecRequest& request, const Image& image) {
    if (request.directory_fd == AT_FDCWD || image.guest_path.starts_with('/')) {
        return image.guest_path;
    }
    const std::string directory = "/dev/fd/" + std::to_string(request.directory_fd);
    return image.guest_path.empty() ? directory : directory + "/" + image.guest_path;
}

std::string log_items(u32 items) {
    std::string list;
#define LOG_ITEM(id, bit, name, meaning)                                                           \
    if (items & (1u << (bit))) {                                                                   \
        list += list.empty() ? name : "," name;                                                    \
    }
#include "runtime/debug/log_items.def"
#undef LOG_ITEM
    return list;
}

void add_options(const Options& options, std::vector<std::string>& to) {
    const auto add = [&to](const char* name, const std::string& value) {
        if (!value.empty()) {
            to.emplace_back(name);
            to.push_back(value);
        }
    };
    const auto add_flag = [&to](const char* name, bool on) {
        if (on) {
            to.emplace_back(name);
        }
    };
    add("-L", options.sysroot);
    add("-r", options.uname_release);
    add("-cpu", options.cpu);
    add("-seed", options.seed ? std::to_string(*options.seed) : std::string());
    add("-s", std::to_string(options.stack_bytes));
    if (options.reserved_bytes != 0) {
        add("-R", std::to_string(options.reserved_bytes));
    }
    if (options.code_cache_mib != 0) {
        add("-tb-size", std::to_string(options.code_cache_mib));
    }
    add("-d", log_items(options.log_items));
    add("-D", options.log_file);
    add("-dfilter", options.log_filter);
    add("--cache-dir", options.cache_directory);
    add("--tier2", runtime::tier_two_name(options.tier2));
    add_flag("-strace", options.strace);
    add_flag("-stats", options.stats);
    add_flag("-perfmap", options.perf.map);
    add_flag("-jitdump", options.perf.jit_dump);
    add_flag("--engine=interp", options.interpreter_engine);
    add_flag("--tier0=off", !options.tier0);
    add_flag("--no-cache", !options.persistent_cache);
}

void make_host_args(const ExecRequest& request, Image& image) {
    std::vector<std::string>& to = image.host_args.strings;
    const std::vector<std::string>& guest = image.args.strings;
    to = {"ulna", kHandoverPrefix + std::to_string(image.passed_self) + "," +
                      std::to_string(image.passed_file) + "," +
                      std::to_string(image.filters.size()) + "," + image.trace + "," +
                      std::to_string(image.blocked_by_us) + "," + asked_name(request, image)};
    to.insert(to.end(), image.filters.begin(), image.filters.end());
    add_options(process().options, to);
    to.insert(to.end(), {"-0", guest[0], "--", image.path});
    to.insert(to.end(), guest.begin() + 1, guest.end());
}

i64 exec_self(const ExecRequest& request, Image& image) {
    const bool by_path = own_path_is_visible();
    const int own = own_file_descriptor();
    if (!by_path && own < 0) {
        return -ENOENT;
    }
    if (!by_path) {
        image.passed_self = fcntl(own, F_DUPFD, 0);
    }
    make_host_args(request, image);
    const char* const* args = image.host_args.c_array();
    const char* const* environment = image.environment.c_array();
    if (by_path) {
        return blocking_syscall(SYS_execve, address(own_path()), address(args),
                                address(environment));
    }
    return blocking_syscall(SYS_execveat, static_cast<u64>(own), address(""), address(args),
                            address(environment), AT_EMPTY_PATH);
}

i64 exec_foreign(const ExecRequest& request, Image& image) {
    return blocking_syscall(SYS_execveat, static_cast<u64>(request.directory_fd),
                            address(image.path.c_str()), address(image.args.c_array()),
                            address(image.environment.c_array()), request.flags);
}

std::string trace_argument(const GuestThread& thread) {
    const TraceHandover trace = trace_handover(thread);
    return std::to_string(trace.session) + "," + std::to_string(trace.slot) + "," +
           std::to_string(trace.own);
}

// Set-user-id, set-group-id, file capabilities: rights that only the kernel can give.
bool gives_rights(int file) {
    constexpr mode_t kSetGroup = S_ISGID | S_IXGRP;
    struct stat status;
    if (fstat(file, &status) != 0) {
        return false;
    }
    return ((status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid()) ||
           ((status.st_mode & kSetGroup) == kSetGroup && status.st_gid != getegid()) ||
           (geteuid() != 0 && fgetxattr(file, "security.capability", nullptr, 0) > 0);
}

template <class Exec>
i64 with_signals_prepared(GuestThread& thread, SignalSet also_blocked, const Exec& exec) {
    constexpr std::size_t kWorthWriting = 64; // a shell's children have little of their own
    save_translations(thread, kWorthWriting);
    const i64 error = prepare_signals_for_exec(thread, also_blocked) ? exec() : kRestartNoIntr;
    undo_signals_for_exec(thread);
    return error;
}

i64 exec_image(GuestThread& thread, const ExecRequest& request, Image& image) {
    if (const i64 error = read_request(request, image); error != 0) {
        return error;
    }
    // Only of Arm programs do filters see the calls, so the host's are no programs then.
    const auto by_kernel = [&]() -> i64 {
        if (has_seccomp(thread)) {
            return -ENOEXEC;
        }
        return with_signals_prepared(thread, 0, [&] { return exec_foreign(request, image); });
    };
    if (const i64 error = open_program(request, image); error != 0) {
        // A program may be executable without being readable. The kernel can open it for us when
        // Arm programs are registered with binfmt_misc.
        const i64 kernels = error == -EACCES ? by_kernel() : error;
        return kernels == -ENOEXEC ? error : kernels;
    }
    const ExecVerdict verdict = examine_program(image.file);
    if (verdict.error != 0) {
        return verdict.error;
    }
    if (verdict.format == ExecFormat::Foreign) {
        return by_kernel();
    }
    if (gives_rights(image.file)) {
        if (const i64 error = by_kernel(); error != -ENOEXEC) {
            return error;
        }
    }
    name_program(request, image);
    image.filters = handed_over_filters(thread);
    image.trace = trace_argument(thread);
    image.blocked_by_us = kBlockedOverExec & ~thread.signals->mask;
    return with_signals_prepared(thread, kBlockedOverExec,
                                 [&] { return exec_self(request, image); });
}

} // namespace

i64 exec_guest(GuestThread& thread, const ExecRequest& request) {
    const auto image = std::make_shared<Image>();
    thread.signals->exec_image = image;
    const i64 error = exec_image(thread, request, *image);
    image->close_files();
    thread.signals->exec_image = nullptr;
    return error;
}

} // namespace ulna::user
