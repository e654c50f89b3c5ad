// ulna-dump: what becomes of guest code. Prints the guest instructions, the IR after lifting and
// after each pass that changed it, the host code, and size and time of each stage.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <gelf.h>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "backend/backend.h"
#include "frontend/frontend.h"
#include "ir/opt/pipeline.h"
#include "ir/printer.h"
#include "ir/verifier.h"
#include "runtime/debug/disassemble.h"
#ifdef ULNA_TIER2
#include "tools/dump_region.h"
#endif

namespace {

using namespace ulna;

constexpr const char* kUsage =
    "usage: ulna-dump [options] WORD...            instruction words, as d65f03c0 or 0xd65f03c0\n"
    "       ulna-dump [options] -b BYTE...         bytes in memory order, as c0 03 5f d6 or "
    "c0035fd6\n"
    "       ulna-dump [options] -f ELF -s SYMBOL   a function of an AArch64 ELF file\n"
    "       ulna-dump [options] -f ELF -l LIST     the blocks at the addresses that a file lists, "
    "one "
    "a line\n"
    "  -a ADDRESS   guest address of the code (default 0x10000)\n"
    "  -m FPCR      translate for this FPCR value\n"
    "  -q           final IR and host code only, not the IR after each pass\n"
    "  -t           sizes and times only\n"
#ifdef ULNA_TIER2
    "  --tier2      the region that begins at the address, through LLVM; with\n"
    "               --level 1..3 (of code generation), --plain (no optimisation)\n"
#endif
    "  --no-passes --spill-everything --mask-tags --no-pairing --no-follow\n";

struct Options {
    std::string elf, symbol, list;
    GuestAddr address = 0x10000;
    u64 fpcr = 0;
    bool as_bytes = false, quiet = false, totals_only = false;
    bool passes = true;
    backend::CompileOptions compile;
    frontend::TranslateOptions translate;
    std::vector<u8> code;
#ifdef ULNA_TIER2
    bool tier2 = false;
    backend::tier2::Options region;
#endif
    std::vector<GuestAddr> blocks; // those of the list; none: every block of the code
};

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "ulna-dump: %s\n", why.c_str());
    std::exit(1);
}

[[noreturn]] void usage() {
    std::fputs(kUsage, stderr);
    std::exit(2);
}

u64 number(const char* text, int base) {
    char* end = nullptr;
    const u64 value = std::strtoull(text, &end, base);
    if (end == text || *end != 0) {
        fail(std::string{"not a number: "} + text);
    }
    return value;
}

void add_word(Options& options, const char* text) {
    const u64 word = number(text, 16);
    if (word > 0xffff'ffff) {
        fail(std::string{"not an instruction word: "} + text);
    }
    for (unsigned i = 0; i < 4; ++i) {
        options.code.push_back(static_cast<u8>(word >> (8 * i)));
    }
}

void add_bytes(Options& options, const std::string& digits) {
    if (digits.size() % 2 != 0) {
        fail("odd number of digits: " + digits);
    }
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        options.code.push_back(static_cast<u8>(number(digits.substr(i, 2).c_str(), 16)));
    }
}

struct Switch {
    const char* name;
    void (*apply)(Options&);
};
constexpr Switch kSwitches[] = {
    {"-b", [](Options& o) { o.as_bytes = true; }},
    {"-q", [](Options& o) { o.quiet = true; }},
    {"-t", [](Options& o) { o.totals_only = true; }},
    {"--no-passes", [](Options& o) { o.passes = false; }},
    {"--spill-everything", [](Options& o) { o.compile.spill_everything = true; }},
    {"--mask-tags", [](Options& o) { o.compile.mask_tags = true; }},
    {"--no-pairing", [](Options& o) { o.compile.call_return_pairing = false; }},
    {"--no-follow", [](Options& o) { o.translate.follow_branches = false; }},
#ifdef ULNA_TIER2
    {"--tier2", [](Options& o) { o.tier2 = true; }},
    {"--plain", [](Options& o) { o.region.optimise = false; }},
#endif
};

