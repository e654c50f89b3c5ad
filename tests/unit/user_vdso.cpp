#include <cstring>
#include <string>

#include <elf.h>

#include "runtime/user/vdso.h"
#include "tests/support/catch.h"

using namespace ulna;
using namespace ulna::user;

namespace {

// Looks a symbol up as a dynamic linker does: hash chain, name, version.
u64 lookup(const u8* image, const std::string& wanted, const std::string& version) {
    Elf64_Ehdr header;
    std::memcpy(&header, image, sizeof(header));
    const auto* const segments = reinterpret_cast<const Elf64_Phdr*>(image + header.e_phoff);
    u64 table[64] = {};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        if (segments[i].p_type == PT_DYNAMIC) {
            for (const auto* d = reinterpret_cast<const Elf64_Dyn*>(image + segments[i].p_vaddr);
                 d->d_tag != DT_NULL; ++d) {
                if (d->d_tag < 64) {
                    table[d->d_tag] = d->d_un.d_val;
                } else if (d->d_tag == DT_VERSYM) {
                    table[40] = d->d_un.d_val;
                } else if (d->d_tag == DT_VERDEF) {
                    table[41] = d->d_un.d_val;
                }
            }
        }
    }
    const auto* const hash = reinterpret_cast<const u32*>(image + table[DT_HASH]);
    const auto* const symbols = reinterpret_cast<const Elf64_Sym*>(image + table[DT_SYMTAB]);
    const auto* const names = reinterpret_cast<const char*>(image + table[DT_STRTAB]);
    const auto* const versions = reinterpret_cast<const u16*>(image + table[40]);
    u16 wanted_version = 0;
    for (const u8* at = image + table[41];;) {
        const auto* const definition = reinterpret_cast<const Elf64_Verdef*>(at);
        const auto* const name = reinterpret_cast<const Elf64_Verdaux*>(at + definition->vd_aux);
        if (names + name->vda_name == version) {
            wanted_version = definition->vd_ndx;
        }
        if (definition->vd_next == 0) {
            break;
        }
        at += definition->vd_next;
    }
    for (u32 i = hash[2]; i != 0; i = hash[2 + hash[0] + i]) { // one bucket
        if (names + symbols[i].st_name == wanted && versions[i] == wanted_version &&
            symbols[i].st_shndx != SHN_UNDEF) {
            return symbols[i].st_value;
        }
    }
    return 0;
}

} // namespace

TEST_CASE("the vDSO is an ELF image with the kernel's arm64 symbols", "[user][vdso]") {
    const auto image = vdso_image();
    REQUIRE(image.size() <= 4096);
    Elf64_Ehdr header;
    std::memcpy(&header, image.data(), sizeof(header));
    CHECK(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0);
    CHECK(header.e_machine == EM_AARCH64);
    struct Expected {
        const char* name;
        u32 number;
    };
    for (const auto& [name, number] :
         {Expected{"__kernel_clock_gettime", 113}, Expected{"__kernel_gettimeofday", 169},
          Expected{"__kernel_clock_getres", 114}, Expected{"__kernel_rt_sigreturn", 139}}) {
        INFO(name);
        const u64 at = lookup(image.data(), name, "LINUX_2.6.39");
        REQUIRE(at != 0);
        u32 words[2];
        std::memcpy(words, image.data() + at, sizeof(words));
        CHECK(words[0] == (0xd2800008u | number << 5)); // mov x8, #number
        CHECK(words[1] == 0xd4000001u);                 // svc #0
    }
    CHECK(lookup(image.data(), "__kernel_rt_sigreturn", "LINUX_2.6.39") == vdso_sigreturn_offset());
    CHECK(lookup(image.data(), "__kernel_clock_gettime", "LINUX_9") == 0);
}
