// The state of one virtual CPU that translated code, the interpreter and the runtime share.
//
// Translated code addresses it as [state register + offset - kStateBias]: the bias puts what it
// names most within a signed 8-bit displacement, which is three bytes shorter. Nothing here may be
// reordered without looking at the asserts.
#pragma once

#include <array>

#include "ir/memory_tags.h"
#include "ir/tlb.h"
#include "ir/types.h"
#include "ir/watchpoints.h"

namespace ulna::ir {

// Which part of the state a slot belongs to.
enum class SlotGroup : u8 { Gpr, Vec, System };

// Numbered by guest_state.def: X0..X30 are 0..30, then SP, V0..V31, NZCV and the system registers.
enum class Slot : u16 {
#define SLOTS(name, last, text, type, member, group) name##0, name##last = name##0 + last,
#define SLOT(name, text, type, member, group) name,
#include "ir/guest_state.def"
#undef SLOT
#undef SLOTS
};
inline constexpr unsigned kSlotCount = 0
#define SLOTS(name, last, text, type, member, group) +(last + 1)
#define SLOT(name, text, type, member, group) +1
#include "ir/guest_state.def"
#undef SLOT
#undef SLOTS
    ;

[[nodiscard]] constexpr Slot x_slot(unsigned n) { return static_cast<Slot>(n); }
[[nodiscard]] constexpr Slot v_slot(unsigned n) {
    return static_cast<Slot>(static_cast<unsigned>(Slot::V0) + n);
}
[[nodiscard]] constexpr Slot pac_key_slot(unsigned n) {
    return static_cast<Slot>(static_cast<unsigned>(Slot::PacKey0) + n);
}
[[nodiscard]] constexpr bool is_gpr(Slot slot) { return slot <= Slot::SP; }
[[nodiscard]] constexpr bool is_vec(Slot slot) { return slot >= Slot::V0 && slot <= Slot::V31; }
[[nodiscard]] const char* slot_name(Slot slot); // "x0", "sp", "v31", "nzcv", "tpidr_el0"

// Fields of PSTATE that EL0 sees, as SPSR_EL1 holds them (DDI 0487 C5.2.18).
namespace pstate {
inline constexpr unsigned kBtypeShift = 10;
inline constexpr u64 kBtypeMask = u64{3} << kBtypeShift;
inline constexpr u64 SSBS = u64{1} << 12, DIT = u64{1} << 24, TCO = u64{1} << 25;
} // namespace pstate

// One entry of the per-thread indirect-branch table: guest PC to host code. Empty: pc == kNoPc.
struct JumpCacheEntry {
    u64 guest_pc;
    u64 host_pc;
};
inline constexpr u64 kNoPc = ~u64{0};
inline constexpr unsigned kJumpCacheBits = 12; // index = (pc >> 2) & (entries - 1)
inline constexpr unsigned kJumpCacheEntries = 1u << kJumpCacheBits;
// Of the victim cache, which is as large: addresses that agree in the bits above differ here.
[[nodiscard]] constexpr u64 victim_index(u64 pc) {
    return ((pc ^ pc >> kJumpCacheBits) >> 2) & (kJumpCacheEntries - 1);
}
// A machine's is smaller, as it is cleared often: the same index, modulo its size.
inline constexpr unsigned kMachineVictims = 512;
// Branches that set BTYPE (1, 2, 3) have a smaller table each, whose entries are targets that have
// been found to accept it.
inline constexpr unsigned kGuardedJumpCacheBits = 10;
inline constexpr unsigned kGuardedJumpCacheEntries = 1u << kGuardedJumpCacheBits;

// Host code addresses that translated code reaches through the state register, so that it needs no
// relocation. Filled by the back end when it emits its stubs.
struct HostThunks {
    u64 link = 0;   // resolve a direct link; a safe point when there is pending work
    u64 branch = 0; // indirect branch: returns that arrive elsewhere than their call expects
    u64 lookup = 0; // indirect branch that missed the jump cache
    u64 machine_branch[2] = {}; // as branch, in a machine, without and with privilege
    u64 exit = 0;               // leave to the dispatcher; see backend/exec_abi.h
    u64 call_helper = 0;        // helpers.def
    u64 call_eval = 0;          // evaluate one pure or sticky IR operation out of line
    u64 safepoint = 0;          // pending work noticed at an edge
};

// CpuState::string_op: the slot that a fault of MemCopy or MemSet brings up to date.
struct StringOp {
    static constexpr u32 kSlotMask = 0xff;
    static constexpr u32 kRunning = 1u << 8;
    static constexpr u32 kDescending = 1u << 9; // the slot is positive
    static constexpr u32 kCounting = 1u << 10;  // a host register counts the current chunk
    static_assert(kSlotCount <= kSlotMask);
};
// Bytes between two looks at CpuState::pending.
inline constexpr u32 kStringChunkBytes = 1u << 16;

struct alignas(64) CpuState {
    // --- architectural state
    u64 x[31] = {};
    u64 sp = 0;
    u32 nzcv = 0;       // four bits: N=8 Z=4 C=2 V=1
    u32 pending = 0;    // non-zero: leave at the next safe point
    u32 host_flags = 0; // constant: where the host's flags are that make nzcv
    u32 btype = 0;      // PSTATE.BTYPE for the instruction at pc; 0 while translated code runs
    HostThunks thunks;
    V128 v[32] = {};
    u64 pc = 0; // exact only outside translated code
    u64 tpidr_el0 = 0;
    u64 fpcr = 0;
    u32 fpsr = 0; // without the bits still held in MXCSR while translated code runs
    u64 tpidrro_el0 = 0;
    u64 pstate = 0;    // DIT, SSBS and TCO, where SPSR_EL1 has them; all other fields are zero here
    u64 sctlr_el1 = 0; // EnIA EnIB EnDA EnDB, kPacTrappedBit: if BlockMode::pac_restricted
    u64 pac_keys[10] = {}; // low and high half of APIAKey, APIBKey, APDAKey, APDBKey, APGAKey
    u64 random_state = 0;  // of RNDR in deterministic runs; 0: the host's random numbers
    u32 mode_bits = 0;     // of BlockMode, those that FPCR does not decide
    u32 tfsre0_el1 = 0;    // 1: an asynchronous tag check fault, not reported yet
    // exclusive monitor: armed when excl_bytes != 0
    u64 excl_addr = 0;
    V128 excl_value = {};
    u32 excl_bytes = 0;

