#include "frontend/frontend.h"

#include "frontend/a64/translator.h"

namespace ulna::frontend {

void translate(const ir::BlockKey& key,
               CodeSource& source,
               const TranslateOptions& options,
               ir::Block& out) {
    out.reset(key);
    if (!is_aligned(key.pc, 4)) {
        out.exit = ir::ExitTo{ir::ExitReason::MisalignedPc, key.pc};
        return;
    }
    Translator{out, source, options}.run();
}

} // namespace ulna::frontend
