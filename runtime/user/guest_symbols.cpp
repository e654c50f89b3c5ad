#include "runtime/user/guest_symbols.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
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

// The functions of a file, from .symtab and .dynsym.
class FunctionTable {
  public:
    struct Function {
        u64 begin, bytes; // in the file's own address space
        std::string name;
    };

    explicit FunctionTable(const std::string& path) : file_(path) {
        if (!file_.get(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) {
            header_ = {};
            return;
        }
        for (unsigned i = 0; i < header_.e_shnum; ++i) {
            Elf64_Shdr section;
            if (file_.get(header_.e_shoff + i * sizeof(section), section) &&
                (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_DYNSYM)) {
                add(section);
            }
        }
        std::ranges::stable_sort(functions_, {}, &Function::begin);
    }
    // Null: none. `offset` becomes that in the function.
    [[nodiscard]] const Function* find(u64 file_offset, u64& offset) const {
        const u64 address = address_in_file(file_, header_, file_offset);
        auto at = std::ranges::upper_bound(functions_, address, {}, &Function::begin);
        while (at != functions_.begin()) {
            --at;
            offset = address - at->begin;
            if (offset < at->bytes) {
                return &*at;
            }
            if (address - at->begin > kLongest) {
                break;
            }
        }
        return nullptr;
    }

  private:
    static constexpr u64 kLongest = 1 << 20; // no function around others is longer

    void add(const Elf64_Shdr& table) {
        Elf64_Shdr names;
        if (!file_.get(header_.e_shoff + table.sh_link * sizeof(Elf64_Shdr), names)) {
            return;
        }
        Elf64_Sym symbol;
        for (u64 at = 0; at + sizeof(symbol) <= table.sh_size; at += sizeof(symbol)) {
            if (!file_.get(table.sh_offset + at, symbol)) {
                return;
            }
            if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF) {
                functions_.push_back({symbol.st_value, std::max<u64>(symbol.st_size, 4),
                                      file_.text(names.sh_offset + symbol.st_name)});
            }
        }
    }

    MappedFile file_;
    Elf64_Ehdr header_{};
    std::vector<Function> functions_;
};

struct Mapping {
    u64 low = 0, high = 0, offset = 0;
    std::string file; // empty: none
};

template <class F> void for_each_mapping(const std::string& maps, F&& take) {
    for (std::size_t at = 0; at < maps.size();) {
        const std::size_t end = std::min(maps.find('\n', at), maps.size());
        const std::string line = maps.substr(at, end - at);
        at = end + 1;
        unsigned long long low, high, offset;
        int name = 0;
        if (std::sscanf(line.c_str(), "%llx-%llx %*s %llx %*s %*s %n", &low, &high, &offset,
                        &name) == 3) {
            take(Mapping{low, high, offset,
                         name > 0 ? line.substr(static_cast<std::size_t>(name)) : ""});
        }
    }
}

// What is mapped where, and the functions of the files, each read once.
class KnownFunctions {
  public:
    [[nodiscard]] std::string at(GuestAddr address) {
        const Mapping* mapping = find(address);
        if (mapping == nullptr) {
            mappings_.clear();
            for_each_mapping(host_maps(), [&](Mapping m) { mappings_.push_back(std::move(m)); });
            mapping = find(address);
        }
        if (mapping == nullptr || !mapping->file.starts_with('/')) {
            return "";
        }
        const auto table = tables_.try_emplace(mapping->file, mapping->file).first;
        u64 offset;
        const auto* function =
            table->second.find(mapping->offset + (address - mapping->low), offset);
        return function != nullptr ? function->name : place_in(*mapping, address);
    }

  private:
    // "libm.so.6+0x1234": of a function without a symbol.
    [[nodiscard]] static std::string place_in(const Mapping& mapping, GuestAddr address) {
        char offset[32];
        std::snprintf(offset, sizeof offset, "+0x%llx",
                      static_cast<unsigned long long>(mapping.offset + (address - mapping.low)));
        return mapping.file.substr(mapping.file.rfind('/') + 1) + offset;
    }
    [[nodiscard]] const Mapping* find(GuestAddr address) const {
        const auto after = std::ranges::upper_bound(mappings_, address, {}, &Mapping::low);
        return after != mappings_.begin() && address < after[-1].high ? &after[-1] : nullptr;
    }
    // As the kernel has it, without the locks that the guest's view takes.
    [[nodiscard]] static std::string host_maps() {
        std::ifstream file("/proc/self/maps");
        return {std::istreambuf_iterator<char>(file), {}};
    }

    std::vector<Mapping> mappings_;
    std::map<std::string, FunctionTable> tables_;
};

} // namespace

GuestSymbol find_guest_symbol(GuestAddr address) {
    GuestSymbol found;
    for_each_mapping(guest_mappings(), [&](const Mapping& mapping) {
        if (address < mapping.low || address >= mapping.high) {
            return;
        }
        found.file = mapping.file;
        found.file_offset = mapping.offset + (address - mapping.low);
        if (found.file.starts_with('/')) {
            const FunctionTable table(found.file);
            if (const auto* function = table.find(found.file_offset, found.offset)) {
                found.name = function->name;
            }
        }
    });
    return found;
}

std::string guest_function_at(GuestAddr address) {
    static KnownFunctions known;
    return known.at(address);
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
