#include "runtime/user/memory_copy.h"

#include "ir/support/bits.h"

namespace ulna::user {

namespace {

// ISS of a Memory Copy and Memory Set exception (DDI 0487 D24.2.40). A register may be 31 only
// where it is not looked at: the byte of a set.
struct Syndrome {
    u64 iss;
    [[nodiscard]] bool is_set() const { return bit(iss, 24); }
    [[nodiscard]] bool from_epilogue() const { return bit(iss, 18); }
    [[nodiscard]] bool wrong_option() const { return bit(iss, 17); }
    [[nodiscard]] bool option_a() const { return bit(iss, 16); }
    [[nodiscard]] u64 destination() const { return bits(iss, 14, 10); }
    [[nodiscard]] u64 source() const { return bits(iss, 9, 5); }
    [[nodiscard]] u64 size() const { return bits(iss, 4, 0); }
};

constexpr u32 kNegative = 8; // NZCV.N

} // namespace

void restart_memory_copy(ir::CpuState& cpu, u64 iss) {
    const Syndrome syndrome{iss};
    u64 &to = cpu.x[syndrome.destination()], &size = cpu.x[syndrome.size()];
    const bool option_a = syndrome.option_a() != syndrome.wrong_option(); // of the registers
    if (syndrome.is_set()) {
        if (option_a) {
            to += size;
            size = 0 - size;
        }
    } else {
        u64& from = cpu.x[syndrome.source()];
        if (option_a && bit(size, 63)) { // forward
            to += size;
            from += size;
            size = 0 - size;
        } else if (!option_a && (cpu.nzcv & kNegative)) { // backward
            to -= size;
            from -= size;
        }
    }
    cpu.pc -= syndrome.from_epilogue() ? 8 : 4;
}

} // namespace ulna::user
