#include <cstring>
#include <fstream>
#include <random>

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/user/address_space.h"
#include "runtime/user/elf_loader.h"
#include "runtime/user/guest_thread.h"
#include "tests/support/catch.h"
#include "tests/support/elf_header.h"

using namespace ulna;
using namespace ulna::user;

namespace {

// A static program: text at 0x7'0000'0000, then data whose memory is larger than its file part.
struct TestElf {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    u32 code[4];
    char padding[4096 - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 16];
    char data[100];
};
constexpr GuestAddr kText = 0x7'0000'0000;
constexpr GuestAddr kData = kText + 0x10000;

TestElf make_elf() {
    TestElf elf{};
    elf.header = test::arm_program_header(kText + offsetof(TestElf, code), 3);
    elf.segments[0] = {PT_LOAD, PF_R | PF_X, 0, kText, kText, 4096, 4096, 4096};
    elf.segments[1] = {PT_LOAD, PF_R | PF_W, 4096, kData, kData, 100, 10000, 4096};
    elf.segments[2] = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16};
    std::memset(elf.data, 'd', sizeof(elf.data));
    return elf;
}

class Fixture {
  public:
    Fixture() {
        char name[] = "/tmp/ulna-loader-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory_ = name;
        process().space = &space;
    }
    ~Fixture() {
        clear();
        process().space = nullptr;
        process().options = {};
        for (const char* file : {"/program", "/script"}) {
            ::unlink((directory_ + file).c_str());
        }
        ::rmdir(directory_.c_str());
    }
    void clear() {
        for (const auto& region : space.regions()) {
            (void)space.unmap(region.start, region.end - region.start);
        }
    }
    std::string write(const void* bytes, std::size_t size, const char* name = "/program") const {
        const std::string path = directory_ + name;
        std::ofstream(path, std::ios::binary)
            .write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
        ::chmod(path.c_str(), 0755);
        return path;
    }
    auto load(const TestElf& elf) { return load_program(write(&elf, sizeof(elf)), {"program"}); }
    std::string failure(const TestElf& elf) {
        const auto result = load(elf);
        const auto* const error = std::get_if<LoadError>(&result);
        REQUIRE(error != nullptr);
        CHECK(error->exit_status == kExitCannotRun);
        return error->message;
    }
    AddressSpace space;

  private:
    std::string directory_;
};

} // namespace

TEST_CASE("segments are mapped, bss is zero, gaps stay free", "[user][loader]") {
    Fixture fixture;
    const auto result = fixture.load(make_elf());
    REQUIRE(std::holds_alternative<LoadedProgram>(result));
    const auto& program = std::get<LoadedProgram>(result);
    CHECK(program.start == kText + offsetof(TestElf, code));
    CHECK(program.headers == kText + offsetof(TestElf, segments));
    CHECK(program.heap == kData + 0x3000);
    CHECK(!program.executable_stack);
    CHECK(fixture.space.protection(kText) == (PROT_READ | PROT_EXEC));
    CHECK(fixture.space.protection(kData + 0x2fff) == (PROT_READ | PROT_WRITE));
    CHECK(!fixture.space.protection(kText + 0x1000));
    const char* const data = reinterpret_cast<const char*>(kData);
    CHECK(data[99] == 'd');
    CHECK(data[100] == 0);
    CHECK(data[9999] == 0);
}

