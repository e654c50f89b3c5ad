#include "runtime/user/strace.h"

#include <algorithm>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/debug/log.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/open_flags.h"

namespace ulna::user {

namespace {

constexpr u64 kShownBytes = 32; // of data, as other tracers show

struct Bit {
    u64 value;
    const char* name;
};

template <class... Args> std::string print(const char* format, Args... args) {
    char text[128];
    const int length = std::snprintf(text, sizeof(text), format, args...);
    return {text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof(text) - 1)};
}

std::string hex(u64 value) { return value == 0 ? "0" : print("0x%" PRIx64, value); }

// Names of the bits that are set, the rest in hexadecimal.
std::string flags(u64 value, std::span<const Bit> bits, std::string text = {}) {
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : "|") + part; };
    for (const Bit& bit : bits) {
        if (bit.value != 0 && (value & bit.value) == bit.value) {
            add(bit.name);
            value &= ~bit.value;
        }
    }
    if (value != 0 || text.empty()) {
        add(hex(value));
    }
    return text;
}

// clang-format off
constexpr Bit kOpenBits[] = {
    {O_CREAT, "O_CREAT"}, {O_EXCL, "O_EXCL"}, {O_NOCTTY, "O_NOCTTY"}, {O_TRUNC, "O_TRUNC"},
    {O_APPEND, "O_APPEND"}, {O_NONBLOCK, "O_NONBLOCK"}, {O_CLOEXEC, "O_CLOEXEC"}, {O_PATH, "O_PATH"},
    {O_SYNC, "O_SYNC"}, {O_DSYNC, "O_DSYNC"}, {O_NOATIME, "O_NOATIME"}, {020000000 | kArmDirectory, "O_TMPFILE"},
    {kArmDirectory, "O_DIRECTORY"}, {kArmNoFollow, "O_NOFOLLOW"}, {kArmDirect, "O_DIRECT"},
    {kArmLargeFile, "O_LARGEFILE"}};
constexpr Bit kProtectionBits[] = {
    {PROT_READ, "PROT_READ"}, {PROT_WRITE, "PROT_WRITE"}, {PROT_EXEC, "PROT_EXEC"}, {0x10, "PROT_BTI"},
    {0x20, "PROT_MTE"}};
