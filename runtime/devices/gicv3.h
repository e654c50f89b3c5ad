// The GICv3 interrupt controller (IHI 0069) of a machine: a distributor, and for each CPU a
// redistributor and the CPU interface, whose registers are system registers. Affinity routing is
// always on, CPU interfaces have no legacy mode. There is one Security state (GICD_CTLR.DS is 1),
// or there are two until Secure software sets GICD_CTLR.DS; what comes with two of them for the CPU
// interface is in gicv3_security.cpp.
//
// For each CPU the most urgent of its pending interrupts is kept, and looked for again among those
// that are deliverable to it (a bit each) whenever one of them changes. So acknowledging and ending
// interrupts looks at some ten words, and nothing is searched that is not pending.
//
// All is called with the machine's lock held. The parts are in gicv3_*.cpp: distributor,
// redistributor, lpis, cpu_interface and security (ICC_*), virtual_interface (ICH_*, ICV_*).
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/gic_interrupts.h"
#include "runtime/devices/gic_lines.h"
#include "runtime/devices/gic_priorities.h"
#include "runtime/devices/gic_virtual.h"

namespace ulna::devices {

// As QEMU's `virt` numbers CPUs for GICv3: 16 of them share an Aff1. In the places of MPIDR_EL1.
[[nodiscard]] constexpr u64 gicv3_affinity(unsigned cpu) { return (cpu / 16) << 8 | cpu % 16; }

// A system register's op0, op1, CRn, CRm and op2.
[[nodiscard]] constexpr u32
system_register(unsigned op0, unsigned op1, unsigned CRn, unsigned CRm, unsigned op2) {
    return op0 << 14 | op1 << 11 | CRn << 7 | CRm << 3 | op2;
}

namespace gicv3 {
// Who accesses a system register, as far as that matters with two Security states.
struct Accessor {
    bool secure = false; // EL3, or below it SCR_EL3.NS is 0
    bool el3 = false;
    bool secure_bank = false;                    // SCR_EL3.NS is 0: which copy of a register
    bool fiq_to_el3 = false, irq_to_el3 = false; // SCR_EL3.FIQ, IRQ
};
} // namespace gicv3

class PhysicalMemory;

class Gicv3 {
  public:
    using Accessor = gicv3::Accessor;
    static constexpr unsigned kMaxSpis = 960; // INTIDs 32..991
    static constexpr u64 kRedistributorBytes = 0x20000;

    // spis: a multiple of 32. Two Security states if it is told who accesses Securely.
    Gicv3(unsigned cpus, unsigned spis, gic::AccessesSecurely accesses_securely = {});
    ~Gicv3();
    Gicv3(const Gicv3&) = delete;
    Gicv3& operator=(const Gicv3&) = delete;

    void connect(unsigned cpu, const gic::Outputs& outputs);

    // INTID 32 + n, and 16 to 31.
    [[nodiscard]] InterruptLine& spi(unsigned n) { return inputs_.spi(n); }
    [[nodiscard]] InterruptLine& ppi(unsigned cpu, u32 intid) { return inputs_.ppi(cpu, intid); }
    [[nodiscard]] Device& distributor();
    // kRedistributorBytes for each CPU, in their order.
    [[nodiscard]] Device& redistributors();

    // The system registers ICC_* and ICH_*, named by system_register(). False: there is none that
    // can be read (written); the access is UNDEFINED. Traps, and whether EL and Security state give
    // access, are the caller's.
    [[nodiscard]] bool
    read_register(unsigned cpu, u32 encoding, u64& value, const Accessor& by = {});
    [[nodiscard]] bool
    write_register(unsigned cpu, u32 encoding, u64 value, const Accessor& by = {});
    // The same encodings at EL1 under HCR_EL2.IMO and FMO: ICV_*, where is_virtual() says so.
    [[nodiscard]] static bool is_virtual(u32 encoding, bool imo, bool fmo);
    [[nodiscard]] bool read_virtual_register(unsigned cpu, u32 encoding, u64& value);
    [[nodiscard]] bool write_virtual_register(unsigned cpu, u32 encoding, u64 value);
    // Whether ICH_HCR_EL2 has accesses of EL1 to this register trapped to EL2 (TC, TALL0, TALL1,
    // TDIR). Registers that generate SGIs also trap when IMO or FMO is 1.
    [[nodiscard]] bool traps_to_el2(unsigned cpu, u32 encoding, bool imo, bool fmo) const;

