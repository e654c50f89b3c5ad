// A virtual CPU: translated code, and around it what the CPU does besides - exceptions, interrupts,
// translation of addresses, accesses that are no memory's.
//
// It runs in a thread of its own (or in one with all others: round_robin.h), which is in one of
// three places: in translated code (`in_guest_`), in our code on the CPU's behalf, or waiting for
// an interrupt. Others reach it by requests, which it looks at before it enters translated code,
// and which get it out of there at its next safe point.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "frontend/frontend.h"
#include "ir/block.h"
#include "ir/interpreter.h"
#include "runtime/engine.h"
#include "runtime/system/code_pages.h"
#include "runtime/system/cpu.h"
#include "runtime/system/data_tlb.h"
#include "runtime/system/mmu.h"
#include "runtime/system/run_control.h"

namespace ulna::system {

class Machine;

// Of what a CPU has found by tables, what is not to be used any more.
struct Forgetting {
    enum class What : u8 { Everything, Mapping, Asid };
    What what = What::Everything;
    GuestAddr address = 0; // in the mapping
    u16 asid = 0;
};

class Vcpu final : public CpuHost {
  public:
    Vcpu(Machine& machine, runtime::Engine& engine, unsigned index);
    ~Vcpu() override;
    Vcpu(const Vcpu&) = delete;
    Vcpu& operator=(const Vcpu&) = delete;

    [[nodiscard]] Cpu& cpu() { return cpu_; }
    [[nodiscard]] unsigned index() const { return cpu_.index; }
    [[nodiscard]] ir::CpuState& state() { return *cpu_.state; }

    // Until the machine stops; a CPU that is off waits to be started.
    void run();

    // --- for the thread that runs all CPUs (round_robin.h)
    // Where the CPU stands until it has something else to do, or has executed its instructions.
    void enter(RunControl::Order order);
    // True: it is on, be it since just now.
    [[nodiscard]] bool come_up();
    // WFI or WFE waits, and until which count at most.
    [[nodiscard]] bool waits();
    [[nodiscard]] std::optional<u64> waits_until() const {
        return wait_ ? wait_->until : std::nullopt;
    }
    static void set_current(Vcpu* cpu); // of this thread
    void set_host_thread();             // to the one that calls

    // --- from any thread
    void set_line(u32 bit, bool asserted); // of Cpu::lines
    void request_pmu_update();             // a counter may have overflowed
    void wake();                           // looks again at what it waits for
    // Starts a CPU that is off, at an address with X0 (PSCI CPU_ON). False: it is on.
    [[nodiscard]] bool start(GuestAddr entry, u64 context, u8 el);
    [[nodiscard]] bool is_on() const { return power_.load() == Power::On; }
    void turn_off() { power_.store(Power::Off); }                         // while it does not run
    [[nodiscard]] int host_thread() const { return host_thread_.load(); } // 0: none so far
    [[nodiscard]] bool is_starting() const { return power_.load() == Power::Starting; }
    // Forgets before it next enters translated code; wait_until_forgotten() waits for that.
    void request_forgetting(const Forgetting& what);
    void wait_until_forgotten() const;

    // --- for the thread's code source (machine_code.h)
    [[nodiscard]] std::optional<u64> code_page(GuestAddr pc);
    [[nodiscard]] std::optional<u32> guarded_word(GuestAddr pc); // frontend::CodeSource
    [[nodiscard]] const u8* code_bytes(GuestAddr pc); // of the whole page; after code_page
    [[nodiscard]] static Vcpu* current();             // that this thread runs

    // --- for debuggers, while this CPU is parked (run_control.h)
    // Where an address is, whoever may access it; nothing is updated in the tables.
    [[nodiscard]] TranslationResult look_up(GuestAddr address);

    // --- for snapshots, while this CPU is parked or does not run yet
    void visit_state(devices::StateVisitor& visit);
    void forget_past(); // another state has been loaded

