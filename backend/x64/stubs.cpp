// Stubs between C++ and translated code.
//
// Translated code runs on its own stack, which holds nothing but host return addresses of guest
// calls. C++ runs on the stack that called `enter`. Whenever C++ runs, all architectural state is
// in CpuState: pinned registers in their cells, MXCSR's sticky bits in fpsr, the return stack's
// position in return_stack_current (which the runtime may reset, in `lookup` and `link`, to drop
// all frames).
#include "backend/x64/stubs.h"

#include <optional>

#include "backend/x64/fp_trap.h"
#include "backend/x64/host_cpu.h"
#include "backend/x64/pinned.h"
#include "ir/block_key.h"
#include "ir/eval.h"

namespace ulna::backend::x64 {

using ir::CpuState;
using ir::ExitReason;

namespace {

constexpr unsigned kCalleeSaved[] = {3, 5, 12, 13, 14, 15}; // RBX RBP R12..R15
// IE ZE OE UE PE of MXCSR, in the order of IOC DZC OFC UFC IXC in FPSR.
constexpr u32 kStickyBits = 0x3d;
// DE is IDC with FPCR.AH, else it has no counterpart. It is where FPCR has AH.
constexpr u32 kDenormal = 1 << 1, kIdcOverDenormal = 6;
static_assert(ir::BlockMode::from_fpcr(kDenormal).ah());
static_assert(kDenormal << kIdcOverDenormal == ir::fpsr::kIDC);
// Of CpuState::mode_bits: not 0 in a machine's privileged code.
constexpr u32 kLevelMask = 3u << ir::BlockMode::kLevelShift;

class StubGenerator : public Xbyak::CodeGenerator {
  public:
    StubGenerator() : Xbyak::CodeGenerator(kBytes, buffer_) {}

    Stubs make() {
        Stubs stubs;
        stubs.enter = begin();
        emit_enter();
        stubs.exit = begin();
        emit_exit();
        stubs.link = begin();
        emit_link();
        stubs.return_sentinel = begin();
        emit_return_sentinel();
        stubs.lookup = begin();
        emit_lookup();
        stubs.call_helper = begin();
        emit_call_helper();
        stubs.call_eval = begin();
        emit_call_eval();
        stubs.safepoint = begin();
        emit_safepoint(stubs.exit);
        stubs.branch = begin();
        emit_branch(stubs, std::nullopt);
        for (const bool privileged : {false, true}) {
            stubs.machine_branch[privileged] = begin();
            emit_branch(stubs, privileged);
        }
        stubs.code.assign(getCode(), getCode() + getSize());
        return stubs;
    }

  private:
    static constexpr std::size_t kBytes = 8192;

    u32 begin() {
        align(16);
        return static_cast<u32>(getSize());
    }
    static int displacement(std::size_t offset) {
        return static_cast<int>(offset) - ir::kStateBias;
    }
    Xbyak::Address cell(std::size_t offset) { return ptr[r15 + displacement(offset)]; }

    void store_pinned() {
        for (const PinnedGpr& pin : kPinnedGprs) {
            mov(cell(ir::slot_offset(pin.slot)), Gpr(static_cast<int>(pin.reg)));
        }
        for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
            vmovaps(cell(ir::slot_offset(kPinnedVecs[n])), Xmm(static_cast<int>(n)));
        }
    }
    void load_pinned() {
        for (const PinnedGpr& pin : kPinnedGprs) {
            mov(Gpr(static_cast<int>(pin.reg)), cell(ir::slot_offset(pin.slot)));
        }
        for (unsigned n = 0; n < kPinnedVecs.size(); ++n) {
            vmovaps(Xmm(static_cast<int>(n)), cell(ir::slot_offset(kPinnedVecs[n])));
        }
    }

