#include "runtime/jit/mapped_vector.h"

#include <algorithm>
#include <sys/mman.h>

#include "ir/support/check.h"

namespace ulna::runtime {

namespace {

constexpr u64 kFirstBytes = 256u << 10, kStep = 32u << 10;
// The guest's memory may be next to it: what runs over its end faults.
constexpr u64 kGuardBytes = 64u << 10;

void unmap_guards(u8* memory, u64 bytes) {
    munmap(memory - kGuardBytes, kGuardBytes);
    munmap(memory + bytes, kGuardBytes);
}

} // namespace

GrowingMemory::~GrowingMemory() {
    if (memory_ != nullptr) {
        munmap(memory_ - kGuardBytes, mapped_bytes_ + 2 * kGuardBytes);
    }
}

void GrowingMemory::grow(u64 bytes) {
    const u64 present = (bytes + kStep - 1) / kStep * kStep;
    if (present > mapped_bytes_ &&
        !move_to_larger(std::max({present, mapped_bytes_ * 2, kFirstBytes}))) {
        out_of_memory("the records of translations");
    }
#ifdef MADV_POPULATE_WRITE
    madvise(memory_ + present_bytes_, present - present_bytes_,
            MADV_POPULATE_WRITE); // if it fails, they are faulted in
#endif
    present_bytes_ = present;
}

bool GrowingMemory::move_to_larger(u64 bytes) {
    void* const area = mmap(nullptr, bytes + 2 * kGuardBytes, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return false;
    }
    u8* const memory = static_cast<u8*>(area) + kGuardBytes;
    if (memory_ == nullptr) {
        if (mprotect(memory, bytes, PROT_READ | PROT_WRITE) != 0) {
            return false;
        }
    } else {
        if (mremap(memory_, mapped_bytes_, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, memory) !=
            memory) {
            return false;
        }
        unmap_guards(memory_, mapped_bytes_);
    }
    memory_ = memory;
    mapped_bytes_ = bytes;
    return true;
}

} // namespace ulna::runtime
