#include "runtime/system/monitor.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "runtime/debug/log.h"
#include "runtime/option_values.h"
#include "runtime/system/cpu_registers.h"
#include "runtime/system/machine_report.h"
#include "runtime/system/memory_access.h"
#include "runtime/system/memory_format.h"
#include "runtime/system/snapshot_folder.h"

namespace ulna::system {

// --- Commands. The longest name that fits counts, so that "info cpus" is one.

const Monitor::Row Monitor::kRows[] = {
    {"help", "[COMMAND]", "this list, or what it says of a command", 0, 2, &Monitor::help},
    {"?", "[COMMAND]", "the same", 0, 2, &Monitor::help},
    {"info", "", "what there is to look at", 0, 0, &Monitor::info},
    {"info registers", "[-a]", "of the chosen CPU, or of all", 0, 1, &Monitor::info_registers},
    {"info cpus", "", "what they do; * is the chosen one", 0, 0, &Monitor::info_cpus},
    {"info tlb", "", "pages that the chosen CPU remembers", 0, 0, &Monitor::info_tlb},
    {"info mtree", "", "physical memory and devices", 0, 0, &Monitor::info_mtree},
    {"info irq", "", "interrupts that are pending or active", 0, 0, &Monitor::info_irq},
    {"info stats", "", "counters of the translator", 0, 0, &Monitor::info_stats},
    {"info status", "", "running, or stopped", 0, 0, &Monitor::info_status},
    {"info icount", "", "instructions executed, and the time from them", 0, 0,
     &Monitor::info_icount},
    {"info snapshots", "", "what savevm has made", 0, 0, &Monitor::info_snapshots},
    {"info balloon", "", "RAM that the guest has left", 0, 0, &Monitor::info_balloon},
    {"info block", "[-n|DRIVE]", "drives and what is in them; -n: nodes", 0, 1,
     &Monitor::info_block},
    {"info blockstats", "", "what has been asked of disks", 0, 0, &Monitor::info_blockstats},
    {"info chardev", "", "where serial lines and consoles go", 0, 0, &Monitor::info_chardev},
    {"info network", "", "network devices, and what they are on", 0, 0, &Monitor::info_network},
    {"info pci", "", "what is on PCI", 0, 0, &Monitor::info_pci},
    {"info qtree", "", "the devices that were asked for", 0, 0, &Monitor::info_qtree},
    {"info name", "", "as -name says", 0, 0, &Monitor::info_name},
    {"info uuid", "", "as -uuid says", 0, 0, &Monitor::info_uuid},
    {"info version", "", "of this program", 0, 0, &Monitor::info_version},
    {"gva2gpa", "ADDR", "the physical address of a virtual one", 1, 1, &Monitor::gva2gpa},
    {"cpu", "N", "choose a CPU", 1, 1, &Monitor::choose_cpu},
    {"x", "[/FMT] ADDR", "show memory, such as x /8xw $sp or x /4i $pc", 1, 2, &Monitor::examine},
    {"xp", "[/FMT] ADDR", "the same by physical address", 1, 2, &Monitor::examine_physical},
    {"print", "VALUE", "a number or a register, such as $x0", 1, 1, &Monitor::print},
    {"p", "VALUE", "the same", 1, 1, &Monitor::print},
    {"memsave", "ADDR BYTES FILE", "write memory to a file", 3, 3, &Monitor::save},
    {"pmemsave", "ADDR BYTES FILE", "the same by physical address", 3, 3, &Monitor::save_physical},
    {"stop", "", "stop all CPUs", 0, 0, &Monitor::stop},
    {"cont", "", "let them go on", 0, 0, &Monitor::cont},
    {"c", "", "the same", 0, 0, &Monitor::cont},
    {"system_reset", "", "as by the reset button", 0, 0, &Monitor::system_reset},
    {"system_powerdown", "", "press the power key", 0, 0, &Monitor::system_powerdown},
    {"balloon", "MIB", "RAM that the guest is to have", 1, 1, &Monitor::balloon},
    {"device_add", "DRIVER[,KEY=VALUE...]", "plug a device in, as by -device", 1, 1,
     &Monitor::add_device},
    {"device_del", "ID", "ask the guest to let go of it", 1, 1, &Monitor::remove_device},
    {"netdev_add", "TYPE,id=ID[,KEY=VALUE...]", "as -netdev", 1, 1, &Monitor::add_network},
    {"netdev_del", "ID", "which no device is on", 1, 1, &Monitor::remove_network},
    {"set_link", "NAME on|off", "the cable of a network device", 2, 2, &Monitor::set_link},
    {"object_add", "TYPE,id=ID[,KEY=VALUE...]", "as -object", 1, 1, &Monitor::add_object},
    {"object_del", "ID", "which nobody uses", 1, 1, &Monitor::remove_object},
    {"chardev-add", "TYPE,id=ID[,KEY=VALUE...]", "as -chardev", 1, 1, &Monitor::add_characters},
    {"chardev-remove", "ID", "which nobody uses", 1, 1, &Monitor::remove_characters},
    {"drive_add", "0 if=none,id=ID[,KEY=VALUE...]", "as -drive", 2, 2, &Monitor::add_drive},
    {"drive_del", "ID", "which no device has", 1, 1, &Monitor::remove_drive},
    {"eject", "[-f] DRIVE", "take the medium out; -f: though the guest locks it", 1, 2,
     &Monitor::eject},
    {"change", "[-f] DRIVE FILE [FORMAT [MODE]]", "put another medium in", 2, 5, &Monitor::change},
    {"savevm", "NAME", "keep the machine's state", 1, 1, &Monitor::save_machine},
    {"loadvm", "NAME", "go back to it", 1, 1, &Monitor::load_machine},
    {"delvm", "NAME", "delete it", 1, 1, &Monitor::delete_snapshot},
    {"quit", "", "end the machine", 0, 0, &Monitor::quit},
    {"q", "", "the same", 0, 0, &Monitor::quit},
    {"log", "ITEMS", "what -d would log, or none", 1, 1, &Monitor::log},
};

std::string Monitor::usage(const Row& row) {
    return std::string{row.name} + (*row.arguments != '\0' ? " " : "") + row.arguments;
}

namespace {

std::string as_line(const std::string& message) { return message.empty() ? "" : message + "\n"; }

// "x/4xw 0" is "x /4xw 0".
std::vector<std::string> words_of(std::string_view line) {
    std::istringstream stream{std::string{line}};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) {
        const std::size_t slash = words.empty() ? word.find('/') : std::string::npos;
        words.push_back(word.substr(0, slash));
        if (slash != std::string::npos) {
            words.push_back(word.substr(slash));
        }
    }
    return words;
}

} // namespace

