// Loads and stores of general-purpose registers.
#include "frontend/a64/translate/handlers_base.h"
#include "frontend/a64/translate/memory.h"

namespace ulna::frontend {

namespace {

// What a load does to the bits above the memory size.
enum class LoadExtend : u8 { Zero, Sign64, Sign32 };

Value load_gpr(Translator& t, const Address& at, unsigned scale, LoadExtend extend) {
    const bool sign = extend != LoadExtend::Zero;
    const Type type = extend == LoadExtend::Sign32 ? Type::I32 : Type::I64;
    return load(t, type, at, {.size_log2 = static_cast<u8>(scale), .sign = sign});
}

void store_gpr(Translator& t, const Address& at, unsigned scale, Reg Rt) {
    const Type type = scale == 3 ? Type::I64 : Type::I32;
    store(t, at, t.X(type, Rt), {.size_log2 = static_cast<u8>(scale)});
}

bool load_imm(
    Translator& t, unsigned scale, LoadExtend extend, i64 offset, Wback wback, Reg Rn, Reg Rt) {
    const ImmediateAccess access{t, Rn, offset, wback};
    const Value data = load_gpr(t, access.address(), scale, extend);
    t.set_X(Rt, data);
    access.write_back_unless(access.is_base(Rt));
    return true;
}

bool store_imm(Translator& t, unsigned scale, i64 offset, Wback wback, Reg Rn, Reg Rt) {
    const ImmediateAccess access{t, Rn, offset, wback};
    store_gpr(t, access.address(), scale, Rt);
    access.write_back();
    return true;
}

// LDRSB, LDRSH and LDRSW to X; size 11 has no row but the prefetches.
bool load_signed_64(Translator& t, Imm<2> size, i64 offset, Wback wback, Reg Rn, Reg Rt) {
    if (size == 3) {
        return t.unallocated();
    }
    return load_imm(t, size.v, LoadExtend::Sign64, offset, wback, Rn, Rt);
}
bool load_signed_32(Translator& t, bool size, i64 offset, Wback wback, Reg Rn, Reg Rt) {
    return load_imm(t, size, LoadExtend::Sign32, offset, wback, Rn, Rt);
}

} // namespace

// --- Load register (literal)

namespace {
Address literal(Translator& t, Imm<19> imm19) {
    return {.base = t.b.code_address(t.pc() + (static_cast<u64>(imm19.sext()) << 2)),
            .tag_checked = false};
}
} // namespace

bool LDR_lit(Translator& t, bool opc, Imm<19> imm19, Reg Rt) {
    t.set_X(Rt, load_gpr(t, literal(t, imm19), opc ? 3 : 2, LoadExtend::Zero));
    return true;
}
bool LDRSW_lit(Translator& t, Imm<19> imm19, Reg Rt) {
    t.set_X(Rt, load_gpr(t, literal(t, imm19), 2, LoadExtend::Sign64));
    return true;
}

// --- Prefetches

namespace {
// Rt<4:3> says what for; PLI and what is no PRFM are left out. So are all in a whole machine, where
// the page had to be looked up first.
bool prefetch(Translator& t, const Address& at, Reg Rt) {
    constexpr unsigned kPld = 0, kPst = 2;
    const unsigned type = static_cast<unsigned>(Rt) >> 3;
    if (!t.mode().system() && (type == kPld || type == kPst)) {
        t.b.prefetch(at.base, type == kPst ? Access::Writes : Access::Reads, at.disp, at.index,
                     at.index_shift);
    }
    return true;
}
bool prefetch_imm(Translator& t, i64 offset, Reg Rn, Reg Rt) {
    return prefetch(t, {.base = t.SP(Type::I64, Rn), .disp = offset}, Rt);
}
constexpr unsigned kPrefetchScale = 3;
} // namespace

bool PRFM_lit(Translator& t, Imm<19> imm19, Reg Rt) { return prefetch(t, literal(t, imm19), Rt); }
bool PRFM_imm(Translator& t, Imm<12> imm12, Reg Rn, Reg Rt) {
    return prefetch_imm(t, static_cast<i64>(imm12.zext() << kPrefetchScale), Rn, Rt);
}
bool PRFUM(Translator& t, Imm<9> imm9, Reg Rn, Reg Rt) {
    return prefetch_imm(t, imm9.sext(), Rn, Rt);
}
bool PRFM_reg(Translator& t, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt) {
    if (!option.bit(1)) {
        return t.unallocated();
    }
    return prefetch(t, register_offset(t, Rn, Rm, option, S ? kPrefetchScale : 0), Rt);
}

// --- Load/store pair

namespace {
// FEAT_LSE2: a pair inside 16 aligned bytes is one single-copy atomic access. As perl runs, that
// costs a seventh of its time, so it is done where somebody else can tell, and not where the base
// is SP: a frame is its thread's own.
bool pair_is_atomic(Translator& t, Reg Rn) {
    return t.cpu().features.has(Feature::LSE2) && t.mode().shared() && Rn != Reg::SP;
}
MemInfo pair_of(unsigned scale) { return {.size_log2 = static_cast<u8>(scale + 1), .pair = true}; }
void load_pair_at_once(Translator& t, bool sz, const Address& at, Reg Rt, Reg Rt2) {
    const Value pair =
        load(t, sz ? Type::V128 : Type::I64, at, {.size_log2 = static_cast<u8>(sz ? 4 : 3)});
    split(t, sz, pair, Rt, Rt2);
}

bool load_pair(Translator& t,
               unsigned scale,
               LoadExtend extend,
               Imm<7> imm7,
               Wback wback,
               Reg Rt2,
               Reg Rn,
               Reg Rt) {
    const ImmediateAccess access{t, Rn, imm7.sext() * (i64{1} << scale), wback};
    const Address at = resolve(t, access.address(), pair_of(scale), Access::Reads);
    if (extend == LoadExtend::Zero && pair_is_atomic(t, Rn)) {
        load_pair_at_once(t, scale == 3, at, Rt, Rt2);
    } else {
        const Value data1 = load_gpr(t, at, scale, extend);
        const Value data2 = load_gpr(t, at.plus(1 << scale), scale, extend);
        t.set_X(Rt, data1);
        t.set_X(Rt2, data2);
    }
    access.write_back_unless(access.is_base(Rt) || access.is_base(Rt2));
    return true;
}

bool store_pair(Translator& t, unsigned scale, Imm<7> imm7, Wback wback, Reg Rt2, Reg Rn, Reg Rt) {
    const ImmediateAccess access{t, Rn, imm7.sext() * (i64{1} << scale), wback};
    const Address at = resolve(t, access.address(), pair_of(scale), Access::Writes);
    if (pair_is_atomic(t, Rn)) {
        store(t, at, join(t, scale == 3, Rt, Rt2), {.size_log2 = static_cast<u8>(scale + 1)});
    } else {
        store_gpr(t, at, scale, Rt);
        store_gpr(t, at.plus(1 << scale), scale, Rt2);
    }
    commit_store(t);
    access.write_back();
    return true;
}
constexpr unsigned pair_scale(bool opc) { return opc ? 3 : 2; }
} // namespace

bool STNP(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_pair(t, pair_scale(opc), imm7, Wback::None, Rt2, Rn, Rt);
}
bool LDNP(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, pair_scale(opc), LoadExtend::Zero, imm7, Wback::None, Rt2, Rn, Rt);
}
bool STP_post(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_pair(t, pair_scale(opc), imm7, Wback::Post, Rt2, Rn, Rt);
}
bool LDP_post(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, pair_scale(opc), LoadExtend::Zero, imm7, Wback::Post, Rt2, Rn, Rt);
}
bool STP_off(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_pair(t, pair_scale(opc), imm7, Wback::None, Rt2, Rn, Rt);
}
bool LDP_off(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, pair_scale(opc), LoadExtend::Zero, imm7, Wback::None, Rt2, Rn, Rt);
}
bool STP_pre(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return store_pair(t, pair_scale(opc), imm7, Wback::Pre, Rt2, Rn, Rt);
}
bool LDP_pre(Translator& t, bool opc, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, pair_scale(opc), LoadExtend::Zero, imm7, Wback::Pre, Rt2, Rn, Rt);
}
bool LDPSW_post(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, 2, LoadExtend::Sign64, imm7, Wback::Post, Rt2, Rn, Rt);
}
bool LDPSW_off(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, 2, LoadExtend::Sign64, imm7, Wback::None, Rt2, Rn, Rt);
}
bool LDPSW_pre(Translator& t, Imm<7> imm7, Reg Rt2, Reg Rn, Reg Rt) {
    return load_pair(t, 2, LoadExtend::Sign64, imm7, Wback::Pre, Rt2, Rn, Rt);
}

