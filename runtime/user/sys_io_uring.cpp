// See io_uring.h. Which requests are converted is the table `kConversions`; every other passes as
// it is. The kernel reads flags, names and events when a request is submitted, whether it runs then
// or later, so nothing has to stay converted after the submitting call.
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/user/address_space.h"
#include "runtime/user/epoll_event.h"
#include "runtime/user/io_uring.h"
#include "runtime/user/open_flags.h"
#include "runtime/user/path_argument.h"
#include "runtime/user/temporary_mask.h"

namespace ulna::user {

namespace {

// Of later kernels than the headers of Debian 12.
constexpr u32 kSetupNoMmap = 1 << 14, kSetupRegisteredFdOnly = 1 << 15, kSetupNoSqArray = 1 << 16;
constexpr u32 kKnownSetupFlags = (1 << 19) - 1; // Linux 6.18
constexpr u8 kOpEpollWait = 59, kOpPipe = 62, kOpNone = 0xff;
constexpr u32 kRegisterResizeRings = 33;

u64 address(const void* pointer) { return reinterpret_cast<u64>(pointer); }

// Every ring is a file with an inode of its own (before Linux 5.16 they share one).
struct RingKey {
    u64 device = 0, inode = 0;
    bool operator==(const RingKey&) const = default;
};

struct Ring {
    RingKey key;
    int fd = -1; // as it was made
    io_uring_params params = {};
    GuestAddr memory = 0, requests = 0; // in the guest; 0: not mapped yet
};

// Of g_rings. Not a shared one: that knows its owner by thread id, which a fork changes.
std::mutex g_lock;
std::vector<Ring> g_rings;
std::atomic<bool> g_any_rings{false};
// Held while requests are converted. After g_lock.
std::mutex g_converting;

constexpr std::size_t kRegisteredRings = 16; // IO_RINGFD_REG_MAX
thread_local std::array<RingKey, kRegisteredRings> t_registered;

RingKey key_of_file(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? RingKey{status.st_dev, status.st_ino} : RingKey{};
}

RingKey key_of(u64 fd, bool is_registered) {
    if (!is_registered) {
        return key_of_file(static_cast<int>(fd));
    }
    return fd < kRegisteredRings ? t_registered[fd] : RingKey{};
}

Ring* find_ring(const RingKey& key, int fd) {
    Ring* found = nullptr;
    for (Ring& ring : g_rings) {
        if (ring.key == key && (found == nullptr || ring.fd == fd)) {
            found = &ring;
        }
    }
    return found;
}

// Rings whose memory the guest has unmapped.
void forget_dead_rings() {
    constexpr std::size_t kMany = 64;
    if (g_rings.size() >= kMany) {
        std::erase_if(g_rings, [](const Ring& ring) {
            return ring.requests != 0 && !process().space->owns(ring.requests, kPageBytes);
        });
    }
}

void use_memory_of_guest(Ring& ring) {
    // Named user_addr by later headers: the last word of each group of offsets.
    ring.requests = ring.params.sq_off.resv2;
    ring.memory = ring.params.cq_off.resv2;
}

void add_ring(i64 result, const io_uring_params& params) {
    static std::atomic<u64> serial{0};
    const bool has_file = (params.flags & kSetupRegisteredFdOnly) == 0;
    Ring ring;
    ring.fd = has_file ? static_cast<int>(result) : -1;
    ring.key = has_file ? key_of_file(ring.fd) : RingKey{~u64{0}, ++serial};
    ring.params = params;
    if ((params.flags & kSetupNoMmap) != 0) {
        use_memory_of_guest(ring);
    }
    if (!has_file && static_cast<u64>(result) < kRegisteredRings) {
        t_registered[static_cast<std::size_t>(result)] = ring.key;
    }
    const std::lock_guard lock(g_lock);
    forget_dead_rings();
    std::erase_if(g_rings, [&](const Ring& old) {
        return old.key == ring.key && (old.fd == ring.fd || old.fd < 0);
    });
    g_rings.push_back(ring);
    g_any_rings.store(true, std::memory_order_release);
}

// --- the requests of one submission that differ

struct Change {
    GuestAddr at;
    u64 guest, host;
    u32 bytes;
};

class Submission {
  public:
    Submission(const Ring& ring, u32 count) : ring_(ring), count_(count) {}
    ~Submission() { put_back(); }
    Submission(const Submission&) = delete;
    Submission& operator=(const Submission&) = delete;

