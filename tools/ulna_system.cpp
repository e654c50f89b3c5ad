// ulna-system: a whole Arm machine.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>

#include "runtime/debug/gdb_socket.h"
#include "runtime/debug/log.h"
#include "runtime/debug/perf_files.h"
#include "runtime/debug/statistics.h"
#include "runtime/devices/virt_map.h"
#include "runtime/persist/cache_directory.h"
#include "runtime/persist/configuration.h"
#include "runtime/system/attached_monitor.h"
#include "runtime/system/board.h"
#include "runtime/system/cache_identity.h"
#include "runtime/system/compile_server.h"
#include "runtime/system/daemon.h"
#include "runtime/system/device_tree_file.h"
#include "runtime/system/gdb_target.h"
#include "runtime/system/pseudo_terminals.h"
#include "runtime/system/qmp/server.h"
#include "runtime/system/termination.h"
#include "runtime/tier2/server_connection.h"

namespace {

using namespace ulna;

int fail(const std::string& why) {
    std::fprintf(stderr, "ulna-system: %s\n", why.c_str());
    return 1;
}

// Not when dumps are to show each translation being made, or a debugger's breakpoints end blocks.
bool keeps_translations(const system::SystemOptions& options) {
    return options.persistent_cache && options.gdb.empty() &&
           !runtime::debug::shows_translations(options.log_items);
}

// A debugger's breakpoints end blocks, and runs with -icount must not depend on when answers come.
std::unique_ptr<runtime::CompileService> open_tier2(const system::SystemOptions& options) {
    const std::optional<u64> build = runtime::build_identity();
    if (options.tier2 == runtime::TierTwo::Off || options.interpreter_engine || !build ||
        !options.gdb.empty() || options.instruction_time) {
        return nullptr;
    }
    return std::make_unique<runtime::ServerConnection>(*build, runtime::server_kind(options.tier2),
                                                       system::start_compile_server);
}

system::MachineConfig config_of(const system::SystemOptions& options,
                                runtime::CompileService* tier2) {
    return {.cpus = options.cpus,
            .ram_bytes = options.ram_bytes,
            .model = &options.cpu_model,
            .engine = options.interpreter_engine ? runtime::EngineKind::Interpreter
                                                 : runtime::EngineKind::Jit,
            .tier0 = options.tier0 && (tier2 == nullptr || !waits_for_tier2(options.tier2)),
            .code_cache_bytes = options.code_cache_mib << 20,
            .has_el2 = options.el2,
            .has_el3 = options.el3,
            .gic = options.gic,
            .has_its = options.its,
            .shares_ram = system::shares_ram(options),
            .has_tags = options.tags,
            .ram_file = system::memory_file(options),
            .stays_on = options.no_shutdown,
            .resets_end = options.no_reboot,
            .instruction_time = options.instruction_time,
            .seed = options.seed,
            .cache_directory = keeps_translations(options)
                                   ? runtime::cache_directory(options.cache_directory)
                                   : "",
            .cache_identity = system::cache_identity(options),
            .tier2 = tier2,
            .tier2_policy = runtime::policy_of(options.tier2)};
}

// Where a debugger may connect to, if the user asked for that.
struct Debugger {
    std::unique_ptr<system::GdbMachine> target;
    std::unique_ptr<runtime::debug::GdbServer> server;
};
bool add_debugger(system::Machine& machine,
                  const system::SystemOptions& options,
                  system::Monitor& monitor,
                  Debugger& debugger,
                  std::string& why_not) {
    if (options.gdb.empty()) {
        return true;
    }
    debugger.target = std::make_unique<system::GdbMachine>(
        machine, [&monitor](std::string_view line) { return monitor.execute(line); });
    auto listener = runtime::debug::listen_for_gdb(options.gdb, why_not);
    if (!listener.socket) {
        return false;
    }
    debugger.server =
        std::make_unique<runtime::debug::GdbServer>(*debugger.target, std::move(listener));
    machine.loop().post([&] { debugger.server->start(); }); // when the first CPU is on
    return true;
}

// From a snapshot to the end, or a reset.
std::optional<system::Machine::End> live_on(system::Machine& machine,
                                            system::Snapshots& snapshots,
                                            const std::string& name,
                                            std::string& why_not) {
    why_not = snapshots.load(name);
    return why_not.empty() ? std::optional{machine.run_loaded()} : std::nullopt;
}

// A machine that has nothing waits for nothing.
std::optional<system::Machine::End> idle(system::Machine& machine) {
    constexpr u32 kWait[] = {0xd503207f, 0x17ffffff}; // wfi, and again
    const bool fits = machine.memory().write_ram(devices::virt::kRam, kWait, sizeof kWait);
    CHECK(fits);
    return machine.run(devices::virt::kRam, 0, 1);
}

// From power on, or a reset, to the end, or the next one.
std::optional<system::Machine::End>
live(system::Machine& machine, const system::SystemOptions& options, std::string& why_not) {
    if (!options.has_board) {
        return idle(machine);
    }
    auto boot = system::load_boot(system::boot_request(options), system::describe(options),
                                  machine.memory(), why_not);
    std::optional<devices::PhysAddr> start;
    if (!boot || !system::load_items(options.load_items, {devices::virt::kRam, options.ram_bytes},
                                     machine.memory(), start, why_not)) {
        return std::nullopt;
    }
    boot->pc = start.value_or(boot->pc);
    // Kernels are started where firmware would, everything else where a CPU starts.
    const u8 kernel_el = options.el2 ? 2 : 1;
    const u8 el = options.el3 && !boot->is_linux ? 3 : kernel_el;
    return machine.run(boot->pc, boot->x0, el);
}

void save_translations(system::Machine& machine) {
    if (const std::string trouble = machine.save_translations(); !trouble.empty()) {
        std::fprintf(stderr, "ulna-system: warning: %s\n", trouble.c_str());
    }
}

int run(const system::SystemOptions& options, system::Daemon& daemon) {
    std::string why_not;
    system::PidFile pid_file;
    if (!pid_file.write(options.pid_file, why_not)) {
        return fail(why_not);
    }
    const auto tier2 = open_tier2(options);
    const auto machine = system::Machine::create(config_of(options, tier2.get()), why_not);
    const auto board = machine ? system::Board::create(*machine, options, why_not) : nullptr;
    if (board == nullptr) {
        return fail(why_not);
    }
    system::Snapshots snapshots{*machine, *board, options};
    system::MachineControl control{*machine, *board, options};
    system::qmp::Server qmp{{*machine, *board, snapshots, control, options}};
    system::AttachedMonitor monitor{*machine, *board, snapshots, control};
    if (!monitor.connect(options.monitor, why_not)) {
        return fail(why_not);
    }
    Debugger debugger;
    if (!add_debugger(*machine, options, monitor.monitor(), debugger, why_not)) {
        return fail(why_not);
    }
    if (options.start_stopped) {
        machine->run_control().report({.reason = system::RunControl::Stop::Reason::Start});
    }
    if (!qmp.connect(options.qmp, why_not)) {
        return fail(why_not);
    }
    daemon.ready();
    std::optional<system::Termination> termination;
    {
        const std::lock_guard lock{machine->lock()};
        termination.emplace(machine->loop(), [&] { machine->stop(0, system::Cause::HostSignal); });
    }
    auto end = options.load_snapshot.empty()
                   ? live(*machine, options, why_not)
                   : live_on(*machine, snapshots, options.load_snapshot, why_not);
    while (end && end->reset && !system::Termination::signal()) {
        save_translations(*machine);
        machine->reset();
        end = live(*machine, options, why_not);
    }
    machine->run_control().finish();
    if (end && end->reset) { // but for a signal
        machine->tell({system::MachineEvent::Kind::Shutdown, system::Cause::HostSignal});
    }
    qmp.end();
    if (debugger.server != nullptr && end) {
        debugger.server->set_exit_status(end->status);
    }
    if (!end) {
        return fail(why_not);
    }
    {
        const std::lock_guard lock{machine->lock()};
        board->flush();
        termination.reset(); // further signals do what they always did
    }
    save_translations(*machine);
    if (options.stats) {
        std::fputs(machine->stats().c_str(), stderr);
    }
    return end->status;
}

// False, with a reason, when the log's file cannot be written.
bool configure_debugging(const system::SystemOptions& options, std::string& why_not) {
    namespace debug = runtime::debug;
    why_not = debug::open_perf_files(options.perf);
    debug::stages_are_timed = options.stats;
    if (why_not.empty() && options.log_items != 0) {
        const auto ranges = debug::parse_address_ranges(options.log_filter);
        why_not = debug::configure_log(options.log_items, options.log_file,
                                       ranges.value_or(debug::AddressRanges{}));
    }
    return why_not.empty();
}

// A descriptor of ours that got the number of a closed standard one would be written to by mistake.
void fill_standard_descriptors() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (fcntl(fd, F_GETFD) < 0) {
            static_cast<void>(open("/dev/null", O_RDWR)); // gets the lowest number
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string_view(argv[1]).starts_with(runtime::kServerOption)) {
        system::become_compile_server(argv[1]);
        return 1;
    }
    fill_standard_descriptors();
    system::SystemCommandLine line = system::parse_system_command_line(argc, argv);
    if (line.exit_status) {
        std::fputs(line.message.c_str(), *line.exit_status == 0 ? stdout : stderr);
        return *line.exit_status;
    }
    if (!line.options.dump_device_tree.empty()) {
        const std::string trouble =
            system::save_device_tree(line.options, line.options.dump_device_tree);
        return trouble.empty() ? 0 : fail(trouble);
    }
    std::string why_not;
    system::Daemon daemon;
    const bool is_set_up = (!line.options.daemonize || daemon.enter(why_not)) &&
                           configure_debugging(line.options, why_not) &&
                           system::open_ptys(line.options, why_not);
    const int status = is_set_up ? run(line.options, daemon) : fail(why_not);
    if (const std::optional<int> signal = system::Termination::signal()) {
        std::raise(*signal); // when all is put away, such as half of a snapshot's file
    }
    return status;
}
