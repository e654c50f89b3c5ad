#include "runtime/devices/virtio/rng.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ulna::devices::virtio {
namespace {

// What one request gets at most, so that the machine does not stand still for gigabytes: a device
// may return less than asked for (section 5.4.6.2).
constexpr u64 kMostBytes = 4096;

// splitmix64: any state gives a good sequence.
u64 next_seeded(u64& state) {
    u64 z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

} // namespace

Rng::Rng(std::optional<u64> seed) : VirtioDevice({64}), state_(seed) {}

bool Rng::generate(u8* to, u64 bytes) {
    if (state_) {
        for (u64 at = 0; at < bytes; at += 8) {
            const u64 word = next_seeded(*state_);
            std::memcpy(to + at, &word, std::min<u64>(8, bytes - at));
        }
        return true;
    }
    while (bytes > 0) {
        const ssize_t got = getrandom(to, bytes, 0);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        to += std::max<ssize_t>(got, 0);
        bytes -= static_cast<u64>(std::max<ssize_t>(got, 0));
    }
    return true;
}

void Rng::visit_state(StateVisitor& visit) {
    if (state_) {
        visit(*state_);
    }
}

void Rng::notified(unsigned queue) {
    while (const auto request = next(queue)) {
        std::array<u8, kMostBytes> random;
        const u64 bytes = std::min(kMostBytes, total_bytes(request->writable()));
        u64 written = 0;
        if (generate(random.data(), bytes)) {
            written = scatter(request->writable(), 0, random.data(), bytes);
        }
        complete(queue, *request, written);
    }
}

} // namespace ulna::devices::virtio
