#include "runtime/debug/gdb_aarch64.h"

namespace ulna::runtime::debug {

namespace {

constexpr const char* kVectorType = R"(<vector id="v2d" type="ieee_double" count="2"/>
<vector id="v2u" type="uint64" count="2"/>
<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v4u" type="uint32" count="4"/>
<vector id="v8u" type="uint16" count="8"/>
<vector id="v16u" type="uint8" count="16"/>
<union id="aarch64v">
<field name="d" type="v2d"/>
<field name="s" type="v4f"/>
<field name="u64" type="v2u"/>
<field name="u32" type="v4u"/>
<field name="u16" type="v8u"/>
<field name="u8" type="v16u"/>
</union>
)";

std::string numbered(char letter, unsigned n) { return letter + std::to_string(n); }

template <class T> std::span<u8> bytes_at(T& cell) {
    return {reinterpret_cast<u8*>(&cell), sizeof cell};
}

} // namespace

GdbFeature core_feature() {
    GdbFeature core{.name = "org.gnu.gdb.aarch64.core"};
    for (unsigned n = 0; n < 31; ++n) {
        core.registers.push_back({.name = numbered('x', n)});
    }
    core.registers.push_back({.name = "sp", .type = "data_ptr"});
    core.registers.push_back({.name = "pc", .type = "code_ptr"});
    core.registers.push_back({.name = "cpsr", .bits = 32});
    return core;
}

GdbFeature fpu_feature() {
    GdbFeature fpu{.name = "org.gnu.gdb.aarch64.fpu", .types = kVectorType};
    for (unsigned n = 0; n < 32; ++n) {
        fpu.registers.push_back({.name = numbered('v', n), .bits = 128, .type = "aarch64v"});
    }
    fpu.registers.push_back({.name = "fpsr", .bits = 32, .group = "float"});
    fpu.registers.push_back({.name = "fpcr", .bits = 32, .group = "float"});
    return fpu;
}

std::span<u8> cell_of(ir::CpuState& state, unsigned number) {
    using N = GdbNumber;
    return number < N::kSp                         ? bytes_at(state.x[number])
           : number == N::kSp                      ? bytes_at(state.sp)
           : number == N::kPc                      ? bytes_at(state.pc)
           : number >= N::kV0 && number < N::kFpsr ? bytes_at(state.v[number - N::kV0])
                                                   : std::span<u8>{};
}

} // namespace ulna::runtime::debug
