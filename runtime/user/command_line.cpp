#include "runtime/user/command_line.h"

#include <algorithm>
#include <climits>
#include <string_view>

#include <unistd.h>

#include "runtime/common_options.h"
#include "runtime/persist/cache_directory.h"
#include "runtime/version.h"

namespace ulna::user {

namespace {

namespace debug = runtime::debug;

// What parsing accumulates besides the options proper.
struct Parse : runtime::ParseEnd {
    Options options;
    std::vector<std::string> set_env;
    std::vector<std::string> unset_env;
    std::optional<std::string> argv0;
    std::string cache_command; // --cache
};

using Apply = void (*)(Parse&, const std::string& value);

struct Option {
    const char* name;     // without dashes; one or two dashes are both accepted
    const char* value;    // name of the argument in the help; null: a flag
    const char* variable; // environment variable without QEMU_ or ULNA_; null: none
    const char* help;
    Apply apply;
};

void split_commas(const std::string& list, std::vector<std::string>& to) {
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        if (comma > at) {
            to.push_back(list.substr(at, comma - at));
        }
        at = comma + 1;
    }
}

void set_stack(Parse& parse, const std::string& value) {
    constexpr u64 kLeast = u64{64} << 10, kMost = u64{64} << 30;
    const std::optional<u64> bytes = runtime::parse_bytes(value);
    if (!bytes || *bytes < kLeast || *bytes > kMost) {
        parse.fail("-s " + value + ": a stack size between 64K and 64G, such as 16M");
        return;
    }
    parse.options.stack_bytes = *bytes;
}

void set_address_space(Parse& parse, const std::string& value) {
    constexpr u64 kLeast = u64{4} << 30, kPage = 4096;
    const std::optional<u64> bytes = runtime::parse_bytes(value);
    if (!bytes || (*bytes != 0 && *bytes < kLeast) || *bytes % kPage != 0) {
        parse.fail("-R " + value + ": an address space of whole pages, at least 4G, such as 512G");
        return;
    }
    parse.options.reserved_bytes = *bytes;
}

void set_code_cache(Parse& parse, const std::string& value) {
    constexpr u64 kMostMib = 1024; // blocks reach each other with 32-bit displacements
    const std::optional<u64> mib = runtime::parse_number(value);
    if (!mib || *mib > kMostMib) {
        parse.fail("-tb-size " + value + ": a code cache of 1 to 1024 MiB, or 0 for the default");
        return;
    }
    parse.options.code_cache_mib = *mib;
}

void set_cpu(Parse& parse, const std::string& value) {
    runtime::set_cpu(parse, value, runtime::CpuHelp::ModelsWithFeatures);
}

void set_log(Parse& parse, const std::string& value) {
    runtime::set_log(parse, value);
    parse.options.strace |= (parse.options.log_items & static_cast<u32>(debug::Item::Strace)) != 0;
}

void set_cache_command(Parse& parse, const std::string& value) {
    if (value != "stats" && value != "clear" && value != "verify") {
        parse.fail("--cache " + value + ": stats, clear or verify");
        return;
    }
    parse.cache_command = value;
}

void show_help(Parse& parse, const std::string&);

const char* const kVersionText =
    "ulna " ULNA_VERSION " (AArch64 Linux programs on x86-64; options as qemu-aarch64)\n";

// clang-format off
constexpr Option kOptions[] = {
    {"L",       "path",     "LD_PREFIX",   "root of an arm64 system: where its libraries are looked for first",
        [](Parse& p, const std::string& v) { p.options.sysroot = v; }},
    {"E",       "var=value","SET_ENV",     "set variables of the guest's environment (comma-separated, repeatable)",
        [](Parse& p, const std::string& v) { split_commas(v, p.set_env); }},
    {"U",       "var",      "UNSET_ENV",   "remove variables of the guest's environment (comma-separated, repeatable)",
        [](Parse& p, const std::string& v) { split_commas(v, p.unset_env); }},
    {"0",       "argv0",    "ARGV0",       "what the guest gets as argv[0]",
        [](Parse& p, const std::string& v) { p.argv0 = v; }},
    {"r",       "release",  "UNAME",       "kernel release that uname reports",
        [](Parse& p, const std::string& v) { p.options.uname_release = v; }},
    {"s",       "size",     "STACK_SIZE",  "least stack of the main thread, e.g. 16M",  set_stack},
    {"cpu",     "model",    "CPU",         "CPU model; -cpu help lists them",           set_cpu},
    {"strace",  nullptr,    "STRACE",      "log system calls",
        [](Parse& p, const std::string&) { p.options.strace = true; }},
    {"d",       "items",    "LOG",         "log items, comma-separated; -d help lists them", set_log},
    {"D",       "file",     "LOG_FILENAME","where to log (%d: process id); standard error if not given",
        [](Parse& p, const std::string& v) { p.options.log_file = v; }},
    {"dfilter", "ranges",   "DFILTER",     "log only guest addresses in a..b, a+len or a-len",
        runtime::set_log_filter},
    {"stats",   nullptr,    "STATS",       "print what was translated, and the time it took, at exit",
        [](Parse& p, const std::string&) { p.options.stats = true; }},
    {"engine",  "jit|interp","ENGINE",     "translate to host code (default), or interpret the IR", runtime::set_engine},
    {"tier0",   "on|off",   "TIER0",       "interpret what is executed for the first time (default), or translate it at once", runtime::set_tier0},
    {"tier2",   "off|server|sync|twice", "TIER2", "compile hot code with LLVM: not at all, beside the program (default), or (for tests) all code, waiting for it, once or twice", runtime::set_tier2},
    {"no-cache", nullptr,   "NO_CACHE",    "neither use nor fill the persistent translation cache",
        runtime::set_no_cache},
    {"cache",   "stats|clear|verify", nullptr, "look at, empty or check the persistent translation cache, and exit", set_cache_command},
    {"cache-dir","path",    "CACHE_DIR",   "where the persistent translation cache is; $XDG_CACHE_HOME/ulna/code if not given",
        runtime::set_cache_directory},
    {"perfmap", nullptr,    "PERFMAP",     "write /tmp/perf-PID.map for perf",
        [](Parse& p, const std::string&) { p.options.perf.map = true; }},
    {"jitdump", nullptr,    "JITDUMP",     "write jit-PID.dump for perf inject --jit",
        [](Parse& p, const std::string&) { p.options.perf.jit_dump = true; }},
    {"g",       "port|path","GDB",         "wait for gdb at this TCP port of this host, or Unix socket, before the first instruction",
        [](Parse& p, const std::string& v) { p.options.gdb = v; }},
    {"one-insn-per-tb", nullptr, "ONE_INSN_PER_TB", "accepted for compatibility", [](Parse&, const std::string&) {}},
    {"singlestep", nullptr, "SINGLESTEP",  "accepted for compatibility", [](Parse&, const std::string&) {}},
    {"tb-size", "size",     "TB_SIZE",     "most MiB of translated code; 0: the default, 256", set_code_cache},
    {"B",       "address",  "GUEST_BASE",  "accepted for compatibility: guest addresses are host addresses", [](Parse&, const std::string&) {}},
    {"R",       "size",     "RESERVED_VA", "address space of the guest, e.g. 512G as kernels with 39 bits have; all that there is if not given", set_address_space},
    {"p",       "pagesize", "PAGESIZE",    "accepted for compatibility: pages have 4096 bytes", [](Parse&, const std::string&) {}},
    {"seed",    "number",   "RAND_SEED",   "the same random numbers (AT_RANDOM, RNDR, keys) every time",  runtime::set_seed},
    {"version", nullptr,    nullptr,       "print the version",
        [](Parse& p, const std::string&) { p.answer(kVersionText); }},
    {"help",    nullptr,    nullptr,       "print this help", show_help},
    {"h",       nullptr,    nullptr,       "print this help", show_help},
};
// clang-format on

void show_help(Parse& parse, const std::string&) {
    std::string text = "usage: ulna [options] program [arguments...]\n"
                       "Runs an AArch64 Linux program on this machine.\n\n";
    for (const Option& option : kOptions) {
        std::string left = std::string("  -") + option.name;
        if (option.value != nullptr) {
            left += std::string(" ") + option.value;
        }
        left.resize(std::max<std::size_t>(left.size() + 2, 24), ' ');
        text += left + option.help;
        if (option.variable != nullptr) {
            text += std::string(" [ULNA_") + option.variable + ", QEMU_" + option.variable + "]";
        }
        text += '\n';
    }
    parse.answer(text);
}

const Option* find_option(std::string_view name) {
    for (const Option& option : kOptions) {
        if (name == option.name) {
            return &option;
        }
    }
    return nullptr;
}

// Applies `QEMU_NAME=value` and `ULNA_NAME=value`; the latter are seen second and win.
void apply_environment(Parse& parse, char** environment) {
    for (const std::string_view prefix : {"QEMU_", "ULNA_"}) {
        for (char** entry = environment; *entry != nullptr; ++entry) {
            const std::string_view text = *entry;
            if (!text.starts_with(prefix)) {
                continue;
            }
            const std::string_view rest = text.substr(prefix.size());
            const std::size_t equals = std::min(rest.find('='), rest.size());
            for (const Option& option : kOptions) {
                if (option.variable != nullptr && rest.substr(0, equals) == option.variable) {
                    option.apply(parse,
                                 std::string(rest.substr(std::min(equals + 1, rest.size()))));
                }
            }
        }
    }
}

// Index of the program in argv.
int apply_arguments(Parse& parse, int argc, char** argv) {
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0' && !parse.exit_status; ++at) {
        std::string_view name = argv[at] + 1;
        if (name == "-") {
            return at + 1; // "--" ends the options
        }
        if (name.starts_with('-')) {
            name.remove_prefix(1);
        }
        std::optional<std::string> value;
        if (const std::size_t equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        }
        const Option* const option = find_option(name);
        if (option == nullptr) {
            parse.fail(std::string(argv[at]) + ": no such option; ulna -help lists them");
            return at;
        }
        if (option->value != nullptr && !value) {
            if (++at >= argc) {
                parse.fail("-" + std::string(name) + ": needs an argument (" + option->value + ")");
                return at;
            }
            value = argv[at];
        }
        option->apply(parse, value.value_or(""));
    }
    return at;
}

