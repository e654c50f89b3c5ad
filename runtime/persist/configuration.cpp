#include "runtime/persist/configuration.h"

#include <cstring>
#include <span>

#include <elf.h>
#include <link.h>

#include "runtime/persist/checksum.h"

// This very program's ELF header, in memory: the linker's.
extern "C" const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

namespace ulna::runtime {

namespace {

constexpr u64 kFormat = 3; // of records: change it with their meaning

std::span<const u8> find_build_id(const u8* notes, u64 bytes) {
    constexpr auto padded = [](u64 n) { return (n + 3) / 4 * 4; };
    for (u64 at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
        ElfW(Nhdr) note;
        std::memcpy(&note, notes + at, sizeof note);
        const u8* const name = notes + at + sizeof note;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            std::memcmp(name, "GNU", 4) == 0) {
            return {name + 4, note.n_descsz};
        }
        at += sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    }
    return {};
}

std::span<const u8> own_build_id() {
    const auto* const image = reinterpret_cast<const u8*>(&__ehdr_start);
    const auto* const headers = reinterpret_cast<const ElfW(Phdr)*>(image + __ehdr_start.e_phoff);
    const std::span all{headers, __ehdr_start.e_phnum};
    for (const ElfW(Phdr) & header : all) { // the notes lie in the first segment, with the headers
        const u8* const notes = image + header.p_offset;
        if (header.p_type == PT_NOTE) {
            if (const auto id = find_build_id(notes, header.p_filesz); !id.empty()) {
                return id;
            }
        }
    }
    return {};
}

void add(FieldHash& hash, const frontend::CpuModel& cpu) {
    hash.add(cpu.features.bits()).add(cpu.midr_el1).add(cpu.ctr_el0).add(cpu.dczid_el0);
    hash.add(cpu.id_aa64pfr0_el1).add(cpu.id_aa64pfr1_el1);
    hash.add(cpu.id_aa64isar0_el1).add(cpu.id_aa64isar1_el1).add(cpu.id_aa64isar2_el1);
    hash.add(cpu.id_aa64mmfr0_el1).add(cpu.id_aa64mmfr1_el1).add(cpu.id_aa64mmfr2_el1);
    hash.add(cpu.id_aa64zfr0_el1).add(cpu.id_aa64dfr0_el1);
}

} // namespace

std::optional<u64> build_identity() {
    const std::span<const u8> build_id = own_build_id();
    return build_id.empty() ? std::nullopt : std::optional{FieldHash{}.add(build_id).value()};
}

std::optional<u64> translation_configuration(const EngineConfig& config) {
    const std::span<const u8> build_id = own_build_id();
    if (build_id.empty() || config.compile.entry_counter != nullptr ||
        config.kind != EngineKind::Jit) {
        return std::nullopt;
    }
    FieldHash hash;
    hash.add(kFormat).add(build_id).add(backend::host_features());
    add(hash, *config.translate.cpu);
    hash.add(config.translate.system);
    hash.add(config.translate.max_instructions)
        .add(config.translate.max_side_exits)
        .add(config.translate.follow_branches);
    hash.add(config.passes).add(config.compile.spill_everything);
    hash.add(config.compile.baseline_host).add(config.compile.call_return_pairing);
    return hash.value();
}

} // namespace ulna::runtime
