#include "runtime/debug/statistics.h"

#include <cstdio>
#include <ctime>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace ulna::runtime::debug {

namespace {

u64 now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<u64>(t.tv_sec) * 1'000'000'000u + static_cast<u64>(t.tv_nsec);
}

u64 value(const Counter& counter) { return counter.load(std::memory_order_relaxed); }

} // namespace

u64 ticks() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return now_ns();
#endif
}

Statistics::Statistics() : start_ticks_{ticks()}, start_ns_{now_ns()} {}

std::string Statistics::text() const {
    const u64 elapsed_ticks = ticks() - start_ticks_;
    const double ns_per_tick =
        elapsed_ticks == 0 ? 0 : double(now_ns() - start_ns_) / double(elapsed_ticks);
    std::string out;
    char line[128];
    const auto row = [&](const char* name, u64 n) {
        std::snprintf(line, sizeof line, "%-46s %14llu\n", name,
                      static_cast<unsigned long long>(n));
        out += line;
    };
    const auto time_row = [&](const char* name, u64 n) {
        const double ns = double(n) * ns_per_tick;
        const u64 guest = value(guest_instructions);
        std::snprintf(line, sizeof line, "%-46s %11.3f ms  %7.1f ns per guest instruction\n", name,
                      ns / 1e6, guest == 0 ? 0 : ns / double(guest));
        out += line;
    };
#define STATISTIC(name, text) row(text, value(name));
#include "runtime/debug/statistics.def"
#undef STATISTIC
    time_row("time to lift", value(lift_ticks));
    time_row("time in passes", value(pass_ticks));
    time_row("time to emit", value(emit_ticks));
    time_row("time to install", value(install_ticks));
    time_row("translation in all",
             value(lift_ticks) + value(pass_ticks) + value(emit_ticks) + value(install_ticks));
    return out;
}

} // namespace ulna::runtime::debug
