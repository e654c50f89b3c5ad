// MemCopy and MemSet. Up to 64 bytes go inline, by accesses that overlap in the middle; the rest is
// REP MOVSB and REP STOSB, which are as fast as a library's memcpy on hosts with FSRM and, however
// they are made, stop at a fault as if they had moved single bytes.
//
// The inline form does all or nothing: each side lies in one page, so that its first access faults
// or none does, and the sides are too far apart for a second attempt to see what the first has
// written (another thread may take the page away in between). So it keeps no count. The others
// keep CpuState::string_op and string_left, from which save_pinned() makes the slot.
#include "backend/x64/emitter.h"
#include "backend/x64/pinned.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::CpuState;
using ir::StringOp;
using Ymm = Xbyak::Ymm;

namespace {

constexpr u32 kPageBytes = 4096, kInlineBytes = 64, kBlockBytes = 32;

constexpr u32 mask_of(HostReg reg) { return 1u << static_cast<unsigned>(reg); }
constexpr u32 kCopyRegs = mask_of(HostReg::RCX) | mask_of(HostReg::RSI) | mask_of(HostReg::RDI);
constexpr u32 kSetRegs = mask_of(HostReg::RCX) | mask_of(HostReg::RDI);

// Jumps to one place further down.
class Jumps {
  public:
    explicit Jumps(Emitter& e) : e_{e} {}
    void when(Cc cc) { add(e_.jcc(cc)); }
    void always() { add(e_.jmp()); }
    void bind() {
        for (unsigned i = 0; i < count_; ++i) {
            e_.bind(jumps_[i]);
        }
    }

  private:
    void add(Jump jump) {
        CHECK(count_ < std::size(jumps_));
        jumps_[count_++] = jump;
    }
    Emitter& e_;
    Jump jumps_[8];
    unsigned count_ = 0;
};

// One operation; copied into its cold paths.
struct StringState {
    Gpr to, from, left, scratch; // temporaries; first bytes, and what is left
    u32 slot;
    u16 guest_index;
    GuestAddr pc;
    bool copies;
    bool masks_tags;

