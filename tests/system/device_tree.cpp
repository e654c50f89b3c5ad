#include "runtime/system/device_tree.h"

#include <libfdt.h>

#include "runtime/devices/virt_map.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

// The cells of a property; empty when it is not there.
std::vector<u32> cells(const std::vector<u8>& tree, const std::string& path, const char* property) {
    int bytes = 0;
    const auto* const value = static_cast<const fdt32_t*>(
        fdt_getprop(tree.data(), fdt_path_offset(tree.data(), path.c_str()), property, &bytes));
    std::vector<u32> result;
    for (int i = 0; value != nullptr && i < bytes / 4; ++i) {
        result.push_back(fdt32_to_cpu(value[i]));
    }
    return result;
}
std::string text(const std::vector<u8>& tree, const std::string& path, const char* property) {
    int bytes = 0;
    const void* const value =
        fdt_getprop(tree.data(), fdt_path_offset(tree.data(), path.c_str()), property, &bytes);
    return value != nullptr ? std::string(static_cast<const char*>(value)) : "-";
}
bool has(const std::vector<u8>& tree, const std::string& path) {
    return fdt_path_offset(tree.data(), path.c_str()) >= 0;
}
using Cells = std::vector<u32>;

TEST_CASE("the tree names the machine's devices where they are", "[boot]") {
    MachineDescription machine;
    machine.ram_bytes = u64{5} << 30;
    machine.cpus = {0, 1, 0x100};
    const std::vector<u8> tree = make_device_tree(machine);
    REQUIRE(fdt_check_full(tree.data(), tree.size()) == 0);
    CHECK(cells(tree, "/memory@40000000", "reg") == Cells{0, 0x40000000, 1, 0x40000000});
    CHECK(text(tree, "/psci", "method") == "hvc");
    CHECK(cells(tree, "/pl011@9000000", "reg") == Cells{0, 0x9000000, 0, 0x1000});
    CHECK(cells(tree, "/pl011@9000000", "interrupts") == Cells{0, 1, 4});
    CHECK(text(tree, "/chosen", "stdout-path") == "/pl011@9000000");
    CHECK(cells(tree, "/virtio_mmio@a003e00", "interrupts") == Cells{0, 47, 1});
    CHECK(cells(tree, "/intc@8000000", "reg") ==
          Cells{0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000});
    CHECK(text(tree, "/intc@8000000", "compatible") == "arm,gic-v3");
    CHECK(cells(tree, "/timer", "interrupts") == Cells{1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4});
    CHECK(cells(tree, "/pmu", "interrupts") == Cells{1, 7, 4});
    CHECK(cells(tree, "/cpus/cpu@100", "reg") == Cells{0x100});
    CHECK(text(tree, "/cpus/cpu@1", "enable-method") == "psci");
    CHECK(cells(tree, "/cpus/cpu-map/socket0/cluster0/core2", "cpu") ==
          cells(tree, "/cpus/cpu@100", "phandle"));
    CHECK(cells(tree, "/gpio-keys/poweroff", "gpios")[0] ==
          cells(tree, "/pl061@9030000", "phandle")[0]);
    CHECK(cells(tree, "/", "interrupt-parent") == cells(tree, "/intc@8000000", "phandle"));
    CHECK(cells(tree, "/flash@0", "reg") == Cells{0, 0, 0, 0x4000000, 0, 0x4000000, 0, 0x4000000});
    CHECK(text(tree, "/fw-cfg@9020000", "compatible") == "qemu,fw-cfg-mmio");
    CHECK(cells(tree, "/apb-pclk", "clock-frequency") == Cells{24'000'000});
    CHECK_FALSE(has(tree, "/pcie@10000000"));
    CHECK_FALSE(has(tree, "/intc@8000000/its@8080000"));
    CHECK_FALSE(has(tree, "/secram@e000000"));
}

