#include "runtime/user/proc_files.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/own_thread.h"
#include "runtime/user/ptrace_tracee.h"
#include "runtime/user/seccomp.h"
#include "runtime/user/signals_state.h"

namespace ulna::user {

namespace {

std::string read_host(const char* path) {
    std::string text;
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    char buffer[16384];
    for (ssize_t got = 0; fd >= 0 && (got = ::read(fd, buffer, sizeof(buffer))) > 0;) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    if (fd >= 0) {
        ::close(fd);
    }
    return text;
}

std::string_view next_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

// "start-end perms offset device inode   name" of /proc/PID/maps.
struct MapsLine {
    u64 start = 0, end = 0, offset = 0;
    char sharing = 'p';
    std::string_view device_and_inode;
    std::string_view name;
};

std::optional<MapsLine> parse_maps_line(std::string_view line) {
    MapsLine parsed;
    const auto hex = [&line](u64& value, char separator) {
        const auto [rest, error] =
            std::from_chars(line.data(), line.data() + line.size(), value, 16);
        const auto used = static_cast<std::size_t>(rest - line.data());
        if (error != std::errc{} || used >= line.size() || line[used] != separator) {
            return false;
        }
        line.remove_prefix(used + 1);
        return true;
    };
    if (!hex(parsed.start, '-') || !hex(parsed.end, ' ') || line.size() < 5 || line[4] != ' ') {
        return std::nullopt;
    }
    parsed.sharing = line[3];
    line.remove_prefix(5);
    if (!hex(parsed.offset, ' ')) {
        return std::nullopt;
    }
    const std::size_t inode = line.find(' ') + 1;
    const std::size_t inode_end = std::min(line.find(' ', inode), line.size());
    parsed.device_and_inode = line.substr(0, inode_end);
    const std::size_t name = line.find_first_not_of(' ', inode_end);
    parsed.name = name == line.npos ? std::string_view{} : line.substr(name);
    return parsed;
}

// Names that the kernel gives to anonymous mappings it knows.
std::string_view guest_name(const AddressSpace::Region& part, std::string_view host_name) {
    const Process& self = process();
    if (!host_name.empty() && !host_name.starts_with("[heap]") &&
        !host_name.starts_with("[stack]")) {
        return host_name;
    }
    if (self.vdso_base >= part.start && self.vdso_base < part.end) {
        return "[vdso]";
    }
    if (self.stack_start >= part.start && self.stack_start < part.end) {
        return "[stack]";
    }
    if (part.start < self.space->brk_end() && part.end > self.space->brk_start()) {
        return "[heap]";
    }
    return {};
}

std::string maps_line(const AddressSpace::Region& part, const MapsLine& host) {
    char text[256];
    const bool file = host.device_and_inode != "00:00 0";
    const int length = std::snprintf(
        text, sizeof(text), "%08llx-%08llx %c%c%c%c %08llx %.*s",
        static_cast<unsigned long long>(part.start), static_cast<unsigned long long>(part.end),
        (part.protection & PROT_READ) != 0 ? 'r' : '-',
        (part.protection & PROT_WRITE) != 0 ? 'w' : '-',
        (part.protection & PROT_EXEC) != 0 ? 'x' : '-', host.sharing,
        static_cast<unsigned long long>(file ? host.offset + (part.start - host.start) : 0),
        static_cast<int>(host.device_and_inode.size()), host.device_and_inode.data());
    std::string line(text, static_cast<std::size_t>(length));
    const std::string_view name = guest_name(part, host.name);
    if (!name.empty()) {
        line.resize(std::max<std::size_t>(line.size() + 1, 73), ' '); // the kernel's column
        line += name;
    }
    return line + '\n';
}

// The parts of [start, end) that are the guest's, with its permissions. Of `regions`, which ascend
// and may be tens of thousands, as many as the host's lines.
std::vector<AddressSpace::Region>
guest_parts(const std::vector<AddressSpace::Region>& regions, u64 start, u64 end) {
    std::vector<AddressSpace::Region> parts;
    auto region = std::ranges::upper_bound(regions, start, {}, &AddressSpace::Region::end);
    for (; region != regions.end() && region->start < end; ++region) {
        parts.push_back(
            {std::max(start, region->start), std::min(end, region->end), region->protection});
    }
    return parts;
}

// The attribute lines of smaps, as the guest's part of a host mapping has them.
std::string attributes_of(const AddressSpace::Region& part, std::string_view host) {
    std::string text{host};
    const std::size_t flags = text.find("VmFlags:");
    if (flags != text.npos && (part.protection & kProtMte) != 0) {
        text.insert(std::min(text.find('\n', flags), text.size()), "mt ");
    }
    return text;
}

// maps, and smaps whose attribute lines follow each mapping's line.
std::string guest_maps(const char* host_file) {
    const std::string host_text = read_host(host_file);
    const auto regions = process().space->regions();
    std::string text;
    std::string attributes;
    std::vector<std::pair<std::string, AddressSpace::Region>>
        pending; // lines of one host mapping, waiting for its attributes
    const auto flush = [&] {
        for (const auto& [line, part] : pending) {
            text += line;
            text += attributes_of(part, attributes);
        }
        pending.clear();
        attributes.clear();
    };
    for (std::string_view rest = host_text; !rest.empty();) {
        const std::string_view line = next_line(rest);
        const std::optional<MapsLine> host = parse_maps_line(line);
        if (!host) {
            attributes += line;
            attributes += '\n';
            continue;
        }
        flush();
        for (const auto& part : guest_parts(regions, host->start, host->end)) {
            pending.emplace_back(maps_line(part, *host), part);
        }
    }
    flush();
    return text;
}

// What the guest may have changed since (setproctitle): read from its memory, as the kernel does.
std::string guest_bytes(GuestAddr start, GuestAddr end) {
    std::string text(end > start ? end - start : 0, '\0');
    return copy_from_guest(text.data(), start, text.size()) ? text : std::string();
}

// Field numbers of proc(5).
std::string guest_stat() {
    const Process& self = process();
    const std::string host = read_host("/proc/self/stat");
    const std::size_t after_name = host.rfind(')');
    if (after_name == host.npos) {
        return host;
    }
    std::string text = host.substr(0, after_name + 1);
    std::string_view rest = std::string_view(host).substr(after_name + 2);
    for (unsigned field = 3; !rest.empty(); ++field) {
        const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
        std::string value(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        switch (field) {
        case 20:
            value = std::to_string(std::strtoul(value.c_str(), nullptr, 10) - count_own_threads());
            break;
        case 28:
            value = std::to_string(self.stack_start);
            break;
        case 47:
            value = std::to_string(self.space->brk_start());
            break;
        case 48:
            value = std::to_string(self.arg_start);
            break;
        case 49:
            value = std::to_string(self.arg_end);
            break;
        case 50:
            value = std::to_string(self.env_start);
            break;
        case 51:
            value = std::to_string(self.env_end);
            break;
        default:
            break;
        }
        text += ' ' + value;
    }
    return text + '\n';
}

// Of "Name:\tnumber".
u32 number_of(std::string_view line) {
    u32 number = 0;
    const std::size_t at = std::min(line.find('\t') + 1, line.size());
    std::from_chars(line.data() + at, line.data() + line.size(), number);
    return number;
}

// Dispositions of the signals that always have our handler are the guest's, as are filters of
// system calls, and the untagged address bits are arm64's.
std::string guest_status() {
    const std::string host = read_host("/proc/self/status");
    const GuestThread& thread = *current_thread();
    const pid_t tracer = known_state(getpid()).tracer;
    ThreadSignals& signals = *thread.signals;
    std::string text;
    for (std::string_view rest = host; !rest.empty();) {
        const std::string_view line = next_line(rest);
        const std::string_view name = line.substr(0, line.find(':'));
        const bool is_caught = name == "SigCgt";
        char changed[64];
        if (is_caught || name == "SigIgn") {
            SignalSet set = 0;
            std::from_chars(line.data() + 8, line.data() + line.size(), set, 16);
            for (int signal = 1; signal <= kSignalCount; ++signal) {
                const u64 handler = action_of(signals, signal).handler;
                if (is_synchronous(signal)) {
                    const bool is_in = is_caught ? is_handler(handler) : handler == kHandlerIgnore;
                    set = is_in ? set | signal_bit(signal) : set & ~signal_bit(signal);
                }
            }
            std::snprintf(changed, sizeof(changed), "%.6s:\t%016llx", line.data(),
                          static_cast<unsigned long long>(set));
            text += changed;
        } else if (name == "TracerPid" && tracer != 0) {
            text += "TracerPid:\t" + std::to_string(tracer);
        } else if (name == "untag_mask") {
            text += "untag_mask:\t0xffffffffffffff";
        } else if (name == "Threads") {
            text += "Threads:\t" + std::to_string(number_of(line) - count_own_threads());
        } else if (name == "Seccomp") {
            text += "Seccomp:\t" + std::to_string(seccomp_view(thread, {number_of(line), 0}).mode);
        } else if (name == "Seccomp_filters") {
            text += "Seccomp_filters:\t" +
                    std::to_string(seccomp_view(thread, {0, number_of(line)}).filters);
        } else if (name.starts_with("x86_")) {
            continue;
        } else {
            text += line;
        }
        text += '\n';
    }
    return text;
}

// "Linux version RELEASE (..."
std::string guest_version() {
    std::string text = read_host("/proc/version");
    const std::size_t at = text.find("version ");
    const std::string& release = process().options.uname_release;
    if (!release.empty() && at != text.npos) {
        const std::size_t start = at + 8;
        text.replace(start, text.find(' ', start) - start, release);
    }
    return text;
}

std::string guest_release() {
    const std::string& release = process().options.uname_release;
    return release.empty() ? read_host("/proc/sys/kernel/osrelease") : release + "\n";
}

std::string guest_cpuinfo() {
    const frontend::CpuModel& cpu = process().options.cpu_model;
    const std::string features = frontend::cpuinfo_features(cpu);
    const u64 midr = cpu.midr_el1;
    const long count = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
    std::string text;
    for (long i = 0; i < count; ++i) {
        char block[512];
        std::snprintf(block, sizeof(block),
                      "processor\t: %ld\nBogoMIPS\t: 125.00\nFeatures\t:%s\n"
                      "CPU implementer\t: 0x%02x\nCPU architecture: 8\nCPU variant\t: 0x%x\n"
                      "CPU part\t: 0x%03x\nCPU revision\t: %u\n\n",
                      i, features.c_str(), static_cast<unsigned>(midr >> 24 & 0xff),
                      static_cast<unsigned>(midr >> 20 & 0xf),
                      static_cast<unsigned>(midr >> 4 & 0xfff), static_cast<unsigned>(midr & 0xf));
        text += block;
    }
    return text;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

struct View {
    std::string_view name;
    ViewText text;
};
constexpr View kViews[] = {
    {"maps", guest_mappings},
    {"smaps", [] { return guest_maps("/proc/self/smaps"); }},
    {"cmdline", [] { return guest_bytes(process().arg_start, process().arg_end); }},
    {"environ", [] { return guest_bytes(process().env_start, process().env_end); }},
    {"auxv", [] { return std::string(process().auxv.begin(), process().auxv.end()); }},
    {"stat", guest_stat},
    {"status", guest_status},
};

// Of the machine, by their whole name.
constexpr View kMachineViews[] = {
    {"/proc/cpuinfo", guest_cpuinfo},
    {"/proc/version", guest_version},
    {"/proc/sys/kernel/arch", [] { return std::string("aarch64\n"); }},
    {"/proc/sys/kernel/osrelease", guest_release},
};

std::string register_text(u64 value) {
    char text[32];
    std::snprintf(text, sizeof(text), "0x%016llx\n", static_cast<unsigned long long>(value));
    return text;
}

// /sys/devices/system/cpu/cpuN/regs/identification/{midr,revidr}_el1, which only arm64 has.
ViewText cpu_register(std::string_view path) {
    constexpr std::string_view kCpus = "/sys/devices/system/cpu/cpu",
                               kRegisters = "/regs/identification/";
    const std::size_t at = path.find(kRegisters);
    if (!path.starts_with(kCpus) || at == path.npos ||
        !is_number(path.substr(kCpus.size(), at - kCpus.size())) ||
        ::access(std::string(path.substr(0, at)).c_str(), F_OK) != 0) {
        return nullptr;
    }
    const std::string_view name = path.substr(at + kRegisters.size());
    if (name == "midr_el1") {
        return [] { return register_text(process().options.cpu_model.midr_el1); };
    }
    if (name == "revidr_el1") {
        return [] { return register_text(0); };
    }
    return nullptr;
}

// Whether the host has the file, too: /proc may not be mounted, or without it (subset=pid). In
// containers some are lxcfs's, which speaks FUSE.
bool is_in_proc(const std::string& path) {
    struct statfs system;
    return ::statfs(path.c_str(), &system) == 0 &&
           (system.f_type == PROC_SUPER_MAGIC || system.f_type == FUSE_SUPER_MAGIC);
}

// As its /proc numbers it, which may be of an outer PID namespace.
bool is_this_process(std::string_view number) {
    char own[16];
    const ssize_t length = ::readlink("/proc/self", own, sizeof(own));
    return length > 0 && number == std::string_view(own, static_cast<std::size_t>(length));
}

// "/proc/self/maps" -> "maps"; empty when it is not a file of this process.
std::string_view own_file(std::string_view path) {
    if (!path.starts_with("/proc/")) {
        return {};
    }
    path.remove_prefix(6);
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view who = path.substr(0, slash);
    if (who != "self" && who != "thread-self" && !(is_number(who) && is_this_process(who))) {
        return {};
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (path.starts_with("task/")) { // threads share what is shown here (stat: except its times)
        const std::string_view task = path.substr(5);
        const std::size_t end = std::min(task.find('/'), task.size());
        path = is_number(task.substr(0, end)) ? task.substr(std::min(end + 1, task.size()))
                                              : std::string_view{};
        return path == "stat" || path == "status" ? std::string_view{} : path;
    }
    return path;
}

} // namespace

std::string guest_mappings() { return guest_maps("/proc/self/maps"); }

ViewText proc_view(const std::string& path) {
    if (!path.starts_with("/proc/")) {
        return path.starts_with("/sys/") ? cpu_register(path) : nullptr;
    }
    const auto find = [&path](std::span<const View> views, std::string_view name) -> ViewText {
        const auto found = std::ranges::find(views, name, &View::name);
        return found != views.end() && is_in_proc(path) ? found->text : nullptr;
    };
    const ViewText machine = find(kMachineViews, path);
    return machine != nullptr ? machine : find(kViews, own_file(path));
}

} // namespace ulna::user
