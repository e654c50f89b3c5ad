#include "runtime/system/semihosting.h"

#include "ir/helpers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include <unistd.h>

namespace ulna::system {

namespace {

enum Operation : u32 {
    kOpen = 0x01,
    kClose = 0x02,
    kWriteC = 0x03,
    kWrite0 = 0x04,
    kWrite = 0x05,
    kRead = 0x06,
    kReadC = 0x07,
    kIsError = 0x08,
    kIsTty = 0x09,
    kSeek = 0x0a,
    kFlen = 0x0c,
    kTmpnam = 0x0d,
    kRemove = 0x0e,
    kRename = 0x0f,
    kClock = 0x10,
    kTime = 0x11,
    kSystem = 0x12,
    kErrno = 0x13,
    kGetCmdline = 0x15,
    kHeapInfo = 0x16,
    kExit = 0x18,
    kSyncCache = 0x19,
    kExitExtended = 0x20,
    kElapsed = 0x30,
    kTickFreq = 0x31,
};
constexpr u64 kMostNameBytes = 4096, kChunkBytes = 4096;
constexpr i64 kDone = 0;

} // namespace

// The block of 64-bit words that X1 points to, as many as there are to read.
class Semihosting::Arguments {
  public:
    static constexpr unsigned kMost = 4;
    Arguments(SemihostingHost& host, Cpu& cpu, GuestAddr block) {
        for (unsigned i = 0; i < kMost && host.read(cpu, block + i * sizeof(u64), &words_[i], 8);
             ++i) {
            ++count_;
        }
    }
    [[nodiscard]] u64 operator[](unsigned n) const { return words_[n]; }
    [[nodiscard]] bool has(unsigned count) const { return count_ >= count; }

