// Meaning of operations that move lanes without computing: each says, per result lane, where it
// comes from.

#include "ir/eval_vec_lanes.h"
#include "ir/support/bits.h"

namespace ulna::ir {

namespace {

// A lane of the concatenation b:a of two registers that hold `lanes` lanes each.
struct Source {
    bool from_b;
    unsigned lane;
};

// result[i] = F(i, lanes, imm) names a lane of a or b. Sources may lie past Shape's lanes (DUP of a
// high lane into an 8-byte shape).
template <class F> V128 eval_permute(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class U>() {
        V128 result;
        for (unsigned i = 0; i < lane_count<U>(shape); ++i) {
            const Source source = F{}(i, shape, params.imm);
            result.set_lane<U>(i,
                               (source.from_b ? args[1] : args[0]).template lane<U>(source.lane));
        }
        return result;
    });
}
template <class F> constexpr EvalFn permute(F) { return &eval_permute<F>; }

// Lane `index` of b:a.
[[nodiscard]] Source concatenated(unsigned index, Shape shape) {
    return {index >= shape.lanes(), index % shape.lanes()};
}
// Alternates between a (even result lanes) and b.
[[nodiscard]] Source alternating(unsigned i, unsigned lane) { return {i % 2 != 0, lane}; }

// TBX over one or two table registers (imm); TBL has a zero fallback.
[[nodiscard]] V128 eval_tbl(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    const unsigned table_bytes = static_cast<unsigned>(params.imm) * 16;
    V128 result;
    for (unsigned i = 0; i < lane_count<u8>(shape); ++i) {
        const u8 index = args[1].lane<u8>(i);
        result.set_lane<u8>(i, index < table_bytes ? args[2 + index / 16].lane<u8>(index % 16)
                                                   : args[0].lane<u8>(i));
    }
    return result;
}

[[nodiscard]] V128 eval_ins_lane(const OpParams& params, const V128* args, u32&) {
    const Shape shape = Shape::unpack(params.aux);
    return with_lane_type(shape.lane_log2, [&]<class U>() {
        V128 result = args[0];
        const unsigned from = bits(params.imm, 15, 8), to = bits(params.imm, 7, 0);
        result.set_lane<U>(to, args[1].lane<U>(from));
        return result;
    });
}

} // namespace

void add_vec_permute_evals(EvalTable& t) {
    t[Opcode::VDupLane] = permute([](unsigned, Shape, u64 imm) {
        return Source{false, static_cast<unsigned>(imm)};
    });
    t[Opcode::VInsLane] = &eval_ins_lane;
    t[Opcode::VZip1] = permute([](unsigned i, Shape, u64) { return alternating(i, i / 2); });
    t[Opcode::VZip2] =
        permute([](unsigned i, Shape s, u64) { return alternating(i, (s.lanes() + i) / 2); });
    t[Opcode::VUzp1] = permute([](unsigned i, Shape s, u64) { return concatenated(2 * i, s); });
    t[Opcode::VUzp2] = permute([](unsigned i, Shape s, u64) { return concatenated(2 * i + 1, s); });
    t[Opcode::VTrn1] = permute([](unsigned i, Shape, u64) { return alternating(i, i & ~1u); });
    t[Opcode::VTrn2] = permute([](unsigned i, Shape, u64) { return alternating(i, i | 1u); });
    t[Opcode::VExt] = permute([](unsigned i, Shape s, u64 imm) {
        return concatenated(i + static_cast<unsigned>(imm), s);
    });
    t[Opcode::VRev] = permute([](unsigned i, Shape s, u64 imm) {
        return Source{false, i ^ (static_cast<unsigned>(imm) / s.lane_bytes() - 1)};
    });
    t[Opcode::VTbl] = &eval_tbl;
}

} // namespace ulna::ir
