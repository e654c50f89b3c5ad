#include "runtime/system/boot_image.h"
#include "runtime/system/load_item.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>

#include "runtime/devices/physical_memory.h"
#include "runtime/system/boot.h"
#include "runtime/system/boot_file.h"
#include "tests/support/elf_header.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

using devices::virt::Range;
using test::TemporaryFile;
using Bytes = std::vector<u8>;

constexpr Range kRam{0x4000'0000, 64 << 20};

void put(Bytes& to, std::size_t at, const void* from, std::size_t bytes) {
    to.resize(std::max(to.size(), at + bytes));
    std::memcpy(to.data() + at, from, bytes);
}
template <class T> void put(Bytes& to, std::size_t at, T value) {
    put(to, at, &value, sizeof value);
}

Bytes linux_image(u64 text_offset, u64 image_size, std::size_t bytes = 0x3000) {
    Bytes file(bytes, 0xaa);
    put(file, 8, text_offset);
    put(file, 16, image_size);
    put(file, 24, u64{0xa});
    put(file, 56, "ARM\x64", 4);
    return file;
}

Bytes gzip(const Bytes& from) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    Bytes to(deflateBound(&stream, from.size()) + 64);
    stream.next_in = const_cast<u8*>(from.data());
    stream.avail_in = static_cast<uInt>(from.size());
    stream.next_out = to.data();
    stream.avail_out = static_cast<uInt>(to.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    to.resize(stream.total_out);
    deflateEnd(&stream);
    return to;
}
Bytes zstd(const Bytes& from) {
    Bytes to(ZSTD_compressBound(from.size()));
    to.resize(ZSTD_compress(to.data(), to.size(), from.data(), from.size(), 3));
    return to;
}
Bytes zboot(const Bytes& payload, const char* compression) {
    Bytes file(64);
    put(file, 0, "MZ\0\0zimg", 8);
    put(file, 8, u32{64});
    put(file, 12, static_cast<u32>(payload.size()));
    put(file, 24, compression, std::strlen(compression));
    put(file, 64, payload.data(), payload.size());
    return file;
}

// Code for 0x80000000.. linked at virtual addresses, with 0x100 bytes of file and a page in memory.
Bytes elf(u16 machine = EM_AARCH64, u64 physical = 0x4100'0000, u64 file_bytes = 0x100) {
    Bytes file(0x1100, 0xbb);
    Elf64_Ehdr header = test::arm_program_header(0xffff'8000'0000'0010, 2);
    header.e_machine = machine;
    put(file, 0, header);
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_offset = 0x1000;
    segment.p_vaddr = 0xffff'8000'0000'0000;
    segment.p_paddr = physical;
    segment.p_filesz = file_bytes;
    segment.p_memsz = 0x1000;
    put(file, sizeof header, segment);
    segment.p_type = PT_NOTE;
    segment.p_paddr = 0;
    put(file, sizeof header + sizeof segment, segment);
    return file;
}

KernelImage parsed(Bytes file) {
    std::string why_not;
    const std::optional<KernelImage> image = parse_kernel(std::move(file), kRam, why_not);
    CHECK(why_not == "");
    return image.value_or(KernelImage{});
}
std::string refused(Bytes file) {
    std::string why_not;
    CHECK_FALSE(parse_kernel(std::move(file), kRam, why_not));
    return why_not;
}

TEST_CASE("a Linux image goes to its offset from RAM's start", "[boot]") {
    const KernelImage image = parsed(linux_image(0, 0x12'3456));
    CHECK(image.kind == KernelImage::Kind::Linux);
    CHECK(image.entry == 0x4000'0000);
    CHECK(image.low == 0x4000'0000);
    CHECK(image.end == 0x4012'4000);
    CHECK(parsed(linux_image(0x8'0000, 0x10'0000)).entry == 0x4008'0000);
    // Before Linux 3.17 the offset's byte order is unknown, and its value is not.
    CHECK(parsed(linux_image(0x0008'0000'0000'0000, 0)).entry == 0x4008'0000);
    CHECK(refused(linux_image(0, u64{1} << 40)) == "the kernel does not fit in 64 MiB of RAM");
    CHECK(refused(linux_image(~u64{0} - 100, 1)) == "the kernel does not fit in 64 MiB of RAM");
    CHECK(refused(linux_image(0, ~u64{0})) == "the kernel does not fit in 64 MiB of RAM");
}

TEST_CASE("packed kernels are unpacked", "[boot]") {
    const Bytes image = linux_image(0, 0x10'0000, 0x30'0000);
    for (const Bytes& packed :
         {gzip(image), zboot(gzip(image), "gzip"), zboot(zstd(image), "zstd22")}) {
        CHECK(parsed(packed).segments.at(0).bytes == image);
        const auto half = static_cast<std::ptrdiff_t>(packed.size() / 2);
        CHECK(refused(Bytes(packed.begin(), packed.begin() + half)).find("cut short") !=
              std::string::npos);
    }
    CHECK(refused(zboot(image, "xzkern")) ==
          "an EFI zboot image packed with something else than gzip and zstd");
    // More than RAM holds.
    CHECK(refused(gzip(Bytes(100 << 20))) == "gzip: more than 64 MiB");
    CHECK(refused(zboot(zstd(Bytes(100 << 20)), "zstd")) == "zstd: more than 64 MiB");
}

TEST_CASE("ELF kernels go to their physical addresses", "[boot]") {
    const KernelImage image = parsed(elf());
    CHECK(image.kind == KernelImage::Kind::Elf);
    CHECK(image.entry == 0x4100'0010);
    REQUIRE(image.segments.size() == 1);
    CHECK(image.segments[0].at == 0x4100'0000);
    CHECK(image.segments[0].bytes == Bytes(0x100, 0xbb));
    CHECK(image.end == 0x4100'1000);
    CHECK(refused(elf(EM_X86_64)) == "an ELF file for another machine than little-endian AArch64");
    CHECK(refused(elf(EM_AARCH64, 0x1000)) == "what belongs at 0x1000 is not in RAM");
    CHECK(refused(elf(EM_AARCH64, ~u64{0} - 0xff)).find("not in RAM") != std::string::npos);
    CHECK(refused(elf(EM_AARCH64, 0x4100'0000, 0x101)) == "an ELF file that is cut short");
    CHECK(refused({0x7f, 'E', 'L', 'F'}) == "a damaged ELF file");
    Bytes none = elf();
    put(none, 64, u32{PT_NOTE});
    CHECK(refused(none) == "an ELF file with nothing to load");
}

TEST_CASE("other bytes are code for the usual place, unless they are known to be none", "[boot]") {
    const KernelImage image = parsed(Bytes(100, 0x1f));
    CHECK(image.kind == KernelImage::Kind::Raw);
    CHECK(image.entry == 0x4008'0000);
    CHECK(refused({}) == "an empty file");
    Bytes file(0x400);
    put(file, 0x202, "HdrS", 4);
    CHECK(refused(file) == "a kernel for x86");
    CHECK(refused({'M', 'Z', 0, 0}) == "an EFI program; it wants firmware (-bios)");
    CHECK(refused({'Q', 'F', 'I', 0xfb}) == "a disk image; use -drive");
}

TEST_CASE("damaged images never crash", "[boot]") {
    const Bytes image = linux_image(0, 0x10'0000);
    const Bytes seeds[] = {image, elf(), gzip(image), zboot(gzip(image), "gzip"),
                           zboot(zstd(image), "zstd")};
    u64 random = test::seed(7);
    std::string why_not;
    for (const Bytes& seed : seeds) {
        for (int i = 0; i < 3000; ++i) {
            Bytes file = seed;
            for (int j = 0; j < 4; ++j) {
                random = random * 6364136223846793005 + 1442695040888963407;
                const std::size_t within =
                    (random >> 60) < 12 ? std::min<std::size_t>(file.size(), 180) : file.size();
                file[(random >> 20) % within] = static_cast<u8>(random >> 52);
            }
            if (i % 4 == 0) {
                file.resize((random >> 30) % file.size());
            }
            why_not.clear();
            const std::optional<KernelImage> parsed = parse_kernel(file, kRam, why_not);
            REQUIRE(parsed.has_value() == why_not.empty());
            for (const KernelImage::Segment& segment : parsed.value_or(KernelImage{}).segments) {
                REQUIRE(fits(segment.at, segment.bytes.size(), kRam, why_not));
            }
        }
    }
}

// A machine with RAM, and the files of a test.
struct Machine {
    devices::PhysicalMemory memory;
    MachineDescription description;
    std::string why_not;

    explicit Machine(u64 ram_bytes = kRam.bytes) {
        description.ram_bytes = ram_bytes;
        REQUIRE(memory.add_ram(kRam.base, ram_bytes, why_not) != nullptr);
    }
    u64 word(u64 at) const {
        u64 value = 0;
        REQUIRE(memory.read(at, 4, value));
        return value;
    }
};
constexpr u32 kTreeMagic = 0xedfe0dd0;

TEST_CASE("kernel, initrd and tree are put into memory", "[boot]") {
    Machine m;
    const TemporaryFile kernel(linux_image(0, 0x10'0000)), initrd(Bytes(5000, 0x11));
    const std::optional<BootState> state = load_boot(
        {.kernel = kernel.path(), .initrd = initrd.path(), .command_line = "quiet", .seed = 1},
        m.description, m.memory, m.why_not);
    CHECK(m.why_not == "");
    REQUIRE(state);
    CHECK(state->pc == 0x4000'0000);
    CHECK(state->is_linux);
    CHECK(m.word(0x4000'2000) == 0xaaaa'aaaa);
    CHECK(m.word(0x4200'0000) == 0x1111'1111); // half of RAM
    CHECK(m.word(0x4200'0000 + 4996) == 0x1111'1111);
    CHECK(state->x0 == 0x4220'0000);
    CHECK(m.word(state->x0) == kTreeMagic);
    // The same seed makes the same machine.
    CHECK(
        boot_device_tree(
            {.kernel = kernel.path(), .initrd = initrd.path(), .command_line = "quiet", .seed = 1},
            m.description, m.why_not) == state->device_tree);
}

TEST_CASE("a large kernel moves what follows it", "[boot]") {
    Machine m;
    const TemporaryFile kernel(linux_image(0, 40 << 20)), initrd(Bytes(1000, 0x11));
    const std::optional<BootState> state = load_boot(
        {.kernel = kernel.path(), .initrd = initrd.path()}, m.description, m.memory, m.why_not);
    REQUIRE(state);
    CHECK(m.word(0x4000'0000 + (40 << 20)) == 0x1111'1111);
    CHECK(m.word(state->x0) == kTreeMagic);
    Machine small(8 << 20);
    const TemporaryFile whole(linux_image(0, 8 << 20));
    CHECK_FALSE(
        load_boot({.kernel = whole.path()}, small.description, small.memory, small.why_not));
    CHECK(small.why_not == "no room for the device tree in 8 MiB of RAM");
    CHECK_FALSE(load_boot({.kernel = whole.path(), .initrd = initrd.path()}, small.description,
                          small.memory, small.why_not));
    CHECK(small.why_not == initrd.path() + ": kernel and initrd do not fit in 8 MiB of RAM");
}

TEST_CASE("firmware and bare-metal code find the tree at RAM's start", "[boot]") {
    Machine m;
    const std::optional<BootState> firmware = load_boot(
        {.kernel = "/nonexistent", .has_firmware = true}, m.description, m.memory, m.why_not);
    REQUIRE(firmware);
    CHECK(firmware->pc == 0);
    CHECK(firmware->x0 == 0);
    CHECK(m.word(0x4000'0000) == kTreeMagic);
    Machine bare;
    const TemporaryFile program(elf());
    const std::optional<BootState> state =
        load_boot({.kernel = program.path()}, bare.description, bare.memory, bare.why_not);
    REQUIRE(state);
    CHECK(state->pc == 0x4100'0010);
    CHECK(state->x0 == 0x4000'0000);
    CHECK_FALSE(state->is_linux);
}

TEST_CASE("what is loaded beside a kernel is where it says, in its order", "[boot]") {
    Machine m;
    const TemporaryFile program(elf()), text("abcdefgh");
    std::optional<devices::PhysAddr> start;
    const auto load = [&](const std::vector<LoadItem>& items) {
        return load_items(items, kRam, m.memory, start, m.why_not);
    };
    REQUIRE(load({{.file = text.path(), .address = 0x4200'0000},
                  {.data = {0x78, 0x56, 0x34, 0x12}, .address = 0x4200'0004},
                  {.file = program.path(), .starts = true}}));
    CHECK(m.word(0x4200'0000) == 0x6463'6261);
    CHECK(m.word(0x4200'0004) == 0x1234'5678);
    CHECK(start == 0x4100'0010);
    REQUIRE(load({{.file = program.path(), .raw = true, .address = 0x4300'0000},
                  {.address = 0x4300'0040, .starts = true}}));
    CHECK(m.word(0x4300'0000) == 0x464c'457f);
    CHECK(start == 0x4300'0040);

    CHECK_FALSE(load({{.file = text.path()}}));
    CHECK(m.why_not == text.path() + ": no ELF file, so that addr= is needed");
    CHECK_FALSE(load({{.file = text.path(), .address = kRam.base + kRam.bytes - 4}}));
    CHECK(m.why_not == text.path() + ": what it loads is not all in RAM");
    CHECK_FALSE(load({{.data = {1}, .address = 0x1000}}));
    CHECK(m.why_not == "-device loader: what it loads is not all in RAM");
    CHECK_FALSE(load({{.file = "/nonexistent"}}));
    CHECK(m.why_not == "/nonexistent: No such file or directory");
}

TEST_CASE("what cannot be loaded is named", "[boot]") {
    Machine m;
    const auto why = [&m](const BootRequest& request) {
        CHECK_FALSE(load_boot(request, m.description, m.memory, m.why_not));
        return m.why_not;
    };
    const TemporaryFile kernel(linux_image(0, 0)), empty(""), large(Bytes(65 << 20));
    CHECK(why({.kernel = "/nonexistent"}) == "/nonexistent: No such file or directory");
    CHECK(why({.kernel = "/"}) == "/: Is a directory");
    CHECK(why({.kernel = empty.path()}) == empty.path() + ": an empty file");
    CHECK(why({.kernel = kernel.path(), .initrd = "/nonexistent"}) ==
          "/nonexistent: No such file or directory");
    CHECK(why({.kernel = kernel.path(), .initrd = large.path()}) ==
          large.path() + ": more than 64 MiB");
    CHECK(why({.kernel = "/dev/zero"}) == "/dev/zero: more than 64 MiB"); // which has no size
    CHECK(why({.kernel = kernel.path(), .device_tree = kernel.path()}) ==
          kernel.path() + ": not a flattened device tree, or a damaged one");
    CHECK(why({.kernel = kernel.path(), .command_line = std::string(3 << 20, 'x')}) ==
          "a device tree of more than 2 MiB; is -append that long?");
}

} // namespace
} // namespace ulna::system