TEST_CASE("the tree follows the machine's options", "[boot]") {
    MachineDescription machine;
    machine.has_el2 = true;
    machine.has_its = true;
    machine.has_pcie = true;
    machine.psci = PsciMethod::Smc;
    std::vector<u8> tree = make_device_tree(machine);
    CHECK(text(tree, "/psci", "method") == "smc");
    CHECK(cells(tree, "/intc@8000000", "interrupts") == Cells{1, 9, 4});
    CHECK(cells(tree, "/timer", "interrupts").size() == 15);
    CHECK(cells(tree, "/intc@8000000/its@8080000", "reg") == Cells{0, 0x8080000, 0, 0x20000});
    CHECK(cells(tree, "/pcie@10000000", "ranges") ==
          Cells{0x1000000, 0,    0,          0,    0x3eff0000, 0,    0x10000,
                0x2000000, 0,    0x10000000, 0,    0x10000000, 0,    0x2eff0000,
                0x3000000, 0x80, 0,          0x80, 0,          0x80, 0});
    CHECK(cells(tree, "/pcie@10000000", "interrupt-map").size() == 160);

    machine.gic = GicVersion::V2;
    machine.cpus = {0, 1};
    tree = make_device_tree(machine);
    CHECK(text(tree, "/intc@8000000", "compatible") == "arm,cortex-a15-gic");
    CHECK(cells(tree, "/intc@8000000", "reg").size() == 16);
    CHECK(cells(tree, "/timer", "interrupts")[2] == 0x304);
    CHECK(has(tree, "/intc@8000000/v2m@8020000"));

    machine.has_el3 = true;
    machine.psci = PsciMethod::None;
    tree = make_device_tree(machine);
    CHECK_FALSE(has(tree, "/psci"));
    CHECK(text(tree, "/cpus/cpu@0", "enable-method") == "-");
    CHECK(text(tree, "/pl011@9040000", "status") == "disabled");
    CHECK(text(tree, "/secflash@0", "secure-status") == "okay");
    CHECK(has(tree, "/flash@4000000"));
    CHECK(text(tree, "/aliases", "serial1") == "/pl011@9040000");
    CHECK(text(tree, "/secure-chosen", "stdout-path") == "/pl011@9040000");
    REQUIRE(fdt_check_full(tree.data(), tree.size()) == 0);
}

TEST_CASE("a second serial port, which is not the console", "[boot]") {
    MachineDescription machine;
    CHECK_FALSE(has(make_device_tree(machine), "/pl011@9040000"));
    machine.has_second_uart = true;
    const std::vector<u8> tree = make_device_tree(machine);
    CHECK(cells(tree, "/pl011@9040000", "interrupts") == Cells{0, 8, 4});
    CHECK(text(tree, "/pl011@9040000", "status") == "-");
    CHECK(text(tree, "/aliases", "serial1") == "/pl011@9040000");
    CHECK(text(tree, "/chosen", "stdout-path") == "/pl011@9000000");
    CHECK_FALSE(has(tree, "/secure-chosen"));
}

TEST_CASE("a tree of many CPUs", "[boot]") {
    MachineDescription machine;
    machine.cpus.clear();
    for (unsigned i = 0; i < devices::virt::kMaxCpus; ++i) {
        machine.cpus.push_back(i / 16 << 8 | i % 16);
    }
    const std::vector<u8> tree = make_device_tree(machine);
    REQUIRE(fdt_check_full(tree.data(), tree.size()) == 0);
    CHECK(has(tree, "/cpus/cpu@30f"));
}

