// The GICv3 interrupt controller (IHI 0069) of a machine: a distributor, and for each CPU a
// redistributor and the CPU interface, whose registers are system registers. Affinity routing is
// always on, there is one Security state (GICD_CTLR.DS is 1), CPU interfaces have no legacy mode.
//
// For each CPU the most urgent of its pending interrupts is kept, and looked for again among those
// that are deliverable to it (a bit each) whenever one of them changes. So acknowledging and ending
// interrupts looks at some ten words, and nothing is searched that is not pending.
//
// All is called with the machine's lock held. The parts are in gicv3_*.cpp: distributor,
// redistributor, lpis, cpu_interface (ICC_*), virtual_interface (ICH_*, ICV_*).
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

class PhysicalMemory;

class Gicv3 {
  public:
    static constexpr unsigned kMaxSpis = 960; // INTIDs 32..991
    static constexpr u64 kRedistributorBytes = 0x20000;

    Gicv3(unsigned cpus, unsigned spis); // spis: a multiple of 32
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
    [[nodiscard]] bool read_register(unsigned cpu, u32 encoding, u64& value);
    [[nodiscard]] bool write_register(unsigned cpu, u32 encoding, u64 value);
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
    void visit_state(StateVisitor& visit);

  private:
    class Distributor;
    class Redistributors;

    static constexpr unsigned kNobody = ~0u; // the CPU of an SPI that is routed nowhere

    // Interrupts 32 + 32 * n and up. Route: GICD_IROUTER.
    struct SpiWord : gic::InterruptWord {
        std::array<u64, 32> route{};
        std::array<unsigned, 32> cpu{};
    };

    struct Cpu {
        unsigned number = 0;
        gic::InterruptWord own;   // SGIs and PPIs
        std::vector<u32> offered; // deliverable to this CPU: own, then SPIs
        gic::Candidate best;      // of the offered ones whose group the CPU interface enables
        gic::Priorities priorities;
        std::array<bool, 2> group_enabled{};
        u32 waker = 0, control = 0; // GICR_WAKER, GICR_CTLR
        u64 property_base = 0, pending_base = 0;
        std::map<u32, u8> pending_lpis;    // with their configuration bytes
        std::set<std::pair<u8, u32>> lpis; // those that are enabled, by priority and INTID
        gic::OutputPair output;
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

    // --- gicv3_distributor.cpp, gicv3_redistributor.cpp
    [[nodiscard]] bool read_distributor(u64 offset, u32& value) const;
    [[nodiscard]] bool write_distributor(u64 offset, u32 value);
    [[nodiscard]] bool read_redistributor(const Cpu& cpu, u64 offset, u32& value) const;
    [[nodiscard]] bool write_redistributor(Cpu& cpu, u64 offset, u32 value);

    // --- gicv3_lpis.cpp
    [[nodiscard]] u8 lpi_configuration(const Cpu& cpu, u32 intid) const;
    void reload(Cpu& cpu, u32 intid);
    void add_pending(Cpu& cpu, u32 intid);
    void remove_pending(Cpu& cpu, u32 intid);
    void set_lpis_enabled(Cpu& cpu, bool on);
    void sort_lpis(Cpu& cpu);
    void visit_lpis(Cpu& cpu, StateVisitor& visit);

    // --- gicv3_cpu_interface.cpp
    [[nodiscard]] bool signals(const Cpu& cpu) const;
    [[nodiscard]] u32 acknowledge(Cpu& cpu, unsigned group);
    [[nodiscard]] u32 highest_pending(const Cpu& cpu, unsigned group) const;
    void end_interrupt(Cpu& cpu, unsigned group, u32 intid);
    void deactivate(Cpu& cpu, u32 intid);
    void enable_group(Cpu& cpu, unsigned group, bool on);
    void send_sgi(Cpu& sender, u64 value, unsigned group);

    // --- gicv3_virtual_interface.cpp
    [[nodiscard]] bool read_hypervisor_register(Cpu& cpu, u32 encoding, u64& value);
    [[nodiscard]] bool write_hypervisor_register(Cpu& cpu, u32 encoding, u64 value);
    void deactivate_physical(Cpu& cpu, const gic::VirtualInterface::Ended& ended);
    void update_virtual(Cpu& cpu);

    PhysicalMemory* memory_ = nullptr; // where LPIs have their tables; null: there are none
    bool group_forwarded_[2] = {};     // GICD_CTLR.EnableGrp0, EnableGrp1
    std::vector<SpiWord> spis_;
    std::vector<Cpu> cpus_;
    gic::InputLines inputs_;
    std::unique_ptr<Distributor> distributor_;
    std::unique_ptr<Redistributors> redistributors_;
};

} // namespace ulna::devices
