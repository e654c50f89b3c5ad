#include "runtime/debug/register_histogram.h"

#include <cstdio>

namespace ulna::runtime::debug {

u64* RegisterHistogram::add(const ir::Block& block) {
    Record& record = blocks_.emplace_back();
    for (const ir::Inst& inst : block.insts) {
        if (inst.dead) {
            continue;
        }
        if (inst.op == ir::Opcode::Get) {
            ++record.reads[inst.imm];
        } else if (inst.op == ir::Opcode::Set) {
            ++record.writes[inst.imm];
        }
    }
    return &record.entries;
}

std::string RegisterHistogram::text() const {
    u64 reads[ir::kSlotCount] = {}, writes[ir::kSlotCount] = {};
    u64 all[3] = {}; // by SlotGroup
    const auto group = [](unsigned slot) {
        return static_cast<unsigned>(ir::kSlotInfo[slot].group);
    };
    for (const Record& block : blocks_) {
        for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
            reads[slot] += block.entries * block.reads[slot];
            writes[slot] += block.entries * block.writes[slot];
            all[group(slot)] += block.entries * (block.reads[slot] + block.writes[slot]);
        }
    }
    std::string out;
    for (unsigned slot = 0; slot < ir::kSlotCount; ++slot) {
        if (reads[slot] + writes[slot] == 0) {
            continue;
        }
        char line[96];
        std::snprintf(line, sizeof line, "%-12s %14llu reads %14llu writes %7.3f %%\n",
                      ir::slot_name(static_cast<ir::Slot>(slot)),
                      static_cast<unsigned long long>(reads[slot]),
                      static_cast<unsigned long long>(writes[slot]),
                      100.0 * static_cast<double>(reads[slot] + writes[slot]) /
                          static_cast<double>(all[group(slot)]));
        out += line;
    }
    return out;
}

} // namespace ulna::runtime::debug
