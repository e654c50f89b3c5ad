#include "runtime/user/guest_symbols.h"

#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/user/proc_files.h"

namespace ulna::user {

namespace {

// A file in memory, read only inside its bounds.
class MappedFile {
  public:
    explicit MappedFile(const std::string& path) {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat info;
        if (fd >= 0 && ::fstat(fd, &info) == 0 && info.st_size > 0) {
            void* const at = ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ,
                                    MAP_PRIVATE, fd, 0);
            if (at != MAP_FAILED) {
                bytes_ = {static_cast<const char*>(at), static_cast<std::size_t>(info.st_size)};
            }
        }
        if (fd >= 0) {
            ::close(fd);
        }
    }
    ~MappedFile() {
        if (!bytes_.empty()) {
            ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
        }
    }
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    template <class T> [[nodiscard]] bool get(u64 offset, T& value) const {
        if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset) {
            return false;
        }
        std::memcpy(&value, bytes_.data() + offset, sizeof(T));
        return true;
    }
    [[nodiscard]] std::string text(u64 offset) const {
        const u64 room = offset < bytes_.size() ? bytes_.size() - offset : 0;
        return std::string(bytes_.data() + (room != 0 ? offset : 0),
                           ::strnlen(bytes_.data() + (room != 0 ? offset : 0), room));
    }

  private:
    std::span<const char> bytes_;
};

// File offset to the file's own virtual address.
u64 address_in_file(const MappedFile& file, const Elf64_Ehdr& header, u64 offset) {
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        if (file.get(header.e_phoff + i * sizeof(segment), segment) && segment.p_type == PT_LOAD &&
            offset >= segment.p_offset && offset - segment.p_offset < segment.p_filesz) {
            return offset - segment.p_offset + segment.p_vaddr;
        }
    }
    return offset;
}

// The closest function that starts at or before the address, from .symtab or .dynsym.
void search_table(const MappedFile& file,
                  const Elf64_Ehdr& header,
                  const Elf64_Shdr& table,
                  u64 address,
                  u64& best,
                  GuestSymbol& found) {
    Elf64_Shdr names;
    if (!file.get(header.e_shoff + table.sh_link * sizeof(Elf64_Shdr), names)) {
        return;
    }
    Elf64_Sym symbol;
    for (u64 at = 0; at + sizeof(symbol) <= table.sh_size; at += sizeof(symbol)) {
        if (!file.get(table.sh_offset + at, symbol)) {
            return;
        }
        const bool function =
            ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF;
        if (function && symbol.st_value <= address && symbol.st_value >= best &&
            address - symbol.st_value < std::max<u64>(symbol.st_size, 4)) {
            best = symbol.st_value;
            found.name = file.text(names.sh_offset + symbol.st_name);
            found.offset = address - symbol.st_value;
        }
    }
}

void search_file(const std::string& path, GuestSymbol& found) {
    const MappedFile file(path);
    Elf64_Ehdr header;
    if (!file.get(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return;
    }
    const u64 address = address_in_file(file, header, found.file_offset);
    u64 best = 0;
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        Elf64_Shdr section;
        if (file.get(header.e_shoff + i * sizeof(section), section) &&
            (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM)) {
            search_table(file, header, section, address, best, found);
        }
    }
}

} // namespace

GuestSymbol find_guest_symbol(GuestAddr address) {
    GuestSymbol found;
    const std::string maps = guest_mappings();
    for (std::size_t at = 0; at < maps.size();) {
        const std::size_t end = std::min(maps.find('\n', at), maps.size());
        const std::string line = maps.substr(at, end - at);
        at = end + 1;
        unsigned long long low, high, offset;
        int name = 0;
        if (std::sscanf(line.c_str(), "%llx-%llx %*s %llx %*s %*s %n", &low, &high, &offset,
                        &name) == 3 &&
            address >= low && address < high) {
            found.file = name > 0 ? line.substr(static_cast<std::size_t>(name)) : "";
            found.file_offset = offset + (address - low);
            if (found.file.starts_with('/')) {
                search_file(found.file, found);
            }
            break;
        }
    }
    return found;
}

std::string describe_guest_address(GuestAddr address) {
    const GuestSymbol symbol = find_guest_symbol(address);
    char number[32];
    const auto hex = [&number](u64 value) {
        std::snprintf(number, sizeof(number), "0x%llx", static_cast<unsigned long long>(value));
        return std::string(number);
    };
    std::string text;
    if (!symbol.name.empty()) {
        text = symbol.name + "+" + hex(symbol.offset);
    }
    if (!symbol.file.empty()) {
        text += (text.empty() ? "(" : " (") + symbol.file + "+" + hex(symbol.file_offset) + ")";
    }
    return text;
}

} // namespace ulna::user
