// Devices, names and identifiers are those of QEMU's `virt`, in its order. Flash and the clock are
// not there, as they are firmware's: UEFI's variables and time services are made of them.
#include "runtime/system/acpi/dsdt.h"

#include <cstdio>

#include "runtime/devices/acpi_ged.h"
#include "runtime/system/acpi/aml.h"

namespace ulna::system::acpi {

namespace {

using namespace aml;
namespace virt = devices::virt;
using virt::Range;

constexpr unsigned intid(unsigned spi) { return virt::kFirstSpi + spi; }

// Such as C01F or VR31: QEMU counts processors in hexadecimal digits, slots in decimal ones.
template <typename... Values> std::string print(const char* format, Values... values) {
    char made[8];
    std::snprintf(made, sizeof made, format, values...);
    return made;
}

Terms processors(const MachineDescription& machine) {
    Terms all;
    for (unsigned i = 0; i < machine.cpus.size(); ++i) {
        all.push_back(device(print("C%.03X", i), {
                                                     name("_HID", text("ACPI0007")),
                                                     name("_UID", i),
                                                 }));
    }
    return all;
}

Term serial_port(unsigned n, Range range, unsigned spi) {
    return device(print("COM%u", n), {
                                         name("_HID", text("ARMH0011")),
                                         name("_UID", n),
                                         name("_CRS", resource_template({
                                                          memory32(range),
                                                          interrupt(intid(spi), Trigger::Level),
                                                      })),
                                     });
}

Term firmware_configuration() {
    constexpr u8 kPresentEnabledFunctioning = 0b1011; // and not shown to the user
    return device("FWCF", {
                              name("_HID", text("QEMU0002")),
                              name("_STA", kPresentEnabledFunctioning),
                              name("_CCA", 1),
                              name("_CRS", resource_template({memory32(virt::kFwCfg)})),
                          });
}

Terms virtio_slots() {
    Terms all;
    for (unsigned n = 0; n < virt::kVirtioSlots; ++n) {
        const unsigned line = intid(virt::spi::kVirtio + n);
        all.push_back(
            device(print("VR%02u", n), {
                                           name("_HID", text("LNRO0005")),
                                           name("_UID", n),
                                           name("_CCA", 1),
                                           name("_CRS", resource_template({
                                                            memory32(virt::virtio_slot(n)),
                                                            interrupt(line, Trigger::Level),
                                                        })),
                                       }));
    }
    return all;
}

// PCI's interrupts INTA to INTD, as devices that could be set, but are not.
constexpr unsigned kPins = 4;
std::string link(unsigned n) { return print("L%03u", n); }
Terms interrupt_links() {
    Terms all;
    for (unsigned n = 0; n < kPins; ++n) {
        const Term line =
            resource_template({interrupt(intid(virt::spi::kPcie + n), Trigger::Level)});
        all.push_back(device(link(n), {
                                          name("_HID", text("PNP0C0F")),
                                          name("_UID", n),
                                          name("_PRS", line),
                                          name("_CRS", line),
                                          method("_SRS", 1, {}),
                                      }));
    }
    return all;
}

// A slot's pins, rotated by its number: the device tree's interrupt-map for all slots.
Term interrupt_routing() {
    constexpr unsigned kSlots = 32, kSlotShift = 16, kAnyFunction = 0xffff;
    Terms rows;
    for (unsigned slot = 0; slot < kSlots; ++slot) {
        for (unsigned pin = 0; pin < kPins; ++pin) {
            rows.push_back(package(
                {slot << kSlotShift | kAnyFunction, pin, path(link((slot + pin) % kPins)), 0}));
        }
    }
    return variable_package(rows);
}

// PCI Firmware Specification 3.3, 4.5: which of a host bridge's features the system may control.
Term negotiate_capabilities() {
    constexpr u8 kAllControl = 0x1f; // hot plug, SHPC, power management, AER, capabilities
    constexpr u8 kUnknownUuid = 0x04, kUnknownRevision = 0x08, kMasked = 0x10;
    const Term status = path("CDW1"), supported = path("CDW2"), control = path("CDW3");
    const Term capabilities = argument(3), granted = path("CTRL");
    return method("_OSC", 4,
                  {
                      create_dword_field(capabilities, 0, "CDW1"),
                      if_then(equal(argument(0), uuid("33db4d5b-1ff7-401c-9657-7441c03dd766")),
                              {
                                  create_dword_field(capabilities, 4, "CDW2"),
                                  create_dword_field(capabilities, 8, "CDW3"),
                                  store(supported, path("SUPP")),
                                  store(control, granted),
                                  bit_and(granted, kAllControl, granted),
                                  if_then(logical_not(equal(argument(1), 1)),
                                          {bit_or(status, kUnknownRevision, status)}),
                                  if_then(logical_not(equal(control, granted)),
                                          {bit_or(status, kMasked, status)}),
                                  store(granted, control),
                                  give_back(capabilities),
                              }),
                      otherwise({
                          bit_or(status, kUnknownUuid, status),
                          give_back(capabilities),
                      }),
                  });
}

// PCI Firmware Specification 3.3, 4.6: function 0 says which others there are, which is none.
Term device_specific() {
    return method("_DSM", 4,
                  {
                      if_then(equal(argument(0), uuid("e5c937d0-3553-4d7a-9117-ea4d19c3434d")),
                              {if_then(equal(argument(2), 0), {give_back(buffer({1}))})}),
                      give_back(buffer({0})),
                  });
}

Term pci_root() {
    return device(
        "PCI0", {
                    name("_HID", text("PNP0A08")),
                    name("_CID", text("PNP0A03")),
                    name("_SEG", 0),
                    name("_BBN", 0),
                    name("_UID", 0),
                    name("_STR", unicode("PCIe 0 Device")),
                    name("_CCA", 1),
                    name("_PRT", interrupt_routing()),
                    method("_CBA", 0, {give_back(virt::kPcieEcam.base)}),
                    name("_CRS", resource_template({
                                     bus_numbers(0, 0xff),
                                     memory_window32(virt::kPcieMmio),
                                     io_window({0, virt::kPciePio.bytes}, virt::kPciePio.base),
                                     memory_window64(virt::kPcieMmioHigh),
                                 })),
                    name("SUPP", 0),
                    name("CTRL", 0),
                    negotiate_capabilities(),
                    device_specific(),
                    device("RES0",
                           {
                               name("_HID", text("PNP0C02")),
                               name("_CRS", resource_template({memory_window64(virt::kPcieEcam)})),
                           }),
                });
}

// What happened is in a register that a read clears.
Term event_device() {
    constexpr u8 kStatusChange = 0x80;
    using devices::AcpiGed;
    constexpr u32 kPowerButton = AcpiGed::kPowerButton;
    const Term events = local(0);
    return device(
        "\\_SB.GED",
        {
            name("_HID", text("ACPI0013")),
            name("_UID", text("GED")),
            name("_CRS", resource_template({interrupt(intid(virt::spi::kAcpiGed), Trigger::Edge)})),
            operation_region("EREG", {virt::kAcpiGed.base, AcpiGed::kEventBytes}),
            dword_field("EREG", {{"ESEL", 32}}),
            method("_EVT", 1,
                   {
                       store(path("ESEL"), events),
                       if_then(equal(bit_and(events, kPowerButton), kPowerButton),
                               {notify("PWRB", kStatusChange)}),
                   },
                   Serialized::Yes),
        });
}

Term power_button() {
    return device("PWRB", {
                              name("_HID", text("PNP0C0C")),
                              name("_UID", 0),
                          });
}

} // namespace

Bytes dsdt_body(const MachineDescription& machine) {
    Terms all = processors(machine);
    const auto add = [&](const Terms& terms) { all.insert(all.end(), terms.begin(), terms.end()); };
    add({serial_port(0, virt::kUart, virt::spi::kUart)});
    if (machine.has_second_uart && !machine.has_el3) { // else it is Secure
        add({serial_port(1, virt::kSecondUart, virt::spi::kSecondUart)});
    }
    add({firmware_configuration()});
    add(virtio_slots());
    if (machine.has_pcie) {
        add(interrupt_links());
        add({pci_root()});
    }
    add({event_device(), power_button()});
    return scope("\\_SB", all).bytes;
}

} // namespace ulna::system::acpi
