#include "runtime/jit/mapped_vector.h"

#include <algorithm>
#include <sys/mman.h>

#include "ir/support/check.h"

namespace ulna::runtime {

namespace {
constexpr u64 kFirstBytes = 256u << 10, kStep = 32u << 10;
} // namespace

GrowingMemory::~GrowingMemory() {
    if (memory_ != nullptr) {
        munmap(memory_, mapped_bytes_);
    }
}

void GrowingMemory::grow(u64 bytes) {
    const u64 present = (bytes + kStep - 1) / kStep * kStep;
    if (present > mapped_bytes_) {
        const u64 mapped = std::max({present, mapped_bytes_ * 2, kFirstBytes});
        void* const memory = memory_ == nullptr
                                 ? mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                                 : mremap(memory_, mapped_bytes_, mapped, MREMAP_MAYMOVE);
        if (memory == MAP_FAILED) {
            out_of_memory("the records of translations");
        }
        memory_ = memory;
        mapped_bytes_ = mapped;
    }
#ifdef MADV_POPULATE_WRITE
    madvise(static_cast<u8*>(memory_) + present_bytes_, present - present_bytes_,
            MADV_POPULATE_WRITE); // if it fails, they are faulted in
#endif
    present_bytes_ = present;
}

} // namespace ulna::runtime
