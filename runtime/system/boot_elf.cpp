// ELF files as kernels: segments at their physical addresses.
#include <gelf.h>

#include <algorithm>
#include <memory>

#include "ir/support/bits.h"
#include "runtime/system/boot_image.h"

namespace ulna::system {

namespace {

constexpr u64 kPage = 4096;

class ElfReader {
  public:
    ElfReader(const std::vector<u8>& file, devices::virt::Range ram, std::string& why_not)
        : file_(file), ram_(ram), why_not_(why_not) {}

    std::optional<KernelImage> run() {
        elf_version(EV_CURRENT);
        const std::unique_ptr<Elf, int (*)(Elf*)> elf(
            elf_memory(reinterpret_cast<char*>(const_cast<u8*>(file_.data())), file_.size()),
            elf_end);
        GElf_Ehdr header;
        std::size_t count = 0;
        if (elf == nullptr || elf_kind(elf.get()) != ELF_K_ELF ||
            gelf_getehdr(elf.get(), &header) == nullptr || elf_getphdrnum(elf.get(), &count) != 0) {
            return refuse("a damaged ELF file");
        }
        if (header.e_machine != EM_AARCH64 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
            header.e_ident[EI_DATA] != ELFDATA2LSB) {
            return refuse("an ELF file for another machine than little-endian AArch64");
        }
        image_.kind = KernelImage::Kind::Elf;
        image_.entry = header.e_entry;
        image_.low = ~u64{0};
        for (std::size_t i = 0; i < count; ++i) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf.get(), static_cast<int>(i), &segment) == nullptr) {
                return refuse("a damaged ELF file");
            }
            if (segment.p_type == PT_LOAD && segment.p_memsz != 0 &&
                !add(segment, header.e_entry)) {
                return std::nullopt;
            }
        }
        if (image_.segments.empty()) {
            return refuse("an ELF file with nothing to load");
        }
        image_.low = align_down(image_.low, kPage);
        image_.end = align_up(image_.end, kPage);
        return image_;
    }

  private:
    std::optional<KernelImage> refuse(const char* why) {
        why_not_ = why;
        return std::nullopt;
    }

    bool add(const GElf_Phdr& segment, u64 entry) {
        if (segment.p_offset > file_.size() || segment.p_filesz > file_.size() - segment.p_offset ||
            segment.p_filesz > segment.p_memsz) {
            why_not_ = "an ELF file that is cut short";
            return false;
        }
        if (!fits(segment.p_paddr, segment.p_memsz, ram_, why_not_)) {
            return false;
        }
        // RAM starts as zeros, so that what the file lacks need not be written.
        const u8* const first = file_.data() + segment.p_offset;
        image_.segments.push_back({segment.p_paddr, {first, first + segment.p_filesz}});
        image_.low = std::min<u64>(image_.low, segment.p_paddr);
        image_.end = std::max<u64>(image_.end, segment.p_paddr + segment.p_memsz);
        // The entry of a kernel linked for virtual addresses is one of them; the MMU is off.
        if (entry - segment.p_vaddr < segment.p_memsz) {
            image_.entry = entry - segment.p_vaddr + segment.p_paddr;
        }
        return true;
    }

    const std::vector<u8>& file_;
    const devices::virt::Range ram_;
    std::string& why_not_;
    KernelImage image_;
};

} // namespace

bool is_elf(const std::vector<u8>& file) {
    return file.size() >= SELFMAG && std::equal(file.begin(), file.begin() + SELFMAG, ELFMAG);
}

std::optional<KernelImage>
parse_elf_kernel(const std::vector<u8>& file, devices::virt::Range ram, std::string& why_not) {
    return ElfReader(file, ram, why_not).run();
}

} // namespace ulna::system
