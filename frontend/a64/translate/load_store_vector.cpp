// Loads and stores of one or two SIMD&FP registers (structures: load_store_struct.cpp).
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/vector_access.h"

namespace ulna::frontend {

namespace {
bool load_imm(Translator& t, unsigned scale, i64 offset, Wback wback, Reg Rn, Vec Vt) {
    const ImmediateAccess access{t, Rn, offset, wback};
    const Value data = load_vector(t, access.address(), scale);
    t.set_V(Vt, data);
    access.write_back();
    return true;
}

bool store_imm(Translator& t, unsigned scale, i64 offset, Wback wback, Reg Rn, Vec Vt) {
    const ImmediateAccess access{t, Rn, offset, wback};
    store_vector(t, access.address(), scale, t.V(Vt));
    access.write_back();
    return true;
}

// opc<1>:size is the scale; 128-bit accesses are encoded as size 00. Empty: unallocated.
std::optional<unsigned> vector_scale(Imm<2> size, bool q) {
    if (q && size != 0) {
        return std::nullopt;
    }
    return q ? 4 : size.v;
}

bool load_imm9(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Wback wback, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    return scale ? load_imm(t, *scale, imm9.sext(), wback, Rn, Vt) : t.unallocated();
}
bool store_imm9(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Wback wback, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    return scale ? store_imm(t, *scale, imm9.sext(), wback, Rn, Vt) : t.unallocated();
}
} // namespace

// --- Load register (literal)

bool LDR_lit_v(Translator& t, Imm<2> opc, Imm<19> imm19, Vec Vt) {
    if (opc == 3) {
        return t.unallocated();
    }
    const Value base = t.b.code_address(t.pc() + (static_cast<u64>(imm19.sext()) << 2));
    t.set_V(Vt, load_vector(t, {.base = base, .tag_checked = false}, 2 + opc.v));
    return true;
}

// --- Load/store register: unscaled, post-indexed, pre-indexed, unsigned immediate

bool STUR_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return store_imm9(t, size, q, imm9, Wback::None, Rn, Vt);
}
bool LDUR_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return load_imm9(t, size, q, imm9, Wback::None, Rn, Vt);
}
bool STR_post_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return store_imm9(t, size, q, imm9, Wback::Post, Rn, Vt);
}
bool LDR_post_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return load_imm9(t, size, q, imm9, Wback::Post, Rn, Vt);
}
bool STR_pre_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return store_imm9(t, size, q, imm9, Wback::Pre, Rn, Vt);
}
bool LDR_pre_v(Translator& t, Imm<2> size, bool q, Imm<9> imm9, Reg Rn, Vec Vt) {
    return load_imm9(t, size, q, imm9, Wback::Pre, Rn, Vt);
}
bool STR_imm_v(Translator& t, Imm<2> size, bool q, Imm<12> imm12, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    if (!scale) {
        return t.unallocated();
    }
    return store_imm(t, *scale, static_cast<i64>(imm12.zext() << *scale), Wback::None, Rn, Vt);
}
bool LDR_imm_v(Translator& t, Imm<2> size, bool q, Imm<12> imm12, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    if (!scale) {
        return t.unallocated();
    }
    return load_imm(t, *scale, static_cast<i64>(imm12.zext() << *scale), Wback::None, Rn, Vt);
}

// --- Load/store register (register offset)

bool STR_reg_v(Translator& t, Imm<2> size, bool q, Reg Rm, Imm<3> option, bool S, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    if (!scale || !option.bit(1)) {
        return t.unallocated();
    }
    store_vector(t, register_offset(t, Rn, Rm, option, S ? *scale : 0), *scale, t.V(Vt));
    return true;
}
bool LDR_reg_v(Translator& t, Imm<2> size, bool q, Reg Rm, Imm<3> option, bool S, Reg Rn, Vec Vt) {
    const auto scale = vector_scale(size, q);
    if (!scale || !option.bit(1)) {
        return t.unallocated();
    }
    t.set_V(Vt, load_vector(t, register_offset(t, Rn, Rm, option, S ? *scale : 0), *scale));
    return true;
}

// --- Load/store pair

namespace {
bool load_pair(Translator& t, Imm<2> opc, Imm<7> imm7, Wback wback, Vec Vt2, Reg Rn, Vec Vt) {
    if (opc == 3) {
        return t.unallocated();
    }
    const unsigned scale = 2 + opc.v;
    const ImmediateAccess access{t, Rn, imm7.sext() * (i64{1} << scale), wback};
    const Address at = access.address();
    const Value data1 = load_vector(t, at, scale);
    const Value data2 = load_vector(t, at.plus(1 << scale), scale);
    t.set_V(Vt, data1);
    t.set_V(Vt2, data2);
    access.write_back();
    return true;
}

bool store_pair(Translator& t, Imm<2> opc, Imm<7> imm7, Wback wback, Vec Vt2, Reg Rn, Vec Vt) {
    if (opc == 3) {
        return t.unallocated();
    }
    const unsigned scale = 2 + opc.v;
    const ImmediateAccess access{t, Rn, imm7.sext() * (i64{1} << scale), wback};
    const Address at = access.address();
    store_vector(t, at, scale, t.V(Vt));
    store_vector(t, at.plus(1 << scale), scale, t.V(Vt2));
    access.write_back();
    return true;
}
} // namespace

bool STNP_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return store_pair(t, opc, imm7, Wback::None, Vt2, Rn, Vt);
}
bool LDNP_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return load_pair(t, opc, imm7, Wback::None, Vt2, Rn, Vt);
}
bool STP_post_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return store_pair(t, opc, imm7, Wback::Post, Vt2, Rn, Vt);
}
bool LDP_post_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return load_pair(t, opc, imm7, Wback::Post, Vt2, Rn, Vt);
}
bool STP_off_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return store_pair(t, opc, imm7, Wback::None, Vt2, Rn, Vt);
}
bool LDP_off_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return load_pair(t, opc, imm7, Wback::None, Vt2, Rn, Vt);
}
bool STP_pre_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return store_pair(t, opc, imm7, Wback::Pre, Vt2, Rn, Vt);
}
bool LDP_pre_v(Translator& t, Imm<2> opc, Imm<7> imm7, Vec Vt2, Reg Rn, Vec Vt) {
    return load_pair(t, opc, imm7, Wback::Pre, Vt2, Rn, Vt);
}

} // namespace ulna::frontend
