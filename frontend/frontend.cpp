#include "frontend/frontend.h"

#include <algorithm>
#include <cstring>

#include "frontend/a64/translator.h"

namespace ulna::frontend {

bool CodeSource::read(GuestAddr pc, void* to, u64 bytes) {
    auto* out = static_cast<u8*>(to);
    while (bytes != 0) {
        const auto from = std::as_bytes(words(pc));
        if (from.empty()) {
            return false;
        }
        const u64 count = std::min<u64>(from.size(), bytes);
        std::memcpy(out, from.data(), count);
        out += count;
        pc += count;
        bytes -= count;
    }
    return true;
}

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
