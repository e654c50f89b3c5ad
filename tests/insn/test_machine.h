// The machine of machine.h inside this process: its memory, host faults while a program runs, and
// what a run leaves behind.
#pragma once

#include <csetjmp>
#include <csignal>
#include <span>
#include <string>
#include <vector>

#include "ir/guest_state.h"
#include "runtime/engine.h"
#include "tests/insn/machine.h"

namespace ulna::insn {

// Eight bytes of a window that differ from what they were before the run.
struct ChangedWord {
    u32 offset;
    u64 value;
    friend bool operator==(const ChangedWord&, const ChangedWord&) = default;
};

struct Outcome {
    MachineResult result{};
    std::vector<ChangedWord> memory;
};

// The si_code and si_addr of an access at a non-canonical address: the host tells neither.
inline constexpr u64 kUnknownAddress = ~u64{0};

class Machine final : public frontend::CodeSource {
  public:
    // Maps everything on first use and takes the signals of synchronous faults.
    static Machine& get();

    std::span<const u32> words(GuestAddr pc) override;
    void install(unsigned slot, const MachineProgram& program);

    [[nodiscard]] static u64 code_address(unsigned slot) {
        return MACHINE_CODE + u64{slot} * kCodeBytes;
    }
    [[nodiscard]] static u64 data_address(unsigned window) {
        return MACHINE_DATA + u64{window} * kWindowStride;
    }
    [[nodiscard]] static u8* window(unsigned i) { return reinterpret_cast<u8*>(data_address(i)); }
    // Fills a window, its read-only part too.
    void fill(unsigned window, std::span<const u8> content);
    // Makes all windows but the first inaccessible, for programs whose stores may go anywhere.
    void allow_only_first_window(bool only);

    // What a host fault means while this object lives.
    class Guard {
      public:
        // Faults belong to an engine's guest code.
        Guard(runtime::Engine& engine, ir::CpuState& state) : engine_{&engine}, state_{&state} {
            active_ = this;
        }
        // Faults leave by siglongjmp to `landing`.
        explicit Guard(sigjmp_buf& landing) : landing_{&landing} { active_ = this; }
        ~Guard() { active_ = nullptr; }
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;

        int signal = 0, code = 0;
        u64 address = 0;

      private:
        friend class Machine;
        runtime::Engine* engine_ = nullptr;
        ir::CpuState* state_ = nullptr;
        sigjmp_buf* landing_ = nullptr;
        bool timed_out_ = false;
    };

  private:
    Machine();
    static void on_fault(int signal, siginfo_t* info, void* context);
    static void on_tick(int);
    static Guard* active_;
    u32* writable_code_ = nullptr; // from the leave page on
    u32 used_[kPrograms] = {};     // words that are not BRK
};

// The keys of pointer authentication that set_state() gives from now on; until then zeroes.
void set_pac_keys(std::span<const u64, 10> keys);
void set_state(ir::CpuState& state, const MachineState& in);
void get_state(const ir::CpuState& state, MachineState& out);

// Appends the words of a window that differ from `initial`, and puts them back.
void collect_changes(u8* window, const u8* initial, std::vector<ChangedWord>& out);

struct CompareOptions {
    bool fpsr = true;           // VIXL's simulator has no FPSR
    bool nzcv_at_fault = false; // dead flags may be stale there (ir/README.md)
    // The other side is an emulator that makes unaligned accesses of aligned ones: the address of a
    // fault agrees up to 16 bytes, and bytes that a faulting store has before the page that it
    // cannot write may be written or not.
    bool other_splits_accesses = false;
};
// What differs, in one line; empty when equal.
[[nodiscard]] std::string difference(const Outcome& a, const Outcome& b, CompareOptions options);

} // namespace ulna::insn
