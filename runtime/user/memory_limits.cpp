#include "runtime/user/memory_limits.h"

#include <atomic>
#include <cerrno>

#include <unistd.h>

namespace ulna::user {

namespace {

// At first what Ulna was started with, which the host kernel goes on to apply as well.
struct MemoryLimit {
    explicit MemoryLimit(__rlimit_resource resource) {
        rlimit inherited;
        if (::getrlimit(resource, &inherited) == 0) {
            soft.store(inherited.rlim_cur);
            hard.store(inherited.rlim_max);
        }
    }
    std::atomic<u64> soft{RLIM_INFINITY}, hard{RLIM_INFINITY};
};

MemoryLimit address_space{RLIMIT_AS}, data{RLIMIT_DATA};

MemoryLimit& limit_of(u64 resource) { return resource == RLIMIT_AS ? address_space : data; }

} // namespace

bool is_memory_limit(u64 resource) { return resource == RLIMIT_AS || resource == RLIMIT_DATA; }

i64 get_memory_limit(u64 resource, rlimit& limit) {
    const MemoryLimit& kept = limit_of(resource);
    limit = {.rlim_cur = kept.soft.load(), .rlim_max = kept.hard.load()};
    return 0;
}

i64 set_memory_limit(u64 resource, const rlimit& limit) {
    MemoryLimit& kept = limit_of(resource);
    if (limit.rlim_cur > limit.rlim_max) {
        return -EINVAL;
    }
    if (limit.rlim_max > kept.hard.load() && ::geteuid() != 0) { // as CAP_SYS_RESOURCE has it
        return -EPERM;
    }
    kept.soft.store(limit.rlim_cur);
    kept.hard.store(limit.rlim_max);
    return 0;
}

u64 address_space_limit() { return address_space.soft.load(std::memory_order_relaxed); }
u64 heap_limit() { return data.soft.load(std::memory_order_relaxed); }

} // namespace ulna::user
