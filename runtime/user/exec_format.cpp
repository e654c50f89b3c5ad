// See exec_format.h. The checks and their errors are those of the kernel's do_open_execat,
// load_script and load_elf_binary; what the loader can only find out while mapping is not repeated
// here.
#include "runtime/user/exec_format.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/user/paths.h"
#include "runtime/user/syscall.h"

namespace ulna::user {

namespace {

constexpr u64 kHeadBytes = 256; // BINPRM_BUF_SIZE
constexpr unsigned kMaxScripts = 5;

using Head = std::array<char, kHeadBytes>;

class OpenFile {
  public:
    explicit OpenFile(const std::string& path)
        : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), error_(fd_ < 0 ? -errno : 0) {}
    ~OpenFile() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] i64 error() const { return error_; }

  private:
    int fd_;
    i64 error_;
};

i64 check_permission(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -EACCES;
    }
    constexpr long kFaccessat2 = 439;
    const i64 error = host_syscall(kFaccessat2, static_cast<u64>(fd), reinterpret_cast<u64>(""),
                                   X_OK, AT_EACCESS | AT_EMPTY_PATH);
    if (error != -ENOSYS && error != -EPERM) { // sandboxes answer EPERM for calls they do not know
        return error;
    }
    return status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH) ? 0 : -EACCES;
}

// The interpreter of a "#!" line; empty when the line is not one that the kernel accepts.
std::string script_interpreter(const Head& head) {
    std::string_view line(head.data(), head.size());
    line = line.substr(0, line.find('\0'));
    const auto newline = line.find('\n');
    line = line.substr(2, newline == line.npos ? line.npos : newline - 2);
    const auto start = line.find_first_not_of(" \t");
    if (start == line.npos) {
        return {};
    }
    line = line.substr(start);
    const auto end = line.find_first_of(" \t");
    if (end == line.npos && newline == std::string_view::npos &&
        start + 2 + line.size() >= kHeadBytes) {
        return {}; // a name cut off by the end of the buffer
    }
    return std::string(line.substr(0, end));
}

bool is_arm(const Elf64_Ehdr& header) {
    return header.e_machine == EM_AARCH64 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_ident[EI_DATA] == ELFDATA2LSB;
}

i64 check_elf_interpreter(int fd, const Elf64_Phdr& segment) {
    if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX) {
        return -ENOEXEC;
    }
    std::string name(segment.p_filesz, '\0');
    if (pread(fd, name.data(), name.size(), static_cast<off_t>(segment.p_offset)) !=
            static_cast<ssize_t>(name.size()) ||
        name.back() != '\0') {
        return -ENOEXEC;
    }
    const OpenFile file(host_path(name.c_str(), FollowLinks::Yes));
    if (file.fd() < 0) {
        return file.error();
    }
    Elf64_Ehdr header = {};
    const bool is_elf = pread(file.fd(), &header, sizeof header, 0) == sizeof header &&
                        std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
    return is_elf && is_arm(header) ? check_permission(file.fd()) : -ELIBBAD;
}

i64 check_arm_elf(int fd, const Elf64_Ehdr& header) {
    constexpr unsigned kMaxHeaders = 65536 / sizeof(Elf64_Phdr);
    if ((header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
        header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
        header.e_phnum > kMaxHeaders) {
        return -ENOEXEC;
    }
    std::vector<Elf64_Phdr> segments(header.e_phnum);
    const auto bytes = segments.size() * sizeof(Elf64_Phdr);
    if (pread(fd, segments.data(), bytes, static_cast<off_t>(header.e_phoff)) !=
        static_cast<ssize_t>(bytes)) {
        return -ENOEXEC;
    }
    const auto interpreter =
        std::find_if(segments.begin(), segments.end(),
                     [](const auto& segment) { return segment.p_type == PT_INTERP; });
    return interpreter == segments.end() ? 0 : check_elf_interpreter(fd, *interpreter);
}

ExecVerdict examine(int fd, unsigned scripts) {
    if (const i64 error = check_permission(fd); error != 0) {
        return {.error = error};
    }
    Head head = {};
    const ssize_t got = pread(fd, head.data(), head.size(), 0);
    if (got < 0) {
        return {.error = -errno};
    }
    Elf64_Ehdr header;
    std::memcpy(&header, head.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && is_arm(header)) {
        return {.error = check_arm_elf(fd, header), .format = ExecFormat::Arm};
    }
    if (head[0] != '#' || head[1] != '!') {
        return {};
    }
    const std::string interpreter = script_interpreter(head);
    if (interpreter.empty()) {
        return {.error = -ENOEXEC};
    }
    if (scripts >= kMaxScripts) {
        return {.error = -ELOOP};
    }
    const OpenFile file(host_path(interpreter, FollowLinks::Yes));
    return file.fd() < 0 ? ExecVerdict{.error = file.error()} : examine(file.fd(), scripts + 1);
}

} // namespace

ExecVerdict examine_program(int fd) { return examine(fd, 0); }

} // namespace ulna::user
