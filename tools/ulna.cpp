// `ulna [options] program [arguments]`: runs one AArch64 Linux program.
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include <malloc.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ir/support/check.h"
#include "runtime/debug/log.h"
#include "runtime/debug/perf_files.h"
#include "runtime/debug/statistics.h"
#include "runtime/persist/cache_directory.h"
#include "runtime/persist/configuration.h"
#include "runtime/tier2/launch.h"
#include "runtime/tier2/server_connection.h"
#include "runtime/user/address_space.h"
#include "runtime/user/command_line.h"
#include "runtime/user/compile_server.h"
#include "runtime/user/debugged_code.h"
#include "runtime/user/debugger.h"
#include "runtime/user/elf_loader.h"
#include "runtime/user/guest_cpu.h"
#include "runtime/user/guest_symbols.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/initial_stack.h"
#include "runtime/user/kernel_view.h"
#include "runtime/user/own_file.h"
#include "runtime/user/paths.h"
#include "runtime/user/proc_files.h"
#include "runtime/user/process.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/signals.h"
#include "runtime/user/thread_group.h"
#include "runtime/user/vdso.h"

namespace {

using namespace ulna;
using namespace ulna::user;

[[noreturn]] void fail(int status, const std::string& why) {
    std::fprintf(stderr, "ulna: %s\n", why.c_str());
    std::exit(status);
}

void start_log(const Options& options) {
    namespace debug = runtime::debug;
    u32 items = options.log_items;
    if (options.strace) {
        items |= static_cast<u32>(debug::Item::Strace);
    }
    if (items != 0) {
        const auto ranges = debug::parse_address_ranges(options.log_filter);
        const std::string why =
            debug::configure_log(items, options.log_file, ranges.value_or(debug::AddressRanges{}));
        if (!why.empty()) {
            fail(1, "-D " + why);
        }
    }
    if (const std::string why = debug::open_perf_files(options.perf, guest_function_at);
        !why.empty()) {
        fail(1, why);
    }
    debug::stages_are_timed = options.stats;
}

runtime::EngineConfig engine_config(const Options& options, frontend::CodeSource& code) {
    runtime::EngineConfig config;
    config.code = &code;
    config.translate.cpu = &process().options.cpu_model;
    config.kind =
        options.interpreter_engine ? runtime::EngineKind::Interpreter : runtime::EngineKind::Jit;
    config.tier0 = options.tier0 && !runtime::waits_for_tier2(options.tier2);
    if (options.code_cache_mib != 0) {
        config.code_cache_bytes = options.code_cache_mib << 20;
    }
    return config;
}

// Code ends before breakpoints, so none is kept, and tier 2 makes none.
void open_debugger(const Options& options, AddressSpace& space) {
    std::string why_not;
    process().debugger = Debugger::listen(options.gdb, space, why_not);
    if (process().debugger == nullptr) {
        fail(1, "-g " + options.gdb + ": cannot listen there: " + why_not);
    }
}

// Not when dumps are to show each translation being made. That the directory cannot be used is no
// reason to say anything: `ulna --cache stats` says why.
std::unique_ptr<runtime::PersistentCache> open_persistent_cache(const Options& options,
                                                                const runtime::EngineConfig& config,
                                                                bool is_privileged) {
    const std::optional<u64> configuration = runtime::translation_configuration(config);
    std::string why_not;
    if (!options.persistent_cache || is_privileged || !configuration ||
        runtime::debug::shows_translations(options.log_items) || process().debugger != nullptr) {
        return nullptr;
    }
    return runtime::PersistentCache::open(runtime::cache_directory(options.cache_directory),
                                          *configuration, why_not);
}

std::unique_ptr<runtime::CompileService> open_tier2(const Options& options, bool is_privileged) {
    const std::optional<u64> build = runtime::build_identity();
    if (options.tier2 == runtime::TierTwo::Off || options.interpreter_engine || is_privileged ||
        !build || process().debugger != nullptr) {
        return nullptr;
    }
    return std::make_unique<runtime::ServerConnection>(*build, runtime::server_kind(options.tier2),
                                                       start_compile_server);
}

std::unique_ptr<runtime::Engine> start_engine(runtime::EngineConfig config) {
    config.persistent = process().persistent.get();
    std::string why_not;
    auto engine = runtime::Engine::create(config, why_not);
    if (engine == nullptr && config.kind == runtime::EngineKind::Jit) {
        std::fprintf(stderr, "ulna: no translation on this host (%s): interpreting\n",
                     why_not.c_str());
        config.kind = runtime::EngineKind::Interpreter;
        engine = runtime::Engine::create(config, why_not);
    }
    if (engine == nullptr) {
        fail(1, "cannot start: " + why_not);
    }
    return engine;
}

// Without links or a trailing slash, as host_path wants it.
void resolve_sysroot(std::string& sysroot) {
    char resolved[PATH_MAX];
    if (!sysroot.empty() && ::realpath(sysroot.c_str(), resolved) != nullptr) {
        sysroot = std::string(resolved) == "/" ? "" : resolved;
    }
}

// The program as named; when that is not for us, the sysroot's file of that name.
std::string find_program(const std::string& path) {
    if (!sysroot_is_empty() && !is_runnable(path)) {
        return host_path(path, FollowLinks::Yes);
    }
    return path;
}

LoadedProgram load(const Options& options, const Handover& handover) {
    const bool is_open = handover.program_fd >= 0;
    const std::string path = is_open ? options.program : find_program(options.program);
    auto loaded = load_program(path, options.args, handover.program_fd);
    if (const auto* error = std::get_if<LoadError>(&loaded)) {
        fail(error->exit_status, error->message);
    }
    auto program = std::get<LoadedProgram>(std::move(loaded));
    program.name = handover.name != nullptr ? handover.name : options.program;
    return program;
}

void name_process(const LoadedProgram& program) {
    Process& self = process();
    self.exe_path = program.path;
    // A program executed by descriptor has no name of its own but its file's.
    const bool is_by_descriptor = program.name.starts_with("/dev/fd/");
    const std::string name =
        is_by_descriptor ? program.path.substr(0, program.path.find(" (deleted)")) : program.name;
    self.comm = name.substr(name.rfind('/') + 1).substr(0, 15);
    ::prctl(PR_SET_NAME, self.comm.c_str());
}

// binfmt_misc with the flag P: argv is {ulna, path, argv[0], arguments...}, and the kernel says so.
std::vector<char*> registered_arguments(int argc, char** argv) {
    constexpr unsigned long kPreservesArgv0 = 1; // AT_FLAGS_PRESERVE_ARGV0
    std::vector<char*> args(argv, argv + argc);
    if ((::getauxval(AT_FLAGS) & kPreservesArgv0) != 0 && argc > 2) {
        static char option[] = "-0";
        static char end[] = "--";
        args = {argv[0], option, argv[2], end, argv[1]};
        args.insert(args.end(), argv + 3, argv + argc);
    }
    args.push_back(nullptr);
    return args;
}

} // namespace