    // --- LPIs, for the ITS. Off until enable_lpis(); CPUs and INTIDs exist, as is_lpi() and
    // cpu_count() say.
    void enable_lpis(PhysicalMemory& memory); // the guest's tables are there
    [[nodiscard]] static bool is_lpi(u32 intid);
    [[nodiscard]] unsigned cpu_count() const { return static_cast<unsigned>(cpus_.size()); }
    void set_lpi(unsigned cpu, u32 intid, bool pending);
    void move_lpi(unsigned from, unsigned to, u32 intid); // its pending state
    void move_all_lpis(unsigned from, unsigned to);
    void reload_lpi(unsigned cpu, u32 intid); // the guest changed its configuration
    void reload_lpis(unsigned cpu);

    void reset(); // all but what devices drive
    // As Secure firmware leaves it to Non-secure software: all interrupts in group 1, CPUs awake.
    void hand_to_nonsecure();
    void visit_state(StateVisitor& visit);

  private:
    class Distributor;
    class Redistributors;

    static constexpr unsigned kNobody = ~0u; // the CPU of an SPI that is routed nowhere

    // Two bits for each of 32 interrupts, GICD_NSACR: how far Non-secure accesses reach it while it
    // is Secure.
    using Reach = std::array<u32, 2>;
    // Interrupts 32 + 32 * n and up. Route: GICD_IROUTER.
    struct SpiWord : gic::InterruptWord {
        Reach reach{};
        std::array<u64, 32> route{};
        std::array<unsigned, 32> cpu{};
    };

    struct Cpu {
        unsigned number = 0;
        gic::InterruptWord own;   // SGIs and PPIs
        u32 sgi_reach = 0;        // GICR_NSACR: two bits for each SGI
        std::vector<u32> offered; // deliverable to this CPU: own, then SPIs
        gic::Candidate best;      // of the offered ones whose group the CPU interface enables
        gic::Priorities priorities;
        // EOImode of Secure EL1 and of EL3; with one Security state all have that of `priorities`.
        bool secure_eoi_drops_only = false, el3_eoi_drops_only = false;
        gic::GroupSet group_enabled{};
        u32 waker = 0, control = 0; // GICR_WAKER, GICR_CTLR
        u64 property_base = 0, pending_base = 0;
        std::map<u32, u8> pending_lpis;    // with their configuration bytes
        std::set<std::pair<u8, u32>> lpis; // those that are enabled, by priority and INTID
        gic::OutputPair output;            // IRQ, FIQ
        gic::OutputPair group1_output;     // Non-secure, Secure: with two Security states
        gic::VirtualInterface guest;
        gic::OutputPair virtual_output;
    };

    // --- gicv3.cpp
    void set_line(Cpu& cpu, u32 intid, bool asserted);
    void refresh_own(Cpu& cpu);
    void refresh_spis(unsigned word);
    void refresh_all();
    void look_for_best(Cpu& cpu); // after any change of offered interrupts
    void update_output(Cpu& cpu);
    void route_spi(unsigned word, unsigned bit);
    void route_again(); // SPIs for one of many CPUs
    [[nodiscard]] Cpu* find_cpu(u64 affinity);
    [[nodiscard]] gic::InterruptWord* word_of(Cpu& cpu, u32 intid);
    void refresh_word_of(Cpu& cpu, u32 intid);
    void leave_two_states(); // GICD_CTLR.DS becomes 1
    [[nodiscard]] bool is_nonsecure_access() const { return two_states_ && !accesses_securely_(); }