std::string_view name_of(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

void make_environment(Parse& parse, char** environment) {
    std::vector<std::string>& env = parse.options.env;
    const auto remove = [&env](std::string_view name) {
        std::erase_if(env, [name](const std::string& entry) { return name_of(entry) == name; });
    };
    for (char** entry = environment; *entry != nullptr; ++entry) {
        env.emplace_back(*entry);
    }
    for (const std::string& name : parse.unset_env) {
        remove(name);
    }
    for (const std::string& entry : parse.set_env) {
        if (entry.find('=') == entry.npos) {
            parse.fail("-E " + entry + ": needs var=value");
            continue;
        }
        remove(name_of(entry));
        env.push_back(entry);
    }
}

// Libraries choose their copies of memory and the like by MIDR_EL1. The quickest here are those by
// vector registers, most of which are the host's, so the CPU that is nobody's (implementer 0:
// `max`) is shown to programs as a part for which such are chosen: one without SVE, since compilers
// take what a part has for granted (-mcpu=native). A machine's kernel, which looks there for
// errata, does not see it.
void show_part(frontend::CpuModel& model) {
    constexpr u64 kNeoverseN1 = 0x414f'd0c1;
    constexpr unsigned kImplementer = 24;
    if (model.midr_el1 >> kImplementer == 0) {
        model.midr_el1 = kNeoverseN1;
    }
}

} // namespace

CommandLine parse_command_line(int argc, char** argv, char** environment, Variables variables) {
    Parse parse{{.program = "ulna"}};
    if (variables == Variables::Apply) {
        apply_environment(parse, environment);
    }
    const int program = apply_arguments(parse, argc, argv);
    make_environment(parse, environment);
    show_part(parse.options.cpu_model);
    if (!parse.cache_command.empty() && !parse.exit_status) {
        const std::string directory = runtime::cache_directory(parse.options.cache_directory);
        parse.exit_status =
            runtime::run_cache_command(directory, parse.cache_command, parse.message);
        return {std::move(parse.options), parse.exit_status, std::move(parse.message)};
    }
    if (program >= argc) {
        parse.fail("no program given; usage: ulna [options] program [arguments...]");
    } else {
        parse.options.program = argv[program];
        parse.options.args.assign(argv + program, argv + argc);
        if (parse.argv0) {
            parse.options.args[0] = *parse.argv0;
        }
    }
    return {std::move(parse.options), parse.exit_status, std::move(parse.message)};
}

} // namespace ulna::user
