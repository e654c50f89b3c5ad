#include "backend/llvm/exits.h"

#include <deque>

#include <xbyak/xbyak.h>

#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

using ir::CpuState;
using ir::HostThunks;

constexpr std::size_t kThunks = offsetof(CpuState, thunks);
constexpr std::size_t kExit = kThunks + offsetof(HostThunks, exit);
constexpr std::size_t kLink = kThunks + offsetof(HostThunks, link);
constexpr std::size_t kLookup = kThunks + offsetof(HostThunks, lookup);
constexpr std::size_t kBranch = kThunks + offsetof(HostThunks, branch);
constexpr std::size_t kMachineBranch = kThunks + offsetof(HostThunks, machine_branch);
constexpr std::size_t kSafepoint = kThunks + offsetof(HostThunks, safepoint);

constexpr std::size_t kBytesPerExit = 512;

class ExitWriter : public Xbyak::CodeGenerator {
  public:
    ExitWriter(std::size_t exits, u32 base, const ir::BlockKey& key, const EntryOffsets& entries)
        : Xbyak::CodeGenerator(kBytesPerExit * (exits + 1)),
          base_{base},
          key_{key},
          entries_{entries} {}

    [[nodiscard]] u32 offset() const { return base_ + static_cast<u32>(getSize()); }

    void emit(const ExitStub& exit) {
        switch (exit.kind) {
        case ExitStub::Kind::Link:
            if (exit.checks_pending && !is_far(exit.target)) {
                check_pending(exit.target);
            }
            jump(exit.target);
            break;
        case ExitStub::Kind::Call:
            if (is_far(exit.target)) {
                mov(rax, exit.target);
                call_indirect(0);
            } else {
                if (exit.checks_pending) {
                    check_pending(exit.target);
                }
                link(0xe8, exit.target);
            }
            return_site(exit.return_to);
            break;
        case ExitStub::Kind::CallIndirect:
            call_indirect(exit.btype);
            return_site(exit.return_to);
            break;
        case ExitStub::Kind::Indirect:
            jump_indirect(exit.btype);
            break;
        case ExitStub::Kind::Return:
            ret();
            break;
        case ExitStub::Kind::Safepoint:
            store_pc(exit.target);
            leave_at_safe_point();
            break;
        case ExitStub::Kind::Leave:
            mov(dword[r15 + displacement(offsetof(CpuState, exit_reason))],
                static_cast<u32>(exit.reason));
            store_pc(exit.target);
            jmp(cell(kExit));
            break;
        }
    }

    // What is done when there is pending work.
    void emit_safe_points() {
        for (SafePoint& at : safe_points_) {
            L(at.label);
            store_btype(at.btype);
            if (at.in_rax) {
                mov(cell(offsetof(CpuState, pc)), rax);
            } else {
                store_pc(at.resume);
            }
            leave_at_safe_point();
        }
    }

    // Until it is linked, a link leads to code that tells the runtime which one it is.
    void emit_link_stubs(CompiledBlock& out) {
        for (const Link& link : links_) {
            const u32 at = offset();
            const u32 from_link = at - (link.displacement + 4);
            std::memcpy(code() + (link.displacement - base_), &from_link, 4);
            call(cell(kLink));
            CHECK(offset() - at == kLinkStubBytes);
            out.links.push_back({link.displacement, at, link.target});
        }
    }

  private:
    struct Link {
        u32 displacement;
        GuestAddr target;
    };

    struct SafePoint {
        Xbyak::Label label{};
        GuestAddr resume = 0;
        bool in_rax = false;
        unsigned btype = 0;
    };

    [[nodiscard]] u8* code() { return const_cast<u8*>(getCode()); }
    static int displacement(std::size_t offset) {
        return static_cast<int>(offset) - ir::kStateBias;
    }
    Xbyak::Address cell(std::size_t offset) { return qword[r15 + displacement(offset)]; }

