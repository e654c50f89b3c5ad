// The driver: analysis, then one pass over the instructions, the exit, cold paths, link stubs,
// literals.
#include "backend/x64/emitter.h"

#include <sys/mman.h>

#include "backend/x64/pinned.h"
#include "backend/x64/raw.h"

namespace ulna::backend::x64 {

using ir::kNoValue;
using ir::Type;

namespace {
// A block has at most some hundred guest instructions; the pages are touched only as far as used.
constexpr std::size_t kScratchBytes = 4u << 20;

void* scratch_buffer() {
    void* buffer = mmap(nullptr, kScratchBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (buffer == MAP_FAILED) {
        out_of_memory("translation");
    }
    return buffer;
}

// While emitting, literals pretend to sit this far from the code; place_literals() finds the
// displacements by it and corrects them. Its upper bytes occur at no other place of an instruction
// that could be mistaken for the displacement: they would have to be a ModRM or opcode byte of 0x3f
// or 0x40.
constexpr u32 kLiteralDistance = 0x4000'0000;

u32 read32(const u8* at) {
    u32 value;
    std::memcpy(&value, at, 4);
    return value;
}
void write32(u8* at, u32 value) { std::memcpy(at, &value, 4); }

} // namespace

Emitter::Emitter() : c{scratch_buffer(), kScratchBytes} {
    add_int_emitters(ordinary_);
    add_mem_emitters(ordinary_);
    add_fp_emitters(ordinary_);
    add_vec_emitters(ordinary_);
    add_crypto_emitters(ordinary_);
    add_flag_roles(ordinary_);
    trapping_ = alternate_ = exact_ = ordinary_;
    add_trapping_emitters(trapping_);
    add_alternate_emitters(alternate_);
    add_exact_emitters(exact_);
}

Emitter::~Emitter() { munmap(c.at(0), kScratchBytes); }

void Emitter::compile(const Block& block, const CompileOptions& options, CompiledBlock& out) {
    out.reset();
    out.key = block.key;
    out.guest_pcs = block.guest_pcs;
    block_ = &block;
    table_ = mode().traps_fp() ? &trapping_
             : !mode().ah()    ? &ordinary_
             : mode().dn()     ? &exact_
                               : &alternate_;
    insts_ = block.insts.data();
    count_ = static_cast<unsigned>(block.insts.size());
    options_ = &options;
    out_ = &out;
    c.rewind(0);
    cold_.clear();
    stubs_.clear();
    literals_.clear();
    literal_uses_.clear();
    borrowed_.clear();
    gpr_locked_ = xmm_locked_ = 0;
    std::fill(std::begin(owner_), std::end(owner_), kNoValue);
    std::fill(std::begin(slot_owner_), std::end(slot_owner_), kNoValue);
    free_spills_ = ~u64{0};
    free_vspills_ = ~u32{0};
    condition_start_ = condition_end_ = 0;
    upper_halves_clean_ = false;

    analyse();
    if (options.entry_counter != nullptr) {
        raw::mov_imm(c, c.rax, reinterpret_cast<u64>(options.entry_counter));
        c.inc(c.qword[c.rax]);
    }
    emit_instructions();
    emit_exit();
    out.hot_bytes = c.position();
    emit_cold_paths();
    place_literals(out);
}

void Emitter::emit_instructions() {
    for (index_ = 0; index_ < count_; ++index_) {
        if (values_[index_].flags & kSkip) {
            continue;
        }
        const Inst& inst = insts_[index_];
        flags_held_ = false;
        if (const EmitFn fn = (*table_)[inst.op].fn; fn != nullptr) {
            fn(*this, inst);
        } else {
            call_eval(inst);
        }
        finish_instruction(index_);
        if (options_->spill_everything) {
            spill_temporaries();
        }
    }
    flags_held_ = false;
}

void Emitter::spill_temporaries() {
    for (u8 reg = 0; reg < 16; ++reg) {
        if (kTempGprMask >> reg & 1) {
            evict_gpr(reg);
        }
        if (kTempXmmMask >> reg & 1) {
            evict_xmm(reg);
        }
    }
}

// Paths may add further ones.
void Emitter::emit_cold_paths() {
    for (std::size_t i = 0; i < cold_.size(); ++i) {
        const ColdPath path = cold_[i];
        bind(path.from);
        path.run(*this, path.captures);
        if (path.returns) {
            jmp_back(path.back);
        }
    }
    for (const Stub& stub : stubs_) {
        emit_link_stub(stub);
    }
}

// It tells the runtime which link it is by its own address.
void Emitter::emit_link_stub(const Stub& stub) {
    const u32 at = c.position();
    write32(c.at(stub.displacement), at - (stub.displacement + 4));
    raw::call_state(c, offsetof(ir::CpuState, thunks) + offsetof(ir::HostThunks, link));
    DCHECK(c.position() - at == kLinkStubBytes);
    out_->links.push_back({stub.displacement, at, stub.target});
}

// --- constants

V128 Emitter::vconst_value(ValueId v) const {
    const Inst& inst = insts_[rep(v)];
    return {inst.imm & ones(std::min(64u, inst.shape().bytes() * 8)),
            inst.shape().bytes() == 16 ? inst.imm : 0};
}

// --- literals

Address Emitter::literal(V128 value) {
    unsigned index = 0;
    while (index < literals_.size() && !(literals_[index] == value)) {
        ++index;
    }
    if (index == literals_.size()) {
        literals_.push_back(value);
    }
    literal_uses_.push_back({c.position(), index});
    return Address(128, false,
                   c.rip + static_cast<const void*>(c.at(0) + kLiteralDistance + index * 16));
}

void Emitter::place_literals(CompiledBlock& out) {
    const u32 code_bytes = c.position();
    const u32 pool = literals_.empty() ? code_bytes : (code_bytes + 15) & ~15u;
    for (const LiteralUse& use : literal_uses_) {
        bool found = false;
        for (u32 at = use.start + 2; at < use.start + 80 && !found;
             ++at) { // spills may come between
            const u32 displacement = read32(c.at(at));
            // The displacement counts from the instruction's end, 0 to 4 immediate bytes later.
            const u32 immediate_bytes =
                kLiteralDistance + use.literal * 16 - (at + 4) - displacement;
            if (immediate_bytes <= 4) {
                write32(c.at(at), displacement - kLiteralDistance + pool);
                found = true;
            }
        }
        CHECK(found);
    }
    out.code.resize(pool + literals_.size() * 16);
    std::memcpy(out.code.data(), c.at(0), code_bytes);
    if (pool > code_bytes) {
        std::memset(out.code.data() + code_bytes, 0xcc, pool - code_bytes);
    }
    if (!literals_.empty()) {
        std::memcpy(out.code.data() + pool, literals_.data(), literals_.size() * 16);
    }
}

// --- faults and jumps

void Emitter::fault_site() { fault_site(insts_[index_].guest_index); }
void Emitter::fault_site(u16 guest_index) {
    CHECK(borrowed_.empty()); // a fault takes pinned registers for what the guest has in them
    out_->faults.push_back({c.position(), guest_index});
}

Jump Emitter::jcc(Cc cc) {
    raw::Writer(c).byte(0x0f).byte(0x80 | static_cast<unsigned>(cc)).dword(0);
    return {c.position()};
}
Jump Emitter::jmp() {
    raw::Writer(c).byte(0xe9).dword(0);
    return {c.position()};
}
Jump Emitter::jcc_short(Cc cc) {
    c.db(0x70 | static_cast<int>(cc)), c.db(0);
    return {c.position()};
}
void Emitter::bind_short(Jump jump) {
    const u32 distance = c.position() - jump.end;
    CHECK(distance < 128);
    *c.at(jump.end - 1) = static_cast<u8>(distance);
}
void Emitter::bind(Jump jump) { bind(jump, here()); }
void Emitter::bind(Jump jump, Position target) {
    write32(c.at(jump.end - 4), target.at - jump.end);
}
void Emitter::jcc_back(Cc cc, Position target) { bind(jcc(cc), target); }
void Emitter::jmp_back(Position target) { bind(jmp(), target); }

} // namespace ulna::backend::x64
