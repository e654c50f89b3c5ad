#include "tests/insn/test_machine.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "ir/guest_access.h"

namespace ulna::insn {

namespace {

constexpr u32 kSvc = 0xd4000001;
constexpr u64 kExecutableBytes = MACHINE_EXECUTABLE_BYTES;

void* map(u64 address, u64 bytes, int protection, int file = -1) {
    const int kind = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void* const at = mmap(reinterpret_cast<void*>(address), bytes, protection,
                          kind | (address != 0 ? MAP_FIXED_NOREPLACE : 0), file, 0);
    if (at == MAP_FAILED) {
        std::perror("insn: mmap");
        std::exit(2);
    }
    return at;
}

std::string changed(const std::string& what, u64 a, u64 b) {
    char text[100];
    std::snprintf(text, sizeof text, " %llx != %llx", static_cast<unsigned long long>(a),
                  static_cast<unsigned long long>(b));
    return what + text;
}

// Without the words just before `except`, an offset in the machine's data or anything else.
std::string memory_difference(const Outcome& one, const Outcome& other, std::optional<u64> except) {
    constexpr u64 kLargestAccess = 64; // LD4, ST4
    const auto skip = [&](const ChangedWord& word) {
        return except && *except % kWindowStride - word.offset <= kLargestAccess;
    };
    auto a = one.memory.begin(), b = other.memory.begin();
    for (;;) {
        while (a != one.memory.end() && skip(*a)) {
            ++a;
        }
        while (b != other.memory.end() && skip(*b)) {
            ++b;
        }
        const bool no_a = a == one.memory.end(), no_b = b == other.memory.end();
        if (no_a && no_b) {
            return "";
        }
        if (no_a || no_b || !(*a == *b)) {
            const u64 at = no_a ? b->offset : no_b ? a->offset : std::min(a->offset, b->offset);
            char text[100];
            std::snprintf(text, sizeof text, "[data+%llx] %llx != %llx",
                          static_cast<unsigned long long>(at),
                          static_cast<unsigned long long>(no_a || a->offset != at ? 0 : a->value),
                          static_cast<unsigned long long>(no_b || b->offset != at ? 0 : b->value));
            return text;
        }
        ++a;
        ++b;
    }
}

} // namespace

Machine::Guard* Machine::active_ = nullptr;

Machine& Machine::get() {
    static Machine machine;
    return machine;
}

namespace {
// AddressSanitizer keeps its notes about an address at an eighth of it, from 0x7fff8000 on: where
// edge values point. Those about what lies below the machine, where nobody has memory, nobody
// needs.
void hide_unused_shadow() {
#ifdef __SANITIZE_ADDRESS__
    std::size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    mprotect(reinterpret_cast<void*>(offset), MACHINE_OUT >> scale, PROT_NONE);
#endif
}
} // namespace

Machine::Machine() {
    hide_unused_shadow();
    // Guest code is read-only at its place; it is written through another mapping.
    const int file = memfd_create("ulna-insn", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, kExecutableBytes) != 0) {
        std::perror("insn: memfd");
        std::exit(2);
    }
    map(MACHINE_LEAVE, kExecutableBytes, PROT_READ, file);
    writable_code_ = static_cast<u32*>(map(0, kExecutableBytes, PROT_READ | PROT_WRITE, file));
    close(file);
    for (u32 i = 0; i < kExecutableBytes / 4; ++i) {
        writable_code_[i] = machine_initial_word(i);
    }
    *static_cast<u32*>(map(MACHINE_OUT, 4096, PROT_READ | PROT_WRITE)) = kSvc;
    for (unsigned i = 0; i < kRuns; ++i) {
        map(data_address(i), kWindowBytes, PROT_READ | PROT_WRITE);
        mprotect(window(i) + kDataBytes, kReadOnlyBytes, PROT_READ);
    }
    static char stack[1 << 17];
    const stack_t alternate{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
    sigaltstack(&alternate, nullptr);
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
        sigaction(signal, &action, nullptr);
    }
    // A program that does not end, by a defect of an engine, is noticed at the second tick.
    std::signal(SIGALRM, on_tick);
    const itimerval every{{5, 0}, {5, 0}};
    setitimer(ITIMER_REAL, &every, nullptr);
}

void Machine::on_fault(int signal, siginfo_t* info, void* context) {
    Guard* const guard = active_;
    if (guard == nullptr) {
        std::signal(signal, SIG_DFL); // ours: crash for real
        return;
    }
    // A general protection or stack fault: to the guest, an address that nothing maps
    // (runtime/user).
    const bool non_canonical = info->si_code == SI_KERNEL;
    guard->signal = non_canonical ? SIGSEGV : signal;
    guard->code = non_canonical ? int{SEGV_MAPERR} : info->si_code;
    guard->address = non_canonical ? kUnknownAddress : reinterpret_cast<u64>(info->si_addr);
    if (guard->landing_ != nullptr) {
        siglongjmp(*guard->landing_, 1);
    }
    bool resumed = false;
    if (signal == SIGABRT ||
        !guard->engine_->on_host_fault(signal, context, *guard->state_, resumed)) {
        std::signal(signal, SIG_DFL);
    }
}

void Machine::on_tick(int) {
    Guard* const guard = active_;
    if (guard != nullptr && guard->engine_ != nullptr) {
        if (guard->timed_out_) {
            guard->engine_->request_safepoint(*guard->state_);
        }
        guard->timed_out_ = true;
    }
}

std::span<const u32> Machine::words(GuestAddr pc) {
    if ((pc - MACHINE_LEAVE >= kExecutableBytes && pc != MACHINE_OUT) || pc % 4 != 0) {
        return {};
    }
    return {reinterpret_cast<const u32*>(pc), (4096 - pc % 4096) / 4};
}