    // --- gicv3_distributor.cpp, gicv3_redistributor.cpp
    [[nodiscard]] bool read_distributor(u64 offset, u32& value) const;
    [[nodiscard]] bool write_distributor(u64 offset, u32 value);
    [[nodiscard]] u32 control() const;
    void set_control(u32 value);
    [[nodiscard]] gic::View view_of(const SpiWord& word, u64 offset, bool writes) const;
    [[nodiscard]] bool reaches_route(const SpiWord& word, unsigned bit) const;
    [[nodiscard]] gic::View view_of(const Cpu& cpu, u64 offset) const;
    [[nodiscard]] bool read_redistributor(const Cpu& cpu, u64 offset, u32& value) const;
    [[nodiscard]] bool write_redistributor(Cpu& cpu, u64 offset, u32 value);

    // --- gicv3_lpis.cpp
    [[nodiscard]] u8 lpi_configuration(const Cpu& cpu, u32 intid) const;
    [[nodiscard]] u8 lpi_priority(u8 configuration) const;
    void reload(Cpu& cpu, u32 intid);
    void add_pending(Cpu& cpu, u32 intid);
    void remove_pending(Cpu& cpu, u32 intid);
    void set_lpis_enabled(Cpu& cpu, bool on);
    void sort_lpis(Cpu& cpu);
    void visit_lpis(Cpu& cpu, StateVisitor& visit);

    // --- gicv3_cpu_interface.cpp
    [[nodiscard]] bool signals(const Cpu& cpu) const;
    // `registers`: those of which group are used, 0 or 1.
    [[nodiscard]] u32 acknowledge(Cpu& cpu, unsigned registers, const Accessor& by);
    [[nodiscard]] u32 highest_pending(const Cpu& cpu, unsigned registers, const Accessor& by) const;
    void end_interrupt(Cpu& cpu, unsigned registers, u32 intid, const Accessor& by);
    void deactivate(Cpu& cpu, u32 intid);
    void enable_group(Cpu& cpu, unsigned group, bool on);
    void send_sgi(Cpu& sender, u64 value, u32 encoding, const Accessor& by);

    // --- gicv3_security.cpp
    [[nodiscard]] bool is_shown(unsigned group, unsigned registers, const Accessor& by) const;
    [[nodiscard]] bool drops_only(const Cpu& cpu, const Accessor& by) const;
    [[nodiscard]] bool may_deactivate(Cpu& cpu, u32 intid, const Accessor& by);
    [[nodiscard]] bool
    takes_sgi(const Cpu& target, unsigned sgi, u32 encoding, const Accessor& by) const;
    // Registers that are banked, or look different to Non-secure software. False: it is none.
    [[nodiscard]] bool
    read_banked(const Cpu& cpu, u32 encoding, const Accessor& by, u64& value) const;
    [[nodiscard]] bool write_banked(Cpu& cpu, u32 encoding, const Accessor& by, u64 value);
    [[nodiscard]] static u64 control_of_el1(const Cpu& cpu, const Accessor& by);
    [[nodiscard]] static u64 control_of_el3(const Cpu& cpu);
    static void set_control_of_el3(Cpu& cpu, u64 value);

    // --- gicv3_virtual_interface.cpp
    [[nodiscard]] bool read_hypervisor_register(Cpu& cpu, u32 encoding, u64& value);
    [[nodiscard]] bool write_hypervisor_register(Cpu& cpu, u32 encoding, u64 value);
    void deactivate_physical(Cpu& cpu, const gic::VirtualInterface::Ended& ended);
    void update_virtual(Cpu& cpu);

    PhysicalMemory* memory_ = nullptr; // where LPIs have their tables; null: there are none
    gic::AccessesSecurely accesses_securely_;
    bool two_states_ = false;         // GICD_CTLR.DS is 0
    gic::GroupSet group_forwarded_{}; // GICD_CTLR.EnableGrp0, EnableGrp1(NS), EnableGrp1S
    std::vector<SpiWord> spis_;
    std::vector<Cpu> cpus_;
    gic::InputLines inputs_;
    std::unique_ptr<Distributor> distributor_;
    std::unique_ptr<Redistributors> redistributors_;
};

} // namespace ulna::devices
