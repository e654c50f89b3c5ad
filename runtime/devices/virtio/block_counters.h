// What has been asked of a disk image: counted by whoever serves the disk, looked at by others
// meanwhile.
#pragma once

#include <array>
#include <atomic>
#include <chrono>

#include "ir/support/types.h"

namespace ulna::devices::virtio {

class BlockCounters {
  public:
    enum Kind : u8 { Read, Write, Flush, Unmap };
    static constexpr unsigned kKinds = 4;
    struct Counts {
        u64 operations = 0, failed = 0, bytes = 0, ns = 0;
    };

    // Carries it out; the result is 0 or an errno.
    template <class Operation> int count(Kind kind, u64 offset, u64 bytes, Operation operation) {
        const auto start = std::chrono::steady_clock::now();
        const int error = operation();
        const std::chrono::nanoseconds time = std::chrono::steady_clock::now() - start;
        Atomics& to = all_[kind];
        add(error == 0 ? to.operations : to.failed, 1);
        if (error == 0) {
            add(to.bytes, bytes);
            add(to.ns, static_cast<u64>(time.count()));
            if (kind == Write && offset + bytes > load(write_end_)) {
                write_end_.store(offset + bytes, std::memory_order_relaxed);
            }
        }
        return error;
    }

    [[nodiscard]] Counts of(Kind kind) const {
        const Atomics& from = all_[kind];
        return {load(from.operations), load(from.failed), load(from.bytes), load(from.ns)};
    }
    // Behind the last byte that was ever written.
    [[nodiscard]] u64 write_end() const { return load(write_end_); }

  private:
    using Atomic = std::atomic<u64>;
    struct Atomics {
        Atomic operations{0}, failed{0}, bytes{0}, ns{0};
    };
    static u64 load(const Atomic& from) { return from.load(std::memory_order_relaxed); }
    static void add(Atomic& to, u64 what) { to.fetch_add(what, std::memory_order_relaxed); }

    std::array<Atomics, kKinds> all_;
    Atomic write_end_{0};
};

} // namespace ulna::devices::virtio
