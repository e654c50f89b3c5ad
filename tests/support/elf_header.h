// The header of an Arm program that a test makes.
#pragma once

#include <cstring>
#include <elf.h>

#include "ir/support/types.h"

namespace ulna::test {

// Of a program whose segments follow at once.
[[nodiscard]] inline Elf64_Ehdr arm_program_header(GuestAddr entry, unsigned segments) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_AARCH64;
    header.e_version = EV_CURRENT;
    header.e_entry = entry;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = static_cast<Elf64_Half>(segments);
    return header;
}

} // namespace ulna::test
