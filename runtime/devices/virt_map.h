// Where the parts of a machine are and which interrupts they have: QEMU's `virt`, because firmware
// for that machine (EDK2, U-Boot) is built for these addresses instead of asking the device tree.
#pragma once

#include "runtime/devices/device.h"

namespace ulna::devices::virt {

struct Range {
    PhysAddr base;
    u64 bytes;
    [[nodiscard]] constexpr PhysAddr end() const { return base + bytes; }
};

// clang-format off
inline constexpr Range
    kFlash            {0x0000'0000, 0x0800'0000}, // two banks of half of it
    kGicDistributor   {0x0800'0000, 0x0001'0000}, // GICD, of GICv2 and GICv3
    kGicCpuInterface  {0x0801'0000, 0x0001'0000}, // GICC, of GICv2
    kGicV2m           {0x0802'0000, 0x0000'1000}, // MSI frame, of GICv2
    kGicHypervisor    {0x0803'0000, 0x0001'0000}, // GICH, of GICv2 with EL2
    kGicVirtualCpu    {0x0804'0000, 0x0001'0000}, // GICV, of GICv2 with EL2
    kGicIts           {0x0808'0000, 0x0002'0000}, // GITS, of GICv3
    kGicRedistributors{0x080a'0000, 0x00f6'0000}, // GICR, of GICv3: kGicRedistributorBytes a CPU
    kUart             {0x0900'0000, 0x0000'1000}, // PL011
    kRtc              {0x0901'0000, 0x0000'1000}, // PL031
    kFwCfg            {0x0902'0000, 0x0000'0018},
    kGpio             {0x0903'0000, 0x0000'1000}, // PL061
    kSecondUart       {0x0904'0000, 0x0000'1000}, // PL011; with EL3 Secure only
    kSmmu             {0x0905'0000, 0x0002'0000},
    kAcpiGed          {0x0908'0000, 0x0000'0018},
    kNvdimmAcpi       {0x0909'0000, 0x0000'0004},
    kPvtime           {0x090a'0000, 0x0001'0000},
    kSecureGpio       {0x090b'0000, 0x0000'1000}, // PL061, Secure only
    kVirtioMmio       {0x0a00'0000, 0x0000'4000}, // kVirtioSlots of kVirtioSlotBytes
    kPlatformBus      {0x0c00'0000, 0x0200'0000},
    kSecureRam        {0x0e00'0000, 0x0100'0000},
    kPcieMmio         {0x1000'0000, 0x2eff'0000},
    kPciePio          {0x3eff'0000, 0x0001'0000},
    kPcieEcamLow      {0x3f00'0000, 0x0100'0000}, // 16 buses
    kPcieEcam         {0x40'1000'0000, 0x1000'0000}, // 256 buses: "highmem"
    kPcieMmioHigh     {0x80'0000'0000, 0x80'0000'0000};
// clang-format on
inline constexpr PhysAddr kRam = 0x4000'0000;
inline constexpr u64 kMaxRamBytes = u64{255} << 30; // RAM ends at 256 GiB, where kPcieEcam is
inline constexpr u64 kFlashBankBytes = kFlash.bytes / 2;
inline constexpr u64 kFlashSectorBytes = 256 << 10;

inline constexpr u64 kGicRedistributorBytes = 0x2'0000; // RD_base and SGI_base, no VLPIs
inline constexpr unsigned kMaxCpus = 64;
inline constexpr unsigned kMaxGicV2Cpus = 8;

inline constexpr unsigned kVirtioSlots = 32;
inline constexpr u64 kVirtioSlotBytes = 0x200;
static_assert(kVirtioSlots * kVirtioSlotBytes == kVirtioMmio.bytes);
[[nodiscard]] constexpr Range virtio_slot(unsigned n) {
    return {kVirtioMmio.base + n * kVirtioSlotBytes, kVirtioSlotBytes};
}

// INTIDs: PPIs are 16..31 in every CPU, SPIs start at 32.
inline constexpr unsigned kFirstPpi = 16, kFirstSpi = 32;
inline constexpr unsigned kSpis = 256; // that the interrupt controller has
namespace ppi {
inline constexpr unsigned kPmu = 23, kGicMaintenance = 25, kHypervisorTimer = 26,
                          kVirtualTimer = 27, kHypervisorVirtualTimer = 28,
                          kSecurePhysicalTimer = 29, kPhysicalTimer = 30;
} // namespace ppi
// Numbered from kFirstSpi, as device trees have them.
namespace spi {
inline constexpr unsigned kSecureGpio = 0, kUart = 1, kRtc = 2, kPcie = 3 /* to 6: INTA to INTD */,
                          kGpio = 7, kSecondUart = 8, kAcpiGed = 9, kVirtio = 16 /* + slot */,
                          kV2m = 48 /* + message */, kSmmu = 74, kPlatformBus = 112;
inline constexpr unsigned kV2mMessages = 64;
} // namespace spi

// Pins of the PL061.
inline constexpr unsigned kPowerKeyPin = 3;
// Of the Secure one.
inline constexpr unsigned kPowerOffPin = 0, kRestartPin = 1;

inline constexpr u32 kApbClockHz = 24'000'000;

} // namespace ulna::devices::virt
