// See signal_frame.h.
#include "runtime/user/signal_frame.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "backend/backend.h"
#include "ir/block_key.h"
#include "ir/support/bits.h"
#include "ir/support/check.h"
#include "runtime/user/guest_memory.h"

namespace ulna::user {

namespace {

struct ContextHeader {
    u32 magic;
    u32 bytes;
};

struct FpsimdContext {
    ContextHeader head;
    u32 fpsr;
    u32 fpcr;
    V128 v[32];
};
static_assert(sizeof(FpsimdContext) == 528);

struct EsrContext {
    ContextHeader head;
    u64 esr;
};

struct ExtraContext { // the list goes on elsewhere: glibc's and our frames never need it, others
                      // may
    ContextHeader head;
    u64 data;
    u32 bytes;
    u32 padding[3];
};

constexpr u32 kFpsimdMagic = 0x4650'8001, kEsrMagic = 0x4553'5201, kExtraMagic = 0x4558'5401;

// PSTATE as SPSR_EL1 holds it (DDI 0487 C5.2.18).
namespace pstate = ir::pstate;
constexpr unsigned kPstateNzcvShift = 28;
constexpr u32 kBtypeCall = 2;         // how Linux enters a handler: as if by BLR
constexpr u64 kPstateNotUser = 0x3df; // M[3:0], M[4], F, I, A, D: all zero at EL0 in AArch64

constexpr u64 kMinAltStackBytes = 5120; // MINSIGSTKSZ of arm64

frontend::FeatureSet features() { return process().options.cpu_model.features; }
u64 own_pstate_bits() {
    return (features().has(frontend::Feature::DIT) ? pstate::DIT : 0) |
           (features().has(frontend::Feature::SSBS) ? pstate::SSBS : 0) |
           (features().has(frontend::Feature::MTE) ? pstate::TCO : 0);
}

// --- building

class RecordWriter {
  public:
    explicit RecordWriter(u8* at) : at_(at) {}
    template <class T> void write(const T& record) {
        std::memcpy(at_, &record, sizeof record);
        at_ += sizeof record;
    }

  private:
    u8* at_;
};

void save_cpu(const ir::CpuState& cpu, const FrameRequest& request, SigContext& context) {
    context.fault_address = request.fault_address;
    std::copy(std::begin(cpu.x), std::end(cpu.x), context.regs);
    context.sp = cpu.sp;
    context.pc = cpu.pc;
    context.pstate = pstate_of(cpu);

    RecordWriter records(context.reserved);
    FpsimdContext fpsimd = {.head = {kFpsimdMagic, sizeof(FpsimdContext)},
                            .fpsr = cpu.fpsr,
                            .fpcr = static_cast<u32>(cpu.fpcr)};
    std::copy(std::begin(cpu.v), std::end(cpu.v), fpsimd.v);
    records.write(fpsimd);
    if (request.esr != 0) {
        records.write(EsrContext{{kEsrMagic, sizeof(EsrContext)}, request.esr});
    }
    records.write(ContextHeader{0, 0});
}

u64 stack_for_handler(const ThreadSignals& signals, const SignalAction& action, u64 sp) {
    const AltStack& alt = signals.alt_stack;
    const bool usable = !(alt.flags & SS_DISABLE) && alt.bytes != 0;
    const bool switches = (action.flags & SA_ONSTACK) && usable && !on_alt_stack(alt, sp);
    return switches ? alt.sp + alt.bytes : sp;
}

void enter_handler(GuestThread& thread, const FrameRequest& request, u64 frame, u64 record) {
    ir::CpuState& cpu = *thread.cpu;
    cpu.x[0] = static_cast<u64>(request.info.si_signo);
    if (request.action.flags & SA_SIGINFO) {
        cpu.x[1] = frame + offsetof(RtSigframe, info);
        cpu.x[2] = frame + offsetof(RtSigframe, uc);
    }
    cpu.x[29] = record;
    cpu.x[30] = (request.action.flags & kSaRestorer) ? request.action.restorer
                                                     : process().sigreturn_trampoline;
    cpu.sp = frame;
    cpu.pc = request.action.handler;
    cpu.btype = features().has(frontend::Feature::BTI) ? kBtypeCall : 0;
    cpu.pstate &= ~pstate::TCO;
    cpu.excl_bytes = 0; // an exception return clears the monitor
}

// --- taking back

struct Records {
    FpsimdContext fpsimd;
    bool has_fpsimd = false;
};

// Walks one list of records; false when it is malformed. `follow` receives the list an
// extra_context names.
bool parse_records(const u8* area, u64 area_bytes, Records& out, ExtraContext* follow) {
    u64 offset = 0;
    while (true) {
        ContextHeader head;
        if (offset + sizeof head > area_bytes || offset % 16 != 0) {
            return false;
        }
        std::memcpy(&head, area + offset, sizeof head);
        if (head.magic == 0) {
            return head.bytes == 0;
        }
        if (head.bytes < sizeof head || head.bytes > area_bytes - offset) {
            return false;
        }
        if (head.magic == kFpsimdMagic) {
            if (out.has_fpsimd || head.bytes != sizeof(FpsimdContext)) {
                return false;
            }
            std::memcpy(&out.fpsimd, area + offset, sizeof out.fpsimd);
            out.has_fpsimd = true;
        } else if (head.magic == kExtraMagic) {
            if (follow == nullptr || follow->data != 0 || head.bytes != sizeof(ExtraContext)) {
                return false;
            }
            std::memcpy(follow, area + offset, sizeof *follow);
        } else if (head.magic != kEsrMagic) {
            return false;
        }
        offset += head.bytes;
    }
}

constexpr u32 kMaxExtraBytes = 64 << 10; // SIGFRAME_MAXSZ

bool parse_all(const SigContext& context, Records& out) {
    ExtraContext extra = {};
    if (!parse_records(context.reserved, sizeof context.reserved, out, &extra)) {
        return false;
    }
    if (extra.data == 0) {
        return true;
    }
    if (extra.bytes > kMaxExtraBytes) {
        return false;
    }
    std::vector<u8> more(extra.bytes);
    return copy_from_guest(more.data(), extra.data, more.size()) &&
           parse_records(more.data(), more.size(), out, nullptr);
}

} // namespace

bool on_alt_stack(const AltStack& stack, u64 sp) {
    // With SS_AUTODISARM the settings are gone while the handler runs.
    if (static_cast<u32>(stack.flags) & kSsAutodisarm) {
        return false;
    }
    return sp > stack.sp && sp - stack.sp <= stack.bytes;
}

i32 alt_stack_state(const AltStack& stack, u64 sp) {
    const i32 kept = stack.flags & static_cast<i32>(kSsAutodisarm);
    if (stack.bytes == 0) {
        return kept | SS_DISABLE;
    }
    return on_alt_stack(stack, sp) ? kept | SS_ONSTACK : kept;
}

i64 set_alt_stack(ThreadSignals& signals, const AltStack& stack, u64 sp) {
    if (on_alt_stack(signals.alt_stack, sp)) {
        return -EPERM;
    }
    const u32 mode = static_cast<u32>(stack.flags) & ~kSsAutodisarm;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) {
        return -EINVAL;
    }
    if (mode == SS_DISABLE) {
        signals.alt_stack = {.sp = 0, .flags = stack.flags, .bytes = 0};
        return 0;
    }
    if (stack.bytes < kMinAltStackBytes) {
        return -ENOMEM;
    }
    signals.alt_stack = stack;
    signals.alt_stack.padding = 0;
    return 0;
}

