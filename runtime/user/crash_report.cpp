#include "runtime/user/crash_report.h"

#include <cstdio>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_symbols.h"

namespace ulna::user {

namespace {

constexpr unsigned kMaxFrames = 16;

template <class... Args> std::string print(const char* format, Args... args) {
    char text[256];
    std::snprintf(text, sizeof(text), format, args...);
    return text;
}

unsigned long long wide(u64 value) { return value; }

struct Cause {
    int signal, code;
    const char* text;
};
constexpr Cause kCauses[] = {
    {SIGSEGV, SEGV_MAPERR, "access to an address that is not mapped"},
    {SIGSEGV, SEGV_ACCERR, "access that the mapping does not permit"},
    {SIGSEGV, SEGV_MTESERR, "access whose tag is not the memory's"},
    {SIGSEGV, SEGV_MTEAERR, "some access before this whose tag is not the memory's"},
    {SIGBUS, BUS_ADRALN, "misaligned program counter or access"},
    {SIGBUS, BUS_ADRERR, "access beyond the end of a file"},
    {SIGILL, ILL_ILLOPC, "instruction that is not allocated or not implemented"},
    {SIGILL, ILL_ILLOPN, "pointer authentication failed"},
    {SIGTRAP, TRAP_BRKPT, "breakpoint instruction"},
};

std::string cause(const siginfo_t& info) {
    const char* const name = ::sigabbrev_np(info.si_signo);
    std::string text =
        name != nullptr ? std::string("SIG") + name : print("signal %d", info.si_signo);
    if (info.si_code <= 0) {
        return info.si_code == SI_TKILL || info.si_code == SI_USER
                   ? text + print(" (sent by process %d)", info.si_pid)
                   : text;
    }
    for (const Cause& known : kCauses) {
        if (known.signal == info.si_signo && known.code == info.si_code) {
            text += std::string(": ") + known.text;
        }
    }
    const bool has_address = info.si_code != SEGV_MTEAERR || info.si_signo != SIGSEGV;
    if ((info.si_signo == SIGSEGV || info.si_signo == SIGBUS) && has_address) {
        text += print(", address 0x%llx", wide(reinterpret_cast<u64>(info.si_addr)));
    }
    return text;
}

std::string place(const char* label, GuestAddr address) {
    const std::string where = describe_guest_address(address);
    return print("  %s 0x%016llx ", label, wide(address)) + where + "\n";
}

std::string registers(const ir::CpuState& cpu) {
    std::string text;
    for (unsigned i = 0; i < 31; ++i) {
        text += print("  x%-2u %016llx%s", i, wide(cpu.x[i]), i % 4 == 3 ? "\n" : "");
    }
    constexpr const char* kFlags = "NZCV";
    text += print("  sp  %016llx\n  pc  %016llx  flags ", wide(cpu.sp), wide(cpu.pc));
    for (unsigned i = 0; i < 4; ++i) {
        text += (cpu.nzcv >> (3 - i) & 1) != 0 ? kFlags[i] : '-';
    }
    return text + "\n";
}

// Return addresses may be signed (PACIASP).
GuestAddr without_signature(GuestAddr address) { return address & (kTaskSize - 1); }

// Frame records of the procedure call standard: x29 points to {caller's x29, return address}.
std::string backtrace(const ir::CpuState& cpu) {
    std::string text;
    GuestAddr frame = cpu.x[29];
    GuestAddr last = without_signature(cpu.x[30]);
    text += place("lr", last);
    for (unsigned i = 0; i < kMaxFrames; ++i) {
        u64 record[2];
        if (frame == 0 || frame % 8 != 0 || !copy_from_guest(record, frame, sizeof(record)) ||
            record[1] == 0) {
            break;
        }
        const GuestAddr caller = without_signature(record[1]);
        if (caller != last) {
            text += place("by", caller);
        }
        last = caller;
        if (record[0] <= frame) {
            break;
        }
        frame = record[0];
    }
    return text;
}

std::string code_at(GuestAddr pc) {
    u32 word;
    const auto protection = process().space->protection(pc);
    if (!protection) {
        return "  (nothing is mapped at pc)\n";
    }
    if ((*protection & PROT_EXEC) == 0) {
        return "  (pc is in memory without execute permission)\n";
    }
    return get_guest(pc, word) ? print("  instruction 0x%08x\n", word) : std::string();
}

} // namespace

void report_crash(GuestThread& thread, const siginfo_t& info) {
    const ir::CpuState& cpu = *thread.cpu;
    std::string text = "ulna: " + process().options.program + ": " + cause(info) + "\n";
    text += place("pc", cpu.pc);
    text += code_at(cpu.pc);
    text += backtrace(cpu);
    text += registers(cpu);
    // To standard error even when the log goes elsewhere: this is for the user.
    (void)!::write(STDERR_FILENO, text.data(), text.size());
}

} // namespace ulna::user
