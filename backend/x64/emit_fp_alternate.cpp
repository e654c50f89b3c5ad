// Floating point with FPCR.AH or FPCR.FIZ (FEAT_AFP).
#include "backend/x64/emit_fp.h"

namespace ulna::backend::x64 {

void add_alternate_emitters(EmitTable& table) {
    // Out of line: everything that FAdd..VFCvtBf and these are.
    for (auto op = static_cast<unsigned>(Opcode::FAdd);
         op <= static_cast<unsigned>(Opcode::VFCvtBf); ++op) {
        table.set(static_cast<Opcode>(op), nullptr);
    }
    table.set(Opcode::FCmp, nullptr);
    table.set(Opcode::VBfDot, nullptr);
}

} // namespace ulna::backend::x64