void Machine::install(unsigned slot, const MachineProgram& program) {
    u32* const code = writable_code_ + (code_address(slot) - MACHINE_LEAVE) / 4;
    std::memcpy(code, program.words, program.count * 4);
    code[program.count] = machine_branch(code_address(slot) + program.count * 4, MACHINE_LEAVE);
    for (u32 i = program.count + 1; i < used_[slot]; ++i) {
        code[i] = MACHINE_BRK;
    }
    used_[slot] = program.count + 1;
}

void Machine::fill(unsigned index, std::span<const u8> content) {
    mprotect(window(index) + kDataBytes, kReadOnlyBytes, PROT_READ | PROT_WRITE);
    std::memcpy(window(index), content.data(), kWindowBytes);
    mprotect(window(index) + kDataBytes, kReadOnlyBytes, PROT_READ);
}

void Machine::allow_only_first_window(bool only) {
    for (unsigned i = 1; i < kRuns; ++i) {
        mprotect(window(i), kDataBytes, only ? PROT_NONE : PROT_READ | PROT_WRITE);
        mprotect(window(i) + kDataBytes, kReadOnlyBytes, only ? PROT_NONE : PROT_READ);
    }
}

namespace {
u64 pac_keys[10];
static_assert(sizeof pac_keys == sizeof ir::CpuState::pac_keys);
} // namespace
void set_pac_keys(std::span<const u64, 10> keys) { std::ranges::copy(keys, pac_keys); }

void set_state(ir::CpuState& state, const MachineState& in) {
    for (const ir::SlotInfo& slot : ir::kSlotInfo) { // those that no line names are zero
        if (slot.group == ir::SlotGroup::System && slot.type == ir::Type::I64 &&
            slot.offset != offsetof(ir::CpuState, fpcr)) {
            std::memset(reinterpret_cast<char*>(&state) + slot.offset, 0, 8);
        }
    }
    std::memcpy(state.pac_keys, pac_keys, sizeof pac_keys);
    std::memcpy(state.x, in.x, sizeof state.x);
    state.sp = in.sp;
    std::memcpy(state.v, in.v, sizeof state.v);
    state.nzcv = static_cast<u32>(in.nzcv);
    state.fpsr = static_cast<u32>(in.fpsr);
    state.fpcr = in.fpcr;
    state.tpidr_el0 = in.tpidr;
    state.excl_bytes = 0;
}

void get_state(const ir::CpuState& state, MachineState& out) {
    std::memcpy(out.x, state.x, sizeof out.x);
    out.sp = state.sp;
    std::memcpy(out.v, state.v, sizeof out.v);
    out.nzcv = state.nzcv;
    out.fpcr = state.fpcr;
    out.fpsr = state.fpsr;
    out.tpidr = state.tpidr_el0;
}

void collect_changes(u8* window, const u8* initial, std::vector<ChangedWord>& out) {
    out.clear();
    constexpr u32 kStep = 512;
    for (u32 start = 0; start < kDataBytes; start += kStep) {
        if (std::memcmp(window + start, initial + start, kStep) == 0) {
            continue;
        }
        for (u32 at = start; at < start + kStep; at += 8) {
            u64 now, before;
            std::memcpy(&now, window + at, 8);
            std::memcpy(&before, initial + at, 8);
            if (now != before) {
                out.push_back({at, now});
                std::memcpy(window + at, &before, 8);
            }
        }
    }
}

std::string difference(const Outcome& one, const Outcome& other, CompareOptions options) {
    const MachineResult &a = one.result, &b = other.result;
    if (a.signal != b.signal) {
        return changed("signal", a.signal, b.signal);
    }
    if (a.pc != b.pc) {
        return changed("pc", a.pc, b.pc);
    }
    if (a.code != b.code) {
        return changed("si_code", a.code, b.code);
    }
    const bool known = a.address != kUnknownAddress && b.address != kUnknownAddress;
    const unsigned ignored_bits = options.other_splits_accesses ? 4 : 0;
    if (known &&
        ir::untagged(a.address) >> ignored_bits != ir::untagged(b.address) >> ignored_bits) {
        return changed("si_addr", a.address, b.address);
    }
    for (unsigned i = 0; i < 31; ++i) {
        if (a.state.x[i] != b.state.x[i]) {
            return changed("x" + std::to_string(i), a.state.x[i], b.state.x[i]);
        }
    }
    if (a.state.sp != b.state.sp) {
        return changed("sp", a.state.sp, b.state.sp);
    }
    for (unsigned i = 0; i < 64; ++i) {
        if (a.state.v[i] != b.state.v[i]) {
            return changed("v" + std::to_string(i / 2) + (i % 2 != 0 ? ".hi" : ".lo"), a.state.v[i],
                           b.state.v[i]);
        }
    }
    const bool fault = a.signal == SIGSEGV || a.signal == SIGBUS;
    if ((!fault || options.nzcv_at_fault) && a.state.nzcv != b.state.nzcv) {
        return changed("nzcv", a.state.nzcv, b.state.nzcv);
    }
    if (a.state.fpcr != b.state.fpcr) {
        return changed("fpcr", a.state.fpcr, b.state.fpcr);
    }
    if (options.fpsr && a.state.fpsr != b.state.fpsr) {
        return changed("fpsr", a.state.fpsr, b.state.fpsr);
    }
    if (options.fpsr && a.state.tpidr != b.state.tpidr) {
        return changed("tpidr", a.state.tpidr, b.state.tpidr);
    }
    if (options.other_splits_accesses && a.signal == SIGSEGV) {
        return memory_difference(one, other, (a.address & ~u64{4095}) - MACHINE_DATA);
    }
    return memory_difference(one, other, std::nullopt);
}

} // namespace ulna::insn
