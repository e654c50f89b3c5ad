#include "backend/llvm/host_op.h"

#include <cstring>

#include "backend/llvm/tlb_look.h"
#include "backend/sized_register.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

using Gpr = Xbyak::Reg64;
using Xbyak::Xmm;

std::size_t scratch(unsigned index) { return offsetof(ir::CpuState, scratch) + index * 16; }

class OpEncoder : public Xbyak::CodeGenerator {
  public:
    OpEncoder(const HostOp& op, u8 result, const u8* operands, EncodedOp& out)
        : Xbyak::CodeGenerator(EncodedOp::kMaxBytes, out.code),
          op_{op},
          result_{result},
          operands_{operands},
          out_{out} {}

    void run() {
        switch (op_.kind) {
        case HostOpKind::Load:
            load();
            break;
        case HostOpKind::Store:
            store();
            break;
        case HostOpKind::Exchange:
            exchange();
            break;
        case HostOpKind::FetchAdd:
            exchange();
            break;
        case HostOpKind::CompareExchange:
            compare_exchange();
            break;
        case HostOpKind::CompareExchange16:
            compare_exchange_16();
            break;
        case HostOpKind::ZeroBlock:
            for (int at = 0; at < 64; at += 16) {
                fault_site();
                vmovaps(xword[operand(0) + at], Xmm(operands_[1]));
            }
            break;
        case HostOpKind::Probe:
            fault_site();
            movzx(result().cvt32(), byte[operand(0)]);
            break;
        case HostOpKind::Fence:
            lock();
            or_(dword[rsp], 0);
            break;
        case HostOpKind::Eval:
            call_eval();
            break;
        case HostOpKind::Helper:
            call_helper();
            break;
        case HostOpKind::Poll:
            poll();
            break;
        case HostOpKind::Look:
            look();
            break;
        }
        out_.bytes = static_cast<unsigned>(getSize());
    }

  private:
    [[nodiscard]] Gpr operand(unsigned k) const { return Gpr(operands_[k]); }
    [[nodiscard]] Gpr result() const { return Gpr(result_); }
    void fault_site() { out_.fault_offsets[out_.fault_count++] = static_cast<u8>(getSize()); }

    [[nodiscard]] Xbyak::RegExp address() const {
        const Xbyak::RegExp base = operand(0) + op_.displacement;
        return op_.has_index ? base + operand(1) * (1 << op_.index_shift) : base;
    }

    void load() {
        fault_site();
        const Xbyak::RegExp at = address();
        if (op_.vector) {
            const Xmm to(result_);
            if (op_.size_log2 == 4) {
                vmovups(to, xword[at]);
            } else if (op_.size_log2 == 3) {
                vmovq(to, qword[at]);
            } else {
                vmovd(to, dword[at]);
            }
            return;
        }
        const Xbyak::Reg to = op_.wide ? Xbyak::Reg(result()) : Xbyak::Reg(result().cvt32());
        switch (op_.size_log2) {
        case 0:
            op_.sign_extends ? movsx(to, byte[at]) : movzx(result().cvt32(), byte[at]);
            break;
        case 1:
            op_.sign_extends ? movsx(to, word[at]) : movzx(result().cvt32(), word[at]);
            break;
        case 2:
            if (op_.sign_extends && op_.wide) {
                movsxd(result(), dword[at]);
            } else {
                mov(result().cvt32(), dword[at]);
            }
            break;
        default:
            mov(result(), qword[at]);
            break;
        }
    }

    void store() {
        fault_site();
        const Xbyak::RegExp at = address();
        if (op_.has_immediate) {
            mov(Xbyak::Address(8u << op_.size_log2, false, at), immediate());
            return;
        }
        const u8 value = operands_[op_.has_index ? 2 : 1];
        if (op_.vector) {
            if (op_.size_log2 == 4) {
                vmovups(xword[at], Xmm(value));
            } else if (op_.size_log2 == 3) {
                vmovq(qword[at], Xmm(value));
            } else {
                vmovd(dword[at], Xmm(value));
            }
            return;
        }
        mov(Xbyak::Address(8u << op_.size_log2, false, at), sized(Gpr(value), op_.size_log2));
    }