struct ValueOption {
    const char* name;
    void (*apply)(Options&, const char*);
};
constexpr ValueOption kValueOptions[] = {
    {"-f", [](Options& o, const char* v) { o.elf = v; }},
    {"-s", [](Options& o, const char* v) { o.symbol = v; }},
    {"-l", [](Options& o, const char* v) { o.list = v; }},
    {"-a", [](Options& o, const char* v) { o.address = number(v, 0); }},
    {"-m", [](Options& o, const char* v) { o.fpcr = number(v, 0); }},
#ifdef ULNA_TIER2
    {"--level", [](Options& o, const char* v) { o.region.codegen_level = v[0] - '0'; }},
#endif
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        const auto is_named = [&](const auto& row) { return arg == row.name; };
        if (const auto* row = std::find_if(std::begin(kSwitches), std::end(kSwitches), is_named);
            row != std::end(kSwitches)) {
            row->apply(options);
        } else if (const auto* with_value =
                       std::find_if(std::begin(kValueOptions), std::end(kValueOptions), is_named);
                   with_value != std::end(kValueOptions)) {
            if (++i == argc) {
                usage();
            }
            with_value->apply(options, argv[i]);
        } else if (arg.starts_with("-")) {
            usage();
        } else if (options.as_bytes) {
            add_bytes(options, argv[i]);
        } else {
            add_word(options, argv[i]);
        }
    }
    if (options.code.empty() == options.elf.empty() ||
        options.elf.empty() != (options.symbol.empty() && options.list.empty())) {
        usage();
    }
    return options;
}

// --- an ELF function as bytes

class ElfFile {
  public:
    explicit ElfFile(const std::string& path) {
        elf_version(EV_CURRENT);
        fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        elf_ = fd_ < 0 ? nullptr : elf_begin(fd_, ELF_C_READ, nullptr);
        GElf_Ehdr header;
        if (elf_ == nullptr || gelf_getehdr(elf_, &header) == nullptr) {
            fail(path + ": cannot read it as an ELF file");
        }
        if (header.e_machine != EM_AARCH64) {
            fail(path + ": not for AArch64");
        }
    }
    ~ElfFile() {
        elf_end(elf_);
        close(fd_);
    }
    ElfFile(const ElfFile&) = delete;
    ElfFile& operator=(const ElfFile&) = delete;

    [[nodiscard]] std::optional<GElf_Sym> symbol(const std::string& name) const {
        for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf_, section)) != nullptr;) {
            GElf_Shdr header;
            if (gelf_getshdr(section, &header) == nullptr ||
                (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM)) {
                continue;
            }
            Elf_Data* const data = elf_getdata(section, nullptr);
            GElf_Sym symbol;
            for (int i = 0; data != nullptr && gelf_getsym(data, i, &symbol) != nullptr; ++i) {
                const char* const text = elf_strptr(elf_, header.sh_link, symbol.st_name);
                if (text != nullptr && name == text && symbol.st_shndx != SHN_UNDEF) {
                    return symbol;
                }
            }
        }
        return {};
    }

    // File bytes behind a virtual address.
    [[nodiscard]] std::vector<u8> bytes(GuestAddr address, u64 count) const {
        std::size_t segments = 0;
        elf_getphdrnum(elf_, &segments);
        for (std::size_t i = 0; i < segments; ++i) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr ||
                segment.p_type != PT_LOAD || address < segment.p_vaddr ||
                address + count > segment.p_vaddr + segment.p_filesz) {
                continue;
            }
            std::vector<u8> out(count);
            const auto offset = static_cast<off_t>(segment.p_offset + (address - segment.p_vaddr));
            if (pread(fd_, out.data(), count, offset) == static_cast<ssize_t>(count)) {
                return out;
            }
        }
        return {};
    }

    // Address and size of the part of the file that holds code.
    [[nodiscard]] std::optional<GElf_Phdr> code_segment() const {
        std::size_t segments = 0;
        elf_getphdrnum(elf_, &segments);
        for (std::size_t i = 0; i < segments; ++i) {
            GElf_Phdr segment;
            if (gelf_getphdr(elf_, static_cast<int>(i), &segment) != nullptr &&
                segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
                return segment;
            }
        }
        return {};
    }

  private:
    int fd_ = -1;
    Elf* elf_ = nullptr;
};