constexpr Bit kMapBits[] = {
    {MAP_FIXED, "MAP_FIXED"}, {MAP_ANONYMOUS, "MAP_ANONYMOUS"}, {MAP_NORESERVE, "MAP_NORESERVE"},
    {MAP_POPULATE, "MAP_POPULATE"}, {MAP_STACK, "MAP_STACK"}, {MAP_HUGETLB, "MAP_HUGETLB"},
    {MAP_DENYWRITE, "MAP_DENYWRITE"}, {MAP_LOCKED, "MAP_LOCKED"},
    {MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"}};
constexpr Bit kCloneBits[] = {
    {CLONE_VM, "CLONE_VM"}, {CLONE_FS, "CLONE_FS"}, {CLONE_FILES, "CLONE_FILES"},
    {CLONE_SIGHAND, "CLONE_SIGHAND"}, {CLONE_VFORK, "CLONE_VFORK"}, {CLONE_PARENT, "CLONE_PARENT"},
    {CLONE_THREAD, "CLONE_THREAD"}, {CLONE_NEWNS, "CLONE_NEWNS"}, {CLONE_SYSVSEM, "CLONE_SYSVSEM"},
    {CLONE_SETTLS, "CLONE_SETTLS"}, {CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
    {CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"}, {CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"}};
constexpr const char* kClocks[] = {
    "CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID",
    "CLOCK_MONOTONIC_RAW", "CLOCK_REALTIME_COARSE", "CLOCK_MONOTONIC_COARSE", "CLOCK_BOOTTIME"};
constexpr const char* kFutexOps[] = {
    "FUTEX_WAIT", "FUTEX_WAKE", "FUTEX_FD", "FUTEX_REQUEUE", "FUTEX_CMP_REQUEUE", "FUTEX_WAKE_OP",
    "FUTEX_LOCK_PI", "FUTEX_UNLOCK_PI", "FUTEX_TRYLOCK_PI", "FUTEX_WAIT_BITSET", "FUTEX_WAKE_BITSET",
    "FUTEX_WAIT_REQUEUE_PI", "FUTEX_CMP_REQUEUE_PI", "FUTEX_LOCK_PI2"};
// clang-format on

std::string quote(const std::string& data, bool cut) {
    std::string text = "\"";
    for (const char c : data) {
        switch (c) {
        case '\n':
            text += "\\n";
            break;
        case '\t':
            text += "\\t";
            break;
        case '\r':
            text += "\\r";
            break;
        case '"':
            text += "\\\"";
            break;
        case '\\':
            text += "\\\\";
            break;
        default:
            text += c >= ' ' && c < 127 ? std::string(1, c)
                                        : print("\\%o", static_cast<unsigned>(static_cast<u8>(c)));
        }
    }
    return text + (cut ? "\"..." : "\"");
}

std::string path(u64 address) {
    if (address == 0) {
        return "NULL";
    }
    const auto text = guest_string(address);
    return text ? quote(*text, false) : hex(address);
}

std::string data(u64 address, u64 bytes) {
    std::string text(std::min(bytes, kShownBytes), '\0');
    return copy_from_guest(text.data(), address, text.size()) ? quote(text, bytes > kShownBytes)
                                                              : hex(address);
}

std::string open_mode(u64 value) {
    constexpr const char* kAccess[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
    const u64 rest = value & ~u64{O_ACCMODE};
    return rest == 0 ? kAccess[value & O_ACCMODE]
                     : flags(rest, kOpenBits, kAccess[value & O_ACCMODE]);
}

std::string map_mode(u64 value) {
    constexpr const char* kTypes[] = {"MAP_FILE", "MAP_SHARED", "MAP_PRIVATE",
                                      "MAP_SHARED_VALIDATE"};
    const u64 rest = value & ~u64{3};
    return rest == 0 ? kTypes[value & 3] : flags(rest, kMapBits, kTypes[value & 3]);
}

std::string clone_mode(u64 value) {
    const u64 rest = value & ~u64{CSIGNAL};
    const std::string signal =
        (value & CSIGNAL) == SIGCHLD ? "SIGCHLD" : print("%u", unsigned(value & CSIGNAL));
    return rest == 0 ? signal : flags(rest, kCloneBits) + "|" + signal;
}

std::string signal_name(u64 number) {
    const char* const name = ::sigabbrev_np(static_cast<int>(number));
    return name != nullptr ? std::string("SIG") + name : print("%d", static_cast<int>(number));
}

std::string futex_op(u64 value) {
    const u64 operation = value & FUTEX_CMD_MASK;
    std::string text =
        operation < std::size(kFutexOps) ? kFutexOps[operation] : print("%d", int(operation));
    text += (value & FUTEX_PRIVATE_FLAG) != 0 ? "|FUTEX_PRIVATE_FLAG" : "";
    return text + ((value & FUTEX_CLOCK_REALTIME) != 0 ? "|FUTEX_CLOCK_REALTIME" : "");
}

std::string time(u64 address) {
    timespec value;
    if (address == 0) {
        return "NULL";
    }
    return get_guest(address, value)
               ? print("{%lld,%ld}", static_cast<long long>(value.tv_sec), value.tv_nsec)
               : hex(address);
}

std::string socket_address(u64 address, u64 bytes) {
    sockaddr_storage storage{};
    if (address == 0 ||
        !copy_from_guest(&storage, address, std::min<u64>(bytes, sizeof(storage)))) {
        return hex(address);
    }
    if (storage.ss_family == AF_UNIX) {
        const auto* const local = reinterpret_cast<const sockaddr_un*>(&storage);
        return "{AF_UNIX," +
               quote(std::string(local->sun_path,
                                 ::strnlen(local->sun_path, sizeof(local->sun_path))),
                     false) +
               "}";
    }
    if (storage.ss_family == AF_INET) {
        const auto* const internet = reinterpret_cast<const sockaddr_in*>(&storage);
        const u32 host = ntohl(internet->sin_addr.s_addr);
        return print("{AF_INET,%u.%u.%u.%u:%u}", host >> 24, host >> 16 & 0xff, host >> 8 & 0xff,
                     host & 0xff, unsigned{ntohs(internet->sin_port)});
    }
    return print("{family %u}", unsigned{storage.ss_family});
}

std::string argument(char letter, const SyscallArgs& args, unsigned i, bool done, i64 result) {
    const u64 value = args[i];
    const u64 next = i + 1 < 6 ? args[i + 1] : 0;
    switch (letter) {
    case 'f':
        return static_cast<int>(value) == AT_FDCWD ? "AT_FDCWD"
                                                   : print("%d", static_cast<int>(value));
    case 'i':
        return print("%d", static_cast<int>(value));
    case 'u':
        return print("%" PRIu64, value);
    case 's':
        return path(value);
    case 'o':
        return open_mode(value);
    case 'm':
        return print("%#o", static_cast<unsigned>(value));
    case 'Q':
        return value == 0 ? "PROT_NONE" : flags(value, kProtectionBits);
    case 'a':
        return map_mode(value);
    case 'n':
        return signal_name(value);
    case 'c':
        return value < std::size(kClocks) ? kClocks[value] : print("%d", static_cast<int>(value));
    case 'l':
        return clone_mode(value);
    case 'k':
        return futex_op(value);
    case 'T':
        return time(value);
    case 'A':
        return socket_address(value, next);
    case 'w':
        return data(value, next);
    case 'r':
        return done && result > 0 ? data(value, static_cast<u64>(result)) : hex(value);
    case 'p':
    case 'P':
    case 'v':
    case 'M':
    case 'N':
        return value == 0 ? "NULL" : hex(value);
    default:
        return hex(value);
    }
}

std::string result_text(i64 result) {
    if (result >= 0 || result < -4095) {
        return result >= 0 && result < 0x1000'0000 ? print("%lld", static_cast<long long>(result))
                                                   : hex(static_cast<u64>(result));
    }
    switch (result) {
    case kRestartSys:
    case kRestartNoIntr:
    case kRestartNoHand:
    case kRestartBlock:
        return "? (interrupted; restarted unless a handler says otherwise)";
    case kSigreturnDone:
        return "?";
    default:
        break;
    }
    const int error = static_cast<int>(-result);
    const std::string number = print("-1 errno=%d", error);
    const char* const name = ::strerrorname_np(error); // null: a filter's or a listener's invention
    return name == nullptr ? number : number + " " + name + " (" + ::strerrordesc_np(error) + ")";
}

// These may not come back.
bool ends_thread(const SyscallRow* row) {
    constexpr std::string_view kNames[] = {"exit", "exit_group", "execve", "execveat"};
    return row != nullptr &&
           std::find(std::begin(kNames), std::end(kNames), row->name) != std::end(kNames);
}

} // namespace

std::string
format_call(const SyscallRow* row, u64 number, const SyscallArgs& args, bool done, i64 result) {
    if (row == nullptr) {
        return print("syscall_%" PRIu64 "(%" PRIx64 ",%" PRIx64 ",%" PRIx64 ")", number, args[0],
                     args[1], args[2]);
    }
    std::string text = row->name;
    text += '(';
    const unsigned count = static_cast<unsigned>(std::min<std::size_t>(std::strlen(row->args), 6));
    for (unsigned i = 0; i < count && row->args[i] != '-'; ++i) {
        text += (i != 0 ? "," : "") + argument(row->args[i], args, i, done, result);
    }
    return text + ')';
}

void strace_enter(const GuestThread& thread,
                  const SyscallRow* row,
                  u64 number,
                  const SyscallArgs& args) {
    if (ends_thread(row)) {
        runtime::debug::log_text(print("%d ", thread.tid) +
                                 format_call(row, number, args, false, 0) + "\n");
    }
}

void strace_exit(const GuestThread& thread,
                 const SyscallRow* row,
                 u64 number,
                 const SyscallArgs& args,
                 i64 result) {
    if (ends_thread(row) && result == 0) {
        return;
    }
    runtime::debug::log_text(print("%d ", thread.tid) +
                             format_call(row, number, args, true, result) + " = " +
                             result_text(result) + "\n");
}

} // namespace ulna::user
