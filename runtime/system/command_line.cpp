#include "runtime/system/command_line.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "runtime/common_options.h"
#include "runtime/devices/character_backend.h"
#include "runtime/devices/virt_map.h"
#include "runtime/system/command_line_parse.h"
#include "runtime/version.h"

namespace ulna::system {

namespace {

using Parse = CommandLineParse;
using runtime::parse_number;

// "tcp::1234", "tcp:localhost:1234", "unix:path" or "none".
void set_gdb(Parse& parse, const std::string& value) {
    const std::string_view port = std::string_view(value).substr(value.rfind(':') + 1);
    const std::optional<u64> number = parse_number(port);
    const bool is_port = number && *number > 0 && *number < 65536;
    if (value != "none" && !(value.starts_with("tcp:") && is_port) && !value.starts_with("unix:")) {
        parse.fail("-gdb " + value + ": such as tcp::1234 or unix:path");
    }
    parse.options.gdb = value == "none" ? "" : value;
}

void set_display(Parse& parse, const std::string& value) {
    if (value != "none" && value != "nographic") {
        parse.fail("-display " + value + ": there is no graphics; none");
    }
}

void ignore(Parse&, const std::string&) {}

// The name of a file, whole, as -drive has it.
std::string file_property(const std::string& name) {
    std::string value = "file=";
    for (const char c : name) {
        value += c == ',' ? ",," : std::string{c};
    }
    return value;
}

// Panics and watchdogs are nothing that this machine hears of.
void set_actions(Parse& parse, const std::string& value) {
    Properties properties(value, "");
    const auto is_second = [&](const char* key, const char* first, const char* second, bool now) {
        return properties.choice(key, {first, second}, now ? 1 : 0) == 1;
    };
    SystemOptions& options = parse.options;
    options.no_reboot = is_second("reboot", "reset", "shutdown", options.no_reboot);
    options.no_shutdown = is_second("shutdown", "poweroff", "pause", options.no_shutdown);
    properties.ignore("panic");
    properties.ignore("watchdog");
    parse.finish("-action", properties);
}

// Or guest=, as management tools write it.
void set_name(Parse& parse, const std::string& value) {
    Properties properties(value, "guest");
    parse.options.name = properties.text("guest");
    properties.ignore("process");
    properties.ignore("debug-threads");
    parse.finish("-name", properties);
}

void refuse_kvm(Parse& parse, const std::string&) {
    parse.fail("-enable-kvm: Arm's code is translated, as -accel tcg says");
}

void check_sandbox(Parse& parse, const std::string& value) {
    Properties properties(value, "enable");
    if (properties.flag("enable", true)) {
        parse.fail("-sandbox " + value + ": the program's system calls are not filtered; off");
    }
}

struct Option {
    const char* name;  // without dashes; one or two dashes are both accepted
    const char* value; // name of the argument in the help; null: a flag
    const char* help;  // null: accepted and not told
    void (*apply)(Parse&, const std::string& value);
};

void show_help(Parse& parse, const std::string&);

// clang-format off
constexpr Option kOptions[] = {
    {"machine",  "virt[,...]", "the machine and its properties; -machine help lists them", set_machine},
    {"M",        "virt[,...]", nullptr, set_machine},
    {"cpu",      "model",      "CPU model; -cpu help lists them", set_cpu},
    {"smp",      "n",          "how many CPUs, 1 to 64", set_cpus},
    {"m",        "size",       "memory in MiB, or such as 2G; 1G if not given", set_memory},
    {"kernel",   "file",       "Linux Image (also in gzip, or EFI zboot), ELF, or raw code",
        [](Parse& p, const std::string& v) { p.options.kernel = v; }},
    {"initrd",   "file",       "initial RAM disk",
        [](Parse& p, const std::string& v) { p.options.initrd = v; }},
    {"append",   "text",       "the kernel's command line",
        [](Parse& p, const std::string& v) { p.options.command_line = v; }},
    {"dtb",      "file",       "a device tree instead of the machine's own",
        [](Parse& p, const std::string& v) { p.options.device_tree = v; }},
    {"bios",     "file",       "firmware, put into the first flash bank",
        [](Parse& p, const std::string& v) { p.options.firmware = v; }},
    {"drive",    "file=...",   "a disk: file=,if=virtio|pflash|none,id=,readonly=on|off,unit=", add_drive},
    {"blockdev", "driver=...", "an image, or a format of one, for -device to name: driver=file|host_device|nbd|null-co|raw|qcow2,node-name=,read-only=; or the same in JSON", add_block_node},
    {"hda",      "file",       nullptr, [](Parse& p, const std::string& v) { add_drive(p, file_property(v)); }},
    {"cdrom",    "file",       nullptr,
        [](Parse& p, const std::string& v) { add_drive(p, file_property(v) + ",media=cdrom,readonly=on"); }},
    {"pflash",   "file",       nullptr,
        [](Parse& p, const std::string& v) { add_drive(p, v + ",if=pflash"); }},
    {"device",   "name[,...]", "a device; -device help lists them", add_device},
    {"netdev",   "type,id=...","a network: user (hostfwd=tcp::2222-:22, restrict=on|off), socket (listen=, connect=, mcast= or udp=), stream, dgram or tap (ifname=,script=no)", add_network},
    {"nic",      "type[,...]", "the same with its device; or none", add_nic},
    {"net",      "none",       nullptr, add_nic},
    {"fsdev",    "local,id=...", "a folder for a guest: path=, security_model=none|mapped, readonly=on|off", add_folder},
    {"virtfs",   "local,...",  "the same with its device: mount_tag=", add_virtfs},
    {"chardev",  "type,id=...", "where a console goes: stdio, null, file,path= or socket,path= (or host= and port=; server=on)", add_characters},
    {"fw_cfg",   "name=...",   "an item for firmware: name=,string= or file=", add_firmware_item},
    {"smbios",   "type=n,...", "what dmidecode shows, of firmware that asks: type=0, 1, 2, 3, 4, 11 (value=text) or 17", set_smbios},
    {"uuid",     "uuid",       "the machine's, for SMBIOS", set_uuid},
    {"object",   "type,...",   nullptr, add_object},
    {"serial",   "where",      "a serial port, up to two: stdio, mon:stdio (default), file:PATH, unix:PATH, tcp:HOST:PORT, chardev:ID or null", add_serial},
    {"monitor",  "where",      "the monitor: as the serial port, or none; else Ctrl-A C on the console", set_monitor},
    {"qmp",      "where",      "QEMU's machine protocol, for programs: as the serial port; any number of them", add_qmp},
    {"mon",      "chardev=id", "mode=readline: -monitor chardev:ID; mode=control: -qmp chardev:ID", add_monitor},
    {"nographic", nullptr,     "accepted: there is no graphics", ignore},
    {"display",  "none",       nullptr, set_display},
    {"vga",      "none",       nullptr, set_display},
    {"nodefaults", nullptr,    "no serial port on the terminal unless asked for",
        [](Parse& p, const std::string&) { p.options.has_defaults = false; }},
    {"no-user-config", nullptr, nullptr, ignore},
    {"name",     "text",       nullptr, set_name},
    {"sandbox",  "off",        nullptr, check_sandbox},
    {"no-acpi",  nullptr,      nullptr, [](Parse& p, const std::string&) { p.options.acpi = false; }},
    {"audiodev", "driver=none", nullptr, check_audio},
    {"daemonize", nullptr,     "go to the background once clients of -qmp can connect",
        [](Parse& p, const std::string&) { p.options.daemonize = true; }},
    {"pidfile",  "file",       "write the process's number there",
        [](Parse& p, const std::string& v) { p.options.pid_file = v; }},
    {"boot",     "order",      nullptr, ignore},
    {"accel",    "tcg[,...]",  nullptr, set_accelerator},
    {"enable-kvm", nullptr,    nullptr, refuse_kvm},
    {"k",        "language",   nullptr, ignore},
    {"msg",      "...",        nullptr, ignore},
    {"overcommit", "...",      nullptr, ignore},
    {"snapshot", nullptr,      "leave disk images as they are",
        [](Parse& p, const std::string&) { p.options.snapshot = true; }},
    {"no-reboot", nullptr,     "exit instead of rebooting",
        [](Parse& p, const std::string&) { p.options.no_reboot = true; }},
    {"no-shutdown", nullptr,   "stop instead of exiting",
        [](Parse& p, const std::string&) { p.options.no_shutdown = true; }},
    {"action",   "event=what", "reboot=reset|shutdown, shutdown=poweroff|pause", set_actions},
    {"semihosting", nullptr,   "answer semihosting calls",
        [](Parse& p, const std::string&) { p.options.semihosting.enabled = true; }},
    {"semihosting-config", "enable=on,...", "the same, with arguments: arg=", set_semihosting},
    {"rtc",      "base=...",   "the clock: base=utc, localtime or a date", set_rtc},
    {"icount",   "[shift=]n",  "the same run every time: an instruction takes 2^n ns; sleep=off: do not wait while idle", set_icount},
    {"loadvm",   "name",       "start from a snapshot that the monitor's savevm has made of the same machine",
        [](Parse& p, const std::string& v) { p.options.load_snapshot = v; }},
    {"snapshot-dir", "folder", "where snapshots are; the current one if not given",
        [](Parse& p, const std::string& v) { p.options.snapshot_folder = v; }},
    {"seed",     "number",     "the same random numbers every time", runtime::set_seed},
    {"gdb",      "tcp::port",  "wait for a debugger there", set_gdb},
    {"s",        nullptr,      "-gdb tcp::1234", [](Parse& p, const std::string&) { p.options.gdb = "tcp::1234"; }},
    {"S",        nullptr,      "do not start; the debugger or the monitor does",
        [](Parse& p, const std::string&) { p.options.start_stopped = true; }},
    {"d",        "items",      "log items, comma-separated; -d help lists them", runtime::set_log},
    {"D",        "file",       "where to log; standard error if not given",
        [](Parse& p, const std::string& v) { p.options.log_file = v; }},
    {"dfilter",  "ranges",     "log only guest addresses in a..b, a+len or a-len", runtime::set_log_filter},
    {"stats",    nullptr,      "print what was translated, and the time it took, at exit",
        [](Parse& p, const std::string&) { p.options.stats = true; }},
    {"perfmap",  nullptr,      "write /tmp/perf-PID.map for perf",
        [](Parse& p, const std::string&) { p.options.perf.map = true; }},
    {"jitdump",  nullptr,      "write jit-PID.dump for perf inject --jit",
        [](Parse& p, const std::string&) { p.options.perf.jit_dump = true; }},
    {"tier0",    "on|off", "interpret what is executed for the first time (default), or translate it at once", runtime::set_tier0},
    {"tier2",    "off|server|sync|twice", "compile hot code with LLVM: not at all, beside the machine (default), or (for tests) all code, waiting for it, once or twice [ULNA_TIER2]", runtime::set_tier2},
    {"engine",   "jit|interp", "translate to host code (default), or interpret the IR", runtime::set_engine},
    {"no-cache", nullptr,      "neither use nor fill the persistent translation cache [ULNA_NO_CACHE]", runtime::set_no_cache},
    {"cache-dir", "path",      "where that is; $XDG_CACHE_HOME/ulna/code if not given [ULNA_CACHE_DIR]", runtime::set_cache_directory},
    {"version",  nullptr,      "print the version",
        [](Parse& p, const std::string&) { p.answer("ulna-system " ULNA_VERSION "\n"); }},
    {"help",     nullptr,      "print this help", show_help},
    {"h",        nullptr,      nullptr, show_help},
};
// clang-format on

void show_help(Parse& parse, const std::string&) {
    std::string text = "usage: ulna-system [options]\n"
                       "Runs an AArch64 machine; options as qemu-system-aarch64.\n"
                       "Ctrl-A X on its console ends it, Ctrl-A C opens the monitor.\n\n";
    for (const Option& option : kOptions) {
        if (option.help == nullptr) {
            continue;
        }
        std::string left = std::string("  -") + option.name;
        if (option.value != nullptr) {
            left += std::string(" ") + option.value;
        }
        left.resize(std::max<std::size_t>(left.size() + 2, 26), ' ');
        text += left + option.help + '\n';
    }
    parse.answer(text);
}

const Option* find_option(std::string_view argument) {
    argument.remove_prefix(argument.starts_with("--") ? 2 : 1);
    const auto* const found =
        std::find_if(std::begin(kOptions), std::end(kOptions),
                     [&](const Option& option) { return argument == option.name; });
    return found != std::end(kOptions) ? found : nullptr;
}

void apply_environment(Parse& parse) {
    if (std::getenv("ULNA_NO_CACHE") != nullptr) {
        runtime::set_no_cache(parse, "");
    }
    if (const char* const tier2 = std::getenv("ULNA_TIER2")) {
        runtime::set_tier2(parse, tier2);
    }
    if (const char* const directory = std::getenv("ULNA_CACHE_DIR")) {
        runtime::set_cache_directory(parse, directory);
    }
}

void apply_arguments(Parse& parse, int argc, const char* const* argv) {
    for (int at = 1; at < argc && !parse.exit_status; ++at) {
        const std::string_view argument = argv[at];
        if (!argument.starts_with('-') || argument.size() < 2) {
            parse.fail(std::string(argument) + ": not an option (a disk is -drive file=...)");
            return;
        }
        // "--engine=interp" is one word; a value of QEMU's options is always the next one.
        const bool is_one_word = argument.starts_with("--") && argument.find('=') != argument.npos;
        const std::size_t end = is_one_word ? argument.find('=') : argument.size();
        const Option* const option = find_option(argument.substr(0, end));
        if (option == nullptr) {
            parse.fail(std::string(argument) + ": no such option; -help lists them");
            return;
        }
        std::string value;
        if (is_one_word) {
            value = argument.substr(end + 1);
        } else if (option->value != nullptr) {
            if (++at >= argc) {
                parse.fail(std::string(argument) + ": needs an argument (" + option->value + ")");
                return;
            }
            value = argv[at];
        }
        option->apply(parse, value);
    }
}

// One of serial ports, consoles and monitor at most may have it.
void check_terminal(Parse& parse) {
    std::vector<std::string> all = parse.options.serials;
    all.push_back(parse.options.monitor);
    all.insert(all.end(), parse.options.qmp.begin(), parse.options.qmp.end());
    for (const CharacterOption& characters : parse.options.characters) {
        all.push_back(characters.words);
    }
    const auto users = std::count_if(all.begin(), all.end(), devices::is_console);
    if (users > 1) {
        parse.fail("stdio is used twice; mon:stdio has serial port and monitor on one terminal");
    }
}

// The first serial port is always there, a second one only if it is to lead somewhere.
void check_serials(Parse& parse) {
    constexpr std::size_t kMostSerials = 2;
    std::vector<std::string>& serials = parse.options.serials;
    while (serials.size() > 1 && serials.back() == "none") {
        serials.pop_back();
    }
    if (serials.size() > kMostSerials) {
        parse.fail("-serial: there are two serial ports");
    }
}

// The first one is on the terminal unless something else is.
void set_default_serial(Parse& parse) {
    const SystemOptions& options = parse.options;
    if (options.serials.empty()) {
        const bool is_taken =
            !options.has_defaults || options.daemonize ||
            std::any_of(options.lines.begin(), options.lines.end(),
                        [](const CharacterOption& line) { return line.words == "stdio"; }) ||
            std::any_of(options.characters.begin(), options.characters.end(),
                        [](const CharacterOption& characters) {
                            return devices::is_console(characters.words);
                        });
        const char* const where = is_taken ? "null" : "mon:stdio";
        parse.options.serials.push_back(where);
        parse.options.lines.push_back({"serial0", where});
    }
}

// A machine without any would run zeros for ever, unless somebody is to load something.
void check_software(Parse& parse) {
    const SystemOptions& options = parse.options;
    const bool has_flash =
        std::any_of(options.drives.begin(), options.drives.end(), [](const DriveOption& drive) {
            return drive.interface == DriveOption::Interface::Pflash && drive.unit == 0;
        });
    if (!options.has_board) {
        if (!options.kernel.empty() || !options.firmware.empty() || !options.devices.empty()) {
            parse.fail("-machine none: it has nothing that could run, and no devices");
        }
        return;
    }
    const bool is_for_others = options.start_stopped || !options.gdb.empty() ||
                               !options.dump_device_tree.empty() || !options.load_snapshot.empty();
    const bool is_loaded = std::ranges::any_of(options.load_items, &LoadItem::starts);
    if (options.kernel.empty() && options.firmware.empty() && !has_flash && !is_loaded &&
        !is_for_others) {
        parse.fail("nothing to run: -kernel, -bios or -drive if=pflash; -help lists all options");
    }
}

// With -icount: what else differs from run to run, unless the user says what it is.
void set_inputs_of_every_run(SystemOptions& options) {
    constexpr i64 kStartOf2026 = 1'767'225'600;
    options.seed = options.seed.value_or(0);
    if (!options.clock_start_s && !options.clock_is_given) {
        options.clock_start_s = kStartOf2026;
    }
}

void check(Parse& parse) {
    const SystemOptions& options = parse.options;
    if (options.gic == GicVersion::V2 && options.cpus > devices::virt::kMaxGicV2Cpus) {
        parse.fail("-smp " + std::to_string(options.cpus) +
                   ": GICv2 has at most 8 CPUs; -machine gic-version=3");
    }
    if (options.tags && !options.cpu_model.features.has(frontend::Feature::MTE)) {
        parse.fail("-machine mte=on: -cpu " + options.cpu + " has no memory tagging");
    }
    if (options.kernel.empty()) {
        for (const auto& [option, value] :
             {std::pair{"-initrd", &options.initrd}, {"-append", &options.command_line}}) {
            if (!value->empty()) {
                parse.fail(std::string(option) + ": only with -kernel");
            }
        }
    }
    for (const DriveOption& drive : options.drives) {
        if (!options.firmware.empty() && drive.interface == DriveOption::Interface::Pflash &&
            drive.unit == 0) {
            parse.fail("-bios: the first flash bank has a -drive of its own");
        }
    }
    if (options.instruction_time && options.clock_is_hosts) {
        parse.fail("-rtc clock=host: with -icount all time is the machine's; clock=vm");
    }
    if (options.instruction_time && runtime::waits_for_tier2(options.tier2)) {
        parse.fail("--tier2: with -icount the compile server's time would be seen; server or off");
    }
    if (options.daemonize && std::ranges::any_of(options.lines, [](const CharacterOption& line) {
            return devices::is_console(line.words);
        })) {
        parse.fail("-daemonize: stdio is left, so serial ports and monitors have to be elsewhere "
                   "(-display none -serial null)");
    }
    check_terminal(parse);
    check_objects(parse);
    check_devices(parse);
    check_software(parse);
}

} // namespace

SystemCommandLine parse_system_command_line(int argc, const char* const* argv) {
    Parse parse;
    apply_environment(parse);
    apply_arguments(parse, argc, argv);
    resolve_characters(parse);
    check_serials(parse);
    set_default_serial(parse);
    check(parse);
    if (parse.options.instruction_time) {
        set_inputs_of_every_run(parse.options);
    }
    return {std::move(parse.options), parse.exit_status, std::move(parse.message)};
}

} // namespace ulna::system
