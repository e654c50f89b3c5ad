// Advanced SIMD copy: DUP, INS, UMOV, SMOV. imm5 holds the lane size as the position of its lowest
// set bit, and above that bit the lane index.

#include <bit>

#include "frontend/a64/translate/handlers_simd.h"
#include "frontend/a64/translate/simd_common.h"

namespace ulna::frontend {

namespace {

struct LaneIndex {
    Imm<2> size;
    unsigned index;
};
[[nodiscard]] std::optional<LaneIndex> lane_index(Imm<5> imm5) {
    const unsigned size = static_cast<unsigned>(std::countr_zero(imm5.v));
    if (size > 3) {
        return std::nullopt;
    }
    return LaneIndex{{size}, imm5.v >> (size + 1)};
}

bool move_to_general(Translator& t, LaneIndex lane, Type type, bool sign, Vec Rn, Reg Rd) {
    t.set_X(Rd, t.b.vget(t.V(Rn), vector_shape(lane.size, true), lane.index, type, sign));
    return true;
}

} // namespace

bool DUP_elem(Translator& t, bool Q, Imm<5> imm5, Vec Rn, Vec Rd) {
    const auto lane = lane_index(imm5);
    if (!lane) {
        return t.reserved();
    }
    return two_misc(t, Opcode::VDupLane, lanes_bhsd(lane->size, Q), Rn, Rd, lane->index);
}

bool DUP_scalar(Translator& t, Imm<5> imm5, Vec Rn, Vec Rd) {
    const auto lane = lane_index(imm5);
    if (!lane) {
        return t.reserved();
    }
    return two_misc(t, Opcode::VDupLane, scalar_bhsd(lane->size), Rn, Rd, lane->index);
}

bool DUP_general(Translator& t, bool Q, Imm<5> imm5, Reg Rn, Vec Rd) {
    const auto lane = lane_index(imm5);
    if (!lane || !lanes_bhsd(lane->size, Q)) {
        return t.reserved();
    }
    const Value element = t.X(gpr(lane->size == 3u), Rn);
    t.set_V(Rd, t.b.vec(Opcode::VDup, vector_shape(lane->size, Q), {element}));
    return true;
}

bool SMOV(Translator& t, bool Q, Imm<5> imm5, Vec Rn, Reg Rd) {
    const auto lane = lane_index(imm5);
    if (!lane || lane->size.v > (Q ? 2 : 1)) {
        return t.reserved();
    }
    return move_to_general(t, *lane, gpr(Q), true, Rn, Rd);
}

bool UMOV(Translator& t, bool Q, Imm<5> imm5, Vec Rn, Reg Rd) {
    const auto lane = lane_index(imm5);
    if (!lane || (lane->size == 3u) != Q) {
        return t.reserved();
    }
    return move_to_general(t, *lane, gpr(Q), false, Rn, Rd);
}

bool INS_general(Translator& t, Imm<5> imm5, Reg Rn, Vec Rd) {
    const auto lane = lane_index(imm5);
    if (!lane) {
        return t.reserved();
    }
    const Value element = t.X(gpr(lane->size == 3u), Rn);
    t.set_V(Rd, t.b.vec(Opcode::VSetLane, vector_shape(lane->size, true), {t.V(Rd), element},
                        lane->index));
    return true;
}

bool INS_elem(Translator& t, Imm<5> imm5, Imm<4> imm4, Vec Rn, Vec Rd) {
    const auto lane = lane_index(imm5);
    if (!lane) {
        return t.reserved();
    }
    const u64 source = imm4.v >> lane->size.v;
    return three_same(t, Opcode::VInsLane, vector_shape(lane->size, true), Rn, Rd, Rd,
                      lane->index | source << 8);
}

} // namespace ulna::frontend
