// What a debugger debugs: a machine's CPUs, or a program's threads. The protocol knows no more of
// it than this.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/watchpoints.h"

namespace ulna::runtime::debug {

struct GdbRegister {
    std::string name;
    unsigned bits = 64;
    const char* type = "int"; // of gdb's target descriptions
    const char* group = "";   // "general", "float", "system"; empty: by type
};
struct GdbFeature {
    std::string name;                   // "org.gnu.gdb.aarch64.core"
    std::string types;                  // XML of types that registers name
    std::vector<GdbRegister> registers; // numbered through all features
    bool in_all = true;                 // 'g' and 'G' have them
};

struct GdbThread {
    u64 id = 0; // not 0
    std::string description;
};

struct GdbStop {
    enum class Kind : u8 { Signal, Breakpoint, Watchpoint, CallEntry, CallReturn, Exited, Killed };
    Kind kind = Kind::Signal;
    u64 thread = 0;
    int signal = 5;                    // as gdb numbers them (gdb_signals.h); Exited: the status
    GuestAddr address = 0;             // Watchpoint
    bool reads = false, writes = true; // Watchpoint: what it was set for
    u64 call = 0;                      // CallEntry, CallReturn: the system call's number
};

// System calls that stop a thread before and after them.
struct CaughtCalls {
    bool any = false;
    std::vector<u64> numbers; // empty: all

    [[nodiscard]] bool has(u64 number) const {
        return any && (numbers.empty() || std::ranges::find(numbers, number) != numbers.end());
    }
};

enum class GdbOrder : u8 { Stay, Run, Step };
struct GdbResumption {
    u64 thread = 0;
    GdbOrder order = GdbOrder::Stay;
    int signal = 0; // to be delivered; as gdb numbers them
};

// Numbered as in Z packets.
enum class GdbPoint : u8 { Software, Hardware, Write, Read, Access };
[[nodiscard]] constexpr bool is_breakpoint(GdbPoint kind) {
    return kind == GdbPoint::Software || kind == GdbPoint::Hardware;
}
// What a watchpoint is about; `at` has no tag.
[[nodiscard]] constexpr ir::WatchedRange watched_by(GdbPoint kind, GuestAddr at, u64 bytes) {
    return {.start = at,
            .bytes = bytes,
            .reads = kind != GdbPoint::Write,
            .writes = kind != GdbPoint::Read};
}
// Makes it the stop for an access of stop.address, which is in one of these.
void name_watchpoint(GdbStop& stop, std::span<const ir::WatchedRange> watched);

// Everything but interrupt() is called while the target is stopped.
class GdbTarget {
  public:
    virtual ~GdbTarget() = default;

    [[nodiscard]] virtual std::span<const GdbFeature> features() const = 0;
    [[nodiscard]] virtual std::vector<GdbThread> threads() = 0;

    // Little-endian, as many bytes as the register has. False: there is no such register or thread,
    // or it cannot be written.
    [[nodiscard]] virtual bool read_register(u64 thread, unsigned n, std::span<u8> to) = 0;
    [[nodiscard]] virtual bool write_register(u64 thread, unsigned n, std::span<const u8> from) = 0;
    // How many bytes could be read.
    [[nodiscard]] virtual u64 read_memory(u64 thread, GuestAddr at, std::span<u8> to) = 0;
    [[nodiscard]] virtual bool write_memory(u64 thread, GuestAddr at, std::span<const u8> from) = 0;

    // False: there is no such place, or no such point was set.
    [[nodiscard]] virtual bool insert(GdbPoint kind, GuestAddr at, u64 bytes) = 0;
    [[nodiscard]] virtual bool remove(GdbPoint kind, GuestAddr at, u64 bytes) = 0;

    // Lets threads go on; those not named stay. From then on stop_fd() becomes readable when there
    // is a stop to take.
    virtual void resume(std::span<const GdbResumption> threads) = 0;
    virtual void interrupt() = 0;
    [[nodiscard]] virtual int stop_fd() const = 0;
    // Waits until all threads have stopped. Without a value: it was a false alarm, they run.
    [[nodiscard]] virtual std::optional<GdbStop> take_stop() = 0;

    virtual void attach() = 0; // stops the target
    virtual void detach() = 0; // without any breakpoint left; it goes on
    virtual void kill() = 0;
    // Did it run before the debugger came, so that the debugger leaves it running when it goes?
    [[nodiscard]] virtual bool is_attached() const { return true; }
    // What there is to read by "qXfer:NAME:read": "auxv", "exec-file"...
    [[nodiscard]] virtual std::vector<std::string_view> documents() const { return {}; }
    [[nodiscard]] virtual std::optional<std::string> document(std::string_view, u64 /*thread*/) {
        return std::nullopt;
    }
    // These signals are delivered without a stop; any others before do stop. False: it has none.
    [[nodiscard]] virtual bool pass_signals(std::span<const int>) { return false; }
    // In place of those before. False: it has none.
    [[nodiscard]] virtual bool catch_calls(CaughtCalls) { return false; }
    // An answer to "monitor ..."; without a value: there is none of that.
    [[nodiscard]] virtual std::optional<std::string> command(std::string_view line) = 0;
};

} // namespace ulna::runtime::debug
