#include "runtime/system/boot_image.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "ir/support/bits.h"
#include "runtime/system/boot_file.h"

namespace ulna::system {

namespace {

using devices::virt::Range;

constexpr u64 kPage = 4096;

// linux/Documentation/arch/arm64/booting.rst, "Call the kernel image". Little-endian.
struct ImageHeader {
    u32 code0, code1;
    u64 text_offset; // from a 2 MiB boundary
    u64 image_size;  // with what is not in the file; 0 before Linux 3.17
    u64 flags;
    u64 reserved[3];
    char magic[4];
    u32 pe_header;
};
static_assert(sizeof(ImageHeader) == 64);
constexpr std::string_view kImageMagic = "ARM\x64";
constexpr u64 kOldTextOffset = 0x80000;

// linux/drivers/firmware/efi/libstub/zboot-header.S.
struct ZbootHeader {
    char mz[4];
    char magic[4];
    u32 payload_offset, payload_bytes;
    u32 reserved[2];
    char compression[32];
    u32 linux_pe_magic, pe_header;
};
static_assert(sizeof(ZbootHeader) == 64);
constexpr std::string_view kZbootMagic = "zimg";

template <class Header> std::optional<Header> header_of(const std::vector<u8>& file) {
    Header header;
    if (file.size() < sizeof header) {
        return std::nullopt;
    }
    std::memcpy(&header, file.data(), sizeof header);
    return header;
}

bool has_magic(const std::vector<u8>& file, std::size_t at, std::string_view magic) {
    return file.size() >= at + magic.size() &&
           std::memcmp(file.data() + at, magic.data(), magic.size()) == 0;
}

// What people pass by mistake, and would see only hang.
const char* foreign_kind(const std::vector<u8>& file) {
    struct Foreign {
        std::size_t at;
        std::string_view magic;
        const char* what;
    };
    using namespace std::string_view_literals;
    static constexpr Foreign kForeign[] = {
        {0x24, "\x18\x28\x6f\x01"sv, "a kernel for 32-bit Arm"},
        {0x202, "HdrS"sv, "a kernel for x86"},
        {0, "\x27\x05\x19\x56"sv, "a U-Boot image (mkimage); pass the Image that it was made of"},
        {0, "\xd0\x0d\xfe\xed"sv, "a device tree or FIT image"},
        {0, "MZ"sv, "an EFI program; it wants firmware (-bios)"},
        {0, "QFI\xfb"sv, "a disk image; use -drive"},
        {0, "BZh"sv, "packed with bzip2, which kernels are not"},
        {0, "\xfd\x37zXZ"sv, "packed with xz; unpack it first"},
        {0, "\x28\xb5\x2f\xfd"sv, "packed with zstd; unpack it first"},
    };
    for (const Foreign& foreign : kForeign) {
        if (has_magic(file, foreign.at, foreign.magic)) {
            return foreign.what;
        }
    }
    return nullptr;
}

std::optional<std::vector<u8>>
unpack_zboot(const std::vector<u8>& file, u64 most_bytes, std::string& why_not) {
    const ZbootHeader header = *header_of<ZbootHeader>(file);
    if (header.payload_offset > file.size() ||
        header.payload_bytes > file.size() - header.payload_offset) {
        why_not = "an EFI zboot image that is cut short";
        return std::nullopt;
    }
    const std::span payload = std::span(file).subspan(header.payload_offset, header.payload_bytes);
    const std::string compression(header.compression,
                                  strnlen(header.compression, sizeof header.compression));
    if (compression.starts_with("gzip")) {
        return unpack_gzip(payload, most_bytes, why_not);
    }
    if (compression.starts_with("zstd")) {
        return unpack_zstd(payload, most_bytes, why_not);
    }
    why_not = "an EFI zboot image packed with something else than gzip and zstd";
    return std::nullopt;
}

// A page-aligned kernel of one segment.
std::optional<KernelImage> one_segment(KernelImage::Kind kind,
                                       std::vector<u8> file,
                                       u64 offset,
                                       u64 memory_bytes,
                                       Range ram,
                                       std::string& why_not) {
    memory_bytes = std::max<u64>(memory_bytes, file.size());
    if (offset > ram.bytes || !fits(ram.base + offset, memory_bytes, ram, why_not)) {
        why_not = "the kernel does not fit in " + std::to_string(ram.bytes >> 20) + " MiB of RAM";
        return std::nullopt;
    }
    KernelImage image;
    image.kind = kind;
    image.entry = ram.base + offset;
    image.low = align_down(image.entry, kPage);
    image.end = align_up(image.entry + memory_bytes, kPage);
    image.segments.push_back({image.entry, std::move(file)});
    return image;
}

std::optional<KernelImage>
parse_linux(std::vector<u8> file, const ImageHeader& header, Range ram, std::string& why_not) {
    const bool is_old = header.image_size == 0;
    return one_segment(KernelImage::Kind::Linux, std::move(file),
                       is_old ? kOldTextOffset : header.text_offset, header.image_size, ram,
                       why_not);
}

} // namespace

bool fits(devices::PhysAddr at, u64 bytes, Range ram, std::string& why_not) {
    if (at >= ram.base && at - ram.base <= ram.bytes && bytes <= ram.bytes - (at - ram.base)) {
        return true;
    }
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, at, 16).ptr;
    why_not = "what belongs at 0x" + std::string(digits, end) + " is not in RAM";
    return false;
}

std::optional<KernelImage> parse_kernel(std::vector<u8> file, Range ram, std::string& why_not) {
    std::optional<std::vector<u8>> unpacked;
    if (has_magic(file, 0, "MZ") && has_magic(file, 4, kZbootMagic) &&
        file.size() >= sizeof(ZbootHeader)) {
        unpacked = unpack_zboot(file, ram.bytes, why_not);
    } else if (is_gzip(file)) {
        unpacked = unpack_gzip(file, ram.bytes, why_not);
    } else {
        unpacked = std::move(file);
    }
    if (!unpacked) {
        return std::nullopt;
    }
    file = std::move(*unpacked);
    if (file.empty()) {
        why_not = "an empty file";
        return std::nullopt;
    }
    if (is_elf(file)) {
        return parse_elf_kernel(file, ram, why_not);
    }
    if (const std::optional<ImageHeader> header = header_of<ImageHeader>(file);
        header && std::string_view(header->magic, sizeof header->magic) == kImageMagic) {
        return parse_linux(std::move(file), *header, ram, why_not);
    }
    if (const char* const what = foreign_kind(file)) {
        why_not = what;
        return std::nullopt;
    }
    return one_segment(KernelImage::Kind::Raw, std::move(file), kOldTextOffset, 0, ram, why_not);
}

} // namespace ulna::system