    // --- CpuHost
    void translation_changed(Cpu&) override;
    void invalidate_tlb(Cpu&, const TlbInvalidation&) override;
    u64 translate_address(Cpu&, const AddressTranslation&, std::optional<Exception>&) override;
    void invalidate_all_instructions(Cpu&, bool broadcast) override;
    void invalidate_instructions(Cpu&, GuestAddr address) override;
    std::optional<Exception> cache_operation(Cpu&, CacheOp, GuestAddr address) override;
    std::optional<Exception> access_tags(Cpu&, const TagAccess&) override;
    u64 counter() override;
    u64 cycles(Cpu&) override;
    u64 instructions(Cpu&) override;
    [[nodiscard]] u64 cycles_per_instruction() const override;
    void timer_changed(Cpu&) override;
    void pmu_interrupt(Cpu&, bool asserted) override;
    GicAccess read_gic(Cpu&, u16 encoding, u64& value) override;
    GicAccess write_gic(Cpu&, u16 encoding, u64 value) override;
    void wait_for_interrupt(Cpu&, std::optional<u64> until) override;
    void wait_for_event(Cpu&, std::optional<u64> until) override;
    void send_event() override;
    PsciResult cpu_on(Cpu&, u64 mpidr, GuestAddr entry, u64 context) override;
    void cpu_off(Cpu&) override;
    i32 affinity_info(Cpu&, u64 mpidr) override;
    void system_off(Cpu&) override;
    void system_reset(Cpu&) override;
    bool semihosting(Cpu&) override;
    void debug_changed(Cpu&) override;

    // Bytes from or to memory, as this CPU's own accesses at the current EL; in its thread. False:
    // one of them is not allowed, or of no memory; those before it were copied.
    [[nodiscard]] bool copy(GuestAddr at, u8* bytes, u64 count, bool writes);

  private:
    enum class Power : u8 { Off, Starting, On };
    enum class Watcher : u8 { None, Guest, Debugger };
    // Why HostAddress found nothing.
    struct NoPlace {
        std::optional<Fault> fault; // else the access is the slow path's
        GuestAddr address = 0;
        bool write = false;
        Watcher watcher = Watcher::None; // else a watchpoint matches there, whose it is
        bool two_pages = false;          // to write, which a block without ranges can
    };
    // What is accessed in two pages, side by side; what was written goes there with commit_store.
    struct alignas(16) Joined {
        u8 bytes[16];
        struct {
            u8* host;
            u64 count;
        } parts[2];
    };
    class Port;
    struct Wait {
        std::optional<u64> until; // a count
        bool for_event = false;
    };
    enum class Stepped : u8 { Nothing, LoadExclusive, Other };

    // --- running
    [[nodiscard]] bool wait_until_on();
    void visit_wait(devices::StateVisitor& visit);
    void power_up();
    void run_translated_or_one(bool stepping);
    void on_exit(ir::ExitReason reason);
    void execute(u32 word);
    void serve_requests();
    void serve_forgetting();
    void note_virtual_interrupts();
    [[nodiscard]] bool is_illegal_state();
    void raise(const Exception& exception);
    void on_fetch_fault();
    void on_memory_access();
    void on_refused_access(GuestAddr pc);
    void step_slowly();
    // --- FEAT_MOPS (vcpu_copy.cpp)
    enum class Moved : u8 { All, Enough, NoPlace };
    struct Bytes {
        u8* host;
        u64 count;
    };
    [[nodiscard]] std::optional<Bytes>
    find_bytes(GuestAddr first, bool up, ir::Access access, bool unprivileged);
    [[nodiscard]] Moved
    copy_or_set(GuestAddr to, u64 source, u64& left, const ir::CopyOrSetInfo& how);
    void copy_or_set_slowly(u32 word);
    [[nodiscard]] bool
    move_device_byte(GuestAddr to, u64 source, u64& left, const ir::CopyOrSetInfo& how);
    // The instruction at pc by itself, with `page` as in BlockKey.
    [[nodiscard]] const ir::Block& one_instruction(GuestAddr pc, u64 page);
    [[nodiscard]] bool checks_sp() const;
    void on_misaligned_sp();
    void idle(std::optional<u64> until, bool for_event);
    [[nodiscard]] bool has_to_wake(bool for_event) const;
    void run_to_limit();

    // --- debug (vcpu_debug.cpp)
    [[nodiscard]] bool is_stepping() const; // one instruction at a time
    [[nodiscard]] std::optional<Exception> debug_exception() const;
    [[nodiscard]] ir::ExitReason execute_one();
    void after_step(ir::ExitReason reason, bool steps);
    void on_stop_point();
    [[nodiscard]] bool is_watched_page(GuestAddr address) const;
    [[nodiscard]] bool
    meets_watchpoint(GuestAddr address, u64 bytes, ir::Access access, bool unprivileged);
    [[nodiscard]] bool meets_debugger(GuestAddr address, u64 bytes, ir::Access access);

