// Program headers are read by hand: what is accepted must be what the kernel accepts, and nothing
// else of the file is needed. Every number from the file is checked before it is used.
#include "runtime/user/elf_loader.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/address_space_limit.h"
#include "runtime/user/code_placement.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"
#include "runtime/user/paths.h"

namespace ulna::user {

namespace {

// Where position-independent programs go: the same place each time, with room below for static
// programs, and below 2 GiB, where translations name addresses in four bytes. Libraries follow
// (code_placement.cpp), so the heap is elsewhere: far from where the host kernel puts mappings, and
// not in the lower parts of the address space that sanitizers and Lisps want whole.
constexpr GuestAddr kPieBase = 0x1000'0000;
constexpr GuestAddr kPieHeap = 0x5000'0000'0000;
constexpr unsigned kMaxScripts = 5; // BINPRM: "#!" nesting
constexpr std::size_t kScriptLine = 256;

class File {
  public:
    explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    explicit File(int opened) : fd_(::fcntl(opened, F_DUPFD_CLOEXEC, 0)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int fd() const { return fd_; }
    // Bytes read, fewer only at the end of the file.
    [[nodiscard]] u64 read(u64 offset, void* to, u64 bytes) const {
        u64 done = 0;
        while (done < bytes) {
            const ssize_t got = ::pread(fd_, static_cast<char*>(to) + done, bytes - done,
                                        static_cast<off_t>(offset + done));
            if (got <= 0) {
                break;
            }
            done += static_cast<u64>(got);
        }
        return done;
    }

  private:
    int fd_;
};

struct Elf {
    Elf64_Ehdr header;
    std::vector<Elf64_Phdr> segments;
    std::string interpreter;     // PT_INTERP
    bool asks_for_bti = false;   // PT_GNU_PROPERTY
    GuestAddr low = 0, high = 0; // page-aligned extent of PT_LOADs
    u64 alignment = kPageBytes;
};

using Problem = std::optional<LoadError>;

LoadError cannot_run(const std::string& path, const std::string& why) {
    return {kExitCannotRun, path + ": " + why};
}

const char* machine_name(u16 machine) {
    struct Machine {
        u16 id;
        const char* name;
    };
    static constexpr Machine kMachines[] = {
        {EM_X86_64, "x86-64"},   {EM_386, "i386"},   {EM_ARM, "32-bit Arm"}, {EM_RISCV, "RISC-V"},
        {EM_PPC64, "PowerPC64"}, {EM_S390, "S/390"}, {EM_MIPS, "MIPS"}};
    for (const Machine& known : kMachines) {
        if (known.id == machine) {
            return known.name;
        }
    }
    return "another architecture";
}

Problem check_header(const std::string& path, const Elf64_Ehdr& header) {
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return cannot_run(path, "not an executable (neither ELF nor a script)");
    }
    if (header.e_machine != EM_AARCH64) {
        return cannot_run(path, std::string("an executable for ") + machine_name(header.e_machine) +
                                    ", not AArch64");
    }
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
        return cannot_run(path, "not a 64-bit little-endian AArch64 executable");
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return cannot_run(path, "an AArch64 ELF file, but not an executable");
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
        header.e_phnum > 65536 / sizeof(Elf64_Phdr)) {
        return cannot_run(path, "malformed ELF file: bad program header table");
    }
    return std::nullopt;
}

// One PT_LOAD's numbers make sense and its file part exists.
const char* segment_problem(const Elf64_Phdr& segment, u64 file_bytes) {
    if (segment.p_filesz > segment.p_memsz) {
        return "malformed ELF file: segment larger in the file than in memory";
    }
    if (segment.p_vaddr >= kTaskSize || segment.p_memsz > kTaskSize - segment.p_vaddr) {
        return "malformed ELF file: segment outside of the address space";
    }
    if (segment.p_filesz != 0 && (segment.p_vaddr - segment.p_offset) % kPageBytes != 0) {
        return "malformed ELF file: segment and file offset differ within the page";
    }
    if (segment.p_offset > file_bytes || segment.p_filesz > file_bytes - segment.p_offset) {
        return "truncated ELF file";
    }
    return nullptr;
}

// GNU_PROPERTY_AARCH64_FEATURE_1_AND of a PT_GNU_PROPERTY segment says BTI (the kernel's
// parse_elf_properties; a malformed note says nothing).
bool asks_for_bti(const File& file, const Elf64_Phdr& segment) {
    struct Note {
        Elf64_Nhdr header;
        char name[4];
        u8 properties[1024];
    } note;
    constexpr u64 kBefore = offsetof(Note, properties);
    const u64 got =
        file.read(segment.p_offset, &note, std::min<u64>(segment.p_filesz, sizeof note));
    if (got < kBefore || note.header.n_type != NT_GNU_PROPERTY_TYPE_0 ||
        note.header.n_namesz != sizeof note.name || std::memcmp(note.name, "GNU", 4) != 0 ||
        note.header.n_descsz > got - kBefore) {
        return false;
    }
    u32 property[3]; // type, bytes, data
    for (u64 at = 0; at + sizeof property <= note.header.n_descsz;
         at += 8 + (u64{property[1]} + 7) / 8 * 8) {
        std::memcpy(property, note.properties + at, sizeof property);
        if (property[0] == GNU_PROPERTY_AARCH64_FEATURE_1_AND && property[1] == 4) {
            return (property[2] & GNU_PROPERTY_AARCH64_FEATURE_1_BTI) != 0;
        }
    }
    return false;
}

Problem read_segments(const std::string& path, const File& file, u64 file_bytes, Elf& elf) {
    elf.segments.resize(elf.header.e_phnum);
    const u64 table_bytes = elf.segments.size() * sizeof(Elf64_Phdr);
    if (elf.header.e_phoff > file_bytes || table_bytes > file_bytes - elf.header.e_phoff ||
        file.read(elf.header.e_phoff, elf.segments.data(), table_bytes) != table_bytes) {
        return cannot_run(path, "truncated ELF file");
    }
    bool any = false;
    for (const Elf64_Phdr& segment : elf.segments) {
        if (segment.p_type == PT_LOAD && segment.p_memsz != 0) {
            if (const char* const problem = segment_problem(segment, file_bytes)) {
                return cannot_run(path, problem);
            }
            const GuestAddr low = page_down(segment.p_vaddr);
            const GuestAddr high = page_up(segment.p_vaddr + segment.p_memsz);
            elf.low = any ? std::min(elf.low, low) : low;
            elf.high = any ? std::max(elf.high, high) : high;
            if (std::has_single_bit(segment.p_align) && segment.p_align <= (u64{1} << 30)) {
                elf.alignment = std::max(elf.alignment, segment.p_align);
            }
            any = true;
        }
        if (segment.p_type == PT_GNU_PROPERTY) {
            elf.asks_for_bti = asks_for_bti(file, segment);
        }
        if (segment.p_type == PT_INTERP && elf.interpreter.empty()) {
            std::string name(std::min<u64>(segment.p_filesz, PATH_MAX + 1), '\0');
            if (name.size() < 2 || name.size() > PATH_MAX ||
                file.read(segment.p_offset, name.data(), name.size()) != name.size() ||
                name.back() != '\0') {
                return cannot_run(path, "malformed ELF file: bad interpreter name");
            }
            elf.interpreter = name.c_str();
        }
    }
    return any ? std::nullopt : Problem(cannot_run(path, "malformed ELF file: nothing to load"));
}

Problem read_elf(const std::string& path, const File& file, Elf& elf) {
    struct stat info;
    if (::fstat(file.fd(), &info) != 0 || !S_ISREG(info.st_mode)) {
        return cannot_run(path, "not a regular file");
    }
    std::memset(&elf.header, 0, sizeof(elf.header));
    const u64 got = file.read(0, &elf.header, sizeof(elf.header));
    if (got == 0) {
        return cannot_run(path, "empty file");
    }
    if (got < sizeof(elf.header) && std::memcmp(elf.header.e_ident, ELFMAG, SELFMAG) == 0) {
        return cannot_run(path, "truncated ELF file");
    }
    if (Problem problem = check_header(path, elf.header)) {
        return problem;
    }
    return read_segments(path, file, static_cast<u64>(info.st_size), elf);
}

// Only what the kernel starts itself is guarded by it; an interpreter guards the program.
int protection_of(const Elf& elf, u32 flags) {
    const bool guarded = elf.asks_for_bti && elf.interpreter.empty();
    return ((flags & PF_R) != 0 ? PROT_READ : 0) | ((flags & PF_W) != 0 ? PROT_WRITE : 0) |
           ((flags & PF_X) != 0 ? PROT_EXEC | (guarded ? kProtBti : 0) : 0);
}

// Bytes between the end of the file's part and the end of its page are bss.
bool clear_rest_of_page(GuestAddr from, bool writable) {
    static constexpr char kZeros[kPageBytes] = {};
    const u64 bytes = page_up(from) - from;
    return bytes == 0 || !writable || copy_to_guest(from, kZeros, bytes);
}

// As elf_load() of the kernel: file pages, then the rest of the last one cleared, then anonymous
// pages.
bool map_segment(const File& file, const Elf& elf, const Elf64_Phdr& segment, GuestAddr bias) {
    AddressSpace& space = *process().space;
    const GuestAddr start = segment.p_vaddr + bias;
    const int protection = protection_of(elf, segment.p_flags);
    const GuestAddr file_end = start + segment.p_filesz;
    const GuestAddr end = start + segment.p_memsz;
    GuestAddr anonymous = page_down(start);
    if (segment.p_filesz != 0) {
        const u64 in_page = start % kPageBytes;
        if (space.map(start - in_page, segment.p_filesz + in_page, protection,
                      MAP_PRIVATE | MAP_FIXED, file.fd(), segment.p_offset - in_page) < 0) {
            return false;
        }
        if (end > file_end && !clear_rest_of_page(file_end, (segment.p_flags & PF_W) != 0)) {
            return false;
        }
        anonymous = page_up(file_end);
    }
    return page_up(end) <= anonymous ||
           space.map(anonymous, page_up(end) - anonymous, protection,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) >= 0;
}

// Reserves room for the whole image and returns what to add to its addresses: a multiple of the
// alignment.
std::optional<GuestAddr> place(const Elf& elf, GuestAddr wanted) {
    AddressSpace& space = *process().space;
    const u64 bytes = elf.high - elf.low;
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const auto align = [&](GuestAddr address) {
        return (address + elf.alignment - 1) & ~(elf.alignment - 1);
    };
    const bool fixed = elf.header.e_type == ET_EXEC;
    if (fixed || wanted != 0) {
        const GuestAddr bias = fixed ? 0 : align(wanted);
        const GuestAddr base = bias + elf.low;
        const i64 at = space.map(base, bytes, PROT_NONE, kFlags | MAP_FIXED_NOREPLACE, -1, 0);
        if (at == static_cast<i64>(base)) {
            return bias;
        }
        if (at >= 0) { // only a hint for old kernels
            (void)space.unmap(static_cast<GuestAddr>(at), bytes);
        }
        if (fixed) {
            return std::nullopt;
        }
    }
    const u64 room = bytes + elf.alignment - kPageBytes;
    const i64 at = space.map(0, room, PROT_NONE, kFlags, -1, 0);
    if (at < 0) {
        return std::nullopt;
    }
    const auto low = static_cast<GuestAddr>(at);
    const GuestAddr bias = align(low - elf.low);
    const GuestAddr base = bias + elf.low;
    if (base != low) {
        (void)space.unmap(low, base - low);
    }
    if (base + bytes != low + room) {
        (void)space.unmap(base + bytes, low + room - (base + bytes));
    }
    return bias;
}

// The reservation between the segments goes back.
void free_gaps(const Elf& elf, GuestAddr bias) {
    std::vector<std::pair<GuestAddr, GuestAddr>> used;
    for (const Elf64_Phdr& segment : elf.segments) {
        if (segment.p_type == PT_LOAD && segment.p_memsz != 0) {
            used.emplace_back(page_down(segment.p_vaddr),
                              page_up(segment.p_vaddr + segment.p_memsz));
        }
    }
    std::sort(used.begin(), used.end());
    GuestAddr reached = elf.low;
    for (const auto& [start, end] : used) {
        if (start > reached) {
            (void)process().space->unmap(reached + bias, start - reached);
        }
        reached = std::max(reached, end);
    }
}

// Maps every segment; the bias, or nothing when there is no room.
std::optional<GuestAddr> map_elf(const File& file, const Elf& elf, GuestAddr wanted) {
    const std::optional<GuestAddr> bias = place(elf, wanted);
    if (!bias) {
        return std::nullopt;
    }
    for (const Elf64_Phdr& segment : elf.segments) {
        if (segment.p_type == PT_LOAD && segment.p_memsz != 0 &&
            !map_segment(file, elf, segment, *bias)) {
            return std::nullopt;
        }
    }
    free_gaps(elf, *bias);
    return bias;
}

GuestAddr headers_in_memory(const Elf& elf, GuestAddr bias) {
    const u64 offset = elf.header.e_phoff;
    for (const Elf64_Phdr& segment : elf.segments) {
        if (segment.p_type == PT_LOAD && segment.p_offset <= offset &&
            offset - segment.p_offset < segment.p_filesz) {
            return offset - segment.p_offset + segment.p_vaddr + bias;
        }
    }
    return 0;
}

std::string absolute(const std::string& path) {
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

// Of an open file: where it lies now. A file without a name is known by the one it was asked for,
// or, where that was a descriptor, by what the kernel calls it.
std::string absolute(int descriptor, const std::string& path) {
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
    char name[PATH_MAX];
    const ssize_t length = ::readlink(link.c_str(), name, sizeof name - 1);
    struct stat named, open;
    if (length > 0) {
        name[length] = 0;
        // The kernel has resolved the name; it invents one for a file that has lost its own.
        if (name[0] == '/' && ::stat(name, &named) == 0 && ::fstat(descriptor, &open) == 0 &&
            named.st_dev == open.st_dev && named.st_ino == open.st_ino) {
            return name;
        }
        if (path.starts_with("/proc/self/fd/")) {
            return name;
        }
    }
    return absolute(path);
}

LoadError cannot_open(const std::string& path, int error) {
    const bool missing = error == ENOENT || error == ENOTDIR;
    return {missing ? kExitNotFound : kExitCannotRun, path + ": " + std::strerror(error)};
}

// Checks what execve would: existence, permission.
Problem check_access(const std::string& path, const File& file) {
    const int open_error = errno;
    if (file.fd() < 0) {
        return cannot_open(path, open_error);
    }
    struct stat info;
    if (::fstat(file.fd(), &info) == 0 && S_ISDIR(info.st_mode)) {
        return cannot_run(path, "is a directory");
    }
    if (::access(path.c_str(), X_OK) != 0) {
        return cannot_run(path, "not executable (no x permission)");
    }
    return std::nullopt;
}

Problem load_interpreter(const Elf& program, LoadedProgram& result) {
    const std::string& name = program.interpreter;
    const std::string path = host_path(name, FollowLinks::Yes);
    const File file(path);
    if (file.fd() < 0) {
        const std::string& sysroot = process().options.sysroot;
        return LoadError{kExitNotFound,
                         result.name + ": its interpreter " + name + " is missing" +
                             (sysroot.empty() ? "" : " from " + sysroot) +
                             "; name the root of an arm64 system with -L, for example "
                             "-L /usr/aarch64-linux-gnu"};
    }
    Elf elf;
    if (Problem problem = read_elf(path, file, elf)) {
        return problem;
    }
    const auto identity = code_identity_of_mapping(0, PROT_NONE, MAP_PRIVATE, file.fd(), 0);
    const auto bias =
        map_elf(file, elf, identity ? usual_place(*identity, 0, process().space->end()) : 0);
    if (!bias) {
        return cannot_run(path, "no memory to load it");
    }
    result.interpreter_base = *bias + elf.low;
    result.start = elf.header.e_entry + *bias;
    return std::nullopt;
}

Problem load_elf(const std::string& path, const File& file, LoadedProgram& result) {
    Elf elf;
    if (Problem problem = read_elf(path, file, elf)) {
        return problem;
    }
    const GuestAddr limit = limit_for(file.fd(), elf.segments);
    if (limit < kTaskSize) {
        process().space->limit(limit);
    }
    const bool moves = elf.header.e_type == ET_DYN;
    // With a limit as the kernel has it (ELF_ET_DYN_BASE), and the heap behind the program.
    const GuestAddr base = limit < kTaskSize ? page_down(limit / 3 * 2) : kPieBase;
    const auto bias = map_elf(file, elf, moves ? base : 0);
    if (!bias) {
        return cannot_run(path, limit < kTaskSize ? "does not fit into the address space of -R"
                                                  : "no memory to load it");
    }
    result.path = absolute(file.fd(), path);
    result.entry = result.start = elf.header.e_entry + *bias;
    result.headers = headers_in_memory(elf, *bias);
    result.header_count = elf.segments.size();
    result.heap = moves && limit == kTaskSize ? kPieHeap : elf.high + *bias;
    for (const Elf64_Phdr& segment : elf.segments) {
        // Without the header arm64 gives a 64-bit program a stack that is not executable.
        if (segment.p_type == PT_GNU_STACK) {
            result.executable_stack = (segment.p_flags & PF_X) != 0;
        }
    }
    return elf.interpreter.empty() ? std::nullopt : load_interpreter(elf, result);
}

struct Script {
    std::string interpreter;
    std::optional<std::string> argument;
};

// "#! interpreter [one argument]", as load_script() splits it.
std::optional<Script> parse_script(const File& file) {
    char buffer[kScriptLine];
    const u64 got = file.read(0, buffer, sizeof(buffer));
    std::string_view line(buffer, got);
    if (!line.starts_with("#!")) {
        return std::nullopt;
    }
    line = line.substr(2, line.find('\n') == line.npos ? line.npos : line.find('\n') - 2);
    const auto trim = [](std::string_view text) {
        const auto first = text.find_first_not_of(" \t");
        const auto last = text.find_last_not_of(" \t\r");
        return first == text.npos ? std::string_view{} : text.substr(first, last - first + 1);
    };
    line = trim(line.substr(0, line.find('\0')));
    const auto space = line.find_first_of(" \t");
    Script script;
    script.interpreter = line.substr(0, space);
    if (space != line.npos) {
        script.argument = trim(line.substr(space));
    }
    return script.interpreter.empty() ? std::nullopt : std::optional(script);
}

} // namespace

std::variant<LoadedProgram, LoadError>
load_program(const std::string& path, const std::vector<std::string>& args, int descriptor) {
    LoadedProgram result;
    result.args = args;
    result.name = path;
    std::string file_path = path;
    std::string script_path = path; // as the interpreter of the next level gets it
    for (unsigned nesting = 0; nesting <= kMaxScripts; ++nesting) {
        errno = 0;
        const bool is_open = nesting == 0 && descriptor >= 0; // and execve has checked it
        const File file = is_open ? File(descriptor) : File(file_path);
        if (Problem problem = is_open ? std::nullopt : check_access(file_path, file)) {
            return *problem;
        }
        const std::optional<Script> script = parse_script(file);
        if (!script) {
            if (Problem problem = load_elf(file_path, file, result)) {
                return *problem;
            }
            return result;
        }
        // interpreter [argument] script args[1..]
        std::vector<std::string> changed{script->interpreter};
        if (script->argument) {
            changed.push_back(*script->argument);
        }
        changed.push_back(script_path);
        if (result.args.size() > 1) {
            changed.insert(changed.end(), result.args.begin() + 1, result.args.end());
        }
        result.args = std::move(changed);
        script_path = script->interpreter;
        file_path = host_path(script->interpreter, FollowLinks::Yes);
        if (::access(file_path.c_str(), F_OK) != 0) {
            return LoadError{kExitNotFound,
                             path + ": its interpreter " + script->interpreter + " is missing"};
        }
    }
    return cannot_run(path, "too many levels of script interpreters");
}

bool is_runnable(const std::string& path) {
    const File file(path);
    if (file.fd() < 0) {
        return false;
    }
    Elf64_Ehdr header{};
    const u64 got = file.read(0, &header, sizeof(header));
    if (got >= 2 && std::memcmp(&header, "#!", 2) == 0) {
        return true;
    }
    return got == sizeof(header) && !check_header(path, header);
}

} // namespace ulna::user
