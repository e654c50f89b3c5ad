#include "runtime/user/initial_stack.h"

#include <algorithm>
#include <cstring>

#include <elf.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "runtime/user/address_space.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

namespace ulna::user {

namespace {

constexpr u64 kStackLimit = u64{1} << 30; // an unlimited stack must end somewhere
// Bytes a signal frame needs: struct rt_sigframe of arm64 (4688) with its frame record and
// alignment.
constexpr u64 kMinSigStackBytes = 4720;

// Grows down from the top. Remembers whether anything did not fit.
class StackWriter {
  public:
    StackWriter(GuestAddr low, GuestAddr high) : low_(low), sp_(high) {}
    GuestAddr push(const void* from, u64 bytes) {
        if (bytes > sp_ - low_ || !copy_to_guest(sp_ - bytes, from, bytes)) {
            failed_ = true;
            return 0;
        }
        return sp_ -= bytes;
    }
    GuestAddr push(const std::string& text) { return push(text.c_str(), text.size() + 1); }
    void align(u64 to) { sp_ &= ~(to - 1); }
    [[nodiscard]] GuestAddr sp() const { return sp_; }
    [[nodiscard]] bool failed() const { return failed_; }

  private:
    GuestAddr low_, sp_;
    bool failed_ = false;
};

u64 stack_bytes() {
    u64 bytes = process().options.stack_bytes;
    rlimit limit;
    if (::getrlimit(RLIMIT_STACK, &limit) == 0) {
        // A raised limit asks for more than the default; -s remains the least.
        bytes = std::max<u64>(bytes, std::min<u64>(limit.rlim_cur, kStackLimit));
        if (limit.rlim_cur == RLIM_INFINITY) {
            bytes = std::max<u64>(process().options.stack_bytes, 64u << 20);
        }
    }
    return page_up(bytes);
}

// Strings with ascending addresses, in order; their addresses.
std::vector<u64> push_strings(StackWriter& stack, const std::vector<std::string>& strings) {
    std::vector<u64> addresses(strings.size());
    for (std::size_t i = strings.size(); i-- > 0;) {
        addresses[i] = stack.push(strings[i]);
    }
    return addresses;
}

std::vector<u64>
make_auxv(const LoadedProgram& program, GuestAddr random, GuestAddr platform, GuestAddr name) {
    const frontend::CpuModel& cpu = process().options.cpu_model;
    // clang-format off
    std::vector<u64> auxv = {
        AT_SYSINFO_EHDR, process().vdso_base,
        AT_MINSIGSTKSZ,  kMinSigStackBytes,
        AT_HWCAP,        cpu.hwcap,
        AT_PAGESZ,       kPageBytes,
        AT_CLKTCK,       static_cast<u64>(::sysconf(_SC_CLK_TCK)),
        AT_PHDR,         program.headers,
        AT_PHENT,        sizeof(Elf64_Phdr),
        AT_PHNUM,        program.header_count,
        AT_BASE,         program.interpreter_base,
        AT_FLAGS,        0,
        AT_ENTRY,        program.entry,
        AT_UID,          ::getuid(),
        AT_EUID,         ::geteuid(),
        AT_GID,          ::getgid(),
        AT_EGID,         ::getegid(),
        AT_SECURE,       ::getauxval(AT_SECURE),
        AT_RANDOM,       random,
        AT_HWCAP2,       cpu.hwcap2,
        AT_EXECFN,       name,
        AT_PLATFORM,     platform,
        AT_NULL,         0,
    };
    // clang-format on
    return auxv;
}

} // namespace

std::optional<GuestAddr> make_initial_stack(const LoadedProgram& program) {
    Process& self = process();
    const u64 bytes = stack_bytes();
    const int protection = PROT_READ | PROT_WRITE | (program.executable_stack ? PROT_EXEC : 0);
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    const i64 at = self.space->map(0, bytes + kPageBytes, protection, kFlags, -1, 0);
    if (at < 0) {
        return std::nullopt;
    }
    const auto guard = static_cast<GuestAddr>(at);
    if (self.space->protect(guard, kPageBytes, PROT_NONE) < 0) {
        return std::nullopt;
    }
    const GuestAddr low = guard + kPageBytes;
    StackWriter stack(low, guard + kPageBytes + bytes);

    constexpr u64 kEnd = 0;
    stack.push(&kEnd, sizeof(kEnd));
    const GuestAddr name = stack.push(program.name);
    self.env_end = stack.sp();
    const std::vector<u64> env = push_strings(stack, self.options.env);
    self.env_start = self.arg_end = stack.sp();
    const std::vector<u64> args = push_strings(stack, program.args);
    self.arg_start = stack.sp();
    const GuestAddr platform = stack.push(std::string("aarch64"));
    u8 seed[16];
    fill_random(seed, sizeof(seed));
    const GuestAddr random = stack.push(seed, sizeof(seed));
    const std::vector<u64> auxv = make_auxv(program, random, platform, name);
    self.auxv.assign(reinterpret_cast<const char*>(auxv.data()),
                     reinterpret_cast<const char*>(auxv.data() + auxv.size()));

    std::vector<u64> words{args.size()};
    words.insert(words.end(), args.begin(), args.end());
    words.push_back(0);
    words.insert(words.end(), env.begin(), env.end());
    words.push_back(0);
    words.insert(words.end(), auxv.begin(), auxv.end());
    if (words.size() % 2 != 0) { // SP ends 16-byte aligned; padding above the auxiliary vector
        words.push_back(0);
    }
    stack.align(16);
    const GuestAddr sp = stack.push(words.data(), words.size() * sizeof(u64));
    self.stack_start = sp;
    return stack.failed() ? std::nullopt : std::optional(sp);
}

} // namespace ulna::user