    // As Xbyak wants it: no wider than the store.
    [[nodiscard]] u64 immediate() const {
        return op_.size_log2 >= 2 ? static_cast<u64>(i64{op_.immediate})
                                  : static_cast<u32>(op_.immediate) & ones(8u << op_.size_log2);
    }

    void zero_extended(Gpr to, Gpr from) {
        switch (op_.size_log2) {
        case 0:
            movzx(to.cvt32(), from.cvt8());
            break;
        case 1:
            movzx(to.cvt32(), from.cvt16());
            break;
        case 2:
            mov(to.cvt32(), from.cvt32());
            break;
        default:
            mov(to, from);
            break;
        }
    }

    void exchange() {
        const Xbyak::Address cell(8u << op_.size_log2, false, Xbyak::RegExp(operand(0)));
        mov(r11, operand(1));
        fault_site();
        if (op_.kind == HostOpKind::FetchAdd) {
            lock();
            xadd(cell, sized(r11, op_.size_log2));
        } else {
            xchg(cell, sized(r11, op_.size_log2));
        }
        zero_extended(result(), r11);
    }

    // RAX is needed; what it held waits in R11.
    void compare_exchange() {
        const auto moved = [&](unsigned k) { return operands_[k] == 0 ? r11 : operand(k); };
        out_.rax_in_r11 = true;
        mov(r11, rax);
        if (operands_[1] != 0) {
            mov(rax, operand(1));
        }
        fault_site();
        lock();
        cmpxchg(Xbyak::Address(8u << op_.size_log2, false, Xbyak::RegExp(moved(0))),
                sized(moved(2), op_.size_log2));
        if (result_ == 0) {
            zero_extended(rax, rax);
        } else {
            zero_extended(result(), rax);
            mov(rax, r11);
        }
    }

    void compare_exchange_16() {
        const Xmm expected(operands_[1]), desired(operands_[2]), old(result_);
        out_.four_pushed = true;
        mov(r11, operand(0));
        for (const Gpr& reg : {rax, rbx, rcx, rdx}) {
            push(reg);
        }
        vmovq(rax, expected);
        vpextrq(rdx, expected, 1);
        vmovq(rbx, desired);
        vpextrq(rcx, desired, 1);
        fault_site();
        lock();
        cmpxchg16b(ptr[r11]);
        vmovq(old, rax);
        vpinsrq(old, old, rdx, 1);
        for (const Gpr& reg : {rdx, rcx, rbx, rax}) {
            pop(reg);
        }
    }

    [[nodiscard]] Xbyak::Address cell(std::size_t offset) {
        return ptr[r15 + (static_cast<int>(offset) - ir::kStateBias)];
    }
    // Thunks find the state in R15, whatever LLVM has put there.
    void exchange_state() {
        if (operands_[0] != static_cast<u8>(kStateReg)) {
            xchg(r15, operand(0));
        }
    }

    void call_eval() {
        exchange_state();
        mov(cell(offsetof(ir::CpuState, thunk_save)), rax);
        lea(rax, ptr[rip]);
        out_.params_displacement = static_cast<unsigned>(getSize()) - 4;
        call(cell(offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, call_eval)));
        exchange_state();
    }

    // The thunk returns its result in RAX and preserves R11. Without a register of the result's
    // own, the result waits in memory while RAX comes back.
    void call_helper() {
        exchange_state();
        mov(r11, rax);
        mov(eax, op_.helper);
        call(cell(offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, call_helper)));
        mov(cell(scratch(4)), rax);
        mov(rax, r11);
        exchange_state();
    }

    void poll() {
        constexpr int kPending = static_cast<int>(offsetof(ir::CpuState, pending)) - ir::kStateBias;
        cmp(dword[operand(0) + kPending], 0);
        jump_to_stub(0x85); // jne
    }

    void look() {
        TlbLook look(*this, op_.look, result_, operands_[0], operands_[1]);
        if (op_.look.slot != 0) {
            look.compare_slot();
            jump_to_stub(0x83); // jae
            look.find_by_slot();
        } else {
            look.compare_entry();
            jump_to_stub(0x87); // ja
            look.find_by_entry();
        }
    }

    void jump_to_stub(u8 opcode) {
        db(0x0f);
        db(opcode);
        out_.stub_displacement = static_cast<unsigned>(getSize());
        dd(0);
    }

    const HostOp& op_;
    const u8 result_;
    const u8* const operands_;
    EncodedOp& out_;
};