    // --- shared with translated code
    u32 host_mxcsr = 0;              // of C++ code, restored on leaving
    u32 guest_mxcsr = 0;             // of translated code, per mode
    u32 exit_reason = 0;             // ExitReason, with exit_arg, set before HostThunks::exit
    u32 at_safe_point_of_region = 0; // 1: it was tier 2 that arrived at a safe point last
    u64 exit_arg = 0;
    u64 indirect_site = 0; // PC of the block whose indirect branch arrived at a safe point last
    u64 c_stack = 0;       // host stack of C++ code while translated code runs
    u64 return_stack = 0;  // initial stack pointer of translated code
    u64 return_stack_current =
        0; // where it stood at the last exit; set to return_stack to drop all frames
    // C++ functions that thunks call; filled by Backend::prepare_state
    u64 runtime_lookup = 0, runtime_link = 0; // backend::RuntimeCalls
    u64 eval_function = 0;                    // void(CpuState&, const OpParams*)
    u64 helper_table = 0;                     // HelperFn[kHelperCount]
    u64 thunk_save[4] = {};                   // temporaries while a thunk runs C++
    V128 thunk_vsave[4] = {};
    u32 borrowed_gprs = 0; // host registers on loan over a faulting access: their slots are in
                           // memory
    u32 mxcsr_scratch = 0;
    V128 scratch[6] = {};    // arguments 0..3 and result (4) of out-of-line operations; 5: spare
    u64 spill[64] = {};      // register allocator of tier 1, integers
    V128 vspill[32] = {};    // and vectors
    u64 string_left = 0;     // bytes that remain; StringOp::kCounting: after the current chunk
    u32 string_op = 0;       // StringOp, while one runs that keeps count for its slot
    void* runtime = nullptr; // the owning runtime's thread object
    JumpCacheEntry jump_cache[kJumpCacheEntries];
    JumpCacheEntry victim_cache[kJumpCacheEntries]; // what other targets have displaced there
    JumpCacheEntry guarded_jump_cache[3][kGuardedJumpCacheEntries]; // by BTYPE - 1
    // --- allocation tags
    u64 gcr_el1 = 0;      // Exclude
    u64 rgsr_el1 = 0;     // TAG and SEED of the next IRG
    TagMemory tag_memory; // when BlockMode::tags
    Watched watched;      // when BlockMode::watches
    // --- a whole machine
    u64 sp_el0 = 0; // while another SP is the current one
    u64 tpidr_el1 = 0;
    u64 daif = 0;              // bits 9:6, as the register has them
    u64 sync_due = 0;          // not 0: the next DSB waits for other CPUs
    u64 irq_lines = 0;         // not 0: some interrupt waits, masked or not; set by any thread
    u64 find_host_address = 0; // FindHostAddress
    u64 commit_store = 0;      // CommitStore
    u64 uncommitted = 0;       // not 0: it has something to do
    u64 copy_or_set = 0;       // CopyOrSet
    Tlb* tlb[2] = {};          // of accesses without and with privilege
    u64 used_slot_groups = 0;  // bit n: page_slots[n] has a page
    // How many more instructions may be executed: counted down when BlockMode::counts, and exact
    // whenever translated code has been left. An instruction that raises an exception, or that is
    // left to somebody else, has not been counted.
    u64 instructions_left = 0;
    // In place of jump_cache, of blocks without and with privilege: the current tables'. Behind
    // each is its victim cache.
    JumpCacheEntry* machine_jump_cache[2] = {};
    PageSlot page_slots[kPageSlotGroups][kPageSlots];
};
// The place of an access that is not in the TLB, which gets it if that is possible; 0: the block
// leaves with ExitReason::MemoryAccess. `mem` is a MemInfo; above its 16 bits, the bytes of a
// HostRange, whose place is the TLB's or none, and kStoresAreCommitted.
using FindHostAddress = u64 (*)(CpuState&, u64 address, u64 mem);
// Takes a store to where it belongs, if the place that FindHostAddress gave it was another. Only
// blocks without ranges call it, so only they may store across two pages.
using CommitStore = void (*)(CpuState&);
// Of FEAT_MOPS in a machine: bytes, or as with MemCopy and MemSet the source of bytes, and what is
// left of them, which becomes what is left then. Not 0: the block leaves with
// ExitReason::MemoryAccess, as that was enough for once or there is no place for the next byte.
struct CopyOrSetInfo {
    bool sets = false;
    bool writes_unprivileged = false, reads_unprivileged = false;