std::string Monitor::execute(std::string_view line) {
    const std::lock_guard lock{mutex_};
    Words words = words_of(line);
    if (words.empty()) {
        return "";
    }
    const bool is_info = words[0] == "info" && words.size() > 1;
    const std::string name = is_info ? "info " + words[1] : words[0];
    const auto* const row =
        std::ranges::find_if(kRows, [&](const Row& candidate) { return name == candidate.name; });
    if (row == std::end(kRows)) {
        return "'" + name + "' is no command; help lists them\n";
    }
    words.erase(words.begin(), words.begin() + (is_info ? 2 : 1));
    if (words.size() < row->least || words.size() > row->most) {
        return "usage: " + usage(*row) + "\n";
    }
    return (this->*row->handler)(words);
}

// The commands whose names begin so.
std::string Monitor::list(std::string_view start) {
    std::string text;
    for (const Row& row : kRows) {
        if (std::string_view{row.name}.starts_with(start)) {
            text += fmt::format("{:<22} {}\n", usage(row), row.help);
        }
    }
    return text;
}

std::string Monitor::help(const Words& arguments) {
    const std::string start = fmt::format("{}", fmt::join(arguments, " "));
    const std::string text = list(start);
    return text.empty() ? "'" + start + "' is no command; help lists them\n" : text;
}

std::string Monitor::info(const Words&) { return list("info "); }

// --- Looking

std::string Monitor::info_registers(const Words& arguments) {
    if (!arguments.empty() && arguments[0] != "-a") {
        return "usage: info registers [-a]\n";
    }
    const Pause pause{machine_.run_control()};
    if (arguments.empty()) {
        return print_registers(cpu().cpu(), true);
    }
    std::string text;
    for (const auto& one : machine_.cpus()) {
        text += fmt::format("CPU#{}\n", one->index()) + print_registers(one->cpu(), false);
    }
    return text;
}

std::string Monitor::info_cpus(const Words&) {
    const Pause pause{machine_.run_control()};
    return report_cpus(machine_, chosen_);
}

std::string Monitor::info_tlb(const Words&) {
    const Pause pause{machine_.run_control()};
    return report_tlb(cpu());
}

std::string Monitor::info_mtree(const Words&) { return report_memory(machine_); }

std::string Monitor::info_irq(const Words&) {
    const Pause pause{machine_.run_control()};
    return report_interrupts(machine_);
}

std::string Monitor::info_stats(const Words&) { return machine_.stats(); }

std::string Monitor::info_status(const Words&) {
    const std::string state = run_state(machine_.run_control());
    const bool is_plain = state == "running" || state == "paused";
    return "VM status: " + (is_plain ? state : "paused (" + state + ")") + "\n";
}

std::string Monitor::info_icount(const Words&) {
    const Pause pause{machine_.run_control()};
    return report_count(machine_);
}

namespace {
constexpr const char* kNoBalloon = "there is no balloon; -device virtio-balloon-pci makes one\n";
} // namespace

std::string Monitor::info_balloon(const Words&) {
    const auto bytes = control_.ram_left();
    return bytes ? fmt::format("balloon: actual={}\n", *bytes >> 20) : kNoBalloon;
}

std::string Monitor::info_snapshots(const Words&) { return list_snapshots(snapshots_.folder()); }

