#include "backend/llvm/poll_stub.h"

#include <xbyak/xbyak.h>

#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

using Xbyak::Reg64;
using Xbyak::Xmm;
using Kind = SlotLocation::Kind;

constexpr std::size_t kBytesPerLocation = 32, kOtherBytes = 80;

class StubWriter : public Xbyak::CodeGenerator {
  public:
    explicit StubWriter(const PollStub& stub)
        : Xbyak::CodeGenerator(kOtherBytes + kBytesPerLocation * stub.locations.size()) {
        // Registers first: they are free for the rest then.
        const Reg64 state(stub.state_reg);
        for (const SlotLocation& at : stub.locations) {
            if (at.kind == Kind::Gpr) {
                store(cell(state, at.slot), Reg64(at.reg), at.slot);
            } else if (at.kind == Kind::Vec) {
                vmovups(cell(state, at.slot), Xmm(at.reg));
            }
        }
        if (state.getIdx() != r15.getIdx()) {
            mov(r15, state);
        }
        for (const SlotLocation& at : stub.locations) {
            store_other(at);
        }
        for (const SlotLocation& at : stub.locations) {
            load_pinned(at.slot);
        }
        add(rsp, stub.frame_bytes);
        mov(rax, stub.resume);
        mov(state_cell(offsetof(ir::CpuState, pc)), rax);
        mov(dword[r15 + displacement(offsetof(ir::CpuState, at_safe_point_of_region))], 1);
        jmp(state_cell(offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, safepoint)));
    }

  private:
    static int displacement(std::size_t offset) {
        return static_cast<int>(offset) - ir::kStateBias;
    }
    Xbyak::Address cell(const Reg64& state, ir::Slot slot) {
        return ptr[state + displacement(ir::slot_offset(slot))];
    }
    Xbyak::Address state_cell(std::size_t offset) { return ptr[r15 + displacement(offset)]; }
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
                vmovups(cell(r15, at.slot), xmm12);
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
        store(cell(r15, at.slot), rax, at.slot);
    }

    void load_pinned(ir::Slot slot) {
        for (const PinnedGpr& pin : kPinnedGprs) {
            if (pin.slot == slot) {
                mov(Reg64(static_cast<int>(pin.reg)), cell(r15, slot));
            }
        }
        for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
            if (kPinnedVecs[n] == slot) {
                vmovups(Xmm(static_cast<int>(n)), cell(r15, slot));
            }
        }
    }

    u64 constant_ = 0;
};

} // namespace

void emit_poll_stub(const PollStub& stub, std::vector<u8>& code) {
    const StubWriter writer(stub);
    code.insert(code.end(), writer.getCode(), writer.getCode() + writer.getSize());
}

} // namespace ulna::backend::tier2