    [[nodiscard]] constexpr u64 pack() const {
        return u64{sets} | u64{writes_unprivileged} << 1 | u64{reads_unprivileged} << 2;
    }
    [[nodiscard]] static constexpr CopyOrSetInfo unpack(u64 bits) {
        return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    }
};
using CopyOrSet = u64 (*)(CpuState&, u64 to, u64 source, u64 left, CopyOrSetInfo how);
inline constexpr u64 kStoresAreCommitted = u64{1} << 31; // in a block without ranges
inline constexpr int kStateBias = 168;
inline constexpr u32 kPendingRequest =
    1; // bit of CpuState::pending: the caller of run() is asked for

static_assert(std::is_standard_layout_v<CpuState>);
static_assert(offsetof(CpuState, x) + 5 * 8 + 128 == kStateBias &&
                  offsetof(CpuState, thunks) + offsetof(HostThunks, lookup) < kStateBias + 128,
              "an 8-bit displacement reaches X5 (the ones below are pinned) to HostThunks::lookup");
static_assert(offsetof(CpuState, v) % 16 == 0 && offsetof(CpuState, scratch) % 16 == 0 &&
                  offsetof(CpuState, vspill) % 16 == 0 && offsetof(CpuState, excl_value) % 16 == 0,
              "vector cells are accessed with aligned moves");

struct SlotInfo {
    u32 offset = 0; // in CpuState
    Type type = Type::Void;
    SlotGroup group = SlotGroup::System;
};
inline constexpr auto kSlotInfo = [] {
    std::array<SlotInfo, kSlotCount> table{};
    unsigned next = 0;
#define SLOTS(name, last, text, type, member, group)                                               \
    for (unsigned i = 0; i <= last; ++i) {                                                         \
        table[next++] = {                                                                          \
            static_cast<u32>(offsetof(CpuState, member) + i * sizeof(CpuState::member[0])),        \
            Type::type, SlotGroup::group};                                                         \
    }
#define SLOT(name, text, type, member, group)                                                      \
    table[next++] = {static_cast<u32>(offsetof(CpuState, member)), Type::type, SlotGroup::group};
#include "ir/guest_state.def"
#undef SLOT
#undef SLOTS
    return table;
}();

[[nodiscard]] constexpr Type slot_type(Slot slot) {
    return kSlotInfo[static_cast<unsigned>(slot)].type;
}
[[nodiscard]] constexpr std::size_t slot_offset(Slot slot) {
    return kSlotInfo[static_cast<unsigned>(slot)].offset;
}

// Why translated code or the interpreter came back to the dispatcher. CpuState::pc is where the
// guest goes on, unless the line says otherwise.
enum class ExitReason : u32 {
    None,
    Lookup,          // find or translate the block at pc
    Svc,             // exit_arg = imm16; pc is after the SVC
    Undefined,       // pc is at the instruction
    Breakpoint,      // BRK; exit_arg = imm16; pc is at the instruction
    InvalidateCache, // IC IVAU; exit_arg = address; pc is after the instruction
    ContextSync,     // FPCR or the like changed: drop every frame and cached target
    Safepoint,       // CpuState::pending was set
    FetchFault,      // the instruction at pc cannot be read or executed
    Fault,     // a guest access raised a host signal; pc is at the instruction, state is exact;
               // the runtime's thread object holds the siginfo
    Alignment, // MemInfo::aligned access at a misaligned address; exit_arg = address; pc is at the
               // instruction, state is exact
    PacFail,   // pointer authentication failed; pc is at the instruction
    PacTrap,   // of a whole machine: the instruction at pc would use a key, and that is trapped
    BranchTarget,  // the instruction at pc does not accept CpuState::btype
    MisalignedPc,  // pc is not 4-byte aligned
    Mops,          // FEAT_MOPS: registers or flags do not fit; exit_arg = ISS of ESR_EL1; pc is
                   // at the instruction
    SpAlignment,   // an access by SP, which is not 16-byte aligned; pc is at the instruction
    TagCheckLoad,  // tag check fault of an access that loads, or loads and stores; exit_arg =
                   // address
    TagCheckStore, // or of one that stores; both as Alignment
    Watchpoint,    // the access would be to a byte that is watched; exit_arg = its address; as
                   // Alignment
    System,       // of a whole machine: exit_arg = the instruction at pc, which is the machine's to
                  // execute
    FpDisabled,   // the instruction at pc is a floating-point or vector one, and those trap
    MemoryAccess, // HostAddress found no place: the access faults, is a device's, or lies in two
                  // pages; pc is at the instruction, state is exact
    InstructionLimit, // the block at pc has more than CpuState::instructions_left
    RangeMiss, // HostRange found no place: the block at pc without ranges is to go on; pc is at the
               // instruction, state is exact
    Halt,      // tests: stop
};
inline constexpr unsigned kExitReasonCount = static_cast<unsigned>(ExitReason::Halt) + 1;
[[nodiscard]] const char* exit_reason_name(ExitReason reason); // "svc"

} // namespace ulna::ir
