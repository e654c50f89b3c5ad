// The tree of `virt`: nodes, names and order of properties follow what QEMU writes for that
// machine, because firmware looks nodes up by them.
#include "runtime/system/device_tree.h"

#include <algorithm>
#include <charconv>

#include "runtime/devices/virt_map.h"
#include "runtime/system/tree_writer.h"

namespace ulna::system {

namespace {

namespace virt = devices::virt;
using virt::Range;

enum Phandle : u32 { kClock = 0x8000, kGic, kMsi, kGpio, kSecureGpio, kFirstCpu = 0x8100 };

// Cells of an interrupt specifier (bindings/interrupt-controller/arm,gic-v3.yaml).
enum InterruptKind : u32 { kSpi = 0, kPpi = 1 };
enum Trigger : u32 { kEdgeRising = 1, kLevelHigh = 4 };

class Writer {
  public:
    explicit Writer(const MachineDescription& machine) : machine_(machine) {}

    std::vector<u8> run() {
        to_.node("", [&] {
            to_.cells("interrupt-parent", {kGic});
            to_.flag("dma-coherent");
            to_.text("model", "linux,dummy-virt");
            to_.cells("#size-cells", {2});
            to_.cells("#address-cells", {2});
            to_.text("compatible", "linux,dummy-virt");
            psci();
            memory();
            firmware_configuration();
            virtio();
            gpio();
            if (machine_.has_pcie) {
                pcie();
            }
            clock_and_uart();
            if (machine_.has_el3) {
                secure_devices();
            }
            pmu_and_timer();
            interrupt_controller();
            flash();
            cpus();
            to_.node("aliases", [&] {
                to_.text("serial0", kUartPath);
                if (has_second_uart()) {
                    to_.text("serial1", kSecondUartPath);
                }
            });
            to_.node("chosen", [&] { to_.text("stdout-path", kUartPath); });
            if (machine_.has_el3) {
                to_.node("secure-chosen", [&] { to_.text("stdout-path", kSecondUartPath); });
            }
        });
        return to_.finish();
    }

  private:
    static constexpr const char *kUartPath = "/pl011@9000000", *kSecondUartPath = "/pl011@9040000";
    bool has_second_uart() const { return machine_.has_second_uart || machine_.has_el3; }

    static std::string at(const char* name, u64 address) {
        char digits[16];
        const auto end = std::to_chars(digits, digits + sizeof digits, address, 16).ptr;
        return std::string(name) + '@' + std::string(digits, end);
    }
    static std::string at(const char* name, Range range) { return at(name, range.base); }
    void reg(Range range) { to_.ranges("reg", {range.base, range.bytes}); }
    void spi(unsigned number, Trigger trigger) { to_.cells("interrupts", {kSpi, number, trigger}); }
    // Bits 15:8 are the CPUs that a PPI of GICv2 goes to.
    u32 ppi_flags() const {
        const auto count = static_cast<unsigned>(machine_.cpus.size());
        return machine_.gic == GicVersion::V2 ? kLevelHigh | ((1u << count) - 1) << 8 : kLevelHigh;
    }
    void secure_only() {
        to_.text("status", "disabled");
        to_.text("secure-status", "okay");
    }

