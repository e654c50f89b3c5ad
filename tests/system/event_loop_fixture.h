// A machine of nothing but its event loop.
#pragma once

#include "runtime/devices/event_loop.h"

namespace ulna::devices {

struct LoopFixture {
    void run_for(u64 ns) {
        auto end = loop.add_timer([&] { loop.stop(); });
        end->set(monotonic_ns() + ns);
        loop.run();
    }
    std::mutex lock;
    EventLoop loop{lock};
};

} // namespace ulna::devices
