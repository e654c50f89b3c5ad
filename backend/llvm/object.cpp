#include "backend/llvm/object.h"

#include <algorithm>

#include "backend/llvm/cold_stub.h"
#include "backend/llvm/page_guard.h"
#include "backend/llvm/stack_map.h"
#include "ir/support/bits.h"
#include "ir/support/check.h"

namespace ulna::backend::tier2 {

namespace {

using llvm::object::ELFObjectFileBase;
using llvm::object::RelocationRef;
using llvm::object::SectionRef;
using llvm::object::SymbolRef;

// DWARF's numbers of the general registers.
constexpr HostReg kDwarfGpr[] = {HostReg::RAX, HostReg::RDX, HostReg::RCX, HostReg::RBX,
                                 HostReg::RSI, HostReg::RDI, HostReg::RBP, HostReg::RSP,
                                 HostReg::R8,  HostReg::R9,  HostReg::R10, HostReg::R11,
                                 HostReg::R12, HostReg::R13, HostReg::R14, HostReg::R15};
constexpr unsigned kDwarfXmm0 = 17;

struct PlacedSection {
    SectionRef section;
    u32 offset;
};

class Placer final : public EntryOffsets {
  public:
    Placer(const RegionModule& module, CompiledRegion& out, std::string& why)
        : module_{module}, out_{out}, why_{why} {}

    bool run(const ELFObjectFileBase& object) {
        return lay_out(object) && find_entries(object) && append_exits() && relocate(object) &&
               fill_in_host_ops(object) && add_cold_stubs() && add_faults();
    }

    [[nodiscard]] std::optional<u32> find(GuestAddr pc) const override {
        for (const RegionEntry& entry : out_.entries) {
            if (entry.pc == pc) {
                return entry.code_offset;
            }
        }
        return {};
    }

  private:
    bool fail(const std::string& why) {
        why_ = why;
        return false;
    }
    static llvm::StringRef name_of(const SectionRef& section) {
        return llvm::cantFail(section.getName());
    }
    static bool is_stack_map(const SectionRef& section) {
        return name_of(section) == ".llvm_stackmaps";
    }

    void append(llvm::StringRef bytes, u64 alignment) {
        out_.code.code.resize(align_up(out_.code.code.size(), alignment));
        out_.code.code.insert(out_.code.code.end(), bytes.begin(), bytes.end());
    }

    // Code first, so that the entry is at the start.
    bool lay_out(const ELFObjectFileBase& object) {
        constexpr u64 kMaxAlignment = 16; // of the place in the code cache
        for (const bool code : {true, false}) {
            for (const SectionRef& section : object.sections()) {
                const llvm::object::ELFSectionRef elf(section);
                if (!(elf.getFlags() & llvm::ELF::SHF_ALLOC) || section.isText() != code ||
                    is_stack_map(section) || section.getSize() == 0 ||
                    name_of(section) == ".eh_frame") {
                    continue;
                }
                if (section.getAlignment().value() > kMaxAlignment || section.isBSS() ||
                    (elf.getFlags() & llvm::ELF::SHF_WRITE)) {
                    return fail("section " + name_of(section).str());
                }
                const u64 alignment = section.getAlignment().value();
                const auto offset = static_cast<u32>(align_up(out_.code.code.size(), alignment));
                append(llvm::cantFail(section.getContents()), alignment);
                sections_.push_back({section, offset});
            }
        }
        return true;
    }

    [[nodiscard]] const PlacedSection* placed(const SectionRef& section) const {
        const auto found = std::find_if(sections_.begin(), sections_.end(),
                                        [&](const auto& s) { return s.section == section; });
        return found == sections_.end() ? nullptr : &*found;
    }

    // Offset in the code of a defined symbol.
    [[nodiscard]] std::optional<u32> offset_of(const ELFObjectFileBase& object,
                                               const SymbolRef& symbol) const {
        const auto section = llvm::cantFail(symbol.getSection());
        if (section == object.section_end()) {
            return {};
        }
        const PlacedSection* const at = placed(*section);
        if (at == nullptr) {
            return {};
        }
        return at->offset + static_cast<u32>(llvm::cantFail(symbol.getValue()));
    }

