// How tier-2 code leaves a region. LLVM's functions end in a tail call of an exit symbol with all
// state canonical; the code behind the symbol is ours, and is what tier 1 has at its exits: so
// links are patched, calls pair with returns and safe points are taken in the same way.
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"

namespace ulna::backend::tier2 {

struct ExitStub {
    enum class Kind : u8 {
        Link,         // to `target`
        Call,         // of `target`, which returns to `return_to`
        CallIndirect, // RAX is the target
        Indirect,     // RAX is the target
        Return,       // RAX is the target; a host return
        Safepoint,    // CpuState::pending was seen; goes on at `target`
        Leave,        // to the runtime with `reason`, pc = target; exit_arg has been stored
    };
    Kind kind;
    GuestAddr target = 0;
    GuestAddr return_to = 0;
    bool checks_pending = false; // Link, Call: backward
    u8 btype = 0;
    ir::ExitReason reason = ir::ExitReason::None;

    friend bool operator==(const ExitStub&, const ExitStub&) = default;
};

// Entries of the region by PC, as offsets into the code: a call returns to one without a link.
class EntryOffsets {
  public:
    virtual ~EntryOffsets() = default;
    [[nodiscard]] virtual std::optional<u32> find(GuestAddr pc) const = 0;
};

// Appends the code of the exits, and of their link stubs, to out.code; fills out.links and
// `offsets`, where each exit begins.
void emit_exits(const std::vector<ExitStub>& exits,
                const EntryOffsets& entries,
                CompiledBlock& out,
                std::vector<u32>& offsets);

} // namespace ulna::backend::tier2
