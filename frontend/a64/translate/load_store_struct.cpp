// Advanced SIMD structure loads and stores: LD1-LD4, ST1-ST4, LD1R-LD4R.
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/vector_access.h"

namespace ulna::frontend {

namespace {

// Rm of a post-indexed form: 31 stands for the number of bytes transferred. Without one, no
// writeback.
void write_back(Translator& t, Reg Rn, Value base, std::optional<Reg> Rm, unsigned bytes) {
    if (Rm) {
        const Value offset = *Rm == Reg::ZR ? t.b.c64(bytes) : t.X(Type::I64, *Rm);
        t.set_SP(Rn, t.b.add(base, offset));
    }
}

// The up to four registers of a structure.
using Registers = std::array<Value, 4>;

} // namespace

// --- Multiple structures

namespace {

struct Layout {
    unsigned count; // registers
    unsigned selem; // elements per structure: 1 (consecutive registers), or = count
};
std::optional<Layout> layout_of(Imm<4> opcode) {
    switch (opcode.v) {
    case 0b0000:
        return Layout{4, 4};
    case 0b0010:
        return Layout{4, 1};
    case 0b0100:
        return Layout{3, 3};
    case 0b0110:
        return Layout{3, 1};
    case 0b0111:
        return Layout{1, 1};
    case 0b1000:
        return Layout{2, 2};
    case 0b1010:
        return Layout{2, 1};
    default:
        return std::nullopt;
    }
}

// A constant with byte i = byte_at(i).
template <class ByteAt> Value byte_table(Translator& t, unsigned bytes, ByteAt byte_at) {
    u64 half[2] = {};
    for (unsigned i = 0; i < bytes; ++i) {
        half[i / 8] |= u64{byte_at(i)} << (8 * (i % 8));
    }
    return bytes == 8 ? t.b.vconst(shape::B8, half[0])
                      : t.b.vpair(t.b.c64(half[0]), t.b.c64(half[1]));
}

// Bytes picked from three registers; source(i) gives {register, byte} of result byte i.
struct ByteOf {
    unsigned reg, byte;
};
template <class Source>
Value pick_bytes(Translator& t, unsigned bytes, const Registers& from, Source source) {
    constexpr u8 kNone = 0xff; // out of every table: keeps the fallback
    const Shape bytes_shape = bytes == 8 ? shape::B8 : shape::B16;
    const Value low_index = byte_table(t, bytes, [&](unsigned i) -> u8 {
        const ByteOf s = source(i);
        return s.reg < 2 ? static_cast<u8>(16 * s.reg + s.byte) : kNone;
    });
    const Value high_index = byte_table(t, bytes, [&](unsigned i) -> u8 {
        const ByteOf s = source(i);
        return s.reg == 2 ? static_cast<u8>(s.byte) : kNone;
    });
    const Value low =
        t.b.vec(Opcode::VTbl, bytes_shape, {t.b.vzero(), low_index, from[0], from[1]}, 2);
    return t.b.vec(Opcode::VTbl, bytes_shape, {low, high_index, from[2]}, 1);
}

// lane[to] of a replaced by lane[from] of b.
Value insert_lane(Translator& t, Value a, unsigned to, Value b, unsigned from) {
    return t.b.vec(Opcode::VInsLane, shape::D2, {a, b}, to | from << 8);
}

Registers deinterleave3(Translator& t, Shape s, const Registers& m) {
    if (s == shape::D2) { // x0 y0 | z0 x1 | y1 z1
        return {insert_lane(t, m[0], 1, m[1], 1),
                t.b.vec(Opcode::VExt, shape::B16, {m[0], m[2]}, 8),
                insert_lane(t, m[1], 1, m[2], 1)};
    }
    const unsigned bytes = s.bytes(), esize = s.lane_bytes();
    Registers r;
    for (unsigned e = 0; e < 3; ++e) {
        r[e] = pick_bytes(t, bytes, m, [&](unsigned i) {
            const unsigned at = (3 * (i / esize) + e) * esize + i % esize;
            return ByteOf{at / bytes, at % bytes};
        });
    }
    return r;
}

Registers interleave3(Translator& t, Shape s, const Registers& r) {
    if (s == shape::D2) {
        return {t.b.vec(Opcode::VZip1, s, {r[0], r[1]}), insert_lane(t, r[2], 1, r[0], 1),
                t.b.vec(Opcode::VZip2, s, {r[1], r[2]})};
    }
    const unsigned bytes = s.bytes(), esize = s.lane_bytes();
    Registers m;
    for (unsigned k = 0; k < 3; ++k) {
        m[k] = pick_bytes(t, bytes, r, [&](unsigned i) {
            const unsigned element = (k * bytes + i) / esize;
            return ByteOf{element % 3, element / 3 * esize + i % esize};
        });
    }
    return m;
}

// Memory order -> one register per structure member.
Registers deinterleave(Translator& t, unsigned selem, Shape s, const Registers& m) {
    const auto even = [&](Value a, Value b) { return t.b.vec(Opcode::VUzp1, s, {a, b}); };
    const auto odd = [&](Value a, Value b) { return t.b.vec(Opcode::VUzp2, s, {a, b}); };
    switch (selem) {
    case 2:
        return {even(m[0], m[1]), odd(m[0], m[1])};
    case 3:
        return deinterleave3(t, s, m);
    case 4: {
        const Value even01 = even(m[0], m[1]), even23 = even(m[2], m[3]); // members 0 and 2
        const Value odd01 = odd(m[0], m[1]), odd23 = odd(m[2], m[3]);     // members 1 and 3
        return {even(even01, even23), even(odd01, odd23), odd(even01, even23), odd(odd01, odd23)};
    }
    default:
        return m;
    }
}

Registers interleave(Translator& t, unsigned selem, Shape s, const Registers& r) {
    const auto low = [&](Value a, Value b) { return t.b.vec(Opcode::VZip1, s, {a, b}); };
    const auto high = [&](Value a, Value b) { return t.b.vec(Opcode::VZip2, s, {a, b}); };
    switch (selem) {
    case 2:
        return {low(r[0], r[1]), high(r[0], r[1])};
    case 3:
        return interleave3(t, s, r);
    case 4: {
        const Value low02 = low(r[0], r[2]), low13 = low(r[1], r[3]);
        const Value high02 = high(r[0], r[2]), high13 = high(r[1], r[3]);
        return {low(low02, low13), high(low02, low13), low(high02, high13), high(high02, high13)};
    }
    default:
        return r;
    }
}

bool multiple_structures(Translator& t,
                         bool Q,
                         bool L,
                         std::optional<Reg> Rm,
                         Imm<4> opcode,
                         Imm<2> size,
                         Reg Rn,
                         Vec Vt) {
    const auto layout = layout_of(opcode);
    if (!layout) {
        return t.unallocated();
    }
    if (size == 3 && !Q && layout->selem != 1) {
        return t.reserved();
    }
    const Shape s = vector_shape(size, Q);
    const unsigned scale = Q ? 4 : 3, bytes = 1u << scale;
    const Value base = t.SP(Type::I64, Rn);
    const Address at{.base = base, .tag_checked = Rm || Rn != Reg::SP};
    Registers r;
    if (L) {
        for (unsigned i = 0; i < layout->count; ++i) {
            r[i] = load_vector(t, at.plus(i * bytes), scale);
        }
        r = deinterleave(t, layout->selem, s, r);
        for (unsigned i = 0; i < layout->count; ++i) {
            t.set_V(Vt + i, r[i]);
        }
    } else {
        for (unsigned i = 0; i < layout->count; ++i) {
            r[i] = t.V(Vt + i);
        }
        r = interleave(t, layout->selem, s, r);
        for (unsigned i = 0; i < layout->count; ++i) {
            store_vector(t, at.plus(i * bytes), scale, r[i]);
        }
    }
    write_back(t, Rn, base, Rm, layout->count * bytes);
    return true;
}

} // namespace

bool LD_ST_multiple(Translator& t, bool Q, bool L, Imm<4> opcode, Imm<2> size, Reg Rn, Vec Vt) {
    return multiple_structures(t, Q, L, std::nullopt, opcode, size, Rn, Vt);
}
bool LD_ST_multiple_post(
    Translator& t, bool Q, bool L, Reg Rm, Imm<4> opcode, Imm<2> size, Reg Rn, Vec Vt) {
    return multiple_structures(t, Q, L, Rm, opcode, size, Rn, Vt);
}

// --- Single structure, to or from one lane or replicated

namespace {

struct Element {
    unsigned scale; // log2 of its bytes
    unsigned index; // lane
    bool replicate;
};
// The decode of DDI 0487 C7.2.177 (LD1, single structure).
std::optional<Element> element_of(bool Q, bool L, Imm<3> opcode, bool S, Imm<2> size) {
    switch (opcode.v >> 1) {
    case 0:
        return Element{0, concat(Q, S, size).v, false};
    case 1:
        if (size.bit(0)) {
            return std::nullopt;
        }
        return Element{1, concat(Q, S, size.slice<1, 1>()).v, false};
    case 2:
        if (size.bit(1)) {
            return std::nullopt;
        }
        if (!size.bit(0)) {
            return Element{2, concat(Q, S).v, false};
        }
        return S ? std::nullopt : std::optional{Element{3, Q, false}};
    default:
        return !L || S ? std::nullopt : std::optional{Element{size.v, 0, true}};
    }
}

bool single_structure(Translator& t,
                      bool Q,
                      bool L,
                      bool R,
                      std::optional<Reg> Rm,
                      Imm<3> opcode,
                      bool S,
                      Imm<2> size,
                      Reg Rn,
                      Vec Vt) {
    const auto element = element_of(Q, L, opcode, S, size);
    if (!element) {
        return t.unallocated();
    }
    const unsigned selem = concat(opcode.slice<0, 0>(), R).v + 1;
    const unsigned ebytes = 1u << element->scale;
    const Shape lanes = vector_shape(Imm<2>{element->scale}, true);
    const Type type = element->scale == 3 ? Type::I64 : Type::I32;
    const MemInfo mem{.size_log2 = static_cast<u8>(element->scale)};
    const Value base = t.SP(Type::I64, Rn);
    const Address at{.base = base, .tag_checked = Rm || Rn != Reg::SP};
    if (L) {
        Registers data;
        for (unsigned i = 0; i < selem; ++i) {
            data[i] = load(t, type, at.plus(i * ebytes), mem);
        }
        for (unsigned i = 0; i < selem; ++i) {
            t.set_V(Vt + i,
                    element->replicate
                        ? t.b.vec(Opcode::VDup, vector_shape(size, Q), {data[i]})
                        : t.b.vec(Opcode::VSetLane, lanes, {t.V(Vt + i), data[i]}, element->index));
        }
    } else {
        for (unsigned i = 0; i < selem; ++i) {
            const Value data = t.b.vget(t.V(Vt + i), lanes, element->index, type);
            store(t, at.plus(i * ebytes), data, mem);
        }
    }
    write_back(t, Rn, base, Rm, selem * ebytes);
    return true;
}

} // namespace

bool LD_ST_single(
    Translator& t, bool Q, bool L, bool R, Imm<3> opcode, bool S, Imm<2> size, Reg Rn, Vec Vt) {
    return single_structure(t, Q, L, R, std::nullopt, opcode, S, size, Rn, Vt);
}
bool LD_ST_single_post(Translator& t,
                       bool Q,
                       bool L,
                       bool R,
                       Reg Rm,
                       Imm<3> opcode,
                       bool S,
                       Imm<2> size,
                       Reg Rn,
                       Vec Vt) {
    return single_structure(t, Q, L, R, Rm, opcode, S, size, Rn, Vt);
}

} // namespace ulna::frontend
