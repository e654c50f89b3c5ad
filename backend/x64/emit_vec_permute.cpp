// Vector permutations and table lookups.
#include "backend/x64/emit_vec.h"

namespace ulna::backend::x64 {

namespace {

constexpr Lanes3 kUnpackLow{{&Assembler::vpunpcklbw, &Assembler::vpunpcklwd, &Assembler::vpunpckldq,
                             &Assembler::vpunpcklqdq}};
constexpr Lanes3 kUnpackHigh{{&Assembler::vpunpckhbw, &Assembler::vpunpckhwd,
                              &Assembler::vpunpckhdq, &Assembler::vpunpckhqdq}};

// --- ZIP

void emit_VZip1(Emitter& e, const Inst& inst) {
    if (is_interleaved_half(e, inst.args[1])) {
        const unsigned bytes = inst.shape().lane_bytes();
        const Xmm a = e.use_xmm(inst.args[0]);
        e.c.vpshufb(e.def_xmm(inst, Overlap::Any), a, e.literal(shuffle_control([=](unsigned i) {
            return i / bytes % 2 * 8 + i / (2 * bytes) * bytes + i % bytes;
        })));
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    emit(e, kUnpackLow, inst.shape().lane_log2, d, a, b);
    clear_past(e, d, inst.shape());
}
// The high halves of 8-byte registers interleave into the high half of the low unpack.
void emit_VZip2(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (shape.bytes() == 16) {
        emit(e, kUnpackHigh, shape.lane_log2, d, a, b);
    } else {
        emit(e, kUnpackLow, shape.lane_log2, d, a, b);
        e.c.vpsrldq(d, d, 8);
    }
}

// --- UZP

// 8-byte registers are joined, then their even or odd lanes gathered.
void emit_unzip_half(Emitter& e, const Inst& inst, unsigned odd) {
    const unsigned bytes = inst.shape().lane_bytes();
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpunpcklqdq(d, a, b);
    e.c.vpshufb(d, d, e.literal(shuffle_control([=](unsigned i) {
        return i >= 8 ? kZeroByte : (i / bytes * 2 + odd) * bytes + i % bytes;
    })));
}

// Bytes and halfwords: the wanted ones as zero-extended wide lanes, packed without saturating.
void emit_unzip_narrow(Emitter& e, const Inst& inst, unsigned odd) {
    const unsigned lane = inst.shape().lane_log2, bits = inst.shape().lane_bits();
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm t = e.scratch_xmm();
    if (odd != 0) {
        shift_right_logical(e, d, a, lane + 1, bits);
        shift_right_logical(e, t, b, lane + 1, bits);
    } else {
        const V128 mask = splat(lane + 1, (u64{1} << bits) - 1);
        e.c.vpand(d, a, e.literal(mask));
        e.c.vpand(t, b, e.literal(mask));
    }
    lane == 0 ? e.c.vpackuswb(d, d, t) : e.c.vpackusdw(d, d, t);
}

template <unsigned kOdd> void emit_unzip(Emitter& e, const Inst& inst) {
    if (inst.shape().bytes() == 8) {
        return emit_unzip_half(e, inst, kOdd);
    }
    if (inst.shape().lane_log2 < 2) {
        return emit_unzip_narrow(e, inst, kOdd);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (inst.shape().lane_log2 == 2) {
        e.c.vshufps(d, a, b, kOdd != 0 ? 0b11011101 : 0b10001000);
    } else {
        emit(e, kOdd != 0 ? kUnpackHigh : kUnpackLow, 3, d, a, b);
    }
}

// --- TRN: one register's lanes are moved to the other places of their pairs, then blended in

void blend_odd_lanes(Emitter& e, Xmm d, Xmm even, Xmm odd, unsigned lane) {
    switch (lane) {
    case 0: {
        const Xmm mask = e.scratch_xmm();
        e.load_imm(mask, splat(1, 0xff00));
        e.c.vpblendvb(d, even, odd, mask);
        break;
    }
    case 1:
        e.c.vpblendw(d, even, odd, 0b10101010);
        break;
    default:
        e.c.vpblendd(d, even, odd, 0b1010);
        break;
    }
}

void emit_VTrn1(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    if (lane == 3) {
        return emit_VZip1(e, inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm t = e.scratch_xmm();
    shift_left(e, t, b, lane + 1, inst.shape().lane_bits());
    blend_odd_lanes(e, d, a, t, lane);
    finish(e, inst, d);
}
void emit_VTrn2(Emitter& e, const Inst& inst) {
    const unsigned lane = inst.shape().lane_log2;
    if (lane == 3) {
        return emit_VZip2(e, inst);
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Xmm t = e.scratch_xmm();
    shift_right_logical(e, t, a, lane + 1, inst.shape().lane_bits());
    blend_odd_lanes(e, d, t, b, lane);
    finish(e, inst, d);
}

// --- EXT, REV, DUP (element), INS (element)

void emit_VExt(Emitter& e, const Inst& inst) {
    const u8 n = static_cast<u8>(inst.imm);
    if (inst.shape().bytes() == 16) {
        const Xmm b = e.use_xmm(inst.args[1]);
        const XmmMem a = e.use_xmm_mem(inst.args[0]);
        const Xmm d = e.def_xmm(inst, Overlap::Any);
        e.c.vpalignr(d, b, a, n);
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const XmmMem b = e.use_xmm_mem(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpunpcklqdq(d, a, b);
    if (n != 0) {
        e.c.vpsrldq(d, d, n);
    }
    e.c.vmovq(d, d);
}

void emit_VRev(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    const unsigned container = static_cast<unsigned>(inst.imm), bytes = shape.lane_bytes();
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (shape == shape::S4) {
        e.c.vpshufd(d, a, 0b10110001);
        return;
    }
    // Within a container the lane's number is complemented, the byte's within the lane kept.
    e.c.vpshufb(d, a, e.literal(shuffle_control([=](unsigned i) {
        return i >= shape.bytes() ? kZeroByte : i ^ (container - bytes);
    })));
}

void emit_VDupLane(Emitter& e, const Inst& inst) {
    const Shape shape = inst.shape();
    const unsigned lane = static_cast<unsigned>(inst.imm), bytes = shape.lane_bytes();
    if (shape.bytes() == 16 && (shape.lane_log2 >= 2 || lane == 0)) {
        const XmmMem a = e.use_xmm_mem(inst.args[0]);
        const Xmm d = e.def_xmm(inst, Overlap::Any);
        switch (shape.lane_log2) {
        case 0:
            e.c.vpbroadcastb(d, a);
            break;
        case 1:
            e.c.vpbroadcastw(d, a);
            break;
        case 2:
            e.c.vpshufd(d, a, static_cast<u8>(lane * 0b01010101));
            break;
        default:
            e.c.vpshufd(d, a, lane == 0 ? 0b01000100 : 0b11101110);
            break;
        }
        return;
    }
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vpshufb(d, a, e.literal(shuffle_control([=](unsigned i) {
        return i >= shape.bytes() ? kZeroByte : lane * bytes + i % bytes;
    })));
}

void insert_halfword(Emitter& e, const Inst& inst, unsigned to, unsigned from) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    Xmm source = b;
    if (to != from) {
        source = e.scratch_xmm();
        e.c.vpshufb(source, b,
                    e.literal(shuffle_control([=](unsigned i) { return from * 2 + i % 2; })));
    }
    e.c.vpblendw(d, a, source, static_cast<u8>(1u << to));
}
void insert_byte(Emitter& e, const Inst& inst, unsigned to, unsigned from) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    const Gpr t = e.scratch_gpr();
    e.c.vpextrb(t.cvt32(), b, static_cast<u8>(from));
    e.c.vpinsrb(d, a, t.cvt32(), static_cast<u8>(to));
}
void insert_doubleword(Emitter& e, const Inst& inst, unsigned to, unsigned from) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    if (to == from) {
        e.c.vpblendd(d, a, b, to == 0 ? 0b0011 : 0b1100);
    } else if (to == 1) {
        e.c.vpunpcklqdq(d, a, b);
    } else {
        e.c.vshufpd(d, b, a, 0b11);
    }
}
void insert_word(Emitter& e, const Inst& inst, unsigned to, unsigned from) {
    const Xmm a = e.use_xmm(inst.args[0]);
    const Xmm b = e.use_xmm(inst.args[1]);
    const Xmm d = e.def_xmm(inst, Overlap::Any);
    e.c.vinsertps(d, a, b, static_cast<u8>(from << 6 | to << 4));
}
void emit_VInsLane(Emitter& e, const Inst& inst) {
    const unsigned to = inst.imm & 0xff, from = inst.imm >> 8 & 0xff;
    switch (inst.shape().lane_log2) {
    case 0:
        return insert_byte(e, inst, to, from);
    case 1:
        return insert_halfword(e, inst, to, from);
    case 2:
        return insert_word(e, inst, to, from);
    default:
        return insert_doubleword(e, inst, to, from);
    }
}

// --- TBL and TBX. VPSHUFB uses four index bits, and gives zero when bit 7 is set: adding 0x70 with
// saturation sets bit 7 of every index past 15, and 0x60 of every one past 31.

[[nodiscard]] bool is_zero(Emitter& e, ValueId v) {
    return e.is_vconst(v) && e.vconst_value(v) == V128{};
}

void emit_VTbl(Emitter& e, const Inst& inst) {
    const bool two = inst.imm == 2, fallback = !is_zero(e, inst.args[0]);
    const Xmm indices = e.use_xmm(inst.args[1]);
    const Xmm table0 = e.use_xmm(inst.args[2]);
    const Xmm table1 = two ? e.use_xmm(inst.args[3]) : table0;
    const Xmm otherwise = fallback ? e.use_xmm(inst.args[0]) : table0;
    const Xmm d = e.def_xmm(inst, Overlap::None);
    const Xmm t = e.scratch_xmm();
    const V128 past_15 = splat(0, 0x70), past_31 = splat(0, 0x60);
    if (two) {
        e.c.vpsubb(t, indices, e.literal(splat(0, 16)));
        e.c.vpaddusb(t, t, e.literal(past_15));
        e.c.vpshufb(d, table1, t);
    }
    e.c.vpaddusb(t, indices, e.literal(past_15));
    if (two) {
        const Xmm low = e.scratch_xmm();
        e.c.vpshufb(low, table0, t);
        e.c.vpor(d, d, low);
    } else {
        e.c.vpshufb(d, table0, t);
    }
    if (fallback) {
        if (two) {
            e.c.vpaddusb(t, indices, e.literal(past_31));
        }
        e.c.vpblendvb(d, d, otherwise, t);
    }
    clear_past(e, d, inst.shape());
}

} // namespace

void add_vec_permute_emitters(EmitTable& table) {
    table.set(Opcode::VZip1, emit_VZip1, kKeepsFlags);
    table.set(Opcode::VZip2, emit_VZip2, kKeepsFlags);
    table.set(Opcode::VUzp1, emit_unzip<0>, kKeepsFlags);
    table.set(Opcode::VUzp2, emit_unzip<1>, kKeepsFlags);
    table.set(Opcode::VTrn1, emit_VTrn1, kKeepsFlags);
    table.set(Opcode::VTrn2, emit_VTrn2, kKeepsFlags);
    table.set(Opcode::VExt, emit_VExt, kKeepsFlags);
    table.set(Opcode::VRev, emit_VRev, kKeepsFlags);
    table.set(Opcode::VDupLane, emit_VDupLane, kKeepsFlags);
    table.set(Opcode::VInsLane, emit_VInsLane, kKeepsFlags);
    table.set(Opcode::VTbl, emit_VTbl, kKeepsFlags);
}

} // namespace ulna::backend::x64
