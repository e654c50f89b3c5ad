// A CPU without a machine, for tests: its host notes what it is asked.
#pragma once

#include <memory>
#include <vector>

#include "runtime/system/cpu.h"
#include "runtime/system/fields.h"

namespace ulna::system {

class NotingHost : public CpuHost {
  public:
    std::vector<TlbInvalidation> invalidations;
    std::vector<AddressTranslation> translations;
    u64 par = 0;
    u64 count = 1000;
    u64 instruction_count = 0, instruction_cycles = 0;
    unsigned waits = 0, events = 0, timer_changes = 0, translation_changes = 0, offs = 0,
             resets = 0;
    std::vector<u64> invalidated_code, cpu_on_arguments;
    bool pmu_line = false;
    GicAccess gic = GicAccess::Undefined;
    u16 gic_encoding = 0;

    void invalidate_tlb(Cpu&, const TlbInvalidation& tlbi) override {
        invalidations.push_back(tlbi);
    }
    u64 translate_address(Cpu&, const AddressTranslation& at, std::optional<Exception>&) override {
        translations.push_back(at);
        return par;
    }
    void invalidate_all_instructions(Cpu&, bool broadcast) override {
        invalidated_code.push_back(broadcast ? ~u64{0} : 0);
    }
    void invalidate_instructions(Cpu&, GuestAddr address) override {
        invalidated_code.push_back(address);
    }
    std::optional<Exception> cache_operation(Cpu&, CacheOp, GuestAddr) override {
        return std::nullopt;
    }
    u64 counter() override { return count; }
    u64 instructions(Cpu&) override { return instruction_count; }
    u64 cycles_per_instruction() const override { return instruction_cycles; }
    void timer_changed(Cpu&) override { ++timer_changes; }
    void translation_changed(Cpu&) override { ++translation_changes; }
    void pmu_interrupt(Cpu&, bool level) override { pmu_line = level; }
    GicAccess read_gic(Cpu&, u16 encoding, u64& value) override {
        gic_encoding = encoding;
        value = 0x55;
        return gic;
    }
    GicAccess write_gic(Cpu&, u16 encoding, u64) override {
        gic_encoding = encoding;
        return gic;
    }
    void wait_for_interrupt(Cpu&, std::optional<u64>) override { ++waits; }
    void wait_for_event(Cpu&, std::optional<u64>) override { ++waits; }
    void send_event() override { ++events; }
    PsciResult cpu_on(Cpu&, u64 mpidr, GuestAddr entry, u64 context) override {
        cpu_on_arguments = {mpidr, entry, context};
        return PsciResult::AlreadyOn;
    }
    i32 affinity_info(Cpu&, u64 mpidr) override {
        return mpidr <= 1 ? static_cast<i32>(mpidr)
                          : static_cast<i32>(PsciResult::InvalidParameters);
    }
    void system_off(Cpu&) override { ++offs; }
    void system_reset(Cpu&) override { ++resets; }
};

// Instruction words.
[[nodiscard]] inline u32 msr(u16 encoding, u32 rt) { return 0xd500'0000 | u32{encoding} << 5 | rt; }
[[nodiscard]] inline u32 mrs(u16 encoding, u32 rt) { return 0xd520'0000 | u32{encoding} << 5 | rt; }
[[nodiscard]] inline u32 msr(SysReg reg, u32 rt) { return msr(row_of(reg).encoding, rt); }
[[nodiscard]] inline u32 mrs(SysReg reg, u32 rt) { return mrs(row_of(reg).encoding, rt); }
[[nodiscard]] inline u32 sys(unsigned op1, unsigned CRn, unsigned CRm, unsigned op2, u32 rt) {
    return msr(sysreg_encoding(1, op1, CRn, CRm, op2), rt);
}
inline constexpr u32 kEret = 0xd69f'03e0, kWfi = 0xd503'207f, kWfe = 0xd503'205f;
[[nodiscard]] inline u32 svc_word(u32 imm) { return 0xd400'0001 | imm << 5; }
[[nodiscard]] inline u32 hvc_word(u32 imm) { return 0xd400'0002 | imm << 5; }
[[nodiscard]] inline u32 smc_word(u32 imm) { return 0xd400'0003 | imm << 5; }

inline constexpr GuestAddr kCode = 0x4008'0000, kVbar1 = 0x8000, kVbar2 = 0x1'0000,
                           kVbar3 = 0x2'0000;

struct CpuFixture {
    std::unique_ptr<ir::CpuState> state = std::make_unique<ir::CpuState>();
    NotingHost host;
    std::unique_ptr<Cpu> owned = std::make_unique<Cpu>();
    Cpu& cpu = *owned;
    frontend::CpuModel other_model;

    // Starts in `el`, the highest unless said otherwise.
    explicit CpuFixture(unsigned el = 1, bool el2 = false, bool el3 = false) {
        cpu.state = state.get();
        cpu.model = &frontend::default_cpu();
        cpu.host = &host;
        cpu.has_el2 = el2 || el == 2;
        cpu.has_el3 = el3 || el == 3;
        reset(cpu, el, kCode);
        cpu.reg(SysReg::VBAR_EL1) = kVbar1;
        cpu.reg(SysReg::VBAR_EL2) = kVbar2;
        cpu.reg(SysReg::VBAR_EL3) = kVbar3;
    }
    // Another CPU, at EL1.
    void become(const char* model) {
        std::string why_not;
        other_model = frontend::parse_cpu(model, why_not).value();
        cpu.model = &other_model;
        reset(cpu, 1, kCode);
    }
    void run(u32 word) { execute_system(cpu, word); }
    void enter(u8 el, bool sp_sel = true) { // as if by ERET
        cpu.pstate.el = el;
        cpu.pstate.sp_sel = el != 0 && sp_sel;
        state->pc = kCode;
        update_translated_state(cpu);
    }
    u64 read(SysReg reg) { // by MRS X1
        state->x[1] = 0xdead;
        run(mrs(reg, 1));
        return state->x[1];
    }
    void write(SysReg reg, u64 value) { // by MSR X1
        state->x[1] = value;
        run(msr(reg, 1));
    }
    // The exception class that ESR_EL<el> shows.
    [[nodiscard]] u64 ec(unsigned el) const { return esr(el) >> 26; }
    [[nodiscard]] u64 esr(unsigned el) const {
        using enum SysReg;
        return cpu.reg(el == 1 ? ESR_EL1 : el == 2 ? ESR_EL2 : ESR_EL3);
    }
    // What was executed at kCode was not denied.
    [[nodiscard]] bool went_on() const { return state->pc == kCode + 4; }
    // Executes the word at kCode in this EL: true when it raised the Unknown exception, at EL1.
    bool is_undefined(u32 word) {
        const u8 el = cpu.pstate.el;
        state->pc = kCode;
        run(word);
        const unsigned target = el == 0 ? 1 : el;
        const bool result = !went_on() && ec(target) == 0;
        enter(el);
        return result;
    }
};

} // namespace ulna::system