    // RAX and RCX are free from here on. Half precision leaves the upper halves of YMM registers
    // dirty, which would slow C++ down.
    void to_cpp() {
        store_pinned();
        vzeroupper();
        mov(cell(offsetof(CpuState, return_stack_current)), rsp);
        mov(rsp, cell(offsetof(CpuState, c_stack)));
        vstmxcsr(dword[r15 + displacement(offsetof(CpuState, mxcsr_scratch))]);
        vldmxcsr(dword[r15 + displacement(offsetof(CpuState, host_mxcsr))]);
        mov(eax, cell(offsetof(CpuState, mxcsr_scratch)));
        mov(ecx, kStickyBits);
        pext(ecx, eax, ecx);
        and_(eax, kDenormal);
        and_(eax, cell(offsetof(CpuState, fpcr)));
        shl(eax, kIdcOverDenormal);
        or_(eax, ecx);
        or_(cell(offsetof(CpuState, fpsr)), eax);
    }
    void from_cpp() {
        if (host_has_fsgsbase()) {
            select_tlb();
        }
        vldmxcsr(dword[r15 + displacement(offsetof(CpuState, guest_mxcsr))]);
        if (host_has_avx512_masks()) { // fp_trap.h; C++ uses mask registers as it likes
            mov(ecx, 1);
            kmovw(Xbyak::Opmask(kLane0Mask), ecx);
        }
        load_pinned();
        mov(rsp, cell(offsetof(CpuState, return_stack_current)));
    }
    // A machine's accesses look at it by GS.
    void select_tlb() {
        Xbyak::Label user;
        mov(ecx, cell(offsetof(CpuState, mode_bits)));
        test(ecx, ir::BlockMode::kSystem);
        jz(user);
        and_(ecx, kLevelMask);
        setnz(cl);
        movzx(ecx, cl);
        mov(rcx, qword[r15 + rcx * 8 + displacement(offsetof(CpuState, tlb))]);
        db(0xd9'ae0f'48f3, 5); // wrgsbase rcx
        L(user);
    }
    // Registers that C++ may change and that are not pinned, but RAX.
    void store_temporaries() {
        mov(cell(offsetof(CpuState, thunk_save) + 16), r10);
        mov(cell(offsetof(CpuState, thunk_save) + 24), r11);
        for (unsigned n = kFirstTempVec; n <= kLastTempVec; ++n) {
            vmovaps(cell(offsetof(CpuState, thunk_vsave) + (n - kFirstTempVec) * 16),
                    Xmm(static_cast<int>(n)));
        }
    }
    void load_temporaries() {
        mov(r10, cell(offsetof(CpuState, thunk_save) + 16));
        mov(r11, cell(offsetof(CpuState, thunk_save) + 24));
        for (unsigned n = kFirstTempVec; n <= kLastTempVec; ++n) {
            vmovaps(Xmm(static_cast<int>(n)),
                    cell(offsetof(CpuState, thunk_vsave) + (n - kFirstTempVec) * 16));
        }
    }

    // ExitReason enter(CpuState* rdi, u64 host_entry rsi)
    void emit_enter() {
        for (const unsigned reg : kCalleeSaved) {
            push(Gpr(static_cast<int>(reg)));
        }
        sub(rsp, 8); // calls from to_cpp() on find the stack 16-byte aligned
        lea(r15, ptr[rdi + ir::kStateBias]);
        mov(cell(offsetof(CpuState, c_stack)), rsp);
        vstmxcsr(dword[r15 + displacement(offsetof(CpuState, host_mxcsr))]);
        mov(rax, rsi);
        from_cpp();
        jmp(rax);
    }

    // CpuState has exit_reason and pc.
    void emit_exit() {
        to_cpp();
        leave();
    }
    void leave() {
        mov(eax, cell(offsetof(CpuState, exit_reason)));
        add(rsp, 8);
        for (unsigned i = std::size(kCalleeSaved); i-- > 0;) {
            pop(Gpr(static_cast<int>(kCalleeSaved[i])));
        }
        ret();
    }

    // Continues at the host code in RAX; none: leaves with Lookup.
    void continue_or_leave() {
        Xbyak::Label none;
        test(rax, rax);
        jz(none, T_NEAR);
        from_cpp();
        jmp(rax);
        L(none);
        mov(dword[r15 + displacement(offsetof(CpuState, exit_reason))],
            static_cast<u32>(ExitReason::Lookup));
        leave();
    }
    void state_argument() { lea(rdi, ptr[r15 - ir::kStateBias]); }

    // The return address is the end of the link stub. Nobody returns to it, which costs the CPU's
    // prediction of a few returns, but stubs are most of the cold code, and this is the shortest.
    void emit_link() {
        pop(rax);
        sub(rax, kLinkStubBytes);
        mov(cell(offsetof(CpuState, thunk_save)), rax);
        to_cpp();
        state_argument();
        mov(rsi, cell(offsetof(CpuState, thunk_save)));
        call(cell(offsetof(CpuState, runtime_link)));
        continue_or_leave();
    }

    // A return without a call: start over with an empty stack, and go where RAX says (falls into
    // lookup).
    void emit_return_sentinel() { mov(rsp, cell(offsetof(CpuState, return_stack))); }

    // R11 = the victim cache, R10 = RAX's index there, shifted as a PC. A machine's is behind the
    // jump cache of the privilege.
    void find_victim() {
        Xbyak::Label user, found;
        mov(r10, rax);
        shr(r10, ir::kJumpCacheBits);
        xor_(r10d, eax);
        mov(r11d, cell(offsetof(CpuState, mode_bits)));
        test(r11d, ir::BlockMode::kSystem);
        jz(user);
        and_(r10d, (ir::kMachineVictims - 1) << 2);
        test(r11d, kLevelMask);
        setnz(r11b);
        movzx(r11d, r11b);
        mov(r11, ptr[r15 + r11 * 8 + displacement(offsetof(CpuState, machine_jump_cache))]);
        add(r11, ir::kJumpCacheEntries * sizeof(ir::JumpCacheEntry));
        jmp(found);
        L(user);
        and_(r10d, (ir::kJumpCacheEntries - 1) << 2);
        lea(r11, cell(offsetof(CpuState, victim_cache)));
        L(found);
    }