    void psci() {
        if (machine_.psci == PsciMethod::None) {
            return;
        }
        to_.node("psci", [&] { // DEN 0022; the 64-bit calls
            to_.cells("migrate", {0xc400'0005});
            to_.cells("cpu_on", {0xc400'0003});
            to_.cells("cpu_off", {0x8400'0002});
            to_.cells("cpu_suspend", {0xc400'0001});
            to_.text("method", machine_.psci == PsciMethod::Hvc ? "hvc" : "smc");
            to_.texts("compatible", {"arm,psci-1.0", "arm,psci-0.2", "arm,psci"});
        });
    }

    void memory() {
        to_.node(at("memory", virt::kRam), [&] {
            to_.ranges("reg", {virt::kRam, machine_.ram_bytes});
            to_.text("device_type", "memory");
        });
    }

    void firmware_configuration() {
        to_.node(at("fw-cfg", virt::kFwCfg), [&] {
            to_.flag("dma-coherent");
            reg(virt::kFwCfg);
            to_.text("compatible", "qemu,fw-cfg-mmio");
        });
    }

    void virtio() {
        for (unsigned slot = 0; slot < virt::kVirtioSlots; ++slot) {
            to_.node(at("virtio_mmio", virt::virtio_slot(slot)), [&] {
                to_.flag("dma-coherent");
                spi(virt::spi::kVirtio + slot, kEdgeRising);
                reg(virt::virtio_slot(slot));
                to_.text("compatible", "virtio,mmio");
            });
        }
    }

    void pl061(Range range, Phandle phandle, unsigned interrupt, bool is_secure) {
        to_.node(at("pl061", range), [&] {
            to_.cells("phandle", {phandle});
            primecell("arm,pl061", range, interrupt);
            to_.flag("gpio-controller");
            to_.cells("#gpio-cells", {2});
            if (is_secure) {
                secure_only();
            }
        });
    }
    void gpio() {
        constexpr u32 kKeyPower = 116; // Linux's input event code
        pl061(virt::kGpio, kGpio, virt::spi::kGpio, false);
        to_.node("gpio-keys", [&] {
            to_.text("compatible", "gpio-keys");
            to_.node("poweroff", [&] {
                to_.cells("gpios", {kGpio, virt::kPowerKeyPin, 0});
                to_.cells("linux,code", {kKeyPower});
                to_.text("label", "GPIO Key Poweroff");
            });
        });
    }

    // What the Arm PrimeCells have in common.
    void primecell(const char* compatible, Range range, unsigned interrupt) {
        to_.text("clock-names", "apb_pclk");
        to_.cells("clocks", {kClock});
        spi(interrupt, kLevelHigh);
        reg(range);
        to_.texts("compatible", {compatible, "arm,primecell"});
    }
    void uart(Range range, unsigned interrupt, bool is_secure) {
        to_.node(at("pl011", range), [&] {
            to_.texts("clock-names", {"uartclk", "apb_pclk"});
            to_.cells("clocks", {kClock, kClock});
            spi(interrupt, kLevelHigh);
            reg(range);
            to_.texts("compatible", {"arm,pl011", "arm,primecell"});
            if (is_secure) {
                secure_only();
            }
        });
    }
    void clock_and_uart() {
        to_.node("apb-pclk", [&] {
            to_.cells("phandle", {kClock});
            to_.text("clock-output-names", "clk24mhz");
            to_.cells("clock-frequency", {virt::kApbClockHz});
            to_.cells("#clock-cells", {0});
            to_.text("compatible", "fixed-clock");
        });
        uart(virt::kUart, virt::spi::kUart, false);
        if (has_second_uart()) {
            uart(virt::kSecondUart, virt::spi::kSecondUart, machine_.has_el3);
        }
        to_.node(at("pl031", virt::kRtc),
                 [&] { primecell("arm,pl031", virt::kRtc, virt::spi::kRtc); });
    }
    void secure_devices() {
        to_.node(at("secram", virt::kSecureRam), [&] {
            secure_only();
            reg(virt::kSecureRam);
            to_.text("device_type", "memory");
        });
        pl061(virt::kSecureGpio, kSecureGpio, virt::spi::kSecureGpio, true);
        const auto pin = [&](const char* name, u32 number) {
            to_.node(name, [&] {
                secure_only();
                to_.cells("gpios", {kSecureGpio, number, 0});
                to_.text("compatible", name);
            });
        };
        pin("gpio-poweroff", virt::kPowerOffPin);
        pin("gpio-restart", virt::kRestartPin);
    }

    // INTA to INTD of a slot, rotated by the slot's number as PCI asks.
    void interrupt_map() {
        constexpr u32 kPins = 4, kSlots = 4, kSlotShift = 11;
        std::vector<u32> map;
        for (u32 slot = 0; slot < kSlots; ++slot) {
            for (u32 pin = 0; pin < kPins; ++pin) {
                const u32 interrupt = virt::spi::kPcie + (slot + pin) % kPins;
                map.insert(map.end(), {slot << kSlotShift, 0, 0, pin + 1, kGic, 0, 0, kSpi,
                                       interrupt, kLevelHigh});
            }
        }
        to_.cells("interrupt-map", map);
        to_.cells("interrupt-map-mask", {(kSlots - 1) << kSlotShift, 0, 0, 0x7});
    }
    void pcie() {
        constexpr u32 kIo = 0x0100'0000, kMemory32 = 0x0200'0000, kMemory64 = 0x0300'0000;
        std::vector<u32> windows;
        const auto window = [&windows](u32 kind, u64 bus, Range range) {
            windows.push_back(kind);
            for (const u64 value : {bus, range.base, range.bytes}) {
                windows.push_back(static_cast<u32>(value >> 32));
                windows.push_back(static_cast<u32>(value));
            }
        };
        window(kIo, 0, virt::kPciePio);
        window(kMemory32, virt::kPcieMmio.base, virt::kPcieMmio);
        window(kMemory64, virt::kPcieMmioHigh.base, virt::kPcieMmioHigh);
        to_.node(at("pcie", virt::kPcieMmio), [&] {
            interrupt_map();
            to_.cells("#interrupt-cells", {1});
            to_.cells("ranges", windows);
            reg(virt::kPcieEcam);
            if (machine_.has_its) {
                to_.cells("msi-map", {0, kMsi, 0, 0x10000});
            }
            to_.flag("dma-coherent");
            to_.cells("bus-range", {0, 0xff});
            to_.cells("linux,pci-domain", {0});
            to_.cells("#size-cells", {2});
            to_.cells("#address-cells", {3});
            to_.text("device_type", "pci");
            to_.text("compatible", "pci-host-ecam-generic");
        });
    }

    void pmu_and_timer() {
        const auto ppi = [](unsigned intid) { return u32{intid - virt::kFirstPpi}; };
        const u32 flags = ppi_flags();
        to_.node("pmu", [&] {
            to_.cells("interrupts", {kPpi, ppi(virt::ppi::kPmu), flags});
            to_.text("compatible", "arm,armv8-pmuv3");
        });
        std::vector<u32> timers;
        for (const unsigned intid : {virt::ppi::kSecurePhysicalTimer, virt::ppi::kPhysicalTimer,
                                     virt::ppi::kVirtualTimer, virt::ppi::kHypervisorTimer}) {
            timers.insert(timers.end(), {kPpi, ppi(intid), flags});
        }
        if (machine_.has_el2) {
            timers.insert(timers.end(), {kPpi, ppi(virt::ppi::kHypervisorVirtualTimer), flags});
        }
        to_.node("timer", [&] {
            to_.cells("interrupts", timers);
            to_.flag("always-on");
            to_.texts("compatible", {"arm,armv8-timer", "arm,armv7-timer"});
        });
    }

    void interrupt_controller() {
        to_.node(at("intc", virt::kGicDistributor), [&] {
            to_.cells("phandle", {kGic});
            if (machine_.has_el2) {
                to_.cells("interrupts",
                          {kPpi, virt::ppi::kGicMaintenance - virt::kFirstPpi, kLevelHigh});
            }
            if (machine_.gic == GicVersion::V3) {
                gicv3();
            } else {
                gicv2();
            }
            to_.flag("ranges");
            to_.cells("#size-cells", {2});
            to_.cells("#address-cells", {2});
            to_.flag("interrupt-controller");
            to_.cells("#interrupt-cells", {3});
            if (machine_.has_its) {
                message_controller();
            }
        });
    }
    void gicv3() {
        to_.ranges("reg", {virt::kGicDistributor.base, virt::kGicDistributor.bytes,
                           virt::kGicRedistributors.base, virt::kGicRedistributors.bytes});
        to_.cells("#redistributor-regions", {1});
        to_.text("compatible", "arm,gic-v3");
    }
    void gicv2() {
        const Range d = virt::kGicDistributor, c = virt::kGicCpuInterface;
        if (machine_.has_el2) {
            const Range h = virt::kGicHypervisor, v = virt::kGicVirtualCpu;
            to_.ranges("reg", {d.base, d.bytes, c.base, c.bytes, h.base, h.bytes, v.base, v.bytes});
        } else {
            to_.ranges("reg", {d.base, d.bytes, c.base, c.bytes});
        }
        to_.text("compatible", "arm,cortex-a15-gic");
    }
    void message_controller() {
        const bool is_v3 = machine_.gic == GicVersion::V3;
        const Range range = is_v3 ? virt::kGicIts : virt::kGicV2m;
        to_.node(at(is_v3 ? "its" : "v2m", range), [&] {
            to_.cells("phandle", {kMsi});
            reg(range);
            if (is_v3) {
                to_.cells("#msi-cells", {1});
            }
            to_.flag("msi-controller");
            to_.text("compatible", is_v3 ? "arm,gic-v3-its" : "arm,gic-v2m-frame");
        });
    }

    // With EL3 the first bank is its firmware's, and Secure.
    void flash() {
        const Range first{virt::kFlash.base, virt::kFlashBankBytes};
        const Range second{first.end(), virt::kFlashBankBytes};
        const auto bank = [&](const std::string& name, std::initializer_list<u64> ranges,
                              bool is_secure) {
            to_.node(name, [&] {
                to_.cells("bank-width", {4});
                to_.ranges("reg", ranges);
                to_.text("compatible", "cfi-flash");
                if (is_secure) {
                    secure_only();
                }
            });
        };
        if (machine_.has_el3) {
            bank(at("secflash", first), {first.base, first.bytes}, true);
            bank(at("flash", second), {second.base, second.bytes}, false);
        } else {
            bank(at("flash", first), {first.base, first.bytes, second.base, second.bytes}, false);
        }
    }

    void cpus() {
        to_.node("cpus", [&] {
            to_.cells("#size-cells", {0});
            to_.cells("#address-cells", {1});
            to_.node("cpu-map", [&] { groups(0); });
            for (std::size_t i = 0; i < machine_.cpus.size(); ++i) {
                cpu(static_cast<u32>(i), static_cast<u32>(machine_.cpus[i]));
            }
        });
    }
    // The CPUs from `first` on that are in the same group, level by level, and so the groups.
    void groups(unsigned level, unsigned first = 0, unsigned end = ~0u) {
        constexpr const char* kNames[] = {"socket", "cluster", "core", "thread"};
        end = std::min(end, static_cast<unsigned>(machine_.cpus.size()));
        const unsigned leaf = machine_.topology.threads > 1 ? 3 : 2;
        while (first < end) {
            const unsigned group = group_of(first, level);
            unsigned next = first + 1;
            while (next < end && group_of(next, level) == group) {
                ++next;
            }
            to_.node(kNames[level] + std::to_string(group), [&] {
                level == leaf ? to_.cells("cpu", {kFirstCpu + first})
                              : groups(level + 1, first, next);
            });
            first = next;
        }
    }
    unsigned group_of(unsigned cpu, unsigned level) const {
        const CpuTopology::Place place = machine_.topology.place_of(cpu);
        return std::array{place.socket, place.cluster, place.core, place.thread}[level];
    }
    void cpu(u32 index, u32 affinity) {
        to_.node(at("cpu", affinity), [&] {
            to_.cells("phandle", {kFirstCpu + index});
            to_.cells("reg", {affinity});
            if (machine_.psci != PsciMethod::None) {
                to_.text("enable-method", "psci");
            }
            to_.text("compatible", "arm,armv8");
            to_.text("device_type", "cpu");
        });
    }

    const MachineDescription& machine_;
    TreeWriter to_;
};

} // namespace

std::vector<u8> make_device_tree(const MachineDescription& machine) {
    return Writer(machine).run();
}

} // namespace ulna::system