  private:
    std::array<u64, kMost> words_{};
    unsigned count_ = 0;
};

i64 SemihostingHost::seconds_since_1970() { return std::time(nullptr); }

void Semihosting::call(Cpu& cpu) {
    const i64 result = operation(cpu, static_cast<u32>(cpu.state->x[0]));
    cpu.state->x[0] = static_cast<u64>(result);
}

i64 Semihosting::operation(Cpu& cpu, u32 number) {
    const GuestAddr parameter = cpu.state->x[1];
    const Arguments arguments{host_, cpu, parameter};
    switch (number) {
    case kWriteC: {
        char c = 0;
        if (host_.read(cpu, parameter, &c, 1)) {
            host_.write_console({&c, 1});
        }
        return kDone;
    }
    case kWrite0:
        return write_string(cpu, parameter);
    case kReadC: {
        const auto c = host_.read_console();
        return c ? static_cast<u8>(*c) : -1;
    }
    case kIsError:
        return static_cast<i64>(arguments[0]) < 0 ? 1 : 0;
    case kClock:
        return static_cast<i64>(cpu.host->counter() / (ir::kCounterFrequency / 100));
    case kTime:
        return host_.seconds_since_1970();
    case kSystem: // no guest runs the host's programs
        return files_.fail(EPERM);
    case kErrno:
        return files_.last_error();
    case kGetCmdline:
        return arguments.has(2) ? command_line(cpu, parameter, arguments) : files_.fail(EFAULT);
    case kHeapInfo:
        return arguments.has(1) ? heap_info(cpu, arguments) : files_.fail(EFAULT);
    case kExit:
    case kExitExtended:
        return exit(arguments);
    case kSyncCache:
        return kDone;
    case kElapsed: {
        const u64 ticks = cpu.host->counter();
        return host_.write(cpu, parameter, &ticks, sizeof ticks) ? kDone : files_.fail(EFAULT);
    }
    case kTickFreq:
        return ir::kCounterFrequency;
    default:
        return file_operation(cpu, number, arguments);
    }
}

i64 Semihosting::file_operation(Cpu& cpu, u32 number, const Arguments& arguments) {
    struct Row {
        u32 number;
        unsigned arguments;
    };
    constexpr Row kRows[] = {{kOpen, 3}, {kClose, 1}, {kWrite, 3},  {kRead, 3},   {kIsTty, 1},
                             {kSeek, 2}, {kFlen, 1},  {kTmpnam, 3}, {kRemove, 2}, {kRename, 4}};
    const Row* const row = std::ranges::find(kRows, number, &Row::number);
    if (row == std::end(kRows)) {
        return files_.fail(ENOSYS);
    }
    if (!arguments.has(row->arguments)) {
        return files_.fail(EFAULT);
    }
    switch (number) {
    case kOpen:
        return open(cpu, arguments);
    case kClose:
        return files_.close(arguments[0]);
    case kWrite:
        return write_handle(cpu, arguments);
    case kRead:
        return read_handle(cpu, arguments);
    case kIsTty:
        return files_.is_terminal(arguments[0]);
    case kSeek:
        return files_.seek(arguments[0], arguments[1]);
    case kFlen:
        return files_.length(arguments[0]);
    case kRemove: {
        const auto path = name(cpu, arguments[0], arguments[1]);
        return path && std::remove(path->c_str()) == 0 ? kDone : files_.fail(path ? errno : EFAULT);
    }
    case kRename:
        return rename(cpu, arguments);
    default: { // kTmpnam: of an identifier from 0 to 255
        const std::string path =
            "/tmp/ulna-" + std::to_string(::getpid()) + "-" + std::to_string(arguments[1] & 0xff);
        const bool fits = path.size() < arguments[2];
        return fits && host_.write(cpu, arguments[0], path.c_str(), path.size() + 1)
                   ? kDone
                   : files_.fail(EFAULT);
    }
    }
}

std::optional<std::string> Semihosting::name(Cpu& cpu, GuestAddr at, u64 bytes) {
    if (bytes > kMostNameBytes) {
        return std::nullopt;
    }
    std::string text(bytes, '\0');
    const bool plain =
        host_.read(cpu, at, text.data(), bytes) && text.find('\0') == std::string::npos;
    return plain ? std::optional{text} : std::nullopt;
}

i64 Semihosting::open(Cpu& cpu, const Arguments& arguments) {
    const auto path = name(cpu, arguments[0], arguments[2]);
    return path ? files_.open(*path, arguments[1]) : files_.fail(EFAULT);
}

i64 Semihosting::rename(Cpu& cpu, const Arguments& arguments) {
    const auto from = name(cpu, arguments[0], arguments[1]);
    const auto to = name(cpu, arguments[2], arguments[3]);
    if (!from || !to) {
        return files_.fail(EFAULT);
    }
    return std::rename(from->c_str(), to->c_str()) == 0 ? kDone : files_.fail(errno);
}

// --- Console and files

i64 Semihosting::write_string(Cpu& cpu, GuestAddr text) {
    std::string piece;
    char c = 0;
    while (host_.read(cpu, text++, &c, 1) && c != '\0') {
        piece += c;
        if (piece.size() == kChunkBytes) {
            host_.write_console(piece);
            piece.clear();
        }
    }
    host_.write_console(piece);
    return kDone;
}

// The result of both is the number of bytes that were left.
i64 Semihosting::write_handle(Cpu& cpu, const Arguments& arguments) {
    const u64 handle = arguments[0], total = arguments[2];
    std::array<char, kChunkBytes> chunk;
    for (u64 done = 0; done < total;) {
        const u64 bytes = std::min<u64>(total - done, chunk.size());
        if (!host_.read(cpu, arguments[1] + done, chunk.data(), bytes)) {
            return static_cast<i64>(total - done);
        }
        i64 written = static_cast<i64>(bytes);
        if (files_.kind(handle) == SemihostingFiles::Kind::ConsoleOutput) {
            host_.write_console({chunk.data(), bytes});
        } else {
            written = files_.write(handle, chunk.data(), bytes);
        }
        if (written <= 0) {
            return static_cast<i64>(total - done);
        }
        done += static_cast<u64>(written);
    }
    return kDone;
}

u64 Semihosting::read_some(u64 handle, char* to, u64 bytes) {
    if (files_.kind(handle) != SemihostingFiles::Kind::ConsoleInput) {
        return static_cast<u64>(std::max<i64>(files_.read(handle, to, bytes), 0));
    }
    u64 count = 0;
    while (count < bytes) { // a line at most
        const auto c = host_.read_console();
        if (!c) {
            break;
        }
        to[count++] = *c;
        if (*c == '\n' || *c == '\r') {
            break;
        }
    }
    return count;
}

i64 Semihosting::read_handle(Cpu& cpu, const Arguments& arguments) {
    const u64 handle = arguments[0], total = arguments[2];
    const bool console = files_.kind(handle) == SemihostingFiles::Kind::ConsoleInput;
    std::array<char, kChunkBytes> chunk;
    u64 done = 0;
    while (done < total) {
        const u64 bytes = std::min<u64>(total - done, chunk.size());
        const u64 count = read_some(handle, chunk.data(), bytes);
        if (count == 0 || !host_.write(cpu, arguments[1] + done, chunk.data(), count)) {
            break;
        }
        done += count;
        if (console) {
            break;
        }
    }
    return static_cast<i64>(total - done);
}

// --- The program's surroundings

// The buffer's size is replaced by the length of the text.
i64 Semihosting::command_line(Cpu& cpu, GuestAddr block, const Arguments& arguments) {
    const u64 length = command_line_.size();
    const bool done = length < arguments[1] &&
                      host_.write(cpu, arguments[0], command_line_.c_str(), length + 1) &&
                      host_.write(cpu, block + sizeof(u64), &length, sizeof length);
    return done ? kDone : files_.fail(E2BIG);
}

// Zeroes: the program's own idea of its heap and stack serves.
i64 Semihosting::heap_info(Cpu& cpu, const Arguments& arguments) {
    constexpr std::array<u64, 4> kUnknown{};
    return host_.write(cpu, arguments[0], kUnknown.data(), sizeof kUnknown) ? kDone
                                                                            : files_.fail(EFAULT);
}

// A reason and its detail, which is the status of an application that ends by itself.
i64 Semihosting::exit(const Arguments& arguments) {
    constexpr u64 kApplicationExit = 0x2'0026;
    const bool regular = arguments.has(2) && arguments[0] == kApplicationExit;
    host_.exit(regular ? static_cast<int>(arguments[1]) : 1);
    return kDone;
}

} // namespace ulna::system