    bool find_entries(const ELFObjectFileBase& object) {
        out_.entries.resize(module_.functions.size());
        for (const SymbolRef& symbol : object.symbols()) {
            llvm::StringRef name = llvm::cantFail(symbol.getName());
            unsigned number = 0;
            if (!name.consume_front("entry_") || name.getAsInteger(10, number)) {
                continue;
            }
            const auto offset = offset_of(object, symbol);
            if (!offset || number >= out_.entries.size()) {
                return fail("entry symbol");
            }
            const int node = module_.graph.entries()[number];
            CHECK(module_.graph.inlined_call(node) == nullptr);
            out_.entries[number] = {module_.graph.block(node).key.pc, *offset};
        }
        return out_.entries[0].code_offset == 0 ? true : fail("the entry is not first");
    }

    bool append_exits() {
        out_.code.hot_bytes = static_cast<u32>(out_.code.code.size());
        emit_exits(module_.exits, *this, out_.code, exit_offsets_);
        if (!module_.other_pages.empty()) {
            connect_page_guards(module_.other_pages.size(), kStackProbeBytes,
                                exit_offsets_[module_.page_guard_exit], out_.code.code);
        }
        return true;
    }

    // What a relocation's symbol stands for, as an offset in the code.
    [[nodiscard]] std::optional<u32> target_of(const ELFObjectFileBase& object,
                                               const SymbolRef& symbol) const {
        if (const auto offset = offset_of(object, symbol)) {
            return offset;
        }
        llvm::StringRef name = llvm::cantFail(symbol.getName());
        unsigned number = 0;
        if (name.consume_front("exit_") && !name.getAsInteger(10, number) &&
            number < exit_offsets_.size()) {
            return exit_offsets_[number];
        }
        return {};
    }

    // Whether it is an exit that a jump to can be instead.
    [[nodiscard]] bool is_return(const SymbolRef& symbol) const {
        llvm::StringRef name = llvm::cantFail(symbol.getName());
        unsigned number = 0;
        return name.consume_front("exit_") && !name.getAsInteger(10, number) &&
               module_.exits[number].kind == ExitStub::Kind::Return;
    }

    bool relocate(const ELFObjectFileBase& object) {
        constexpr u8 kJump = 0xe9, kReturn = 0xc3, kTrap = 0xcc;
        for (const SectionRef& relocations : object.sections()) {
            const auto target = llvm::cantFail(relocations.getRelocatedSection());
            if (target == object.section_end() || placed(*target) == nullptr) {
                continue;
            }
            const u32 base = placed(*target)->offset;
            for (const RelocationRef& relocation : relocations.relocations()) {
                const u64 type = relocation.getType();
                if (type != llvm::ELF::R_X86_64_PC32 && type != llvm::ELF::R_X86_64_PLT32) {
                    return fail("relocation " + std::to_string(type));
                }
                const auto symbol = target_of(object, *relocation.getSymbol());
                if (!symbol) {
                    return fail("symbol " +
                                llvm::cantFail(relocation.getSymbol()->getName()).str());
                }
                const i64 addend =
                    llvm::cantFail(llvm::object::ELFRelocationRef(relocation).getAddend());
                const u32 at = base + static_cast<u32>(relocation.getOffset());
                const u32 value = *symbol + static_cast<u32>(addend) - at;
                u8* const bytes = out_.code.code.data() + at;
                std::memcpy(bytes, &value, sizeof value);
                if (is_return(*relocation.getSymbol()) && bytes[-1] == kJump) {
                    bytes[-1] = kReturn;
                    std::memset(bytes, kTrap, sizeof value);
                }
            }
        }
        return true;
    }

    // --- opaque host instructions

    struct Site { // sorted, because FaultSites ascend
        FaultSite fault;
        const StackMapRecord* record;
        const HostOp* op;
        bool rax_in_r11, four_pushed;
    };

    static constexpr unsigned kMaxOperands = 4; // with the result
    struct ColdSite {
        u32 displacement_at, back;
        std::array<u8, kMaxOperands> registers;
        u32 frame_bytes;
        const StackMapRecord* record;
        const HostOp* op;
    };

    bool fill_in_host_ops(const ELFObjectFileBase& object) {
        for (const SectionRef& section : object.sections()) {
            if (is_stack_map(section) && !fill_in(object, section)) {
                return false;
            }
        }
        return true;
    }

