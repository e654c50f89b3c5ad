// Kernels in the forms in which they come: Linux `Image`, plain, in gzip or as an EFI zboot
// executable; ELF; and bytes without any header.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/devices/device.h"
#include "runtime/devices/virt_map.h"

namespace ulna::system {

struct KernelImage {
    enum class Kind : u8 { Linux, Elf, Raw };
    struct Segment {
        devices::PhysAddr at = 0;
        std::vector<u8> bytes;
    };
    Kind kind = Kind::Raw;
    std::vector<Segment> segments;
    devices::PhysAddr entry = 0;
    // The memory that is the kernel's, what it zeroes included; page-aligned.
    devices::PhysAddr low = 0, end = 0;
};

// Nothing, with a reason of one line, when it is none, or one that does not fit in RAM.
[[nodiscard]] std::optional<KernelImage>
parse_kernel(std::vector<u8> file, devices::virt::Range ram, std::string& why_not);

// An ELF file as a kernel: boot_elf.cpp.
[[nodiscard]] bool is_elf(const std::vector<u8>& file);
[[nodiscard]] std::optional<KernelImage>
parse_elf_kernel(const std::vector<u8>& file, devices::virt::Range ram, std::string& why_not);
// Whether [at, at + bytes) is in RAM; false with a reason.
[[nodiscard]] bool
fits(devices::PhysAddr at, u64 bytes, devices::virt::Range ram, std::string& why_not);

} // namespace ulna::system