bool push_signal_frame(GuestThread& thread, const FrameRequest& request) {
    const ir::CpuState& cpu = *thread.cpu;
    ThreadSignals& signals = *thread.signals;
    const u64 top = stack_for_handler(signals, request.action, cpu.sp);
    const u64 record = align_down(top - sizeof(FrameRecord), 16);
    const u64 frame = record - sizeof(RtSigframe);
    static_assert(sizeof(RtSigframe) % 16 == 0);

    // The reserved area's unused tail is not written, as the kernel does not; the handler may be
    // deep in a small stack, and the copy would cost more than the signal.
    RtSigframe image;
    std::memset(static_cast<void*>(&image), 0, offsetof(RtSigframe, uc.mcontext.reserved));
    image.info = request.info;
    if (is_synchronous(image.info.si_signo) && image.info.si_code > 0 &&
        !(request.action.flags & kSaExposeTagBits)) {
        image.info.si_addr =
            reinterpret_cast<void*>(untag(reinterpret_cast<u64>(image.info.si_addr)));
    }
    image.uc.stack = signals.alt_stack;
    image.uc.sigmask = request.old_mask;
    save_cpu(cpu, request, image.uc.mcontext);
    constexpr u64 kRecords = sizeof(FpsimdContext) + sizeof(EsrContext) + sizeof(ContextHeader);
    const u64 used = offsetof(RtSigframe, uc.mcontext.reserved) + kRecords;
    const FrameRecord link = {cpu.x[29], cpu.x[30]};
    if (!copy_to_guest(frame, &image, used) || !put_guest(record, link)) {
        return false;
    }
    enter_handler(thread, request, frame, record);
    if (static_cast<u32>(signals.alt_stack.flags) & kSsAutodisarm) {
        signals.alt_stack = {};
    }
    return true;
}

u64 pstate_of(const ir::CpuState& cpu) {
    return u64{cpu.nzcv} << kPstateNzcvShift | cpu.pstate | u64{cpu.btype} << pstate::kBtypeShift;
}

void set_pstate(ir::CpuState& cpu, u64 value) {
    cpu.nzcv = static_cast<u32>(value >> kPstateNzcvShift) & 0xf;
    cpu.pstate = value & own_pstate_bits();
    cpu.btype = features().has(frontend::Feature::BTI)
                    ? static_cast<u32>((value & pstate::kBtypeMask) >> pstate::kBtypeShift)
                    : 0;
}

bool read_signal_frame(u64 sp, RtSigframe& frame) {
    return is_aligned(sp, 16) && copy_from_guest_unchecked(&frame, sp, sizeof frame);
}

bool is_valid_context(const SigContext& context) {
    Records records;
    return (context.pstate & kPstateNotUser) == 0 && parse_all(context, records) &&
           records.has_fpsimd;
}

void restore_cpu(ir::CpuState& cpu, const SigContext& context) {
    constexpr u32 kFpsrBits = 0x0800'009f; // QC and the cumulative exception bits; the rest is RES0
    Records records;
    CHECK(parse_all(context, records));
    std::copy(std::begin(context.regs), std::end(context.regs), cpu.x);
    cpu.sp = context.sp;
    cpu.pc = context.pc;
    set_pstate(cpu, context.pstate);
    std::copy(std::begin(records.fpsimd.v), std::end(records.fpsimd.v), cpu.v);
    cpu.fpsr = records.fpsimd.fpsr & kFpsrBits;
    cpu.fpcr = records.fpsimd.fpcr & frontend::fpcr_mask(features());
    cpu.excl_bytes = 0;
}

} // namespace ulna::user
