// What the runtime and the process that compiles regions tell each other. Both are of the same
// build and run on the same host.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "frontend/frontend.h"

namespace ulna::runtime {

// A page of guest code, as it was when the request was made.
struct CodePage {
    static constexpr u64 kBytes = 4096;
    GuestAddr address;
    u64 number;   // BlockKey::page
    bool guarded; // PROT_BTI
    alignas(u32) u8 bytes[kBytes];
};

// A target that the indirect branch at the end of a block was seen to take.
struct IndirectTarget {
    GuestAddr block, target;
};

// Blocks to be compiled as one region; the first is where it is entered.
struct CompileRequest {
    frontend::CpuModel cpu; // without its texts
    ir::BlockMode mode;
    bool mask_tags = false, call_return_pairing = true, passes = true;
    bool only_worthwhile = false; // refuse what tier 1 does as well
    bool wants_text = false;      // for -d llvm_ir
    unsigned max_instructions = 0, max_side_exits = 0;
    std::vector<GuestAddr> blocks;
    std::vector<IndirectTarget> indirect_targets; // of one block: the likeliest first
    std::vector<CodePage> pages;
};

// The refusal of a region whose second compilation was not as the first (ServerKind::Twice).
inline constexpr char kCameOutDifferently[] = "came out differently the second time";

struct CompileAnswer {
    std::string refusal; // empty: compiled
    backend::CompiledBlock code;
    u64 nanoseconds = 0;        // of CPU time
    u32 guest_instructions = 0; // those compiled
    std::string text;           // LLVM IR
};

[[nodiscard]] std::vector<u8> encode(const CompileRequest& request);
[[nodiscard]] bool decode(std::span<const u8> bytes, CompileRequest& request);
[[nodiscard]] std::vector<u8> encode(const CompileAnswer& answer);
[[nodiscard]] bool decode(std::span<const u8> bytes, CompileAnswer& answer);

} // namespace ulna::runtime