    bool fill_in(const ELFObjectFileBase& object, const SectionRef& section) {
        llvm::SmallVector<StackMapFunction, 4> functions;
        if (!read_stack_map(llvm::cantFail(section.getContents()), functions, records_)) {
            return fail("stack map");
        }
        llvm::SmallVector<u32, 4> starts(functions.size(), 0);
        for (const SectionRef& relocations : object.sections()) {
            if (llvm::cantFail(relocations.getRelocatedSection()) != section) {
                continue;
            }
            for (const RelocationRef& relocation : relocations.relocations()) {
                const auto symbol = target_of(object, *relocation.getSymbol());
                for (std::size_t f = 0; f < functions.size(); ++f) {
                    if (symbol && functions[f].address_offset == relocation.getOffset()) {
                        const i64 addend =
                            llvm::cantFail(llvm::object::ELFRelocationRef(relocation).getAddend());
                        starts[f] = *symbol + static_cast<u32>(addend);
                        out_.frame_bytes = std::max(out_.frame_bytes, frame_bytes(functions[f]));
                    }
                }
            }
        }
        for (const StackMapRecord& record : records_) {
            if (!fill_in(record, starts[record.function] + record.code_offset,
                         frame_bytes(functions[record.function]))) {
                return false;
            }
        }
        return true;
    }

    static std::optional<u8> host_register(const StackMapLocation& location) {
        const unsigned number = location.dwarf_register;
        if (number < std::size(kDwarfGpr)) {
            return static_cast<u8>(kDwarfGpr[number]);
        }
        if (number >= kDwarfXmm0 && number < kDwarfXmm0 + 16) {
            return static_cast<u8>(number - kDwarfXmm0);
        }
        return {};
    }

    // Refused later when it is large, or of unknown size (~0).
    static u32 frame_bytes(const StackMapFunction& function) {
        return static_cast<u32>(std::min<u64>(function.frame_bytes, kFrameRoom));
    }

    bool fill_in(const StackMapRecord& record, u32 at, u32 frame) {
        const u64 number = record.id & ~(kUsesR11 | kResultApart);
        if (number >= module_.host_ops.size()) {
            return fail("patchpoint number");
        }
        const HostOp& op = module_.host_ops[number];
        std::array<u8, kMaxOperands> registers{};
        const unsigned count = 1u + op.operand_count;
        if (record.locations.size() != count + op.live.size() || count > kMaxOperands) {
            return fail("number of operands");
        }
        for (unsigned i = 0; i < count; ++i) {
            const auto reg = host_register(record.locations[i]);
            if (record.locations[i].kind != StackMapLocation::Kind::Register || !reg) {
                return fail("operand that is in no register");
            }
            registers[i] = *reg;
        }
        const EncodedOp encoded = encode(op, registers[0], registers.data() + 1);
        std::memcpy(out_.code.code.data() + at, encoded.code, encoded.bytes);
        if (op.kind == HostOpKind::Eval) {
            link_params(op.params, at + encoded.params_displacement);
        }
        if (op.kind == HostOpKind::Poll || op.kind == HostOpKind::Look) {
            cold_.push_back({at + encoded.stub_displacement, at + encoded.bytes, registers, frame,
                             &record, &op});
        }
        for (unsigned i = 0; op.faults && i < encoded.fault_count; ++i) {
            sites_.push_back({{at + encoded.fault_offsets[i], op.guest_index},
                              &record,
                              &op,
                              encoded.rax_in_r11,
                              encoded.four_pushed});
        }
        return true;
    }

    void link_params(const ir::OpParams& params, u32 displacement_at) {
        const auto pool = static_cast<u32>(align_up(out_.code.code.size(), sizeof params));
        append({reinterpret_cast<const char*>(&params), sizeof params}, sizeof params);
        const u32 distance = pool - (displacement_at + 4);
        std::memcpy(out_.code.code.data() + displacement_at, &distance, sizeof distance);
    }

    bool add_cold_stubs() {
        for (const ColdSite& site : cold_) {
            std::vector<SlotLocation> locations;
            if (!add_locations({{}, site.record, site.op, false, false}, locations)) {
                return false;
            }
            const auto stub = static_cast<u32>(out_.code.code.size());
            const u32 distance = stub - (site.displacement_at + 4);
            std::memcpy(out_.code.code.data() + site.displacement_at, &distance, sizeof distance);
            emit_cold_stub({*site.op, site.registers.data(), locations, site.frame_bytes,
                            exit_offsets_[site.op->exit], site.back},
                           out_.code.code);
        }
        return true;
    }