void load_list(Options& options) {
    const ElfFile file{options.elf};
    const auto segment = file.code_segment();
    std::FILE* const list = std::fopen(options.list.c_str(), "re");
    if (!segment || list == nullptr) {
        fail(list == nullptr ? options.list + ": cannot read it" : options.elf + ": no code");
    }
    char line[64];
    while (std::fgets(line, sizeof line, list) != nullptr) {
        line[std::strcspn(line, "\n")] = 0;
        options.blocks.push_back(number(line, 16));
    }
    std::fclose(list);
    options.address = segment->p_vaddr;
    options.code = file.bytes(segment->p_vaddr, segment->p_filesz);
}

void load_function(Options& options) {
    const ElfFile file{options.elf};
    const auto symbol = file.symbol(options.symbol);
    if (!symbol) {
        fail(options.elf + ": no symbol " + options.symbol);
    }
    options.address = symbol->st_value;
    options.code = file.bytes(symbol->st_value, symbol->st_size == 0 ? 256 : symbol->st_size);
    if (options.code.empty()) {
        fail(options.symbol + ": its code is not in the file");
    }
}

// --- the stages

class BufferSource final : public frontend::CodeSource {
  public:
    BufferSource(const std::vector<u8>& code, GuestAddr base)
        : base_{base}, words_(code.size() / 4) {
        std::memcpy(words_.data(), code.data(), words_.size() * 4);
    }
    [[nodiscard]] GuestAddr end() const { return base_ + words_.size() * 4; }
    [[nodiscard]] std::span<const u32> words(GuestAddr pc) override {
        if (pc < base_ || pc >= end() || pc % 4 != 0) {
            return {};
        }
        const GuestAddr page_end = (pc | 4095) + 1;
        return std::span{words_}.subspan((pc - base_) / 4, (std::min(page_end, end()) - pc) / 4);
    }

  private:
    GuestAddr base_;
    std::vector<u32> words_;
};

// Best of several runs: a single one measures cold caches.
template <class Stage> double nanoseconds(Stage stage) {
    double best = 1e18;
    for (unsigned i = 0; i < 9; ++i) {
        const auto start = std::chrono::steady_clock::now();
        stage();
        const std::chrono::duration<double, std::nano> took =
            std::chrono::steady_clock::now() - start;
        best = std::min(best, took.count());
    }
    return best;
}

struct Totals {
    u64 blocks = 0, guest_instructions = 0, lifted = 0, optimised = 0, hot_bytes = 0,
        host_bytes = 0;
    double lift_ns = 0, pass_ns = 0, emit_ns = 0;
};

u64 live_instructions(const ir::Block& block) {
    u64 n = 0;
    for (const ir::Inst& inst : block.insts) {
        n += inst.dead ? 0 : 1;
    }
    return n;
}

void check(const ir::Block& block) {
    if (const std::string errors = ir::verify(block); !errors.empty()) {
        std::printf("--- malformed IR:\n%s", errors.c_str());
    }
}

void print_ir(const char* title, const ir::Block& block) {
    std::printf("--- %s\n%s", title, ir::print(block).c_str());
    check(block);
}

void print_changed(const ir::Block& block, const char* pass, void* context) {
    auto& last = *static_cast<std::string*>(context);
    std::string text = ir::print(block);
    if (text != last) {
        std::printf("--- IR after %s\n%s", pass, text.c_str());
        check(block);
        last = std::move(text);
    }
}

class Dumper {
  public:
    Dumper(const Options& options, backend::Backend* host)
        : options_{options}, source_{options.code, options.address}, host_{host} {}

    // The blocks of the list, or every block of the code in address order.
    void run() {
        for (const GuestAddr pc : options_.blocks) {
            block_at(pc);
        }
        for (GuestAddr pc = options_.address; options_.blocks.empty() && pc < source_.end();) {
            pc = block_at(pc);
        }
        print_totals();
    }

  private:
    // Returns where the next block starts.
    GuestAddr block_at(GuestAddr pc) {
        const ir::BlockKey key{pc, ir::BlockMode::from_fpcr(options_.fpcr)};
        ir::Block lifted;
        totals_.lift_ns +=
            nanoseconds([&] { frontend::translate(key, source_, options_.translate, lifted); });
        if (lifted.guest_pcs.empty()) {
            return pc + 4;
        }
        if (!options_.totals_only) {
            print_guest(lifted);
        }
        ir::Block optimised = passes_over(lifted);
        ++totals_.blocks;
        totals_.guest_instructions += lifted.guest_pcs.size();
        totals_.lifted += live_instructions(lifted);
        totals_.optimised += live_instructions(optimised);
        if (host_ != nullptr) {
            emit(optimised);
        }
        GuestAddr next = pc;
        for (GuestAddr at : lifted.guest_pcs) {
            next = at == next ? at + 4 : next; // the straight run from the block's start
        }
        return next;
    }