    [[nodiscard]] bool needs_conversion() const;
    void convert();
    // A field that the guest has written meanwhile is its next request's.
    void put_back();

    template <class T> void change(GuestAddr at, u64 host) {
        T guest;
        if (get_guest(at, guest) && put_guest(at, static_cast<T>(host))) {
            changes_.push_back({at, guest, host, sizeof(T)});
        }
    }
    void change_flags(GuestAddr at) {
        u32 flags;
        if (get_guest(at, flags) && host_open_flags(flags) != flags) {
            change<u32>(at, host_open_flags(flags));
        }
    }
    void change_path(GuestAddr at, bool no_follow) {
        GuestAddr path;
        if (get_guest(at, path)) {
            const PathArgument& argument = paths_.emplace_back(path, follow_unless(no_follow));
            if (argument.argument() != path) {
                change<u64>(at, argument.argument());
            }
        }
    }
    void* keep(std::size_t bytes) { return kept_.emplace_back(new char[bytes]).get(); }

  private:
    template <class Visit> void for_each(const Visit& visit) const;

    const Ring ring_;
    const u32 count_;
    std::vector<Change> changes_;
    std::deque<PathArgument> paths_;
    std::deque<std::unique_ptr<char[]>> kept_;
};

constexpr u64 kFlags = offsetof(io_uring_sqe, open_flags), kPath = offsetof(io_uring_sqe, addr),
              kHow = offsetof(io_uring_sqe, addr2), kEvent = offsetof(io_uring_sqe, addr),
              kLength = offsetof(io_uring_sqe, len);

void convert_openat(Submission& submission, GuestAddr at) {
    submission.change_flags(at + kFlags);
    u32 host;
    if (get_guest(at + kFlags, host)) {
        submission.change_path(at + kPath, (host & O_NOFOLLOW) != 0);
    }
}

// The structure is the guest's: a copy of it is converted.
void convert_openat2(Submission& submission, GuestAddr at) {
    GuestAddr from;
    u32 bytes;
    if (!get_guest(at + kHow, from) || !get_guest(at + kLength, bytes) ||
        bytes < sizeof(open_how) || bytes > kPageBytes) {
        return; // the kernel says what is wrong
    }
    void* const copy = submission.keep(bytes);
    if (!copy_from_guest(copy, from, bytes)) {
        return;
    }
    open_how how;
    std::memcpy(&how, copy, sizeof how);
    how.flags = host_open_flags(how.flags);
    std::memcpy(copy, &how, sizeof how);
    submission.change<u64>(at + kHow, address(copy));
    if ((how.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) == 0) {
        submission.change_path(at + kPath, (how.flags & O_NOFOLLOW) != 0);
    }
}

void convert_epoll_ctl(Submission& submission, GuestAddr at) {
    u32 operation;
    GuestAddr from;
    GuestEpollEvent guest;
    if (!get_guest(at + kLength, operation) || operation == EPOLL_CTL_DEL ||
        !get_guest(at + kEvent, from) || !get_guest(from, guest)) {
        return;
    }
    const HostEpollEvent host = {guest.events, guest.data};
    void* const copy = submission.keep(sizeof host);
    std::memcpy(copy, &host, sizeof host);
    submission.change<u64>(at + kEvent, address(copy));
}

void convert_statx(Submission& submission, GuestAddr at) {
    u32 flags;
    if (get_guest(at + kFlags, flags)) {
        submission.change_path(at + kPath, (flags & AT_SYMLINK_NOFOLLOW) != 0);
    }
}

void convert_pipe(Submission& submission, GuestAddr at) { submission.change_flags(at + kFlags); }

// The kernel writes the events at a time that we do not know: refused as before Linux 6.15.
void refuse(Submission& submission, GuestAddr at) { submission.change<u8>(at, kOpNone); }

struct Conversion {
    u8 operation;
    void (*convert)(Submission&, GuestAddr);
};
constexpr Conversion kConversions[] = {
    {IORING_OP_OPENAT, convert_openat},
    {IORING_OP_OPENAT2, convert_openat2},
    {IORING_OP_EPOLL_CTL, convert_epoll_ctl},
    {IORING_OP_STATX, convert_statx},
    {kOpPipe, convert_pipe},
    {kOpEpollWait, refuse},
};

const Conversion* conversion_of(u8 operation) {
    for (const Conversion& row : kConversions) {
        if (row.operation == operation) {
            return &row;
        }
    }
    return nullptr;
}

// visit(address of the request, its operation) -> go on?
template <class Visit> void Submission::for_each(const Visit& visit) const {
    const io_uring_params& params = ring_.params;
    const u64 request_bytes = (params.flags & IORING_SETUP_SQE128) != 0 ? 128 : 64;
    const u32 mask = params.sq_entries - 1;
    u32 head, tail;
    if (ring_.memory == 0 || ring_.requests == 0 ||
        !get_guest(ring_.memory + params.sq_off.head, head) ||
        !get_guest(ring_.memory + params.sq_off.tail, tail)) {
        return;
    }
    for (u32 i = 0; i < count_ && head + i != tail; ++i) {
        u32 index = (head + i) & mask;
        if ((params.flags & kSetupNoSqArray) == 0 &&
            !get_guest(ring_.memory + params.sq_off.array + u64{index} * sizeof index, index)) {
            return;
        }
        const GuestAddr at = ring_.requests + index * request_bytes;
        u8 operation;
        if (index < params.sq_entries && (!get_guest(at, operation) || !visit(at, operation))) {
            return;
        }
    }
}

bool Submission::needs_conversion() const {
    bool needs = false;
    for_each([&](GuestAddr, u8 operation) {
        needs = conversion_of(operation) != nullptr;
        return !needs;
    });
    return needs;
}

void Submission::convert() {
    for_each([this](GuestAddr at, u8 operation) {
        if (const Conversion* row = conversion_of(operation)) {
            row->convert(*this, at);
        }
        return true;
    });
}

void Submission::put_back() {
    for (const Change& change : changes_) {
        u64 now = 0;
        if (copy_from_guest(&now, change.at, change.bytes) && now == change.host) {
            [[maybe_unused]] const bool written =
                copy_to_guest(change.at, &change.guest, change.bytes);
        }
    }
    changes_.clear();
}

// Submits alone, without waiting, when something must be converted; else nullopt.
std::optional<i64> submit_converted(u64 fd, u32 count, u32 flags) {
    Ring ring;
    {
        const bool is_registered = (flags & IORING_ENTER_REGISTERED_RING) != 0;
        const RingKey key = key_of(fd, is_registered);
        const std::lock_guard lock(g_lock);
        const Ring* const found = find_ring(key, is_registered ? -1 : static_cast<int>(fd));
        if (found == nullptr) {
            return std::nullopt;
        }
        ring = *found;
    }
    if (!Submission(ring, count).needs_conversion()) {
        return std::nullopt;
    }
    const std::lock_guard guard(g_converting);
    Submission submission(ring, count);
    submission.convert();
    return host_syscall(SYS_io_uring_enter, fd, count, 0, flags & IORING_ENTER_REGISTERED_RING, 0,
                        kSignalSetBytes);
}

// The wait: its signal mask is the guest's.
i64 enter(GuestThread& thread, const SyscallArgs& args, u64 count) {
    const u64 fd = args[0], least = args[2], flags = args[3], argument = args[4], bytes = args[5];
    const bool is_extended = (flags & IORING_ENTER_EXT_ARG) != 0;
    io_uring_getevents_arg extended = {};
    std::optional<SignalSet> mask;
    if (is_extended && bytes == sizeof extended) {
        if (!get_guest(argument, extended)) {
            return -EFAULT;
        }
        if (const i64 error = read_mask(extended.sigmask, extended.sigmask_sz, mask); error != 0) {
            return error;
        }
    } else if (!is_extended) {
        if (const i64 error = read_mask(argument, bytes, mask); error != 0) {
            return error;
        }
    }
    if (!mask || (flags & IORING_ENTER_GETEVENTS) == 0) {
        return blocking_syscall(SYS_io_uring_enter, fd, count, least, flags, argument, bytes);
    }
    return wait_with_mask(thread, mask, [&](u64 host_mask) {
        extended.sigmask = host_mask;
        return blocking_syscall(SYS_io_uring_enter, fd, count, least, flags,
                                is_extended ? address(&extended) : host_mask, bytes);
    });
}

} // namespace

i64 sys_io_uring_setup(GuestThread&, const SyscallArgs& args_) {
    io_uring_params params;
    if (!get_guest(args_[1], params)) {
        return -EFAULT;
    }
    if ((params.flags & ~kKnownSetupFlags) != 0) {
        return -EINVAL;
    }
    // The kernel's thread would read requests that nobody has converted; refused as before Linux
    // 5.11, when it took a privilege.
    if ((params.flags & IORING_SETUP_SQPOLL) != 0) {
        return -EPERM;
    }
    const i64 result = host_syscall(SYS_io_uring_setup, args_[0], address(&params));
    if (result < 0) {
        return result;
    }
    if (!put_guest(args_[1], params)) {
        if ((params.flags & kSetupRegisteredFdOnly) == 0) {
            close(static_cast<int>(result));
        }
        return -EFAULT;
    }
    add_ring(result, params);
    return result;
}

i64 sys_io_uring_enter(GuestThread& thread, const SyscallArgs& args_) {
    const auto count = static_cast<u32>(args_[1]);
    const auto flags = static_cast<u32>(args_[3]);
    if (count != 0 && g_any_rings.load(std::memory_order_acquire)) {
        const std::optional<i64> submitted = submit_converted(args_[0], count, flags);
        if (submitted) {
            // The kernel waits only when it could submit all; then how the wait ends is not told.
            if (*submitted == count && (flags & IORING_ENTER_GETEVENTS) != 0) {
                [[maybe_unused]] const i64 ignored = enter(thread, args_, 0);
            }
            return *submitted;
        }
    }
    return enter(thread, args_, count);
}

i64 sys_io_uring_register(GuestThread&, const SyscallArgs& args_) {
    const auto [fd, operation_word, argument, count, unused4, unused5] = args_;
    constexpr u32 kUseRegisteredRing = u32{1} << 31;
    const u32 operation = static_cast<u32>(operation_word) & ~kUseRegisteredRing;
    const bool is_registered = (static_cast<u32>(operation_word) & kUseRegisteredRing) != 0;
    const i64 result = host_syscall(SYS_io_uring_register, fd, operation_word, argument, count);
    if (result < 0) {
        return result;
    }
    if (operation == IORING_REGISTER_RING_FDS) { // result: how many; the kernel filled the offsets
        for (u64 i = 0; i < static_cast<u64>(result); ++i) {
            io_uring_rsrc_update entry;
            if (get_guest(argument + i * sizeof entry, entry) && entry.offset < kRegisteredRings) {
                t_registered[entry.offset] = key_of_file(static_cast<int>(entry.data));
            }
        }
    } else if (operation == kRegisterResizeRings) {
        io_uring_params params;
        const RingKey key = key_of(fd, is_registered);
        const std::lock_guard lock(g_lock);
        Ring* const ring = find_ring(key, is_registered ? -1 : static_cast<int>(fd));
        if (ring != nullptr && get_guest(argument, params)) {
            params.flags = ring->params.flags; // not told again
            ring->params = params;
            ring->memory = ring->requests = 0;
            if ((params.flags & kSetupNoMmap) != 0) {
                use_memory_of_guest(*ring);
            }
        }
    } else if (operation == IORING_REGISTER_PROBE && kOpEpollWait < count) {
        const GuestAddr flags = argument + sizeof(io_uring_probe) +
                                kOpEpollWait * sizeof(io_uring_probe_op) +
                                offsetof(io_uring_probe_op, flags);
        if (!put_guest(flags, u16{0})) {
            return -EFAULT;
        }
    }
    return result;
}

void note_ring_mapping(int fd, u64 offset, GuestAddr at) {
    if (!g_any_rings.load(std::memory_order_acquire) || fd < 0) {
        return;
    }
    const bool is_memory = offset == IORING_OFF_SQ_RING || offset == IORING_OFF_CQ_RING;
    if (!is_memory && offset != IORING_OFF_SQES) {
        return;
    }
    const RingKey key = key_of_file(fd);
    const std::lock_guard lock(g_lock);
    if (Ring* const ring = find_ring(key, fd)) {
        (is_memory ? ring->memory : ring->requests) = at;
    }
}

void lock_rings() {
    g_lock.lock();
    g_converting.lock();
}
void unlock_rings() {
    g_converting.unlock();
    g_lock.unlock();
}

} // namespace ulna::user