    // In a machine, links are within a page: another may be elsewhere the next time.
    [[nodiscard]] bool is_far(GuestAddr target) const {
        return key_.mode.system() && !key_.same_page(target);
    }
    void jump(GuestAddr target) {
        if (is_far(target)) {
            mov(rax, target);
            jump_indirect(0);
        } else {
            link(0xe9, target);
        }
    }
    // jmp or call whose displacement the runtime patches in one store.
    void link(u8 opcode, GuestAddr target) {
        const unsigned padding = (0u - (offset() + 1)) & 3;
        nop(padding);
        db(opcode);
        links_.push_back({offset(), target});
        dd(0);
    }
    void store_pc(GuestAddr pc) {
        if (static_cast<i64>(pc) == static_cast<i32>(pc)) {
            mov(cell(offsetof(CpuState, pc)), pc);
        } else {
            mov(rax, pc);
            mov(cell(offsetof(CpuState, pc)), rax);
        }
    }
    void compare_pending() { cmp(dword[r15 + displacement(offsetof(CpuState, pending))], 0); }
    void check_pending(GuestAddr resume) {
        compare_pending();
        safe_points_.push_back({.resume = resume});
        jne(safe_points_.back().label, T_NEAR);
    }
    void leave_at_safe_point() {
        mov(dword[r15 + displacement(offsetof(CpuState, at_safe_point_of_region))], 1);
        jmp(cell(kSafepoint));
    }
    void store_btype(unsigned btype) {
        if (btype != 0) {
            mov(dword[r15 + displacement(offsetof(CpuState, btype))], btype);
        }
    }
    void check_pending_rax(unsigned btype) {
        compare_pending();
        safe_points_.push_back({.in_rax = true, .btype = btype});
        jne(safe_points_.back().label, T_NEAR);
    }
    // EFLAGS: equal when the jump cache's entry is RAX's.
    void probe(unsigned btype) {
        const u32 entries = btype == 0 ? ir::kJumpCacheEntries : ir::kGuardedJumpCacheEntries;
        mov(r10d, eax);
        and_(r10d, (entries - 1) << 2);
        if (is_pointed_to(btype)) {
            mov(r11, cell(of_privilege(offsetof(CpuState, machine_jump_cache))));
        }
        cmp(rax, entry(btype, offsetof(ir::JumpCacheEntry, guest_pc)));
    }
    // The table of a machine's other branches is where a pointer says, which probe() has loaded.
    [[nodiscard]] bool is_pointed_to(unsigned btype) const {
        return btype == 0 && key_.mode.system();
    }
    [[nodiscard]] std::size_t of_privilege(std::size_t pair) const {
        return pair + key_.mode.privileged() * sizeof(u64);
    }
    Xbyak::Address entry(unsigned btype, std::size_t member) {
        if (is_pointed_to(btype)) {
            return qword[r11 + r10 * 4 + static_cast<int>(member)];
        }
        const std::size_t table = btype == 0
                                      ? offsetof(CpuState, jump_cache)
                                      : offsetof(CpuState, guarded_jump_cache) +
                                            (btype - 1) * sizeof(CpuState::guarded_jump_cache[0]);
        return qword[r15 + r10 * 4 + displacement(table + member)];
    }
    // The tables of branches that set BTYPE are EL0's.
    [[nodiscard]] bool has_table(unsigned btype) const {
        return btype == 0 || !key_.mode.privileged();
    }
    Xbyak::Address probed(unsigned btype) {
        return entry(btype, offsetof(ir::JumpCacheEntry, host_pc));
    }
    void jump_indirect(unsigned btype) {
        Xbyak::Label miss;
        check_pending_rax(btype);
        if (has_table(btype)) {
            probe(btype);
            jne(miss);
            jmp(probed(btype));
        }
        L(miss);
        store_btype(btype);
        jmp(cell(kLookup));
    }
    // The lookup thunk goes on in the target with our return address on the stack.
    void call_indirect(unsigned btype) {
        Xbyak::Label miss, back;
        check_pending_rax(btype);
        if (has_table(btype)) {
            probe(btype);
            jne(miss);
            call(probed(btype));
            jmp(back);
        }
        L(miss);
        store_btype(btype);
        call(cell(kLookup));
        L(back);
    }
    void return_elsewhere() {
        jmp(cell(key_.mode.system() ? of_privilege(kMachineBranch) : kBranch));
    }
    // A host return arrives: on to the expected block, or wherever RAX says.
    void return_site(GuestAddr return_to) {
        if (static_cast<i64>(return_to) == static_cast<i32>(return_to)) {
            cmp(rax, static_cast<u32>(return_to));
        } else {
            mov(r10, return_to);
            cmp(rax, r10);
        }
        if (const auto entry = entries_.find(return_to)) {
            db(0x0f); // je
            db(0x84);
            dd(*entry - (offset() + 4));
            return_elsewhere();
            return;
        }
        Xbyak::Label expected;
        je(expected);
        return_elsewhere();
        L(expected);
        jump(return_to);
    }

    const u32 base_;
    const ir::BlockKey key_;
    const EntryOffsets& entries_;
    std::vector<Link> links_;
    std::deque<SafePoint> safe_points_;
};

} // namespace

void emit_exits(const std::vector<ExitStub>& exits,
                const EntryOffsets& entries,
                CompiledBlock& out,
                std::vector<u32>& offsets) {
    constexpr u8 kTrap = 0xcc;
    out.code.resize((out.code.size() + 15) & ~std::size_t{15}, kTrap);
    const u32 base = static_cast<u32>(out.code.size());
    ExitWriter writer(exits.size(), base, out.key, entries);
    for (const ExitStub& exit : exits) {
        offsets.push_back(writer.offset());
        writer.emit(exit);
    }
    writer.emit_safe_points();
    writer.emit_link_stubs(out);
    out.code.insert(out.code.end(), writer.getCode(), writer.getCode() + writer.getSize());
}

} // namespace ulna::backend::tier2
