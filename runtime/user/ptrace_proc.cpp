#include "runtime/user/ptrace_proc.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "runtime/user/own_file.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

std::string proc_name(pid_t id, std::string_view file) {
    return "/proc/" + std::to_string(id) + "/" + std::string(file);
}

// Of /proc/PID/status: the number behind "Name:\t".
std::optional<u64> status_number(std::string_view status, std::string_view name, int base) {
    const std::size_t at = status.find("\n" + std::string(name) + ":\t");
    u64 value = 0;
    if (at == status.npos) {
        return std::nullopt;
    }
    const char* const start = status.data() + at + name.size() + 3;
    std::from_chars(start, status.data() + status.size(), value, base);
    return value;
}

// Field 3 of /proc/PID/stat, and what follows.
std::string_view stat_from_state(std::string_view stat) {
    const std::size_t name_end = stat.rfind(") ");
    return name_end == stat.npos ? std::string_view{} : stat.substr(name_end + 2);
}

char state_of(pid_t id) {
    const std::string stat = proc_text(id, "stat");
    const std::string_view fields = stat_from_state(stat);
    return fields.empty() ? '\0' : fields.front();
}

} // namespace

std::string proc_text(pid_t id, std::string_view file) {
    char text[4096];
    const int fd = ::open(proc_name(id, file).c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : ::read(fd, text, sizeof text);
    if (fd >= 0) {
        ::close(fd);
    }
    return {text, got < 0 ? 0 : static_cast<std::size_t>(got)};
}

// The signals of faults have handlers from early on, and guest threads do not block them. What else
// is our file, the compile server, has no handlers; the engine's own thread blocks all signals, and
// is for nobody to find. A program that execve has just begun has no handlers yet, but has calls
// wait for them (kBlockedOverExec).
i64 find_ulna_thread(pid_t thread) {
    const std::string status = proc_text(thread, "status");
    struct stat file;
    if (status.empty()) {
        return -ESRCH;
    }
    const auto caught = status_number(status, "SigCgt", 16);
    const auto blocked = status_number(status, "SigBlk", 16);
    const bool ours = ::stat(proc_name(thread, "exe").c_str(), &file) == 0 && is_own_file(file);
    if (!ours || !caught || !blocked) {
        return -EPERM;
    }
    if ((*blocked & kSynchronous) == kSynchronous) {
        return -ESRCH;
    }
    const bool hears = (*caught & kSynchronous) == kSynchronous;
    return hears || (*blocked & kBlockedOverExec) != 0 ? 0 : -EPERM;
}

// All signals come to Ulna's handler then (report_signals).
bool may_be_traced(pid_t thread) {
    const auto caught = status_number(proc_text(thread, "status"), "SigCgt", 16);
    constexpr SignalSet kLibcs = signal_bit(32) | signal_bit(33);
    return caught && (*caught | kUnblockable | kLibcs) == kAllSignals;
}

std::optional<pid_t> process_of(pid_t thread) {
    const auto id = status_number(proc_text(thread, "status"), "Tgid", 10);
    return id ? std::optional(static_cast<pid_t>(*id)) : std::nullopt;
}

bool is_zombie(pid_t process) {
    const char state = state_of(process);
    return state == 'Z' || state == 'X';
}

bool is_host_stopped(pid_t thread) { return state_of(thread) == 'T'; }

u32 exit_status_of(pid_t process) {
    constexpr unsigned kFirst = 3, kExitCode = 52;
    const std::string stat = proc_text(process, "stat");
    std::string_view fields = stat_from_state(stat);
    for (unsigned field = kFirst; field < kExitCode && !fields.empty(); ++field) {
        const std::size_t space = fields.find(' ');
        fields = space == fields.npos ? std::string_view{} : fields.substr(space + 1);
    }
    u32 status = 0;
    std::from_chars(fields.data(), fields.data() + fields.size(), status);
    return status;
}

} // namespace ulna::user