    // Goes on at RAX when the victim cache has it; R10 and R11 are free. Not for branches that set
    // BTYPE.
    void try_victim_cache() {
        static_assert(sizeof(ir::JumpCacheEntry) == 16);
        Xbyak::Label none;
        test(rax, rax); // empty entries are all zero
        jz(none);
        cmp(dword[r15 + displacement(offsetof(CpuState, btype))], 0);
        jne(none);
        find_victim();
        const auto entry = r11 + r10 * 4;
        cmp(rax, qword[entry + offsetof(ir::JumpCacheEntry, guest_pc)]);
        jne(none);
        jmp(qword[entry + offsetof(ir::JumpCacheEntry, host_pc)]);
        L(none);
    }

    // RAX = guest address
    void emit_lookup() {
        try_victim_cache();
        mov(cell(offsetof(CpuState, pc)), rax);
        to_cpp();
        state_argument();
        call(cell(offsetof(CpuState, runtime_lookup)));
        continue_or_leave();
    }

    // EAX = HelperId, arguments in scratch[0..3]; result in RAX
    void emit_call_helper() {
        mov(cell(offsetof(CpuState, thunk_save)), rax);
        store_temporaries();
        to_cpp();
        state_argument();
        const Gpr kArguments[] = {rsi, rdx, rcx, r8};
        for (unsigned k = 0; k < std::size(kArguments); ++k) {
            mov(kArguments[k], cell(offsetof(CpuState, scratch) + k * 16));
        }
        mov(eax, cell(offsetof(CpuState, thunk_save)));
        mov(r11, cell(offsetof(CpuState, helper_table)));
        call(ptr[r11 + rax * 8]);
        mov(cell(offsetof(CpuState, thunk_save)), rax);
        from_cpp();
        load_temporaries();
        mov(rax, cell(offsetof(CpuState, thunk_save)));
        ret();
    }

    // RAX = OpParams*, the caller's RAX is in thunk_save[0]; arguments in scratch[0..3], result in
    // scratch[4]
    void emit_call_eval() {
        test(ptr[rax], al); // a forked child may not have them yet, and C++ code may not fault
        mov(cell(offsetof(CpuState, thunk_save) + 8), rax);
        store_temporaries();
        to_cpp();
        state_argument();
        mov(rsi, cell(offsetof(CpuState, thunk_save) + 8));
        call(cell(offsetof(CpuState, eval_function)));
        from_cpp();
        load_temporaries();
        mov(rax, cell(offsetof(CpuState, thunk_save)));
        ret();
    }

    void emit_safepoint(u32 exit) {
        mov(dword[r15 + displacement(offsetof(CpuState, exit_reason))],
            static_cast<u32>(ExitReason::Safepoint));
        jmp(getCode() + exit);
    }

    // RAX = guest address: what emit_exit.cpp has in line for indirect branches, for call sites, of
    // which few ever see a return that they do not expect.
    // `privilege`: in a machine.
    void emit_branch(const Stubs& stubs, std::optional<bool> privilege) {
        constexpr u32 kIndexMask = (ir::kJumpCacheEntries - 1) << 2;
        const auto entry = [&](std::size_t offset) {
            return privilege ? qword[r11 + r10 * 4 + static_cast<int>(offset)]
                             : qword[r15 + r10 * 4 +
                                     displacement(offsetof(CpuState, jump_cache) + offset)];
        };
        Xbyak::Label pending;
        cmp(dword[r15 + displacement(offsetof(CpuState, pending))], 0);
        jne(pending);
        mov(r10d, eax);
        and_(r10d, kIndexMask);
        if (privilege) {
            mov(r11, cell(offsetof(CpuState, machine_jump_cache) + *privilege * sizeof(u64)));
        }
        cmp(rax, entry(offsetof(ir::JumpCacheEntry, guest_pc)));
        jne(getCode() + stubs.lookup);
        jmp(entry(offsetof(ir::JumpCacheEntry, host_pc)));
        L(pending);
        mov(cell(offsetof(CpuState, pc)), rax);
        jmp(getCode() + stubs.safepoint);
    }

    alignas(16) u8 buffer_[kBytes];
};

} // namespace

Stubs make_stubs() {
    const auto generator = std::make_unique<StubGenerator>();
    return generator->make();
}

} // namespace ulna::backend::x64