// --- Load/store register: unscaled, post-indexed, unprivileged, pre-indexed

bool STUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return store_imm(t, size.v, imm9.sext(), Wback::None, Rn, Rt);
}
bool LDUR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_imm(t, size.v, LoadExtend::Zero, imm9.sext(), Wback::None, Rn, Rt);
}
bool LDURS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_64(t, size, imm9.sext(), Wback::None, Rn, Rt);
}
bool LDURS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_32(t, size, imm9.sext(), Wback::None, Rn, Rt);
}
bool STR_post(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return store_imm(t, size.v, imm9.sext(), Wback::Post, Rn, Rt);
}
bool LDR_post(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_imm(t, size.v, LoadExtend::Zero, imm9.sext(), Wback::Post, Rn, Rt);
}
bool LDRS_post_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_64(t, size, imm9.sext(), Wback::Post, Rn, Rt);
}
bool LDRS_post_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_32(t, size, imm9.sext(), Wback::Post, Rn, Rt);
}
bool STTR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return STUR(t, size, imm9, Rn, Rt);
}
bool LDTR(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return LDUR(t, size, imm9, Rn, Rt);
}
bool LDTRS_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return LDURS_64(t, size, imm9, Rn, Rt);
}
bool LDTRS_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return LDURS_32(t, size, imm9, Rn, Rt);
}
bool STR_pre(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return store_imm(t, size.v, imm9.sext(), Wback::Pre, Rn, Rt);
}
bool LDR_pre(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_imm(t, size.v, LoadExtend::Zero, imm9.sext(), Wback::Pre, Rn, Rt);
}
bool LDRS_pre_64(Translator& t, Imm<2> size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_64(t, size, imm9.sext(), Wback::Pre, Rn, Rt);
}
bool LDRS_pre_32(Translator& t, bool size, Imm<9> imm9, Reg Rn, Reg Rt) {
    return load_signed_32(t, size, imm9.sext(), Wback::Pre, Rn, Rt);
}