TEST_CASE("CPUs in sockets, clusters and threads", "[boot]") {
    MachineDescription machine;
    for (u64 i = 1; i < 16; ++i) {
        machine.cpus.push_back(i);
    }
    machine.topology = {.sockets = 2, .clusters = 2, .cores = 2, .threads = 2};
    std::vector<u8> tree = make_device_tree(machine);
    REQUIRE(fdt_check_full(tree.data(), tree.size()) == 0);
    const auto handle_at = [&](const char* place) {
        return cells(tree, std::string("/cpus/cpu-map/") + place, "cpu");
    };
    CHECK(handle_at("socket0/cluster0/core0/thread0") == cells(tree, "/cpus/cpu@0", "phandle"));
    CHECK(handle_at("socket0/cluster1/core0/thread1") == cells(tree, "/cpus/cpu@5", "phandle"));
    CHECK(handle_at("socket1/cluster1/core1/thread1") == cells(tree, "/cpus/cpu@f", "phandle"));
    CHECK_FALSE(has(tree, "/cpus/cpu-map/socket2"));
    machine.topology.threads = 1; // and the second socket's rest is not there
    machine.cpus.resize(5);
    tree = make_device_tree(machine);
    CHECK(handle_at("socket1/cluster0/core0") == cells(tree, "/cpus/cpu@4", "phandle"));
    CHECK_FALSE(has(tree, "/cpus/cpu-map/socket1/cluster1"));
}

TEST_CASE("a boot loader's additions", "[boot]") {
    std::vector<u8> tree = make_device_tree({});
    std::string why_not;
    BootArguments boot;
    boot.command_line = std::string(100'000, 'x');
    boot.initrd = 0x48000000;
    boot.initrd_bytes = 0x1234;
    boot.kaslr_seed = 0x1122334455667788;
    boot.rng_seed.emplace();
    REQUIRE(complete_device_tree(tree, 0x10000000, boot, why_not));
    REQUIRE(fdt_check_full(tree.data(), tree.size()) == 0);
    CHECK(text(tree, "/chosen", "bootargs") == boot.command_line);
    CHECK(cells(tree, "/chosen", "linux,initrd-start") == Cells{0, 0x48000000});
    CHECK(cells(tree, "/chosen", "linux,initrd-end") == Cells{0, 0x48001234});
    CHECK(cells(tree, "/chosen", "kaslr-seed") == Cells{0x11223344, 0x55667788});
    CHECK(cells(tree, "/chosen", "rng-seed").size() == 8);
    CHECK(cells(tree, "/memory@40000000", "reg") == Cells{0, 0x40000000, 0, 0x10000000});
    // Again, as with the user's own tree.
    boot.command_line = "quiet";
    REQUIRE(complete_device_tree(tree, 0x10000000, boot, why_not));
    CHECK(text(tree, "/chosen", "bootargs") == "quiet");
}

TEST_CASE("an empty tree gets what a boot loader adds", "[boot]") {
    std::vector<u8> tree(256);
    REQUIRE(fdt_create_empty_tree(tree.data(), 256) == 0);
    std::string why_not;
    REQUIRE(complete_device_tree(tree, 0x10000000, {.command_line = "a"}, why_not));
    CHECK(text(tree, "/chosen", "bootargs") == "a");
    CHECK(text(tree, "/memory@40000000", "device_type") == "memory");
}

TEST_CASE("hostile trees are refused or completed, never followed", "[boot]") {
    const std::vector<u8> good = make_device_tree({});
    std::string why_not;
    std::vector<u8> none;
    CHECK_FALSE(complete_device_tree(none, 1 << 20, {}, why_not));
    CHECK(why_not == "not a flattened device tree, or a damaged one");
    std::vector<u8> zeros(4096);
    CHECK_FALSE(complete_device_tree(zeros, 1 << 20, {}, why_not));
    for (const std::size_t bytes : {std::size_t{1}, sizeof(fdt_header), good.size() / 2}) {
        std::vector<u8> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(bytes));
        CHECK_FALSE(complete_device_tree(cut, 1 << 20, {}, why_not));
    }
    u64 random = test::seed(1);
    unsigned completed = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::vector<u8> tree = good;
        for (int j = 0; j < 3; ++j) {
            random = random * 6364136223846793005 + 1442695040888963407;
            const std::size_t within = (random >> 60) < 8 ? sizeof(fdt_header) : tree.size();
            tree[(random >> 20) % within] = static_cast<u8>(random >> 52);
        }
        completed += complete_device_tree(tree, 1 << 20, {.command_line = "x"}, why_not);
    }
    CHECK(completed > 0);
    CHECK(completed < 20'000);
}

} // namespace
} // namespace ulna::system
