#include "runtime/devices/gic_interrupts.h"

namespace ulna::devices::gic {

namespace {
enum class Writes : u8 { Store, Set, Clear };

// One bit for each interrupt.
struct BitRegister {
    u64 offset;
    u32 InterruptWord::*bits;
    Writes writes;
};
constexpr u64 kIgroupr = 0x080;
// clang-format off
constexpr BitRegister kBitRegisters[] = {
    {kIgroupr,  &InterruptWord::group,    Writes::Store},
    {0x100,     &InterruptWord::enabled,  Writes::Set},   // ISENABLER
    {0x180,     &InterruptWord::enabled,  Writes::Clear}, // ICENABLER
    {0x200,     &InterruptWord::latched,  Writes::Set},   // ISPENDR
    {0x280,     &InterruptWord::latched,  Writes::Clear}, // ICPENDR
    {0x300,     &InterruptWord::active,   Writes::Set},   // ISACTIVER
    {0x380,     &InterruptWord::active,   Writes::Clear}, // ICACTIVER
    {kIgrpmodr, &InterruptWord::modifier, Writes::Store},
};
// clang-format on
constexpr u64 kBitRegisterBytes = 0x80;
constexpr u64 kPriority = 0x400, kPriorityEnd = 0x800; // IPRIORITYR, a byte for each
constexpr u64 kConfig = 0xc00, kConfigEnd = 0xd00;     // ICFGR, two bits for each

const BitRegister* find_bits(u64 offset) {
    for (const BitRegister& candidate : kBitRegisters) {
        if (offset - candidate.offset < kBitRegisterBytes) {
            return &candidate;
        }
    }
    return nullptr;
}

bool is_config(u64 offset) { return offset >= kConfig && offset < kConfigEnd; }

// ICFGR holds 16 interrupts; of each the upper of two bits says "edge".
unsigned config_shift(u64 offset) { return (offset & 4) != 0 ? 16 : 0; }

u32 read_config(u32 edge, u64 offset) {
    const u32 half = edge >> config_shift(offset);
    u32 value = 0;
    for (unsigned i = 0; i < 16; ++i) {
        value |= (half >> i & 1) << (2 * i + 1);
    }
    return value;
}

u32 write_config(u32 edge, u64 offset, u32 value, u32 writable) {
    const unsigned shift = config_shift(offset);
    u32 half = 0;
    for (unsigned i = 0; i < 16; ++i) {
        half |= (value >> (2 * i + 1) & 1) << i;
    }
    const u32 written = u32{0xffff} << shift & writable;
    return (edge & ~written) | (half << shift & written);
}
} // namespace

bool is_priority_register(u64 offset) { return offset >= kPriority && offset < kPriorityEnd; }

bool is_bank_register(u64 offset) {
    return is_priority_register(offset) || is_config(offset) || find_bits(offset) != nullptr;
}

unsigned bank_word(u64 offset) {
    if (is_priority_register(offset)) {
        return static_cast<unsigned>((offset - kPriority) / 32);
    }
    if (is_config(offset)) {
        return static_cast<unsigned>((offset - kConfig) / 8);
    }
    return static_cast<unsigned>(offset % kBitRegisterBytes / 4);
}

bool is_group_register(u64 offset) {
    return offset - kIgroupr < kBitRegisterBytes || offset - kIgrpmodr < kBitRegisterBytes;
}

u8 read_priority(const InterruptWord& word, u64 offset, const View& view) {
    const u8 priority = word.priority[offset % 32];
    return (view.visible >> offset % 32 & 1) == 0 ? 0
           : view.half_priorities                 ? to_nonsecure_priority(priority)
                                                  : priority;
}

void write_priority(InterruptWord& word, u64 offset, u8 value, const View& view) {
    if ((view.visible >> offset % 32 & 1) != 0) {
        word.priority[offset % 32] =
            (view.half_priorities ? from_nonsecure_priority(value) : value) & kPriorityMask;
    }
}

u32 read_bank(const InterruptWord& word, u64 offset, const View& view) {
    if (is_priority_register(offset)) {
        u32 value = 0;
        for (unsigned i = 0; i < 4; ++i) {
            value |= u32{read_priority(word, offset + i, view)} << (8 * i);
        }
        return value;
    }
    if (is_config(offset)) {
        return read_config(word.edge & view.visible, offset);
    }
    const BitRegister* const found = find_bits(offset);
    const u32 bits = found->bits == &InterruptWord::latched ? word.pending() : word.*(found->bits);
    return bits & view.visible;
}

void write_bank(InterruptWord& word, u64 offset, u32 value, const View& view) {
    if (is_priority_register(offset)) {
        for (unsigned i = 0; i < 4; ++i) {
            write_priority(word, offset + i, static_cast<u8>(value >> (8 * i)), view);
        }
        return;
    }
    if (is_config(offset)) {
        word.edge = write_config(word.edge, offset, value, view.visible);
        return;
    }
    const BitRegister* const found = find_bits(offset);
    u32& bits = word.*(found->bits);
    switch (found->writes) {
    case Writes::Store:
        bits = (bits & ~view.visible) | (value & view.visible);
        break;
    case Writes::Set:
        bits |= value & view.visible;
        break;
    case Writes::Clear:
        bits &= ~(value & view.visible);
        break;
    }
}

} // namespace ulna::devices::gic
