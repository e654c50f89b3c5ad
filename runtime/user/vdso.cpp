#include "runtime/user/vdso.h"

#include <array>
#include <cstring>
#include <ctime>
#include <string_view>

#include <elf.h>
#include <sys/mman.h>

#include "ir/support/check.h"
#include "runtime/user/address_space.h"
#include "runtime/user/guest_memory.h"
#include "runtime/user/guest_thread.h"

namespace ulna::user {

namespace {

// Each function makes the system call of the same name. (svc_only: the signal trampoline, which
// does not return, and whose two words are how unwinders and debuggers recognise a signal frame.)
struct Function {
    const char* name;
    u16 syscall_number;
    bool returns;
    bool takes_clock;
};
constexpr Function kFunctions[] = {
    {"__kernel_rt_sigreturn", 139, false, false},
    {"__kernel_gettimeofday", 169, true, false},
    {"__kernel_clock_gettime", 113, true, true},
    {"__kernel_clock_getres", 114, true, true},
};
constexpr unsigned kFunctionCount = std::size(kFunctions);
constexpr unsigned kSymbolCount = kFunctionCount + 2; // the null symbol and the version's own
constexpr const char* kVersion = "LINUX_2.6.39";
constexpr const char* kSoname = "linux-vdso.so.1";

constexpr u32 kSvc = 0xd400'0001;
constexpr u32 kRet = 0xd65f'03c0;
constexpr u32 kNop = 0xd503'201f;
constexpr u32 mov_x8(u16 value) { return 0xd280'0008 | u32{value} << 5; }

// The System V hash that DT_HASH and version records use (gABI, "Hash Table").
u32 elf_hash(std::string_view name) {
    u32 hash = 0;
    for (const char c : name) {
        hash = (hash << 4) + static_cast<u8>(c);
        const u32 high = hash & 0xf000'0000;
        hash = (hash ^ high >> 24) & ~high;
    }
    return hash;
}

struct VersionDefinition {
    Elf64_Verdef definition;
    Elf64_Verdaux name;
};
constexpr u16 kBaseVersion = 1; // the object itself
constexpr u16 kOwnVersion = 2;  // LINUX_2.6.39

struct Image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Dyn dynamic[10];
    u32 hash[2 + 1 + kSymbolCount]; // one bucket: the table is tiny
    Elf64_Sym symbols[kSymbolCount];
    VersionDefinition versions[2];
    u16 symbol_versions[kSymbolCount];
    char names[256];
    alignas(16) u32 code[kFunctionCount][4];
};
static_assert(sizeof(Image) <= kPageBytes);

class Names {
  public:
    explicit Names(char (&to)[256]) : to_(to) {}
    u32 add(std::string_view name) {
        CHECK(used_ + name.size() + 1 <= sizeof(to_));
        const u32 at = used_;
        std::memcpy(to_ + at, name.data(), name.size());
        used_ += static_cast<u32>(name.size()) + 1;
        return at;
    }
    [[nodiscard]] u32 used() const { return used_; }