int main(int argc, char** argv, char** environment) {
    if (argc == 2 && std::string_view(argv[1]).starts_with(runtime::kServerOption)) {
        runtime::launch_server(argv[1], own_path());
        return 1;
    }
    std::set_new_handler([] { out_of_memory("ulna itself"); });
    // Tables grow by moving into twice the memory, and what they leave goes back to the host. By
    // itself glibc would keep what it has seen once: 3 MiB of node's size.
    ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
    std::vector<char*> arguments = registered_arguments(argc, argv);
    const Handover handover =
        take_handover(static_cast<int>(arguments.size()) - 1, arguments.data());
    // A program with more rights than its caller must not be told by it where its libraries are.
    const bool is_privileged = ::getauxval(AT_SECURE) != 0;
    const bool trusts_environment = !handover.active && !is_privileged;
    CommandLine line =
        parse_command_line(handover.argc, handover.argv, environment,
                           trusts_environment ? Variables::Apply : Variables::Ignore);
    if (line.exit_status) {
        std::fputs(line.message.c_str(), *line.exit_status == 0 ? stdout : stderr);
        return *line.exit_status;
    }
    static AddressSpace space; // outlives every thread
    Process& self = process();
    self.options = std::move(line.options);
    self.space = &space;
    resolve_sysroot(self.options.sysroot);
    start_log(self.options);
    static DebuggedCode code{space};
    runtime::EngineConfig config = engine_config(self.options, code);
    if (!self.options.gdb.empty() && !is_privileged) {
        open_debugger(self.options, space);
    }
    self.tier2 = open_tier2(self.options, is_privileged);
    config.tier2 = self.tier2.get();
    config.tier2_policy = runtime::policy_of(self.options.tier2);
    self.persistent = open_persistent_cache(self.options, config, is_privileged);
    init_process(handover);
    init_signals(static_cast<u64>(handover.blocked_signals));
    const LoadedProgram program = load(self.options, handover);
    name_process(program);
    finish_handover(handover);
    space.init_brk(program.heap);
    std::optional<GuestAddr> sp;
    if (!map_vdso() || !(sp = make_initial_stack(program))) {
        fail(kExitCannotRun,
             program.name + ": no memory for its stack (arguments too long, or -s too big)");
    }
    show_guest_arguments();
    namespace debug = runtime::debug;
    if (debug::log_enabled(debug::Item::Page)) {
        debug::log_text(guest_mappings());
    }
    self.engine = start_engine(config);
    space.set_engine_mode();
    if (self.options.stats) {
        set_exit_hook([] { std::fputs(process().engine->stats().c_str(), stderr); });
    }

    static GuestThread thread;
    thread.cpu = self.engine->new_thread();
    if (thread.cpu == nullptr) {
        out_of_memory("the main thread");
    }
    thread.signals = new_thread_signals(nullptr);
    thread.tid = ::getpid();
    thread.cpu->pc = program.start;
    thread.cpu->sp = *sp;
    init_guest_cpu(*thread.cpu);
    join_group(thread, thread);
    if (!take_over_filters(thread, handover.filters)) {
        fail(kExitCannotRun, program.name + ": its filters of system calls got lost on the way");
    }
    take_over_tracer(thread, handover.trace);
    if (self.debugger != nullptr) {
        self.debugger->start(thread);
    }
    run_thread(thread);
    return thread.exit_status;
}
