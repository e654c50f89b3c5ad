// The monitor: commands about a running machine, as lines of text. They come from the console
// (monitor_console.h) and from gdb's "monitor".
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/system/machine_control.h"
#include "runtime/system/snapshots.h"

namespace ulna::system {

class Monitor {
  public:
    Monitor(Machine& machine, Snapshots& snapshots, MachineControl& control)
        : machine_{machine}, snapshots_{snapshots}, control_{control} {}

    // What the command prints: lines, or nothing. From any thread, without the machine's lock: most
    // commands wait for CPUs.
    [[nodiscard]] std::string execute(std::string_view line);

  private:
    using Words = std::vector<std::string>;
    using Handler = std::string (Monitor::*)(const Words& arguments);
    struct Row {
        const char *name, *arguments, *help;
        std::size_t least, most; // arguments
        Handler handler;
    };
    static const Row kRows[];
    [[nodiscard]] static std::string usage(const Row& row);
    [[nodiscard]] static std::string list(std::string_view start);

    std::string help(const Words& arguments);
    std::string info(const Words& arguments);
    std::string info_registers(const Words& arguments);
    std::string info_cpus(const Words& arguments);
    std::string info_tlb(const Words& arguments);
    std::string info_mtree(const Words& arguments);
    std::string info_irq(const Words& arguments);
    std::string info_stats(const Words& arguments);
    std::string info_status(const Words& arguments);
    std::string info_icount(const Words& arguments);
    std::string info_balloon(const Words& arguments);
    std::string info_block(const Words& arguments);
    // monitor_info.cpp
    std::string info_version(const Words& arguments);
    std::string info_name(const Words& arguments);
    std::string info_uuid(const Words& arguments);
    std::string info_chardev(const Words& arguments);
    std::string info_network(const Words& arguments);
    std::string info_pci(const Words& arguments);
    std::string info_qtree(const Words& arguments);
    std::string info_blockstats(const Words& arguments);
    std::string info_snapshots(const Words& arguments);
    std::string gva2gpa(const Words& arguments);
    std::string choose_cpu(const Words& arguments);
    std::string examine(const Words& arguments);
    std::string examine_physical(const Words& arguments);
    std::string print(const Words& arguments);
    std::string save(const Words& arguments);
    std::string save_physical(const Words& arguments);
    std::string stop(const Words& arguments);
    std::string cont(const Words& arguments);
    std::string system_reset(const Words& arguments);
    std::string system_powerdown(const Words& arguments);
    std::string balloon(const Words& arguments);
    // monitor_hot_plug.cpp
    std::string add_device(const Words& arguments);
    std::string remove_device(const Words& arguments);
    std::string add_network(const Words& arguments);
    std::string remove_network(const Words& arguments);
    std::string set_link(const Words& arguments);
    std::string add_object(const Words& arguments);
    std::string remove_object(const Words& arguments);
    std::string add_characters(const Words& arguments);
    std::string remove_characters(const Words& arguments);
    std::string add_drive(const Words& arguments);
    std::string remove_drive(const Words& arguments);
    // monitor_block.cpp
    std::string eject(const Words& arguments);
    std::string change(const Words& arguments);
    std::string save_machine(const Words& arguments);
    std::string load_machine(const Words& arguments);
    std::string delete_snapshot(const Words& arguments);
    std::string quit(const Words& arguments);
    std::string log(const Words& arguments);

    [[nodiscard]] Vcpu& cpu() { return *machine_.cpus()[chosen_]; }
    // A number, or a register: $pc. Without a value, `why_not` is a line.
    [[nodiscard]] std::optional<u64> value_of(const std::string& word, std::string& why_not);
    [[nodiscard]] std::string dump(const Words& arguments, bool physical);
    [[nodiscard]] std::string write_file(const Words& arguments, bool physical);

    Machine& machine_;
    Snapshots& snapshots_;
    MachineControl& control_;
    std::mutex mutex_;
    unsigned chosen_ = 0; // the CPU that commands are about
};

} // namespace ulna::system
