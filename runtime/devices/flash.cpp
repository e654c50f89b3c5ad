#include "runtime/devices/flash.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "ir/support/bits.h"
#include "runtime/devices/guest_error.h"
#include "runtime/devices/memory_image.h"
#include "runtime/devices/state_visitor.h"
#include "runtime/devices/virt_map.h"

namespace ulna::devices {

namespace {

constexpr u64 kSector = virt::kFlashSectorBytes;
constexpr u64 kWord = 4; // of both chips

// Commands; the second chip gets the same code in the upper half of a word.
enum Command : u8 {
    kProgram = 0x40,
    kProgramAlternate = 0x10,
    kErase = 0x20,
    kClearStatus = 0x50,
    kLock = 0x60,
    kLockSet = 0x01,
    kReadStatus = 0x70,
    kReadId = 0x90,
    kReadQuery = 0x98,
    kConfirm = 0xd0,
    kWriteBuffer = 0xe8,
    kReadArray = 0xff,
    kReadArrayAlternate = 0x00,
    kAmdReset = 0xf0, // what probing for AMD's command set begins with
};

// The status register.
constexpr u8 kReady = 1 << 7, kEraseError = 1 << 5, kProgramError = 1 << 4;

// Of each chip.
constexpr u8 kManufacturer = 0x89, kDevice = 0x18;

// What both chips answer: the same in each half.
u32 both(u8 value) { return value | u32{value} << 16; }

std::unique_ptr<Flash> refuse(const FlashOptions& options, const char* why, std::string& why_not) {
    why_not = options.path + ": " + why;
    return nullptr;
}

} // namespace

std::unique_ptr<Flash> Flash::open(const FlashOptions& options, u64 bytes, std::string& why_not) {
    const bool is_kept = !options.read_only && !options.snapshot && !options.path.empty();
    int fd = -1;
    struct stat status {};
    if (!options.path.empty()) {
        fd = ::open(options.path.c_str(), (is_kept ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) != 0) {
            return refuse(options, std::strerror(errno), why_not);
        }
    }
    void* const array = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (array == MAP_FAILED) {
        close(fd);
        return refuse(options, std::strerror(errno), why_not);
    }
    madvise(array, bytes, MADV_HUGEPAGE); // so that snapshots look at what is empty in no time
    std::unique_ptr<Flash> flash(
        new Flash(static_cast<u8*>(array), bytes, is_kept ? fd : -1, options.read_only));
    if (fd < 0) {
        return flash;
    }
    const auto file_bytes = static_cast<u64>(status.st_size);
    const char* why = nullptr;
    if (!S_ISREG(status.st_mode)) {
        why = "not a file";
    } else if (file_bytes > bytes) {
        why = "larger than a flash bank of 64 MiB";
    } else if (is_kept && file_bytes != bytes) {
        why = "a flash bank that is written has 64 MiB (truncate -s 64M makes it so)";
    } else if (is_kept && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        why = "in use by another machine";
    } else if (file_bytes != 0 &&
               mmap(array, file_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED) {
        why = "cannot be mapped";
    }
    if (!is_kept) {
        close(fd);
    }
    return why == nullptr ? std::move(flash) : refuse(options, why, why_not);
}

Flash::~Flash() {
    munmap(array_, bytes_);
    if (fd_ >= 0) {
        close(fd_);
    }
}

void Flash::reset() {
    expect_ = Expect::Command;
    status_ = 0;
    show(Mode::Array);
}

void Flash::visit_state(StateVisitor& visit) {
    Mode mode = mode_;
    visit.enumerator(mode, Mode::Query);
    visit.enumerator(expect_, Expect::Confirm);
    visit(status_, buffer_left_);
    u64 block = buffer_at_ / kBufferBytes; // ~0 / kBufferBytes: there is none
    visit(block);
    const bool is_none = block == ~u64{0} / kBufferBytes;
    if (is_none ? expect_ == Expect::Confirm : block >= bytes_ / kBufferBytes) {
        visit.fail("a buffer outside of the flash");
    } else if (visit.loading()) {
        buffer_at_ = is_none ? ~u64{0} : block * kBufferBytes;
    }
    visit.sequence(buffer_, kBufferBytes);
    visit.sequence(buffer_mask_, kBufferBytes);
    if (visit.loading()) {
        buffer_.resize(kBufferBytes);
        buffer_mask_.resize(kBufferBytes);
        show(mode);
    }
}

// Page by page: what is the same stays as it is, and costs no write of the file.
class Flash::Image final : public MemoryImage {
  public:
    Image(Flash& flash, std::string name)
        : MemoryImage{std::move(name), flash.array_, flash.bytes_}, flash_{flash} {}

    void commit() override {
        for (u64 at = 0; at < bytes(); at += kBlockBytes) {
            if (std::memcmp(memory() + at, aside() + at, kBlockBytes) != 0) {
                std::memcpy(memory() + at, aside() + at, kBlockBytes);
                flash_.save(at, kBlockBytes);
            }
        }
        give_up();
        flash_.changed_();
    }

  private:
    Flash& flash_;
};

std::unique_ptr<StateImage> Flash::image(std::string name) {
    return std::make_unique<Image>(*this, std::move(name));
}

const u8* Flash::rom(u64 offset, u64 bytes) const {
    const bool is_inside = offset <= bytes_ && bytes <= bytes_ - offset;
    return mode_ == Mode::Array && is_inside ? array_ + offset : nullptr;
}

void Flash::show(Mode mode) {
    if (mode_ != mode) {
        const bool is_seen = mode == Mode::Array || mode_ == Mode::Array;
        mode_ = mode;
        if (is_seen) {
            changed_();
        }
    }
}

u64 Flash::read(u64 offset, unsigned bytes) {
    u64 value = 0;
    switch (mode_) {
    case Mode::Array:
        std::memcpy(&value, array_ + offset, bytes);
        return value;
    case Mode::Status:
        value = both(status_);
        break;
    case Mode::Id:
        value = both(id_byte(offset / kWord));
        break;
    case Mode::Query:
        value = both(query_byte(offset / kWord));
        break;
    }
    value |= value << 32;
    return (value >> (8 * (offset % kWord))) & ones(8 * bytes);
}

void Flash::write(u64 offset, unsigned bytes, u64 value) {
    const auto code = static_cast<u8>(value);
    switch (expect_) {
    case Expect::Command:
        command(offset, code);
        return;
    case Expect::Data:
        program(offset, {reinterpret_cast<const u8*>(&value), bytes});
        expect_ = Expect::Command;
        return;
    case Expect::EraseConfirm:
        confirm_erase(offset, code);
        return;
    case Expect::LockConfirm:
        confirm_lock(code);
        return;
    case Expect::Count:
        buffer_left_ = static_cast<u32>(value & 0xffff) + 1; // one chip's
        buffer_at_ = ~u64{0};
        buffer_.assign(kBufferBytes, 0);
        buffer_mask_.assign(kBufferBytes, 0);
        expect_ = Expect::Buffer;
        return;
    case Expect::Buffer:
        fill_buffer(offset, bytes, value);
        return;
    case Expect::Confirm:
        confirm_buffer(code);
        return;
    }
}

void Flash::command(u64 offset, u8 code) {
    switch (code) {
    case kProgram:
    case kProgramAlternate:
        expect_ = Expect::Data;
        show(Mode::Status);
        return;
    case kErase:
        expect_ = Expect::EraseConfirm;
        show(Mode::Status);
        return;
    case kLock:
        expect_ = Expect::LockConfirm;
        show(Mode::Status);
        return;
    case kWriteBuffer:
        expect_ = Expect::Count;
        status_ |= kReady;
        show(Mode::Status);
        return;
    case kReadStatus:
        status_ |= kReady;
        show(Mode::Status);
        return;
    case kReadId:
        show(Mode::Id);
        return;
    case kReadQuery:
        show(Mode::Query);
        return;
    case kClearStatus:
        status_ = 0;
        show(Mode::Array);
        return;
    case kReadArray:
    case kReadArrayAlternate:
    case kAmdReset:
        show(Mode::Array);
        return;
    default:
        log_bad_access("flash command", Direction::Write, offset, 1);
        show(Mode::Array);
    }
}

void Flash::fail(u8 status) {
    status_ |= kReady | status;
    expect_ = Expect::Command;
}

void Flash::confirm_erase(u64 offset, u8 code) {
    expect_ = Expect::Command;
    if (code == kConfirm) {
        erase(offset);
    } else if (code == kReadArray) {
        show(Mode::Array);
    } else {
        fail(kEraseError | kProgramError); // a sequence of commands that is none
    }
}

// Blocks are never locked; to unlock them is fine.
void Flash::confirm_lock(u8 code) {
    expect_ = Expect::Command;
    if (code == kConfirm || code == kLockSet) {
        status_ |= kReady;
    } else if (code == kReadArray) {
        show(Mode::Array);
    } else {
        fail(kEraseError | kProgramError);
    }
}

void Flash::fill_buffer(u64 offset, unsigned bytes, u64 value) {
    if (buffer_at_ == ~u64{0}) {
        buffer_at_ = align_down(offset, kBufferBytes);
    }
    if (offset < buffer_at_ || offset - buffer_at_ > kBufferBytes - bytes) {
        fail(kProgramError); // words outside of the buffer's block
        return;
    }
    std::memcpy(buffer_.data() + (offset - buffer_at_), &value, bytes);
    std::memset(buffer_mask_.data() + (offset - buffer_at_), 1, bytes);
    if (--buffer_left_ == 0) {
        expect_ = Expect::Confirm;
    }
}

void Flash::confirm_buffer(u8 code) {
    expect_ = Expect::Command;
    if (code != kConfirm) {
        fail(kProgramError | kEraseError);
        return;
    }
    for (auto first = buffer_mask_.begin();;) { // each run of bytes that were given
        first = std::find(first, buffer_mask_.end(), 1);
        const auto last = std::find(first, buffer_mask_.end(), 0);
        if (first == last) {
            return;
        }
        const auto start = static_cast<std::size_t>(first - buffer_mask_.begin());
        program(buffer_at_ + start,
                std::span(buffer_).subspan(start, static_cast<std::size_t>(last - first)));
        first = last;
    }
}

// Programming clears bits.
void Flash::program(u64 offset, std::span<const u8> data) {
    if (read_only_) {
        fail(kProgramError);
        return;
    }
    for (std::size_t i = 0; i < data.size(); ++i) {
        array_[offset + i] &= data[i];
    }
    save(offset, data.size());
    status_ |= kReady;
}

void Flash::erase(u64 offset) {
    if (read_only_) {
        fail(kEraseError);
        return;
    }
    const u64 sector = align_down(offset, kSector);
    std::memset(array_ + sector, 0xff, kSector);
    save(sector, kSector);
    status_ |= kReady;
}

// A host whose disk is full is a flash that wears out.
void Flash::save(u64 offset, u64 bytes) {
    while (fd_ >= 0 && bytes != 0) {
        const ssize_t written = pwrite(fd_, array_ + offset, bytes, static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            fail(kProgramError);
            return;
        }
        offset += static_cast<u64>(written);
        bytes -= static_cast<u64>(written);
    }
}

u8 Flash::id_byte(u64 index) const {
    switch (index & 0xff) {
    case 0:
        return kManufacturer;
    case 1:
        return kDevice;
    default:
        return 0; // 2: not locked
    }
}

// The query table of one chip (JESD68.01).
u8 Flash::query_byte(u64 index) const {
    const u64 chip_bytes = bytes_ / 2, sector = kSector / 2;
    const u64 last_sector = chip_bytes / sector - 1;
    static constexpr u64 kFirst = 0x10;
    const std::array<u8, 0x31> table = {
        'Q',
        'R',
        'Y', // 10
        0x01,
        0x00, // 13: Intel's extended command set
        0x31,
        0x00, // 15: where its table is
        0x00,
        0x00,
        0x00,
        0x00, // 17: no other command set
        0x45,
        0x55, // 1b: Vcc, 4.5 V to 5.5 V
        0x00,
        0x00, // 1d: no Vpp
        0x07,
        0x07,
        0x0a,
        0x00, // 1f: typical times, as powers of two
        0x04,
        0x04,
        0x04,
        0x00,                                            // 23: most, as multiples of those
        static_cast<u8>(std::bit_width(chip_bytes) - 1), // 27
        0x02,
        0x00, // 28: x8 and x16
        static_cast<u8>(std::bit_width(kBufferBytes / 2) - 1),
        0x00, // 2a: write buffer
        0x01, // 2c: one kind of sectors
        static_cast<u8>(last_sector),
        static_cast<u8>(last_sector >> 8), // 2d
        static_cast<u8>(sector >> 8),
        static_cast<u8>(sector >> 16), // 2f
        'P',
        'R',
        'I',
        '1',
        '0', // 31: no optional features
    };
    return index >= kFirst && index - kFirst < table.size() ? table[index - kFirst] : u8{0};
}

} // namespace ulna::devices
