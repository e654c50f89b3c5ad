// System calls by which a tracer writes memory of its tracees beside ptrace(2): what was code there
// is translated anew.
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <charconv>
#include <climits>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/user/guest_memory.h"
#include "runtime/user/ptrace_tracer.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

// "/proc/PID/mem", "/proc/PID/task/TID/mem"
std::optional<pid_t> process_of_memory_file(std::string_view path) {
    constexpr std::string_view kProc = "/proc/", kMemory = "/mem";
    if (!path.starts_with(kProc) || !path.ends_with(kMemory)) {
        return std::nullopt;
    }
    path.remove_prefix(kProc.size());
    pid_t process = 0;
    const auto [rest, error] = std::from_chars(path.data(), path.data() + path.size(), process);
    return error == std::errc{} ? std::optional(process) : std::nullopt;
}

std::optional<pid_t> process_behind(u64 descriptor) {
    const std::string link = "/proc/self/fd/" + std::to_string(static_cast<int>(descriptor));
    char path[PATH_MAX];
    const ssize_t length = readlink(link.c_str(), path, sizeof path);
    return length < 0
               ? std::nullopt
               : process_of_memory_file(std::string_view(path, static_cast<std::size_t>(length)));
}

} // namespace

i64 sys_pwrite64(GuestThread&, const SyscallArgs& args_) {
    const auto [descriptor, from, bytes, offset, unused4, unused5] = args_;
    const i64 result = host_syscall(SYS_pwrite64, descriptor, from, bytes, offset);
    if (result > 0 && may_have_tracees()) [[unlikely]] {
        if (const auto process = process_behind(descriptor)) {
            forget_in_tracee(*process, offset, static_cast<u64>(result));
        }
    }
    return result;
}

i64 sys_process_vm_writev(GuestThread&, const SyscallArgs& args_) {
    const auto [process, local, local_count, remote, remote_count, flags] = args_;
    const i64 result = host_syscall(SYS_process_vm_writev, process, local, local_count, remote,
                                    remote_count, flags);
    for (u64 i = 0; result > 0 && may_have_tracees() && i < remote_count; ++i) {
        iovec part;
        if (get_guest(remote + i * sizeof part, part)) {
            forget_in_tracee(static_cast<pid_t>(process),
                             reinterpret_cast<GuestAddr>(part.iov_base), part.iov_len);
        }
    }
    return result;
}

} // namespace ulna::user