  private:
    char (&to_)[256];
    u32 used_ = 1; // the empty name
};

void write_header(Image& image) {
    Elf64_Ehdr& header = image.header;
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_AARCH64;
    header.e_version = EV_CURRENT;
    header.e_phoff = offsetof(Image, segments);
    header.e_ehsize = sizeof(Elf64_Ehdr);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = std::size(image.segments);
    header.e_shentsize = sizeof(Elf64_Shdr);
    image.segments[0] = {PT_LOAD, PF_R | PF_X, 0, 0, 0, sizeof(Image), sizeof(Image), kPageBytes};
    constexpr u64 dynamic = offsetof(Image, dynamic);
    image.segments[1] = {
        PT_DYNAMIC, PF_R, dynamic, dynamic, dynamic, sizeof(image.dynamic), sizeof(image.dynamic),
        8};
}

void write_symbols(Image& image, Names& names) {
    const u32 version_name = names.add(kVersion);
    image.symbols[1] = {version_name, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, SHN_ABS, 0, 0};
    image.symbol_versions[1] = kOwnVersion;
    for (unsigned i = 0; i < kFunctionCount; ++i) {
        const Function& function = kFunctions[i];
        u32* const code = image.code[i];
        code[0] = mov_x8(function.syscall_number);
        code[1] = kSvc;
        code[2] = function.returns ? kRet : kNop;
        code[3] = kNop;
        image.symbols[2 + i] = {names.add(function.name),
                                ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                                0,
                                1, // any defined section
                                offsetof(Image, code) + i * sizeof(image.code[0]),
                                function.returns ? 12u : 8u};
        image.symbol_versions[2 + i] = kOwnVersion;
    }
    // One bucket: a chain through every symbol, ended by STN_UNDEF.
    image.hash[0] = 1;
    image.hash[1] = kSymbolCount;
    image.hash[2] = 1;
    for (u32 i = 1; i < kSymbolCount; ++i) {
        image.hash[3 + i] = i + 1 < kSymbolCount ? i + 1 : 0;
    }
    const auto define = [](u16 index, u16 flags, const char* name, u32 offset, u32 next) {
        VersionDefinition version{};
        version.definition.vd_version = VER_DEF_CURRENT;
        version.definition.vd_flags = flags;
        version.definition.vd_ndx = index;
        version.definition.vd_cnt = 1;
        version.definition.vd_hash = elf_hash(name);
        version.definition.vd_aux = sizeof(Elf64_Verdef);
        version.definition.vd_next = next;
        version.name.vda_name = offset;
        return version;
    };
    const u32 soname = names.add(kSoname);
    image.versions[0] =
        define(kBaseVersion, VER_FLG_BASE, kSoname, soname, sizeof(VersionDefinition));
    image.versions[1] = define(kOwnVersion, 0, kVersion, version_name, 0);
    const Elf64_Dyn dynamic[] = {
        {DT_SONAME, {soname}},
        {DT_HASH, {offsetof(Image, hash)}},
        {DT_STRTAB, {offsetof(Image, names)}},
        {DT_SYMTAB, {offsetof(Image, symbols)}},
        {DT_STRSZ, {names.used()}},
        {DT_SYMENT, {sizeof(Elf64_Sym)}},
        {DT_VERDEF, {offsetof(Image, versions)}},
        {DT_VERDEFNUM, {std::size(image.versions)}},
        {DT_VERSYM, {offsetof(Image, symbol_versions)}},
        {DT_NULL, {0}},
    };
    static_assert(sizeof(dynamic) == sizeof(image.dynamic));
    std::memcpy(image.dynamic, dynamic, sizeof(dynamic));
}

const Image& image() {
    static const Image built = [] {
        Image image{};
        Names names(image.names);
        write_header(image);
        write_symbols(image, names);
        return image;
    }();
    return built;
}

} // namespace

std::span<const u8> vdso_image() { return {reinterpret_cast<const u8*>(&image()), sizeof(Image)}; }

u64 vdso_sigreturn_offset() { return offsetof(Image, code); }

bool is_vdso_clock(u64 pc, u64 argument) {
    constexpr u64 kClocks = 1 << CLOCK_REALTIME | 1 << CLOCK_MONOTONIC | 1 << CLOCK_MONOTONIC_RAW |
                            1 << CLOCK_REALTIME_COARSE | 1 << CLOCK_MONOTONIC_COARSE |
                            1 << CLOCK_BOOTTIME | 1 << CLOCK_TAI;
    const u64 offset = pc - process().vdso_base - offsetof(Image, code);
    if (offset >= sizeof(Image::code)) {
        return false;
    }
    const Function& function = kFunctions[offset / sizeof(Image::code[0])];
    const bool is_known = argument < 64 && (kClocks >> argument & 1) != 0;
    return function.returns && (!function.takes_clock || is_known);
}

bool map_vdso() {
    AddressSpace& space = *process().space;
    const i64 base =
        space.map(0, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base < 0) {
        return false;
    }
    const auto address = static_cast<GuestAddr>(base);
    const std::span<const u8> bytes = vdso_image();
    if (!copy_to_guest(address, bytes.data(), bytes.size()) ||
        space.protect(address, kPageBytes, PROT_READ | PROT_EXEC) < 0) {
        return false;
    }
    process().vdso_base = address;
    process().sigreturn_trampoline = address + vdso_sigreturn_offset();
    return true;
}

} // namespace ulna::user