std::optional<u64> Monitor::value_of(const std::string& word, std::string& why_not) {
    if (!word.starts_with('$')) {
        const auto number = runtime::parse_number(word);
        why_not = number ? "" : "'" + word + "' is no address\n";
        return number;
    }
    unsigned n = 0;
    for (const auto& feature : cpu_features()) {
        for (const auto& reg : feature.registers) {
            u64 value = 0;
            const std::span bytes{reinterpret_cast<u8*>(&value), std::min(reg.bits / 8, 8u)};
            if (reg.name == word.substr(1) && read_numbered(cpu().cpu(), n, bytes)) {
                return value;
            }
            ++n;
        }
    }
    why_not = "'" + word + "' is no register of this CPU\n";
    return std::nullopt;
}

std::string Monitor::gva2gpa(const Words& arguments) {
    const Pause pause{machine_.run_control()};
    std::string why_not;
    const auto address = value_of(arguments[0], why_not);
    if (!address) {
        return why_not;
    }
    constexpr u64 kPageMask = (u64{1} << ir::kTlbPageLog2) - 1;
    const TranslationResult result = cpu().look_up(*address);
    const auto* const page = std::get_if<Translation>(&result);
    return page == nullptr ? fmt::format("{:#x} is not mapped\n", *address)
                           : fmt::format("{:#x}\n", page->page + (*address & kPageMask));
}

std::string Monitor::choose_cpu(const Words& arguments) {
    const auto number = runtime::parse_number(arguments[0]);
    if (!number || *number >= machine_.cpus().size()) {
        return fmt::format("there are CPUs 0 to {}\n", machine_.cpus().size() - 1);
    }
    chosen_ = static_cast<unsigned>(*number);
    return "";
}

std::string Monitor::dump(const Words& arguments, bool physical) {
    const Pause pause{machine_.run_control()};
    std::string why_not;
    const bool has_format = arguments.size() == 2;
    if (has_format && !arguments[0].starts_with('/')) {
        return "a format is such as /4xw: a count, one of xduoci, one of bhwg\n";
    }
    const auto format = parse_memory_format(has_format ? arguments[0].substr(1) : "");
    if (!format) {
        return "a format is such as /4xw: a count, one of xduoci, one of bhwg\n";
    }
    const auto address = value_of(arguments.back(), why_not);
    if (!address) {
        return why_not;
    }
    std::vector<u8> bytes(format->bytes());
    const MemoryRange range{physical ? nullptr : &cpu(), *address, bytes.size()};
    return read_memory(machine_, range, bytes.data())
               ? print_memory(*format, *address, bytes)
               : fmt::format("cannot read {} bytes at {:#x}\n", bytes.size(), *address);
}

std::string Monitor::print(const Words& arguments) {
    const Pause pause{machine_.run_control()};
    std::string why_not;
    const auto value = value_of(arguments[0], why_not);
    return value ? fmt::format("{:#x}\n", *value) : why_not;
}

std::string Monitor::write_file(const Words& arguments, bool physical) {
    const Pause pause{machine_.run_control()};
    std::string why_not;
    const auto address = value_of(arguments[0], why_not);
    const auto count = address ? value_of(arguments[1], why_not) : std::nullopt;
    return count ? as_line(save_memory(machine_, {physical ? nullptr : &cpu(), *address, *count},
                                       arguments[2]))
                 : why_not;
}

std::string Monitor::save(const Words& arguments) { return write_file(arguments, false); }
std::string Monitor::save_physical(const Words& arguments) { return write_file(arguments, true); }

std::string Monitor::examine(const Words& arguments) { return dump(arguments, false); }
std::string Monitor::examine_physical(const Words& arguments) { return dump(arguments, true); }

// --- Doing

std::string Monitor::stop(const Words&) {
    control_.stop();
    return "";
}

std::string Monitor::cont(const Words&) { return as_line(control_.resume()); }

std::string Monitor::system_reset(const Words&) {
    control_.reset();
    return "";
}

std::string Monitor::system_powerdown(const Words&) {
    control_.press_power_key();
    return "";
}

std::string Monitor::balloon(const Words& arguments) {
    constexpr u64 kMostMib = u64{1} << 40;
    const auto mib = runtime::parse_number(arguments[0]);
    if (!mib || *mib == 0 || *mib > kMostMib) {
        return "'" + arguments[0] + "' is no number of MiB\n";
    }
    return control_.set_ram(*mib << 20) ? "" : kNoBalloon;
}

std::string Monitor::save_machine(const Words& arguments) {
    return as_line(snapshots_.save(arguments[0]));
}

std::string Monitor::load_machine(const Words& arguments) {
    return as_line(snapshots_.load(arguments[0]));
}

std::string Monitor::delete_snapshot(const Words& arguments) {
    return as_line(remove_snapshot(snapshots_.folder(), arguments[0]));
}

std::string Monitor::quit(const Words&) {
    control_.quit();
    return "";
}

std::string Monitor::log(const Words& arguments) {
    namespace debug = runtime::debug;
    std::string bad_name;
    const auto items = arguments[0] == "none" ? std::optional{u32{0}}
                                              : debug::parse_log_items(arguments[0], bad_name);
    if (!items) {
        return "'" + bad_name + "' is no log item:\n" + debug::log_item_help();
    }
    const Pause pause{machine_.run_control()};
    debug::set_log_items(*items);
    return "";
}

} // namespace ulna::system
