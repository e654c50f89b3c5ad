// The GICv2 interrupt controller (IHI 0048) of a machine of up to eight CPUs. Without Security
// Extensions interrupts have groups, and all accesses see everything, as on QEMU's `virt`; with
// them group 0 is Secure, and Non-secure accesses see the other (gicv2_security.cpp). State and
// best candidates are kept as in gicv3.h.
//
// Registers are banked: what an access means depends on the CPU that makes it, and on its state.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/gic_interrupts.h"
#include "runtime/devices/gic_lines.h"
#include "runtime/devices/gic_priorities.h"
#include "runtime/devices/gic_virtual.h"

namespace ulna::devices {

class Gicv2 {
  public:
    static constexpr unsigned kMaxCpus = 8, kMaxSpis = 960;

    // `accessing_cpu`: on whose behalf the current access to a frame is made. It has Security
    // Extensions if it is told who accesses Securely.
    Gicv2(unsigned cpus,
          unsigned spis,
          std::function<unsigned()> accessing_cpu,
          gic::AccessesSecurely accesses_securely = {});
    ~Gicv2();
    Gicv2(const Gicv2&) = delete;
    Gicv2& operator=(const Gicv2&) = delete;

    void connect(unsigned cpu, const gic::Outputs& outputs);

    // INTID 32 + n, and 16 to 31.
    [[nodiscard]] InterruptLine& spi(unsigned n) { return inputs_.spi(n); }
    [[nodiscard]] InterruptLine& ppi(unsigned cpu, u32 intid) { return inputs_.ppi(cpu, intid); }
    [[nodiscard]] Device& distributor();
    [[nodiscard]] Device& cpu_interface();
    [[nodiscard]] Device& hypervisor_interface(); // GICH
    [[nodiscard]] Device& virtual_interface();    // GICV

    void reset(); // all but what devices drive
    // As Secure firmware leaves it to Non-secure software: all interrupts in group 1, priorities in
    // its half.
    void hand_to_nonsecure();
    void visit_state(StateVisitor& visit);

  private:
    class Frame;

    // Target: the byte of GICD_ITARGETSR.
    struct SpiWord : gic::InterruptWord {
        std::array<u8, 32> targets{};
    };
    struct Cpu {
        unsigned number = 0;
        gic::InterruptWord own;           // SGIs and PPIs
        std::array<u8, 16> sgi_sources{}; // the CPUs that each SGI is pending from
        std::vector<u32> offered;         // deliverable to this CPU: own, then SPIs
        gic::Candidate best;
        gic::Priorities priorities;
        gic::GroupSet group_enabled{};
        bool ack_control = false; // GICC_IAR acknowledges group 1, too
        bool fiq_enabled = false; // group 0 is FIQ
        // EOImodeNS; EOImodeS, or the only EOImode, is among the priorities.
        bool nonsecure_eoi_drops_only = false;
        gic::OutputPair output;
        gic::VirtualInterface guest;
        gic::OutputPair virtual_output;
    };

    // --- gicv2.cpp
    void set_line(Cpu& cpu, u32 intid, bool asserted);
    void refresh_own(Cpu& cpu);
    void refresh_spis(unsigned word);
    void refresh_all();
    void look_for_best(Cpu& cpu);
    void update_output(Cpu& cpu);
    [[nodiscard]] bool signals(const Cpu& cpu) const;
    [[nodiscard]] gic::InterruptWord* word_of(Cpu& cpu, u32 intid);
    void refresh_word_of(Cpu& cpu, u32 intid);
    [[nodiscard]] bool is_nonsecure_access() const {
        return accesses_securely_ != nullptr && !accesses_securely_();
    }

    // --- gicv2_security.cpp: what Non-secure accesses see
    [[nodiscard]] gic::View view_of(const gic::InterruptWord& word, u64 offset) const;
    [[nodiscard]] u64 read_nonsecure_interface(Cpu& cpu, u64 offset, unsigned bytes);
    void write_nonsecure_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    void set_nonsecure_control(Cpu& cpu, u32 value);

    // --- gicv2_distributor.cpp
    [[nodiscard]] u64 read_distributor(Cpu& cpu, u64 offset, unsigned bytes);
    void write_distributor(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    [[nodiscard]] gic::InterruptWord* bank_at(Cpu& cpu, unsigned word);
    void refresh_bank(Cpu& cpu, unsigned word);
    [[nodiscard]] u8 read_byte(Cpu& cpu, u64 offset);
    void write_byte(Cpu& cpu, u64 offset, u8 value);
    void send_sgi(Cpu& sender, u32 value);
    [[nodiscard]] bool takes_sgi(const Cpu& target, u32 value) const;
    [[nodiscard]] u32 forwarded_groups() const; // GICD_CTLR
    void forward_groups(u32 value);

    // --- gicv2_cpu_interface.cpp
    [[nodiscard]] u64 read_cpu_interface(Cpu& cpu, u64 offset, unsigned bytes);
    void write_cpu_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    // `alias`: by the registers for group 1.
    [[nodiscard]] u32 acknowledge(Cpu& cpu, bool alias);
    [[nodiscard]] u32 visible_pending(const Cpu& cpu, bool alias) const;
    [[nodiscard]] static u32 with_source(const Cpu& cpu, u32 intid);
    [[nodiscard]] static u32 interface_control(const Cpu& cpu); // GICC_CTLR
    void set_interface_control(Cpu& cpu, u32 value);
    void end_interrupt(Cpu& cpu, unsigned group, u32 value);
    void deactivate(Cpu& cpu, u32 value);
    // GICC_DIR
    void deactivate_apart(Cpu& cpu, u32 value);
    [[nodiscard]] bool drops_only(const Cpu& cpu) const;

    // --- gicv2_virtual.cpp
    [[nodiscard]] u64 read_hypervisor(Cpu& cpu, u64 offset, unsigned bytes);
    void write_hypervisor(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    [[nodiscard]] u64 read_virtual_interface(Cpu& cpu, u64 offset, unsigned bytes);
    void write_virtual_interface(Cpu& cpu, u64 offset, unsigned bytes, u32 value);
    static void set_virtual_control(gic::VirtualInterface& guest, u32 value); // as GICH_VMCR
    [[nodiscard]] u32 visible_virtual(const Cpu& cpu, bool alias) const;
    [[nodiscard]] u32 acknowledge_virtual(Cpu& cpu, bool alias);
    void end_virtual(Cpu& cpu, u32 value);
    void deactivate_virtual(Cpu& cpu, u32 value);
    void update_virtual(Cpu& cpu);

    std::function<unsigned()> accessing_cpu_;
    gic::AccessesSecurely accesses_securely_;
    gic::GroupSet group_forwarded_{};
    std::vector<SpiWord> spis_;
    std::vector<Cpu> cpus_;
    gic::InputLines inputs_;
    std::unique_ptr<Frame> distributor_, cpu_interface_, hypervisor_, virtual_;
};

} // namespace ulna::devices