TEST_CASE("a PIE goes to its base, an executable stack is noticed", "[user][loader]") {
    Fixture fixture;
    TestElf elf = make_elf();
    elf.header.e_type = ET_DYN;
    elf.segments[0].p_vaddr = 0;
    elf.segments[1].p_vaddr = 0x10000;
    elf.header.e_entry = offsetof(TestElf, code);
    elf.segments[2].p_flags |= PF_X;
    const auto result = fixture.load(elf);
    REQUIRE(std::holds_alternative<LoadedProgram>(result));
    CHECK(std::get<LoadedProgram>(result).start == 0x1000'0000 + offsetof(TestElf, code));
    CHECK(std::get<LoadedProgram>(result).executable_stack);
}

TEST_CASE("what cannot run says why", "[user][loader]") {
    Fixture fixture;
    TestElf elf = make_elf();
    elf.header.e_machine = EM_X86_64;
    CHECK(fixture.failure(elf).find("x86-64") != std::string::npos);
    elf = make_elf();
    elf.header.e_type = ET_REL;
    CHECK(fixture.failure(elf).find("not an executable") != std::string::npos);
    elf = make_elf();
    elf.header.e_phnum = 0;
    CHECK(fixture.failure(elf).find("program header") != std::string::npos);
    elf = make_elf();
    elf.segments[1].p_filesz = 5000; // beyond the end of the file
    CHECK(fixture.failure(elf).find("truncated") != std::string::npos);
    elf = make_elf();
    elf.segments[1].p_memsz = u64{1} << 60;
    CHECK(fixture.failure(elf).find("address space") != std::string::npos);
    elf = make_elf();
    elf.segments[1].p_vaddr += 8;
    CHECK(fixture.failure(elf).find("within the page") != std::string::npos);
    CHECK(fixture.space.regions().empty());

    auto result = load_program("/nonexistent/program", {"program"});
    CHECK(std::get<LoadError>(result).exit_status == kExitNotFound);
    const std::string plain = fixture.write("plain text\n", 11);
    result = load_program(plain, {"program"});
    CHECK(std::get<LoadError>(result).message.find("neither ELF nor a script") !=
          std::string::npos);
    ::chmod(plain.c_str(), 0644);
    if (::geteuid() != 0) {
        result = load_program(plain, {"program"});
        CHECK(std::get<LoadError>(result).exit_status == kExitCannotRun);
    }
}

TEST_CASE("a missing interpreter names the remedy", "[user][loader]") {
    Fixture fixture;
    TestElf elf = make_elf();
    std::strcpy(elf.data, "/lib/no-such-ld.so");
    elf.segments[2] = {PT_INTERP, PF_R, 4096, 0, 0, 19, 19, 1};
    const auto result = fixture.load(elf);
    const auto& error = std::get<LoadError>(result);
    CHECK(error.exit_status == kExitNotFound);
    CHECK(error.message.find("-L") != std::string::npos);
}

TEST_CASE("scripts run their interpreter with one argument", "[user][loader]") {
    Fixture fixture;
    const TestElf elf = make_elf();
    const std::string program = fixture.write(&elf, sizeof(elf));
    const std::string text = "#! " + program + "  -x y \nrest\n";
    const std::string script = fixture.write(text.data(), text.size(), "/script");
    const auto result = load_program(script, {"script", "1", "2"});
    REQUIRE(std::holds_alternative<LoadedProgram>(result));
    const auto& loaded = std::get<LoadedProgram>(result);
    CHECK(loaded.args == std::vector<std::string>{program, "-x y", script, "1", "2"});
    CHECK(loaded.path == program);
    CHECK(loaded.name == script);
}

TEST_CASE("a program that is open already is not looked for", "[user][loader]") {
    Fixture fixture;
    const TestElf elf = make_elf();
    const std::string program = fixture.write(&elf, sizeof(elf));
    const int descriptor = ::open(program.c_str(), O_RDONLY | O_CLOEXEC);
    const auto result = load_program("/nonexistent/name", {"name"}, descriptor);
    REQUIRE(std::holds_alternative<LoadedProgram>(result));
    CHECK(std::get<LoadedProgram>(result).name == "/nonexistent/name");
    CHECK(std::get<LoadedProgram>(result).path == program);
    CHECK(::close(descriptor) == 0);
}

TEST_CASE("truncated and mutated files never crash the loader", "[user][loader]") {
    Fixture fixture;
    const TestElf good = make_elf();
    for (std::size_t size = 0; size < sizeof(good); size += size < 300 ? 7 : 509) {
        const auto result = load_program(fixture.write(&good, size), {"program"});
        CHECK(std::holds_alternative<LoadError>(result));
    }
    std::mt19937_64 random(1);
    constexpr u64 kEdges[] = {0, 1, 4095, 4096, 0x7fff'ffff, 0xffff'ffff, u64{1} << 46, ~u64{0}};
    for (unsigned round = 0; round < 2000; ++round) {
        TestElf elf = good;
        auto* const bytes = reinterpret_cast<u8*>(&elf);
        for (unsigned i = 0; i <= random() % 4; ++i) {
            const std::size_t at = random() % (sizeof(Elf64_Ehdr) + sizeof(elf.segments) - 8);
            if (random() % 2 == 0) {
                bytes[at] = static_cast<u8>(random());
            } else {
                std::memcpy(bytes + at / 8 * 8, &kEdges[random() % std::size(kEdges)], 8);
            }
        }
        const auto result = fixture.load(elf);
        if (const auto* error = std::get_if<LoadError>(&result)) {
            CHECK(!error->message.empty());
        }
        fixture.clear();
    }
}
