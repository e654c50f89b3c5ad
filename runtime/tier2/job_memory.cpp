#include "runtime/tier2/job_memory.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ulna::runtime {

namespace {

constexpr u64 kMappedBytes = JobMemory::kMostBytes + 4096;

void* map(int fd) {
    void* const at = ::mmap(nullptr, kMappedBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? nullptr : at;
}

// Longer files than this are answered by a signal.
bool exceeds_file_limit(u64 bytes) {
    rlimit limit{};
    return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < bytes;
}

} // namespace

std::unique_ptr<JobMemory> JobMemory::create(std::span<const u8> message, int& fd) {
    fd = -1;
    if (message.size() > kMostBytes || exceeds_file_limit(kMappedBytes)) {
        return nullptr;
    }
    const int file = ::memfd_create("ulna-tier2", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) {
        return nullptr;
    }
    // It cannot be shortened under the other side.
    void* const at = ::ftruncate(file, static_cast<off_t>(kMappedBytes)) == 0 &&
                             ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) == 0
                         ? map(file)
                         : nullptr;
    if (at == nullptr) {
        ::close(file);
        return nullptr;
    }
    ::madvise(at, kMappedBytes, MADV_DONTFORK);
    auto memory = std::unique_ptr<JobMemory>(new JobMemory(static_cast<Header*>(at)));
    memory->header_->magic = kMagic;
    [[maybe_unused]] const bool fits = memory->put(message);
    fd = file;
    return memory;
}

std::unique_ptr<JobMemory> JobMemory::open(int fd) {
    struct stat info;
    const int seals = ::fcntl(fd, F_GET_SEALS);
    if (::fstat(fd, &info) != 0 || info.st_size != static_cast<off_t>(kMappedBytes) || seals < 0 ||
        (seals & F_SEAL_SHRINK) == 0) {
        return nullptr;
    }
    void* const at = map(fd);
    if (at == nullptr) {
        return nullptr;
    }
    auto memory = std::unique_ptr<JobMemory>(new JobMemory(static_cast<Header*>(at)));
    return memory->header_->magic == kMagic ? std::move(memory) : nullptr;
}

JobMemory::~JobMemory() {
    unlink();
    ::munmap(header_, kMappedBytes);
}

// Of a process that accepts jobs, which it does in one thread, and of which one thread at a time
// accepts or destroys one.
robust_list_head& JobMemory::accepted_jobs() {
    static robust_list_head head;
    if (head.list.next == nullptr) {
        head.list.next = &head.list;
        head.futex_offset = static_cast<long>(offsetof(Header, owner)) - offsetof(Header, link);
        ::syscall(SYS_set_robust_list, &head, sizeof head);
    }
    return head;
}

void JobMemory::accept() {
    robust_list& list = accepted_jobs().list;
    header_->owner = static_cast<u32>(::syscall(SYS_gettid));
    header_->link.next = std::exchange(list.next, &header_->link);
    is_accepted_ = true;
    set_state(JobState::Accepted);
}

void JobMemory::unlink() {
    if (!is_accepted_) {
        return;
    }
    robust_list* before = &accepted_jobs().list;
    while (before->next != &header_->link) {
        before = before->next;
    }
    before->next = header_->link.next;
}

bool JobMemory::is_orphan() const {
    return state() == JobState::Accepted && (header_->owner & FUTEX_OWNER_DIED) != 0;
}

void JobMemory::set_state(JobState state) {
    JobState before = header_->state.load(std::memory_order_relaxed);
    while (before != JobState::Abandoned &&
           !header_->state.compare_exchange_weak(before, state, std::memory_order_acq_rel)) {
    }
    ::syscall(SYS_futex, &header_->state, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void JobMemory::wait_while(JobState known, unsigned milliseconds) const {
    const timespec timeout{0, static_cast<long>(milliseconds) * 1'000'000};
    ::syscall(SYS_futex, &header_->state, FUTEX_WAIT, static_cast<u32>(known), &timeout, nullptr,
              0);
}

std::span<const u8> JobMemory::message() const {
    const u64 bytes = header_->message_bytes;
    return {data(), bytes <= kMostBytes ? bytes : 0};
}

bool JobMemory::put(std::span<const u8> message) {
    if (message.size() > kMostBytes) {
        return false;
    }
    std::memcpy(data(), message.data(), message.size());
    header_->message_bytes = message.size();
    return true;
}

} // namespace ulna::runtime
