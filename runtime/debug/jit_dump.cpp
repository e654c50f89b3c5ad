#include "runtime/debug/jit_dump.h"

#include <cerrno>
#include <cstring>
#include <ctime>
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace ulna::runtime::debug {

namespace {

#if defined(__x86_64__)
constexpr u32 kHostMachine = EM_X86_64;
#else
constexpr u32 kHostMachine = EM_AARCH64;
#endif

struct FileHeader {
    u32 magic = 0x4a69'5444; // "JiTD"
    u32 version = 1;
    u32 bytes = sizeof(FileHeader);
    u32 machine = kHostMachine;
    u32 reserved = 0;
    u32 process;
    u64 time;
    u64 flags = 0; // times are of CLOCK_MONOTONIC (perf record -k mono)
};

struct CodeLoad {
    u32 id = 0; // JIT_CODE_LOAD
    u32 bytes;  // of the record: name and code are behind it
    u64 time;
    u32 process, thread;
    u64 virtual_address, address;
    u64 code_bytes;
    u64 index;
};

u64 now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
}

} // namespace

JitDump::JitDump() {
    const std::string path = "jit-" + std::to_string(getpid()) + ".dump";
    file_ = renumbered(
        FileDescriptor{::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)},
        kLowestOwnDescriptor);
    const FileHeader header{.process = static_cast<u32>(getpid()), .time = now()};
    if (!file_ || ::write(file_.get(), &header, sizeof header) != sizeof header) {
        why_not_ = path + ": " + std::strerror(errno);
        return;
    }
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    marker_ = ::mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, file_.get(), 0);
    if (marker_ == MAP_FAILED) {
        marker_ = nullptr;
        why_not_ = path + " can't be mapped: " + std::strerror(errno);
    }
}

JitDump::~JitDump() {
    if (marker_ != nullptr) {
        ::munmap(marker_, static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
    }
}

void JitDump::add(u64 host, u32 bytes, const std::string& name) {
    if (!file_) {
        return;
    }
    CodeLoad record{.bytes = static_cast<u32>(sizeof(CodeLoad) + name.size() + 1 + bytes),
                    .time = now(),
                    .process = static_cast<u32>(getpid()),
                    .thread = static_cast<u32>(::syscall(SYS_gettid)),
                    .virtual_address = host,
                    .address = host,
                    .code_bytes = bytes,
                    .index = count_++};
    const iovec parts[] = {{&record, sizeof record},
                           {const_cast<char*>(name.c_str()), name.size() + 1},
                           {reinterpret_cast<void*>(host), bytes}};
    if (::writev(file_.get(), parts, std::size(parts)) != record.bytes) {
        file_ = {}; // a full disk: what is there is good, but for the last record
    }
}

} // namespace ulna::runtime::debug
