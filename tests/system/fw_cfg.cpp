#include "runtime/devices/fw_cfg.h"

#include "runtime/system/boot_firmware.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"

namespace ulna::devices {
namespace {

constexpr u64 kRam = 0x4000'0000;

struct Fixture {
    PhysicalMemory memory;
    std::string why_not;
    FwCfg device{memory};

    Fixture() { REQUIRE(memory.add_ram(kRam, 0x10000, why_not) != nullptr); }
    void select(u16 key) { device.write(8, 2, __builtin_bswap16(key)); }
    std::string text(u16 key, unsigned bytes) {
        select(key);
        std::string to;
        for (unsigned i = 0; i < bytes; ++i) {
            to += static_cast<char>(device.read(0, 1));
        }
        return to;
    }
    // As firmware does it: in two halves.
    u32 dma(u32 control, u32 length, u64 address, u64 at = kRam) {
        const u32 words[] = {__builtin_bswap32(control), __builtin_bswap32(length)};
        const u64 to = __builtin_bswap64(address);
        (void)memory.write_ram(at, words, 8);
        (void)memory.write_ram(at + 8, &to, 8);
        device.write(16, 4, __builtin_bswap32(static_cast<u32>(at >> 32)));
        device.write(20, 4, __builtin_bswap32(static_cast<u32>(at)));
        u64 result = ~u64{0};
        (void)memory.read(at, 4, result);
        return __builtin_bswap32(static_cast<u32>(result));
    }
};

TEST_CASE("fw_cfg shows its signature and numbers", "[fw_cfg]") {
    Fixture f;
    CHECK(f.text(FwCfg::kSignature, 6) == std::string("QEMU\0\0", 6));
    f.select(FwCfg::kId);
    CHECK(f.device.read(0, 4) == 3);
    f.select(FwCfg::kSignature);
    CHECK(f.device.read(0, 8) == 0x554d4551); // the first byte is the lowest
    CHECK(f.device.read(16, 8) == 0x4746'4320'554d'4551);
    CHECK(f.device.read(16, 4) == 0x554d'4551);
    CHECK(f.device.read(20, 4) == 0x4746'4320);
    f.select(0x1234);
    CHECK(f.device.read(0, 8) == 0);
}

TEST_CASE("files are found in the directory", "[fw_cfg]") {
    Fixture f;
    CHECK(f.device.add_file("opt/b", {'b', 'b'}, f.why_not));
    CHECK(f.device.add_file("etc/a", {'a'}, f.why_not));
    CHECK_FALSE(f.device.add_file("etc/a", {'a'}, f.why_not));
    CHECK(f.why_not == "there is another one");
    CHECK_FALSE(f.device.add_file(std::string(56, 'x'), {}, f.why_not));
    const std::string directory = f.text(FwCfg::kFileDirectory, 4 + 2 * 64);
    CHECK(directory.substr(0, 4) == std::string("\0\0\0\2", 4));
    CHECK(directory.substr(4, 14) == std::string("\0\0\0\1\0\x21\0\0etc/a\0", 14));
    CHECK(directory.substr(68, 14) == std::string("\0\0\0\2\0\x20\0\0opt/b\0", 14));
    CHECK(f.text(0x20, 2) == "bb");
}

TEST_CASE("DMA copies items into memory", "[fw_cfg]") {
    Fixture f;
    CHECK(f.device.add_file("x", {1, 2, 3, 4, 5}, f.why_not));
    constexpr u32 kSelectX = 0x20 << 16 | 8, kRead = 2, kSkip = 4, kWrite = 16;
    (void)f.memory.write(kRam + 0x100, 8, ~u64{0});
    CHECK(f.dma(kSelectX | kRead, 3, kRam + 0x100) == 0);
    u64 value = 0;
    CHECK(f.memory.read(kRam + 0x100, 8, value));
    CHECK(value == 0xffffffffff030201);
    // From there on; zeros behind the end.
    CHECK(f.dma(kRead, 4, kRam + 0x100) == 0);
    CHECK(f.memory.read(kRam + 0x100, 8, value));
    CHECK(value == 0xffffffff00000504);
    CHECK(f.dma(kSelectX | kSkip, 4, 0) == 0);
    CHECK(f.device.read(0, 1) == 5);
    CHECK(f.dma(kSelectX | kWrite, 1, kRam + 0x100) == 1);
    // Lengths and places that memory does not have.
    CHECK(f.dma(kSelectX | kRead, 0xffff'ffff, kRam + 0x100) == 1);
    CHECK(f.dma(kSelectX | kRead, 4, 0x1000) == 1);
    CHECK(f.dma(kSelectX | kRead, 4, ~u64{0} - 1) == 1);
    CHECK(f.dma(kSelectX | kRead, 0, 0) == 0);
    CHECK(f.dma(kSelectX | kSkip, 0xffff'ffff, 0) == 0);
    CHECK(f.device.read(0, 8) == 0);
    f.device.write(16, 8, __builtin_bswap64(0x123)); // a request that is not in memory
    f.device.write(16, 8, ~u64{0});
}

TEST_CASE("registers that fw_cfg does not have", "[fw_cfg]") {
    Fixture f;
    for (u64 offset = 0; offset < 24; ++offset) {
        for (const unsigned bytes : {1u, 2u, 4u, 8u}) {
            if (offset % bytes == 0) {
                (void)f.device.read(offset, bytes);
                f.device.write(offset, bytes, 0x5a5a'5a5a'5a5a'5a5a);
            }
        }
    }
    f.device.reset();
    CHECK(f.device.read(0, 4) == 0x554d4551);
}

TEST_CASE("firmware gets kernel, initrd and command line", "[fw_cfg]") {
    Fixture f;
    const test::TemporaryFile kernel("MZ kernel"), initrd("disk");
    system::MachineDescription machine;
    machine.cpus = {0, 1};
    const system::BootRequest request{.kernel = kernel.path(),
                                      .initrd = initrd.path(),
                                      .command_line = "quiet",
                                      .has_firmware = true};
    REQUIRE(system::add_firmware_items(f.device, request, machine,
                                       {{"opt/t", "text", ""}, {"opt/f", "", initrd.path()}},
                                       f.why_not));
    CHECK(f.text(FwCfg::kKernelData, 9) == "MZ kernel");
    f.select(FwCfg::kKernelBytes);
    CHECK(f.device.read(0, 4) == 9);
    CHECK(f.text(FwCfg::kInitrdData, 4) == "disk");
    f.select(FwCfg::kCommandLineBytes);
    CHECK(f.device.read(0, 4) == 6);
    CHECK(f.text(FwCfg::kCommandLineData, 6) == std::string("quiet\0", 6));
    f.select(FwCfg::kCpus);
    CHECK(f.device.read(0, 2) == 2);
    CHECK(f.text(0x20, 4) == "text");
    CHECK(f.text(0x21, 4) == "disk");
    CHECK_FALSE(system::add_firmware_items(f.device, {}, machine, {{"opt/t", "a", ""}}, f.why_not));
    CHECK(f.why_not == "-fw_cfg name=opt/t: there is another one");
    CHECK_FALSE(
        system::add_firmware_items(f.device, {}, machine, {{"y", "", "/nonexistent"}}, f.why_not));
    CHECK(f.why_not == "/nonexistent: No such file or directory");
}

} // namespace
} // namespace ulna::devices