    // --- translation
    [[nodiscard]] const RegimeRegisters& regime();
    [[nodiscard]] TranslationResult
    translate(GuestAddr va, ir::Access access, bool unprivileged, bool misaligned);
    [[nodiscard]] u64
    find_host_address(GuestAddr address, ir::MemInfo mem, bool commits_stores = false);
    [[nodiscard]] bool join_pages(GuestAddr address, ir::MemInfo mem, Joined& joined);
    [[nodiscard]] u64 read_two_pages(GuestAddr address, ir::MemInfo mem);
    [[nodiscard]] u64 write_two_pages(GuestAddr address, ir::MemInfo mem);
    void commit_store();
    [[nodiscard]] u64 find_host_range(GuestAddr address, ir::MemInfo mem, unsigned bytes);
    [[nodiscard]] std::optional<u64>
    find_checked(GuestAddr address, ir::MemInfo mem, bool privileged);
    // --- allocation tags (vcpu_tags.cpp)
    [[nodiscard]] bool compares_tags(const Translation& page, GuestAddr address, bool privileged);
    [[nodiscard]] bool
    has_tag(GuestAddr address, u64 bytes, const u8* host, ir::Access access, bool privileged);
    struct TaggedGranule {
        u8 *host, *tag; // of the latter, none where there is none
    };
    [[nodiscard]] std::optional<Exception>
    find_granule(GuestAddr address, const TagAccess& access, TaggedGranule& granule);
    [[nodiscard]] const CodePages::Page* find_code(GuestAddr pc);
    [[nodiscard]] TranslationResult walk_for_code(GuestAddr pc);
    [[nodiscard]] bool has_mapping(const CodeMapping& mapping);
    void use_code_tables();
    void forget(const Forgetting& what);
    void forget_mapping(GuestAddr address);
    void forget_asid(u16 asid);
    template <class Forget> void forget_code(Forget forget);
    void forget_everything();
    [[nodiscard]] u32 word_at(GuestAddr pc);
    [[nodiscard]] Exception misaligned_access(GuestAddr address, GuestAddr pc);
    [[nodiscard]] Exception abort(const NoPlace& where, GuestAddr pc);

    Machine& machine_;
    runtime::Engine& engine_;
    Cpu cpu_;
    std::atomic<Power> power_{Power::Off};
    std::atomic<int> host_thread_{0};
    GuestAddr entry_ = 0;
    u64 context_ = 0;
    u8 start_el_ = 1;

    RegimeRegisters regime_;
    bool regime_valid_ = false;
    RegimeTags regime_tags_;
    TranslationTables tables_; // of regime_
    NoPlace no_place_;
    DataTlb tlb_;
    std::array<ir::TagCheck, 2> tag_checks_ = {}; // of accesses without and with privilege
    bool checks_branch_targets_ = false;          // there have been guarded pages
    CodePages code_pages_[2] = {CodePages{false}, CodePages{true}}; // by privilege
    // Of instructions that went the long way, which mostly go it again.
    std::array<ir::Block, 64> slow_blocks_;
    std::array<Joined, 4> read_of_two_ = {}; // some may be in use at a time
    unsigned next_read_of_two_ = 0;
    Joined written_to_two_ = {};
    Stepped stepped_ = Stepped::Nothing; // the last instruction, while software step is active
    bool watches_ = false;               // watchpoints_possible()
    GuestAddr last_wait_ = ~GuestAddr{0};
    unsigned waits_here_ = 0; // WFE of last_wait_, one after the other

    std::optional<Wait> wait_; // for round_robin.h

    std::atomic<bool> in_guest_{false};
    std::atomic<bool> pmu_due_{false};
    static constexpr std::size_t kMostToForget = 16; // more of them: everything
    std::atomic<bool> forget_requested_{false};
    std::mutex forget_mutex_;
    std::vector<Forgetting> to_forget_;
    std::mutex idle_mutex_;
    std::condition_variable idle_;
};

} // namespace ulna::system
