#include "runtime/devices/guest_error.h"

#include <mutex>
#include <set>
#include <tuple>

#include "runtime/debug/log.h"

namespace ulna::devices {

void log_bad_access(const char* device, Direction direction, u64 offset, unsigned bytes) {
    namespace debug = runtime::debug;
    if (!debug::log_enabled(debug::Item::GuestErrors)) {
        return;
    }
    // A guest that tries everything is not worth all our memory.
    constexpr std::size_t kMostPlaces = 4096;
    static std::mutex lock;
    static std::set<std::tuple<const char*, Direction, u64>> told;
    const std::lock_guard hold(lock);
    if (told.size() < kMostPlaces && told.emplace(device, direction, offset).second) {
        debug::log_printf("%s: no register for a %s of %u bytes at 0x%llx\n", device,
                          direction == Direction::Read ? "read" : "write", bytes,
                          static_cast<unsigned long long>(offset));
    }
}

} // namespace ulna::devices
