#include "ir/builder.h"

#include <bit>

namespace ulna::ir {

ValueId Builder::append(u64 head, u64 args, u64 imm) {
    static_assert(std::endian::native == std::endian::little && kNoValue == 0xffff);
    static_assert(offsetof(Inst, op) == 0 && offsetof(Inst, type) == 2 &&
                  offsetof(Inst, arg_count) == 3 && offsetof(Inst, aux) == 4 &&
                  offsetof(Inst, guest_index) == 6 && offsetof(Inst, args) == 8 &&
                  offsetof(Inst, imm) == 16);
    // Where it stays, and from registers: made elsewhere it would be copied.
    char* const inst = reinterpret_cast<char*>(&block_.insts.emplace_back());
    std::memcpy(inst, &head, sizeof(head));
    std::memcpy(inst + 8, &args, sizeof(args));
    std::memcpy(inst + 16, &imm, sizeof(imm));
    return static_cast<ValueId>(block_.insts.size() - 1);
}

} // namespace ulna::ir
