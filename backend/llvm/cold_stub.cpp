#include "backend/llvm/cold_stub.h"

#include <xbyak/xbyak.h>

#include "backend/llvm/tlb_look.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

using Xbyak::Reg64;
using Xbyak::Xmm;
using Kind = SlotLocation::Kind;

constexpr std::size_t kBytesPerLocation = 32, kOtherBytes = 256;

class StubWriter : public Xbyak::CodeGenerator {
  public:
    StubWriter(const ColdStub& stub, std::size_t base)
        : Xbyak::CodeGenerator(kOtherBytes + kBytesPerLocation * stub.locations.size()),
          stub_{stub},
          base_{static_cast<u32>(base)},
          state_{stub.registers[stub.op.operand_count]} {
        if (stub.op.kind == HostOpKind::Look) {
            look();
        }
        leave();
    }

  private:
    static int displacement(std::size_t offset) {
        return static_cast<int>(offset) - ir::kStateBias;
    }
    Xbyak::Address cell(const Reg64& state, std::size_t offset) {
        return ptr[state + displacement(offset)];
    }
    Xbyak::Address slot_cell(const Reg64& state, ir::Slot slot) {
        return cell(state, ir::slot_offset(slot));
    }
    // To a place in the region's code.
    void jump_to(u32 offset) {
        db(0xe9); // jmp
        dd(offset - (base_ + static_cast<u32>(getSize()) + 4));
    }

    // --- a look at the TLB

    void look() {
        const PageLook& look = stub_.op.look;
        const Reg64 result(stub_.registers[0]), address(stub_.registers[1]);
        if (look.slot != 0) {
            TlbLook tlb(*this, look, stub_.registers[0], stub_.registers[1],
                        static_cast<u8>(state_.getIdx()));
            Xbyak::Label missed;
            tlb.compare_entry();
            ja(missed);
            tlb.fill_slot();
            jump_to(stub_.back);
            L(missed);
        }
        Xbyak::Label leaves;
        if (look.is_range) {
            lea(r11, ptr[address + static_cast<int>(look.bytes - 1)]);
            xor_(r11, address);
            cmp(r11, static_cast<u32>(ones(ir::kTlbPageLog2)));
            ja(leaves, T_NEAR);
        }
        ask_runtime(address, look.request);
        test(r11, r11);
        je(leaves, T_NEAR);
        mov(result, r11);
        jump_to(stub_.back);
        L(leaves);
    }

    // R11: where the bytes are, or 0. The thunk wants the state in R15, whatever is there.
    void ask_runtime(const Reg64& address, u32 request) {
        constexpr std::size_t kScratch = offsetof(ir::CpuState, scratch);
        mov(cell(state_, kScratch), address);
        mov(r11d, request);
        mov(cell(state_, kScratch + sizeof(V128)), r11);
        exchange_state();
        mov(r11, rax);
        mov(eax, static_cast<u32>(ir::HelperId::FindHostAddress));
        call(cell(r15, offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, call_helper)));
        xchg(rax, r11);
        exchange_state();
    }
    void exchange_state() {
        if (state_.getIdx() != r15.getIdx()) {
            xchg(r15, state_);
        }
    }

    // --- leaving

    void leave() {
        // Registers first: they are free for the rest then.
        for (const SlotLocation& at : stub_.locations) {
            if (at.kind == Kind::Gpr) {
                store(slot_cell(state_, at.slot), Reg64(at.reg), at.slot);
            } else if (at.kind == Kind::Vec) {
                vmovups(slot_cell(state_, at.slot), Xmm(at.reg));
            }
        }
        if (state_.getIdx() != r15.getIdx()) {
            mov(r15, state_);
        }
        for (const SlotLocation& at : stub_.locations) {
            store_other(at);
        }
        for (const SlotLocation& at : stub_.locations) {
            load_pinned(at.slot);
        }
        add(rsp, stub_.frame_bytes);
        jump_to(stub_.exit);
    }

    void store(const Xbyak::Address& to, const Reg64& from, ir::Slot slot) {
        if (ir::slot_type(slot) == ir::Type::Nzcv) {
            mov(to, from.cvt32());
        } else {
            mov(to, from);
        }
    }

    void store_other(const SlotLocation& at) {
        const Xbyak::Address from = ptr[Reg64(at.reg) + at.value];
        switch (at.kind) {
        case Kind::Gpr:
        case Kind::Vec:
            return;
        case Kind::Memory:
            DCHECK(at.reg == static_cast<u8>(HostReg::RSP));
            if (ir::is_vec(at.slot)) {
                vmovups(xmm12, from);
                vmovups(slot_cell(r15, at.slot), xmm12);
                return;
            }
            if (ir::slot_type(at.slot) == ir::Type::Nzcv) {
                mov(eax, from);
            } else {
                mov(rax, from);
            }
            break;
        case Kind::Constant:
            constant_ = static_cast<u64>(i64{at.value});
            mov(rax, constant_);
            break;
        case Kind::LowWord:
            mov(rax, constant_ << 32 | static_cast<u32>(at.value));
            break;
        }
        store(slot_cell(r15, at.slot), rax, at.slot);
    }

    void load_pinned(ir::Slot slot) {
        for (const PinnedGpr& pin : kPinnedGprs) {
            if (pin.slot == slot) {
                mov(Reg64(static_cast<int>(pin.reg)), slot_cell(r15, slot));
            }
        }
        for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
            if (kPinnedVecs[n] == slot) {
                vmovups(Xmm(static_cast<int>(n)), slot_cell(r15, slot));
            }
        }
    }

    const ColdStub& stub_;
    const u32 base_;
    const Reg64 state_;
    u64 constant_ = 0;
};

} // namespace

void emit_cold_stub(const ColdStub& stub, std::vector<u8>& code) {
    const StubWriter writer(stub, code.size());
    code.insert(code.end(), writer.getCode(), writer.getCode() + writer.getSize());
}

} // namespace ulna::backend::tier2
