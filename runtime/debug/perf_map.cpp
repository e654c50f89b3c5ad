#include "runtime/debug/perf_map.h"

#include <cstdio>
#include <unistd.h>

namespace ulna::runtime::debug {

namespace {

std::FILE* file = nullptr;
const char* (*symbol_of_)(GuestAddr) = nullptr;

void open_file() {
    char path[64];
    std::snprintf(path, sizeof path, "/tmp/perf-%d.map", static_cast<int>(getpid()));
    file = std::fopen(path, "ae");
}

void write_line(u64 host, u32 host_bytes, const char* prefix, const char* name) {
    if (file != nullptr) {
        std::fprintf(file, "%llx %x %s%s\n", static_cast<unsigned long long>(host), host_bytes,
                     prefix, name);
        std::fflush(file);
    }
}

} // namespace

void enable_perf_map(const char* (*symbol_of)(GuestAddr)) {
    symbol_of_ = symbol_of;
    open_file();
}

void perf_map_block(u64 host, u32 host_bytes, GuestAddr pc) {
    if (file == nullptr) {
        return;
    }
    const char* symbol = symbol_of_ != nullptr ? symbol_of_(pc) : nullptr;
    char address[32];
    std::snprintf(address, sizeof address, "0x%llx", static_cast<unsigned long long>(pc));
    write_line(host, host_bytes, "guest:", symbol != nullptr ? symbol : address);
}

void perf_map_stubs(u64 host, u32 host_bytes) { write_line(host, host_bytes, "", "ulna-stubs"); }

void perf_map_after_fork() {
    if (file != nullptr) {
        std::fclose(file); // every line was flushed: nothing is written twice
        open_file();
    }
}

} // namespace ulna::runtime::debug
