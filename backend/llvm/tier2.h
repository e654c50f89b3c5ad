// Tier 2: a region of IR blocks -> host code, through LLVM. Data in, data out: nothing of the
// process that compiles appears in the result, so it can be another process than the one that
// runs it.
//
// The result has the form of tier 1's (backend.h), and follows the same register convention, so
// the two kinds of code link to each other.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "backend/backend.h"
#include "backend/code_places.h"

namespace ulna::backend::tier2 {

// Why a region was not compiled: it stays with tier 1.
enum class Refusal : u8 {
    None,
    NoBlocks,
    MixedModes,    // the blocks' keys differ in more than the PC
    NotWorthwhile, // with Options::only_worthwhile
    Operation,     // an operation with effects that has no lowering (memory copy and set)
    Object,        // LLVM's object has something that the loader does not know
};
inline constexpr unsigned kRefusalCount = static_cast<unsigned>(Refusal::Object) + 1;
[[nodiscard]] const char* refusal_name(Refusal refusal);

struct Options {
    bool mask_tags = false;          // as backend::CompileOptions
    bool call_return_pairing = true; // as backend::CompileOptions
    bool inline_calls = true;        // of small functions in the region
    bool only_worthwhile = false;    // refuse what tier 1 does as well (RegionGraph::is_worthwhile)
    unsigned codegen_level = 2;      // 1 to 3
    bool optimise = true;            // false: only what promotes slots to values
    bool keep_text = false;          // fill Compiler::text()
    bool verify = false;             // LLVM's verifier
};

// A likely target of a block's indirect exit: a branch to it stays in the region, where it has a
// block; a call is inlined when that is a small function.
struct IndirectGuess {
    GuestAddr block; // PC of the block's key
    GuestAddr target;
};

// Blocks whose exits may name each other by PC. The first one is where the region is entered. All
// have the same mode. Blocks that cannot be reached inside the region are left out. A machine's may
// be of several pages, whose places the region looks for in CodePlaces.
struct Region {
    std::span<const ir::Block* const> blocks;
    std::span<const IndirectGuess> guesses = {}; // of one block: the likeliest first
};

// A block at which the code can be entered like a tier-1 block.
struct RegionEntry {
    GuestAddr pc;
    u32 code_offset;
};

struct CompiledRegion {
    // Key of the first block; code, links, fault sites with their slot locations.
    CompiledBlock code;
    // The first block, the blocks that calls return to, and those where ways from these meet.
    std::vector<RegionEntry> entries;
    // Bytes that every function's frame may take below its return address.
    u32 frame_bytes = 0;
};

// CPU time of the last compilation, nanoseconds.
struct Times {
    u64 lower = 0, optimise = 0, generate = 0, place = 0;
};
struct Text {
    std::string lowered, optimised; // LLVM IR
};

class Compiler {
  public:
    Compiler();
    ~Compiler();
    Compiler(const Compiler&) = delete;

    [[nodiscard]] Refusal
    compile(const Region& region, const Options& options, CompiledRegion& out);

    [[nodiscard]] const Times& times() const;
    [[nodiscard]] const Text& text() const;
    [[nodiscard]] const std::string& why() const; // details of the last Refusal::Object
    [[nodiscard]] const std::array<u64, kRefusalCount>& refusals() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace ulna::backend::tier2