    static void print_guest(const ir::Block& block) {
        std::printf("=== block 0x%llx\n", static_cast<unsigned long long>(block.key.pc));
        std::fputs(runtime::debug::disassemble_guest(block.guest_words, block.guest_pcs).c_str(),
                   stdout);
        for (u32 word : block.guest_words) {
            if (frontend::encoding_name(word) == nullptr) {
                std::printf("    %08x is unallocated\n", word);
            }
        }
    }

    ir::Block passes_over(const ir::Block& lifted) {
        ir::Block block = lifted;
        if (!options_.totals_only && !options_.quiet) {
            print_ir("IR as lifted", block);
            std::string last = ir::print(block);
            ir::run_passes(
                block,
                {.enabled = options_.passes, .observer = print_changed, .observer_context = &last});
        }
        totals_.pass_ns += nanoseconds([&] {
            block = lifted;
            ir::run_passes(block, {.enabled = options_.passes});
        });
        if (!options_.totals_only && options_.quiet) {
            print_ir("IR", block);
        }
        return block;
    }

    void emit(const ir::Block& block) {
        backend::CompiledBlock out;
        totals_.emit_ns += nanoseconds([&] {
            out.reset();
            host_->compile(block, options_.compile, out);
        });
        totals_.host_bytes += out.code.size();
        totals_.hot_bytes += out.hot_bytes;
        if (!options_.totals_only) {
            std::printf("--- host code: %zu bytes, %u hot, %zu links, %zu fault sites\n",
                        out.code.size(), out.hot_bytes, out.links.size(), out.faults.size());
            std::fputs(runtime::debug::disassemble_host(out.code, 0).c_str(), stdout);
        }
    }

    void print_totals() const {
        const double n = std::max<double>(1, static_cast<double>(totals_.guest_instructions));
        const auto count = [](u64 value) { return static_cast<unsigned long long>(value); };
        std::printf("=== %llu blocks, %llu guest instructions\n", count(totals_.blocks),
                    count(totals_.guest_instructions));
        std::printf("lift    %9.0f ns  %6.1f ns per guest instruction  %5.2f IR instructions\n",
                    totals_.lift_ns, totals_.lift_ns / n, static_cast<double>(totals_.lifted) / n);
        std::printf("passes  %9.0f ns  %6.1f ns                        %5.2f IR instructions\n",
                    totals_.pass_ns, totals_.pass_ns / n,
                    static_cast<double>(totals_.optimised) / n);
        std::printf("emit    %9.0f ns  %6.1f ns                        %5.2f bytes, %.2f hot\n",
                    totals_.emit_ns, totals_.emit_ns / n,
                    static_cast<double>(totals_.host_bytes) / n,
                    static_cast<double>(totals_.hot_bytes) / n);
    }

    const Options& options_;
    BufferSource source_;
    backend::Backend* host_;
    Totals totals_;
};

} // namespace

int main(int argc, char** argv) {
    Options options = parse(argc, argv);
    if (!options.list.empty()) {
        load_list(options);
    } else if (!options.elf.empty()) {
        load_function(options);
    }
#ifdef ULNA_TIER2
    if (options.tier2) {
        RegionDump dump{.start = options.address,
                        .fpcr = options.fpcr,
                        .quiet = options.quiet,
                        .totals_only = options.totals_only,
                        .translate = options.translate,
                        .compile = options.region};
        dump.compile.mask_tags = options.compile.mask_tags;
        dump.compile.call_return_pairing = options.compile.call_return_pairing;
        BufferSource source{options.code, options.address};
        dump_region(dump, source);
        return 0;
    }
#endif
    std::string why_not;
    const std::unique_ptr<backend::Backend> host = backend::make_host_backend(why_not);
    if (host == nullptr) {
        std::fprintf(stderr, "ulna-dump: no host code: %s\n", why_not.c_str());
    }
    Dumper{options, host.get()}.run();
}