// --- Load/store register (register offset)

namespace {
bool load_reg(Translator& t,
              unsigned scale,
              LoadExtend extend,
              Reg Rm,
              Imm<3> option,
              bool S,
              Reg Rn,
              Reg Rt) {
    if (!option.bit(1)) {
        return t.unallocated();
    }
    const Address at = register_offset(t, Rn, Rm, option, S ? scale : 0);
    t.set_X(Rt, load_gpr(t, at, scale, extend));
    return true;
}
} // namespace

bool STR_reg(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt) {
    if (!option.bit(1)) {
        return t.unallocated();
    }
    store_gpr(t, register_offset(t, Rn, Rm, option, S ? size.v : 0), size.v, Rt);
    return true;
}
bool LDR_reg(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt) {
    return load_reg(t, size.v, LoadExtend::Zero, Rm, option, S, Rn, Rt);
}
bool LDRS_reg_64(Translator& t, Imm<2> size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt) {
    if (size == 3) {
        return t.unallocated();
    }
    return load_reg(t, size.v, LoadExtend::Sign64, Rm, option, S, Rn, Rt);
}
bool LDRS_reg_32(Translator& t, bool size, Reg Rm, Imm<3> option, bool S, Reg Rn, Reg Rt) {
    return load_reg(t, size, LoadExtend::Sign32, Rm, option, S, Rn, Rt);
}

// --- Load/store register (unsigned immediate)

namespace {
i64 scaled(Imm<12> imm12, unsigned scale) { return static_cast<i64>(imm12.zext() << scale); }
} // namespace

bool STR_imm(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt) {
    return store_imm(t, size.v, scaled(imm12, size.v), Wback::None, Rn, Rt);
}
bool LDR_imm(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt) {
    return load_imm(t, size.v, LoadExtend::Zero, scaled(imm12, size.v), Wback::None, Rn, Rt);
}
bool LDRS_imm_64(Translator& t, Imm<2> size, Imm<12> imm12, Reg Rn, Reg Rt) {
    return load_signed_64(t, size, scaled(imm12, size.v), Wback::None, Rn, Rt);
}
bool LDRS_imm_32(Translator& t, bool size, Imm<12> imm12, Reg Rn, Reg Rt) {
    return load_signed_32(t, size, scaled(imm12, size), Wback::None, Rn, Rt);
}

} // namespace ulna::frontend