// What the longest encoding of a single access takes.
unsigned access_bytes(const HostOp& op) {
    const bool disp8 = op.displacement >= -128 && op.displacement < 128;
    const unsigned address = 2 + (disp8 ? 1 : 4); // ModRM, SIB, displacement
    if (op.vector) {
        return 3 + 1 + address; // VEX
    }
    const bool extends = op.kind == HostOpKind::Load && op.size_log2 < 2;
    const bool halfword = op.kind == HostOpKind::Store && op.size_log2 == 1;
    const unsigned immediate = op.has_immediate ? std::min(4u, 1u << op.size_log2) : 0;
    return 1 + halfword + 1 + extends + address + immediate; // REX, opcode
}

void append_nops(EncodedOp& out, unsigned bytes) {
    static constexpr u8 kNops[9][9] = {{0x90},
                                       {0x66, 0x90},
                                       {0x0f, 0x1f, 0x00},
                                       {0x0f, 0x1f, 0x40, 0},
                                       {0x0f, 0x1f, 0x44, 0, 0},
                                       {0x66, 0x0f, 0x1f, 0x44, 0, 0},
                                       {0x0f, 0x1f, 0x80, 0, 0, 0, 0},
                                       {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},
                                       {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}};
    while (bytes > 0) {
        const unsigned n = std::min(bytes, 9u);
        std::memcpy(out.code + out.bytes, kNops[n - 1], n);
        out.bytes += n;
        bytes -= n;
    }
}

} // namespace

unsigned reserved_bytes(const HostOp& op) {
    switch (op.kind) {
    case HostOpKind::Load:
    case HostOpKind::Store:
        return access_bytes(op);
    case HostOpKind::Exchange:
    case HostOpKind::FetchAdd:
        return 3 + 7 + 4;
    case HostOpKind::CompareExchange:
        return 3 + 3 + 8 + 4 + 3;
    case HostOpKind::CompareExchange16:
        return 3 + 4 + 5 + 6 + 5 + 6 + 6 + 5 + 6 + 4;
    case HostOpKind::ZeroBlock:
        return 4 * 7;
    case HostOpKind::Probe:
        return 6;
    case HostOpKind::Fence:
        return 5;
    case HostOpKind::Eval:
        return 3 + 7 + 7 + 7 + 3;
    case HostOpKind::Helper:
        return 3 + 3 + 5 + 7 + 7 + 3 + 3;
    case HostOpKind::Poll:
        return 9 + 6;
    case HostOpKind::Look: {
        const unsigned tlb = op.look.by_gs ? 2 : 8, page = op.look.known_page() != 0 ? 7 : 3;
        return op.look.slot != 0 ? 8 + 3 + 8 + 6 + 8 + 3 : 6 + 7 + tlb + page + 3 + 7 + 6 + 7 + 3;
    }
    }
    UNREACHABLE("kind of host operation");
}

EncodedOp encode(const HostOp& op, u8 result, const u8* operands) {
    EncodedOp out;
    OpEncoder{op, result, operands, out}.run();
    const unsigned room = reserved_bytes(op);
    CHECK(out.bytes <= room);
    const unsigned rest = room - out.bytes;
    if (op.kind == HostOpKind::Load || op.kind == HostOpKind::Store ||
        op.kind == HostOpKind::Poll || op.kind == HostOpKind::Look) {
        // DS prefixes, which mean nothing, cost less than a NOP.
        constexpr u8 kSegmentPrefix = 0x3e;
        std::memmove(out.code + rest, out.code, out.bytes);
        std::memset(out.code, kSegmentPrefix, rest);
        out.bytes += rest;
        out.stub_displacement += rest;
    } else {
        append_nops(out, rest);
    }
    return out;
}

} // namespace ulna::backend::tier2