    bool add_faults() {
        constexpr u32 kPushed = 64; // by a 16-byte exchange or a call of the runtime
        if (out_.frame_bytes + kPushed > kFrameRoom) {
            return fail("frame of " + std::to_string(out_.frame_bytes) + " bytes");
        }
        std::sort(sites_.begin(), sites_.end(), [](const Site& a, const Site& b) {
            return a.fault.code_offset < b.fault.code_offset;
        });
        for (const Site& site : sites_) {
            out_.code.faults.push_back(site.fault);
            if (!add_locations(site, out_.code.locations)) {
                return false;
            }
            out_.code.location_ends.push_back(static_cast<u32>(out_.code.locations.size()));
        }
        return true;
    }

    bool add_locations(const Site& site, std::vector<SlotLocation>& to) {
        const unsigned first = 1u + site.op->operand_count;
        for (std::size_t i = 0; i < site.op->live.size(); ++i) {
            if (!add_location(site, site.op->live[i], site.record->locations[first + i], to)) {
                return false;
            }
        }
        return true;
    }

    bool add_location(const Site& site,
                      ir::Slot slot,
                      const StackMapLocation& location,
                      std::vector<SlotLocation>& to) {
        using Kind = SlotLocation::Kind;
        SlotLocation at{slot, Kind::Gpr, 0, location.value};
        const auto reg = host_register(location);
        switch (location.kind) {
        case StackMapLocation::Kind::Register:
            if (!reg) {
                return fail("register of a slot");
            }
            at.reg = *reg;
            if (location.dwarf_register >= kDwarfXmm0) {
                at.kind = Kind::Vec;
            } else if (site.rax_in_r11 && *reg == static_cast<u8>(HostReg::RAX)) {
                at.reg = static_cast<u8>(HostReg::R11);
            } else if (site.four_pushed && *reg <= static_cast<u8>(HostReg::RBX)) {
                // Pushed in the order RAX RBX RCX RDX.
                constexpr i32 kPlace[] = {24, 8, 0, 16}; // by register number
                at = {slot, Kind::Memory, static_cast<u8>(HostReg::RSP), kPlace[*reg]};
            }
            break;
        case StackMapLocation::Kind::Direct: // the address of a variable
        case StackMapLocation::Kind::Indirect:
            if (!reg) {
                return fail("frame register");
            }
            at.kind = Kind::Memory;
            at.reg = *reg;
            if (site.four_pushed && *reg == static_cast<u8>(HostReg::RSP)) {
                at.value += 32;
            }
            break;
        case StackMapLocation::Kind::Constant:
            at.kind = Kind::Constant;
            break;
        default: // a large constant
            if (static_cast<i64>(location.large) != static_cast<i32>(location.large)) {
                return add_large_constant(slot, location.large, to);
            }
            at.kind = Kind::Constant;
            at.value = static_cast<i32>(location.large);
            break;
        }
        if (!is_home(at)) {
            to.push_back(at);
        }
        return true;
    }

    // Where the slot is between blocks.
    static bool is_home(const SlotLocation& at) {
        const bool general = at.kind == SlotLocation::Kind::Gpr;
        return (general && std::any_of(kPinnedGprs.begin(), kPinnedGprs.end(),
                                       [&](const PinnedGpr& pin) {
                                           return pin.slot == at.slot &&
                                                  static_cast<u8>(pin.reg) == at.reg;
                                       })) ||
               (at.kind == SlotLocation::Kind::Vec && at.reg < kPinnedVecs.size() &&
                kPinnedVecs[at.reg] == at.slot);
    }

    // Two halves, the upper one first: a location writes the whole cell.
    static bool add_large_constant(ir::Slot slot, u64 value, std::vector<SlotLocation>& to) {
        to.push_back({slot, SlotLocation::Kind::Constant, 0, static_cast<i32>(value >> 32)});
        to.push_back({slot, SlotLocation::Kind::LowWord, 0, static_cast<i32>(value)});
        return true;
    }

    const RegionModule& module_;
    CompiledRegion& out_;
    std::string& why_;
    std::vector<PlacedSection> sections_;
    std::vector<u32> exit_offsets_;
    llvm::SmallVector<StackMapRecord, 32> records_;
    std::vector<Site> sites_;
    std::vector<ColdSite> cold_;
};

} // namespace

bool place(const RegionModule& module,
           llvm::StringRef object,
           CompiledRegion& out,
           std::string& why) {
    auto file =
        llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "region"));
    if (!file) {
        llvm::consumeError(file.takeError());
        why = "object";
        return false;
    }
    return Placer(module, out, why).run(llvm::cast<ELFObjectFileBase>(**file));
}

} // namespace ulna::backend::tier2
