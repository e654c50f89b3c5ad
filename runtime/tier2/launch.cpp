#include "runtime/tier2/launch.h"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <zstd.h>

#include "ir/support/types.h"

namespace ulna::runtime {

namespace {

constexpr char kSection[] = ".ulna.tier2";
constexpr int kServerSocket = 3;

bool read_at(int fd, u64 offset, void* to, std::size_t bytes) {
    return ::pread(fd, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

// The bytes of the section; empty: there is none.
std::vector<u8> read_section(int fd) {
    Elf64_Ehdr header;
    if (!read_at(fd, 0, &header, sizeof header) || header.e_shentsize != sizeof(Elf64_Shdr)) {
        return {};
    }
    std::vector<Elf64_Shdr> sections(header.e_shnum);
    if (header.e_shstrndx >= sections.size() ||
        !read_at(fd, header.e_shoff, sections.data(), sections.size() * sizeof(Elf64_Shdr))) {
        return {};
    }
    for (const Elf64_Shdr& section : sections) {
        char name[sizeof kSection] = {};
        const u64 name_at = sections[header.e_shstrndx].sh_offset + section.sh_name;
        if (read_at(fd, name_at, name, sizeof name) &&
            std::memcmp(name, kSection, sizeof name) == 0) {
            std::vector<u8> bytes(section.sh_size);
            return read_at(fd, section.sh_offset, bytes.data(), bytes.size()) ? bytes
                                                                              : std::vector<u8>{};
        }
    }
    return {};
}

bool write_all(int fd, const u8* from, std::size_t bytes) {
    while (bytes != 0) {
        const ssize_t written = ::write(fd, from, bytes);
        if (written <= 0) {
            return false;
        }
        from += written;
        bytes -= static_cast<std::size_t>(written);
    }
    return true;
}

bool unpack(const std::vector<u8>& packed, int to) {
    const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream{ZSTD_createDStream(),
                                                                            &ZSTD_freeDStream};
    std::vector<u8> part(ZSTD_DStreamOutSize());
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    std::size_t left = 1;
    while (in.pos < in.size && left != 0) {
        ZSTD_outBuffer out{part.data(), part.size(), 0};
        left = ZSTD_decompressStream(stream.get(), &out, &in);
        if (ZSTD_isError(left) != 0 || !write_all(to, part.data(), out.pos)) {
            return false;
        }
    }
    return left == 0;
}

// Nothing of the guest's is left: descriptors, signal dispositions, folder, terminal.
bool leave_guest(int listening_socket) {
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0 || ::dup2(listening_socket, kServerSocket) < 0) {
        return false;
    }
    for (const int standard : {0, 1, 2}) {
        ::dup2(nothing, standard);
    }
    ::syscall(SYS_close_range, kServerSocket + 1, ~0u, 0);
    for (int signal = 1; signal < NSIG; ++signal) {
        ::signal(signal, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    return ::setsid() >= 0 && ::chdir("/") == 0;
}

} // namespace

std::array<char, 40> server_option(int listening_socket, ServerKind kind) {
    std::array<char, 40> option;
    std::snprintf(option.data(), option.size(), "%s%d,%u", kServerOption, listening_socket,
                  static_cast<unsigned>(kind));
    return option;
}

void launch_server(const char* text, const char* own_path) {
    int listening_socket = -1;
    unsigned kind = 0;
    const int self = ::open(own_path, O_RDONLY | O_CLOEXEC);
    if (self < 0 ||
        std::sscanf(text + sizeof kServerOption - 1, "%d,%u", &listening_socket, &kind) != 2) {
        return;
    }
    const std::vector<u8> packed = read_section(self);
    if (packed.empty() || !leave_guest(listening_socket)) {
        return;
    }
    if (static_cast<ServerKind>(kind) == ServerKind::Background) {
        ::setpriority(PRIO_PROCESS, 0, PRIO_MAX - 1);
    }
    const int program = ::memfd_create("ulna-tier2", MFD_CLOEXEC);
    if (program < 0 || !unpack(packed, program)) {
        return;
    }
    char name[] = "ulna-tier2";
    std::string option;
    switch (static_cast<ServerKind>(kind)) {
    case ServerKind::Background:
        break;
    case ServerKind::Waited:
        option = kWaitedOption;
        break;
    case ServerKind::Twice:
        option = kTwiceOption;
        break;
    }
    char* const arguments[] = {name, option.empty() ? nullptr : option.data(), nullptr};
    char* const environment[] = {nullptr};
    ::syscall(SYS_execveat, program, "", arguments, environment, AT_EMPTY_PATH);
}

} // namespace ulna::runtime
