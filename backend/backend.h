// IR block -> relocatable host code, and the stubs through which the runtime enters and leaves it.
// The only header of the back ends that the runtime sees.
//
// Life of a block: compile() fills a CompiledBlock; the runtime copies its code to a 16-byte
// aligned place in the code cache and registers its links and fault sites. Code is
// position-independent: it reaches the runtime only through CpuState (ir/guest_state.h HostThunks)
// and its own literal pool.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/exec_abi.h"
#include "ir/block.h"
#include "ir/helpers.h"

namespace ulna::backend {

// A direct jump or call whose 4-byte displacement the runtime patches. In blocks that several
// threads may execute (BlockMode::shared, machines) the displacement stays in an aligned quadword
// once the code is placed at a 16-byte boundary. Until linked it leads to the link stub at
// `stub_offset`, which calls thunks.link and so tells it where it is.
struct LinkSite {
    u32 displacement_offset;
    u32 stub_offset;
    GuestAddr target;
};
// Bit of LinkSite::target: to its block without ranges (BlockMode::kNoRanges).
inline constexpr GuestAddr kWithoutRanges = 1;

// A host instruction that may fault, and the guest instruction it belongs to. State is canonical
// there.
struct FaultSite {
    u32 code_offset; // of the host instruction's first byte
    u32 guest_index; // into guest_pcs
};

// Where the value of a slot is while a fault site of tier 2 executes: such code keeps values
// anywhere, and lists at each site all slots that are not where they are between blocks.
struct SlotLocation {
    enum class Kind : u8 {
        Gpr,      // host register `reg`
        Vec,      // XMM register `reg`
        Memory,   // [reg + value]
        Constant, // value, sign-extended
        LowWord,  // what the location before says (Constant) is shifted left by 32, with `value`
                  // below
    };
    ir::Slot slot;
    Kind kind;
    u8 reg = 0;
    i32 value = 0;
};

// A guest address in the code that follows from the block's own (ir::Opcode::CodeAddress, exits).
struct AddressSite {
    enum class Form : u8 { Whole, ZeroExtended, SignExtended }; // 8 bytes, or 4
    u32 code_offset;
    Form form;
};

struct CompiledBlock {
    ir::BlockKey key;
    std::vector<u8> code; // hot part, cold part, literal pool
    u32 hot_bytes = 0;
    std::vector<LinkSite> links;
    std::vector<FaultSite> faults; // ascending code_offset
    // Tier 2 only: locations of fault site i end at location_ends[i]; those of the next one follow.
    std::vector<SlotLocation> locations;
    std::vector<u32> location_ends;
    std::vector<AddressSite> addresses; // all of them in blocks of machines, else some
    std::vector<GuestAddr> guest_pcs;
    u32 guest_bytes_low = 0;

    void reset();
    // Makes a machine's block what compiling the same code at `pc`, as far into its page, would
    // have made. False: an address does not fit its form there; the block is of no use any more.
    [[nodiscard]] bool move_to(GuestAddr pc);
};

// Addresses of the stubs inside the code cache.
struct Stubs {
    std::vector<u8> code; // position-independent, placed once at the start of the code cache
    // Offsets into code:
    u32 enter =
        0; // ExitReason enter(CpuState*, u64 host_entry): System V call; runs translated code
    u32 exit = 0, link = 0, lookup = 0, branch = 0, call_helper = 0, call_eval = 0, safepoint = 0;
    u32 machine_branch[2] = {};
    u32 return_sentinel = 0; // what the bottom of the return stack holds
};

// Functions of the runtime that stubs call, on the C++ stack with all guest state in CpuState.
struct RuntimeCalls {
    // Host code to continue at for an indirect branch to state.pc; 0: leave with
    // ExitReason::Lookup.
    u64 (*lookup)(ir::CpuState& state) = nullptr;
    // Host code to continue at for the link stub at host address `stub`, which it may patch; 0:
    // leave with ExitReason::Lookup and state.pc set to the link's target. It must be 0 with
    // something pending: loops come here to leave.
    u64 (*link)(ir::CpuState& state, u64 stub) = nullptr;
};

struct CompileOptions {
    bool spill_everything = false; // test configuration: no value stays in a register
    bool baseline_host = false;    // test configuration: as on a host with x86-64-v3 only
    bool call_return_pairing = true;
    // Incremented at every entry of the block, not atomically. For measuring only: the code then
    // holds this address.
    u64* entry_counter = nullptr;
    bool mask_tags =
        false; // strip the top byte of data addresses inline (top byte ignore). Without it
               // a tagged address faults (#GP, no fault address): translate again with it
};

class Backend {
  public:
    virtual ~Backend() = default;
    virtual void
    compile(const ir::Block& block, const CompileOptions& options, CompiledBlock& out) = 0;
    // Emits the stubs; `calls` is remembered and put into CpuState by prepare_state, not in the
    // code.
    [[nodiscard]] virtual Stubs make_stubs(const RuntimeCalls& calls) = 0;
    // Fills thunks, MXCSR and stacks of a fresh CpuState for stubs placed at `stub_base`.
    // `return_stack_top` is the end of the translated code's own stack (16-byte aligned, guard
    // pages at both ends).
    virtual void
    prepare_state(ir::CpuState& state, const Stubs& stubs, u64 stub_base, u64 return_stack_top) = 0;
};

// Back end for this host, or null with a reason when the host CPU lacks what it needs (x86-64-v3).
[[nodiscard]] std::unique_ptr<Backend> make_host_backend(std::string& why_not);

// The features of this host's CPU that compile() looks at, a bit each: code made with others may
// not run here, or not be what would be made here.
[[nodiscard]] u64 host_features();

// --- what the fault handler needs to know about host registers (ucontext_t of this host)
struct HostContext; // opaque: a ucontext_t*
// Copies pinned registers from a signal context, taken inside translated code, into the state.
void save_pinned(const void* ucontext, ir::CpuState& state);
// The same for a fault site of tier 2, whose locations count where they are given.
void save_located(const void* ucontext,
                  std::span<const SlotLocation> locations,
                  ir::CpuState& state);
// Makes the context continue in the exit stub with `reason`; the return stack is dropped.
void redirect_to_exit(void* ucontext, ir::CpuState& state, ir::ExitReason reason);
// Drops all frames of the return stack of a context inside translated code, which then just goes
// on: what to do when a push ran into the guard page (the fault address is within a page below the
// stack).
void reset_return_stack(void* ucontext, ir::CpuState& state);
// CpuState of a context inside translated code (its state register).
[[nodiscard]] ir::CpuState* state_of(const void* ucontext);

// Floating-point exceptions of code whose mode traps_fp(). `resolve_fp_trap`: the context stands at
// the instruction that raised one; it goes on behind it, with Arm's result and FPSR (true), or
// executes it once with all exceptions masked, as a single step after which `finish_fp_step` is
// due.
[[nodiscard]] bool resolve_fp_trap(void* ucontext, ir::CpuState& state);
inline constexpr u64 kMostTrapBytes = 32; // that it reads behind the PC
void finish_fp_step(void* ucontext, ir::CpuState& state);

// MXCSR value for a mode and FPSR: rounding, FZ as FTZ|DAZ, with AH as FTZ, FIZ as DAZ; sticky bits
// clear; exceptions masked, but for those that trapping code leaves to resolve_fp_trap, FZ too.
[[nodiscard]] u32 mxcsr_of(ir::BlockMode mode, u32 fpsr);
// FPSR bits of MXCSR's sticky bits, without FPCR.AH.
[[nodiscard]] u32 fpsr_of_mxcsr(u32 mxcsr);

} // namespace ulna::backend