    // From what ends at `to` and `from`, and the negative count.
    void make_first_bytes(Emitter& e) const {
        e.c.add(to, left);
        if (copies) {
            e.c.add(from, left);
        }
        strip_tags(e);
    }
    void strip_tags(Emitter& e) const {
        if (masks_tags) {
            e.strip_tag(to);
            if (copies) {
                e.strip_tag(from);
            }
        }
    }
    void start(Emitter& e, u32 flags) const {
        e.c.mov(e.state(offsetof(CpuState, string_op), 32), slot | StringOp::kRunning | flags);
    }
    void store_left(Emitter& e) const { e.c.mov(e.state(offsetof(CpuState, string_left)), left); }
    void end(Emitter& e) const { e.c.mov(e.state(offsetof(CpuState, string_op), 32), 0); }
    void jump_unless_pending(Emitter& e, Position target) const {
        raw::compare_zero32(e.c, offsetof(CpuState, pending));
        e.jcc_back(Cc::E, target);
    }
    // Leaves in the middle; `left` has the slot's value.
    void leave(Emitter& e) const {
        const auto n = static_cast<ir::Slot>(slot);
        if (const u8 pin = kGprOfSlot[slot]; pin != kNoReg) {
            e.c.mov(Gpr(pin), left);
        } else {
            e.c.mov(e.state(ir::slot_offset(n)), left);
        }
        e.leave_at_safepoint(pc);
    }
};

StringState state_of(Emitter& e, const Inst& inst, Gpr to, Gpr from, Gpr left) {
    return {.to = to,
            .from = from,
            .left = left,
            .scratch = e.scratch_gpr(),
            .slot = static_cast<u32>(inst.imm),
            .guest_index = inst.guest_index,
            .pc = e.branch_pc(),
            .copies = inst.op == Opcode::MemCopy,
            .masks_tags = e.options().mask_tags};
}

// REP MOVSB or REP STOSB, chunk by chunk; `left` is positive.
void emit_repeated(Emitter& e, const StringState& s) {
    const u32 regs = s.copies ? kCopyRegs : kSetRegs;
    e.lend_gprs(regs);
    s.start(e, StringOp::kCounting);
    e.move(e.c.rdi, s.to);
    if (s.copies) {
        e.move(e.c.rsi, s.from);
    }
    const Position chunk = e.here();
    e.c.mov(e.c.ecx, ir::kStringChunkBytes);
    e.c.cmp(s.left, e.c.rcx);
    e.c.cmovb(e.c.rcx, s.left);
    e.c.sub(s.left, e.c.rcx);
    s.store_left(e);
    e.fault_site(s.guest_index);
    e.c.rep();
    if (s.copies) {
        e.c.movsb();
    } else {
        e.c.stosb();
    }
    e.c.test(s.left, s.left);
    const Jump done = e.jcc(Cc::E);
    s.jump_unless_pending(e, chunk);
    s.end(e);
    e.return_gprs(regs);
    e.c.neg(s.left);
    s.leave(e);
    e.bind(done);
    s.end(e);
    e.return_gprs(regs);
}

// scratch = min(scratch, bytes of the page below `end`)
void limit_to_page_below(Emitter& e, const StringState& s, Gpr end, Gpr spare) {
    e.c.lea(spare, e.c.ptr[end - 1]);
    e.c.and_(spare.cvt32(), kPageBytes - 1);
    e.c.inc(spare.cvt32());
    e.c.cmp(s.scratch, spare);
    e.c.cmova(s.scratch, spare);
}

void copy_byte_down(Emitter& e, const StringState& s, Gpr spare) {
    e.fault_site(s.guest_index);
    e.c.movzx(spare.cvt32(), e.c.byte[s.from - 1]);
    e.fault_site(s.guest_index);
    e.c.mov(e.c.byte[s.to - 1], spare.cvt8());
    for (const Gpr reg : {s.from, s.to, s.left, s.scratch}) {
        e.c.dec(reg);
    }
}

// From the last byte down: only copies whose sides overlap come here. `left` is positive, the
// addresses are those of the lowest bytes.
void emit_descending(Emitter& e, const StringState& s, Gpr spare, Xmm block) {
    e.c.add(s.to, s.left);
    e.c.add(s.from, s.left);
    s.strip_tags(e);
    s.start(e, StringOp::kDescending);
    const Position page = e.here();
    s.store_left(e);
    e.c.mov(s.scratch, s.left);
    limit_to_page_below(e, s, s.to, spare);
    limit_to_page_below(e, s, s.from, spare);
    e.c.mov(spare, s.from);
    e.c.sub(spare, s.to);
    e.c.cmp(spare, kBlockBytes);
    const Jump close = e.jcc(Cc::B);

    // A byte first: a fault where a page is entered names it.
    copy_byte_down(e, s, spare);
    const Position blocks = e.here();
    s.store_left(e);
    e.c.cmp(s.scratch, kBlockBytes);
    const Jump rest = e.jcc(Cc::B);
    const Ymm wide(block.getIdx());
    e.fault_site(s.guest_index);
    e.c.vmovups(wide, e.c.yword[s.from - kBlockBytes]);
    e.fault_site(s.guest_index);
    e.c.vmovups(e.c.yword[s.to - kBlockBytes], wide);
    for (const Gpr reg : {s.from, s.to, s.left, s.scratch}) {
        e.c.sub(reg, kBlockBytes);
    }
    e.jmp_back(blocks);

    e.bind(close);
    e.bind(rest);
    const Position bytes = e.here();
    s.store_left(e);
    e.c.test(s.scratch, s.scratch);
    const Jump page_done = e.jcc(Cc::E);
    copy_byte_down(e, s, spare);
    e.jmp_back(bytes);

    e.bind(page_done);
    e.c.test(s.left, s.left);
    const Jump done = e.jcc(Cc::E);
    s.jump_unless_pending(e, page);
    s.end(e);
    s.leave(e);
    e.bind(done);
    s.end(e);
}

void jump_if_near_page_end(Emitter& e, const StringState& s, Gpr first, Jumps& jumps) {
    e.c.mov(s.scratch.cvt32(), first.cvt32());
    e.c.and_(s.scratch.cvt32(), kPageBytes - 1);
    e.c.cmp(s.scratch.cvt32(), kPageBytes - kInlineBytes);
    jumps.when(Cc::A);
}

// `move(first, last)` moves the first and the last N of `left` bytes, at [first] and [first + left
// - N].
struct Move {
    unsigned bytes;
    void (*run)(Emitter& e, const StringState& s, Xmm a, Xmm b);
};

// The inline form: picks by size. `moves` are in descending order.
void emit_by_size(Emitter& e, const StringState& s, std::span<const Move> moves, Xmm a, Xmm b) {
    Jumps done(e);
    for (const Move& move : moves) {
        if (move.bytes == 1) {
            move.run(e, s, a, b);
            break;
        }
        e.c.cmp(s.left.cvt32(), move.bytes);
        const Jump smaller = e.jcc(Cc::B);
        move.run(e, s, a, b);
        done.always();
        e.bind(smaller);
    }
    done.bind();
}

template <unsigned N> void copy_ends_by_vector(Emitter& e, const StringState& s, Xmm a, Xmm b) {
    const auto load = [&](Xmm to, const Xbyak::RegExp& at) {
        e.fault_site();
        if (N == 32) {
            e.c.vmovups(Ymm(to.getIdx()), e.c.yword[at]);
        } else {
            e.c.vmovups(to, e.c.xword[at]);
        }
    };
    const auto store = [&](const Xbyak::RegExp& at, Xmm from) {
        e.fault_site();
        if (N == 32) {
            e.c.vmovups(e.c.yword[at], Ymm(from.getIdx()));
        } else {
            e.c.vmovups(e.c.xword[at], from);
        }
    };
    load(a, Xbyak::RegExp(s.from));
    load(b, s.from + s.left - N);
    store(Xbyak::RegExp(s.to), a);
    store(s.to + s.left - N, b);
}

Xbyak::Reg part(Gpr reg, unsigned bytes) {
    return bytes == 8   ? Xbyak::Reg(reg)
           : bytes == 4 ? Xbyak::Reg(reg.cvt32())
                        : Xbyak::Reg(reg.cvt8());
}

template <unsigned N> void copy_ends_by_gpr(Emitter& e, const StringState& s, Xmm, Xmm) {
    const auto copy = [&](const Xbyak::RegExp& to, const Xbyak::RegExp& from) {
        e.fault_site();
        e.c.mov(part(s.scratch, N), Address(N * 8, false, from));
        e.fault_site();
        e.c.mov(Address(N * 8, false, to), part(s.scratch, N));
    };
    copy(Xbyak::RegExp(s.to), Xbyak::RegExp(s.from));
    copy(s.to + s.left - N, s.from + s.left - N);
    if (N == 1) { // up to three: the middle one
        e.c.shr(s.left, 1);
        copy(s.to + s.left, s.from + s.left);
    }
}

constexpr Move kCopies[] = {{32, copy_ends_by_vector<32>},
                            {16, copy_ends_by_vector<16>},
                            {8, copy_ends_by_gpr<8>},
                            {4, copy_ends_by_gpr<4>},
                            {1, copy_ends_by_gpr<1>}};

void emit_MemCopy(Emitter& e, const Inst& inst) {
    const Gpr to = e.use_gpr_copy(inst.args[0]);
    const Gpr from = e.use_gpr_copy(inst.args[1]);
    const Gpr left = e.use_gpr_copy(inst.args[2]);
    const StringState s = state_of(e, inst, to, from, left);
    const Gpr spare = e.scratch_gpr();
    const Xmm a = e.scratch_xmm(), b = e.scratch_xmm();

    Jumps done(e), slow(e);
    e.c.test(left, left);
    done.when(Cc::E);
    const Jump descending = e.jcc(Cc::G);
    s.make_first_bytes(e);
    e.c.neg(left);
    e.c.cmp(left, kInlineBytes);
    slow.when(Cc::A);
    e.c.mov(s.scratch, to); // closer than 64 bytes?
    e.c.sub(s.scratch, from);
    e.c.add(s.scratch, kInlineBytes - 1);
    e.c.cmp(s.scratch, 2 * kInlineBytes - 2);
    slow.when(Cc::BE);
    jump_if_near_page_end(e, s, to, slow);
    jump_if_near_page_end(e, s, from, slow);
    emit_by_size(e, s, kCopies, a, b);
    done.always();
    slow.bind();
    const Jump repeated = e.jmp();
    done.bind();
    e.cold(repeated, [=](Emitter& e) { emit_repeated(e, s); });
    e.cold(descending, [=](Emitter& e) { emit_descending(e, s, spare, a); });
}

// --- MemSet: RAX and all of `a` have the byte

template <unsigned N> void set_ends_by_vector(Emitter& e, const StringState& s, Xmm a, Xmm) {
    for (const Xbyak::RegExp& at : {Xbyak::RegExp(s.to), s.to + s.left - N}) {
        e.fault_site();
        if (N == 32) {
            e.c.vmovups(e.c.yword[at], Ymm(a.getIdx()));
        } else if (N == 16) {
            e.c.vmovups(e.c.xword[at], a);
        } else if (N == 8) {
            e.c.vmovq(e.c.qword[at], a);
        } else {
            e.c.vmovd(e.c.dword[at], a);
        }
    }
}

void set_up_to_three(Emitter& e, const StringState& s, Xmm, Xmm) {
    const auto store = [&](const Xbyak::RegExp& at) {
        e.fault_site();
        e.c.mov(e.c.byte[at], e.c.al);
    };
    store(Xbyak::RegExp(s.to));
    store(s.to + s.left - 1);
    e.c.shr(s.left, 1);
    store(s.to + s.left);
}

constexpr Move kSets[] = {{32, set_ends_by_vector<32>},
                          {16, set_ends_by_vector<16>},
                          {8, set_ends_by_vector<8>},
                          {4, set_ends_by_vector<4>},
                          {1, set_up_to_three}};

void emit_MemSet(Emitter& e, const Inst& inst) {
    e.use_gpr_in(inst.args[2], HostReg::RAX);
    const Gpr to = e.use_gpr_copy(inst.args[0]);
    const Gpr left = e.use_gpr_copy(inst.args[1]);
    const StringState s = state_of(e, inst, to, to, left);
    const Xmm pattern = e.scratch_xmm();

    Jumps done(e), slow(e);
    e.c.test(left, left);
    done.when(Cc::E);
    s.make_first_bytes(e);
    e.c.neg(left);
    e.c.cmp(left, kInlineBytes);
    slow.when(Cc::A);
    jump_if_near_page_end(e, s, to, slow);
    e.c.vmovd(pattern, e.c.eax);
    e.c.vpbroadcastb(Ymm(pattern.getIdx()), pattern);
    emit_by_size(e, s, kSets, pattern, pattern);
    done.always();
    slow.bind();
    const Jump repeated = e.jmp();
    done.bind();
    e.cold(repeated, [=](Emitter& e) { emit_repeated(e, s); });
}

} // namespace

void add_string_emitters(EmitTable& table) {
    table.set(Opcode::MemCopy, emit_MemCopy);
    table.set(Opcode::MemSet, emit_MemSet);
}

} // namespace ulna::backend::x64
