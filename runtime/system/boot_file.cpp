#include "runtime/system/boot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

namespace ulna::system {

namespace {

constexpr std::size_t kPiece = 1 << 20;

std::string too_large(u64 most_bytes) {
    return "more than " + std::to_string(most_bytes >> 20) + " MiB";
}

// Makes room for another piece; false at the limit.
bool grow(std::vector<u8>& to, std::size_t used, u64 most_bytes) {
    if (used > most_bytes) {
        return false;
    }
    to.resize(used + std::max(kPiece, used / 2));
    return true;
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

} // namespace

std::optional<std::vector<u8>>
read_file(const std::string& path, u64 most_bytes, std::string& why_not) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<u8> bytes;
    std::size_t used = 0;
    if (struct stat status;
        file.get() >= 0 && fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode)) {
        const u64 all = static_cast<u64>(status.st_size);
        if (all > most_bytes) {
            why_not = path + ": " + too_large(most_bytes);
            return std::nullopt;
        }
        bytes.resize(all + 1); // the one more meets the end
    }
    while (file.get() >= 0) {
        if (used > most_bytes || (used == bytes.size() && !grow(bytes, used, most_bytes))) {
            why_not = path + ": " + too_large(most_bytes);
            return std::nullopt;
        }
        const ssize_t got = read(file.get(), bytes.data() + used, bytes.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            break;
        }
        if (got == 0) {
            bytes.resize(used);
            return bytes;
        }
        used += static_cast<std::size_t>(got);
    }
    why_not = path + ": " + std::strerror(errno);
    return std::nullopt;
}

bool is_gzip(std::span<const u8> bytes) {
    return bytes.size() > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == Z_DEFLATED;
}

std::optional<std::vector<u8>>
unpack_gzip(std::span<const u8> packed, u64 most_bytes, std::string& why_not) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    z_stream stream{};
    if (inflateInit2(&stream, kGzipOnly) != Z_OK) {
        why_not = "gzip: no memory";
        return std::nullopt;
    }
    const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
    stream.next_in = packed.data();
    stream.avail_in = static_cast<uInt>(std::min<std::size_t>(packed.size(), UINT32_MAX));
    std::vector<u8> bytes;
    int state = Z_OK;
    while (state == Z_OK) {
        const std::size_t used = stream.total_out;
        if (used == bytes.size() && !grow(bytes, used, most_bytes)) {
            why_not = "gzip: " + too_large(most_bytes);
            return std::nullopt;
        }
        stream.next_out = bytes.data() + used;
        stream.avail_out = static_cast<uInt>(std::min(bytes.size() - used, std::size_t{1} << 30));
        state = inflate(&stream, Z_NO_FLUSH);
    }
    if (state != Z_STREAM_END) {
        why_not = "gzip: damaged or cut short";
        return std::nullopt;
    }
    bytes.resize(stream.total_out);
    return bytes;
}

std::optional<std::vector<u8>>
unpack_zstd(std::span<const u8> packed, u64 most_bytes, std::string& why_not) {
    const std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream(ZSTD_createDStream(),
                                                                               ZSTD_freeDStream);
    ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, 30);
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    std::vector<u8> bytes;
    ZSTD_outBuffer out{nullptr, 0, 0};
    for (;;) {
        if (out.pos == bytes.size() && !grow(bytes, out.pos, most_bytes)) {
            why_not = "zstd: " + too_large(most_bytes);
            return std::nullopt;
        }
        out.dst = bytes.data();
        out.size = bytes.size();
        const std::size_t before = in.pos + out.pos;
        const std::size_t state = ZSTD_decompressStream(stream.get(), &out, &in);
        if (state == 0) {
            bytes.resize(out.pos);
            return bytes;
        }
        if (ZSTD_isError(state) || in.pos + out.pos == before) {
            why_not = "zstd: damaged or cut short";
            return std::nullopt;
        }
    }
}

} // namespace ulna::system
