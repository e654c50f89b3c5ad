#include "runtime/devices/memory_image.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ir/support/bits.h"
#include "ir/support/check.h"

namespace ulna::devices {

namespace {

constexpr u64 kHugePageBytes = u64{2} << 20;

// The first word is, and each of the others is as the one before it: memcmp is four times as fast
// as a loop.
bool is_zero(const u8* block, u64 bytes) {
    u64 first;
    std::memcpy(&first, block, sizeof first);
    return first == 0 && std::memcmp(block, block + sizeof first, bytes - sizeof first) == 0;
}

} // namespace

MemoryImage::~MemoryImage() { MemoryImage::give_up(); }

std::vector<StateImage::Run> MemoryImage::runs() {
    std::vector<Run> runs;
    for (u64 at = 0; at < bytes_; at += kBlockBytes) {
        const u64 block = std::min(kBlockBytes, bytes_ - at);
        if (is_zero(memory_ + at, block)) {
            continue;
        }
        if (!runs.empty() && runs.back().offset + runs.back().bytes == at) {
            runs.back().bytes += block;
        } else {
            runs.push_back({at, block});
        }
    }
    return runs;
}

bool MemoryImage::read(u64 offset, std::span<u8> to) {
    std::memcpy(to.data(), memory_ + offset, to.size());
    return true;
}

// As RAM is made, so that it gets huge pages again.
bool MemoryImage::begin(std::string& why_not) {
    MemoryImage::give_up();
    mapping_bytes_ = bytes_ + kHugePageBytes;
    mapping_ = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ == MAP_FAILED) {
        mapping_ = nullptr;
        why_not = "no memory for " + name_ + ": " + std::strerror(errno);
        return false;
    }
    const u64 at = reinterpret_cast<u64>(mapping_);
    aside_ = reinterpret_cast<u8*>(align_up(at, kHugePageBytes));
    madvise(aside_, bytes_, MADV_HUGEPAGE);
    return true;
}

bool MemoryImage::put(u64 offset, std::span<const u8> from) {
    std::memcpy(aside_ + offset, from.data(), from.size());
    return true;
}

void MemoryImage::commit() {
    CHECK(mremap(aside_, bytes_, bytes_, MREMAP_MAYMOVE | MREMAP_FIXED, memory_) == memory_);
    aside_ = nullptr; // its place is no longer ours
    const u64 at = reinterpret_cast<u64>(mapping_);
    const u64 hole = align_up(at, kHugePageBytes);
    if (hole != at) {
        munmap(mapping_, hole - at);
    }
    const u64 after = hole + bytes_, end = at + mapping_bytes_;
    if (end != after) {
        munmap(reinterpret_cast<void*>(after), end - after);
    }
    mapping_ = nullptr;
}

void MemoryImage::give_up() {
    if (mapping_ != nullptr) {
        munmap(mapping_, mapping_bytes_);
    }
    mapping_ = nullptr;
    aside_ = nullptr;
}

} // namespace ulna::devices
