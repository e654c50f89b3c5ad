#include "runtime/system/semihosting.h"

#include <algorithm>
#include <cstring>

#include "ir/helpers.h"
#include "tests/support/catch.h"
#include "tests/system/cpu_fixture.h"

namespace ulna::system {
namespace {

class FlatHost : public SemihostingHost {
  public:
    std::vector<u8> memory = std::vector<u8>(0x10000);
    std::string output, input;
    std::optional<int> status;

    bool read(Cpu&, GuestAddr from, void* to, u64 bytes) override {
        return fits(from, bytes) && std::memcpy(to, &memory[from], bytes) != nullptr;
    }
    bool write(Cpu&, GuestAddr to, const void* from, u64 bytes) override {
        return fits(to, bytes) && std::memcpy(&memory[to], from, bytes) != nullptr;
    }
    void write_console(std::string_view text) override { output += text; }
    std::optional<char> read_console() override {
        if (input.empty()) {
            return std::nullopt;
        }
        const char c = input.front();
        input.erase(0, 1);
        return c;
    }
    void exit(int value) override { status = value; }

  private:
    [[nodiscard]] bool fits(u64 at, u64 bytes) const {
        return at <= memory.size() && bytes <= memory.size() - at;
    }
};

struct SemihostingFixture : CpuFixture {
    FlatHost flat;
    Semihosting semihosting{flat, "program one two"};

    void put(GuestAddr at, std::string_view text) {
        std::memcpy(&flat.memory[at], text.data(), text.size());
    }
    i64 call(u32 operation, const std::vector<u64>& block) {
        constexpr GuestAddr kBlock = 0x100;
        const auto* const bytes = reinterpret_cast<const u8*>(block.data());
        std::copy_n(bytes, block.size() * sizeof(u64), &flat.memory[kBlock]);
        return call_at(operation, kBlock);
    }
    i64 call_at(u32 operation, u64 parameter) {
        state->x[0] = operation, state->x[1] = parameter;
        semihosting.call(cpu);
        return static_cast<i64>(state->x[0]);
    }
    u64 open(std::string_view path, u64 mode) {
        put(0x200, path);
        return static_cast<u64>(call(0x01, {0x200, mode, path.size()}));
    }
};

TEST_CASE("semihosting writes to the console", "[system]") {
    SemihostingFixture f;
    f.put(0x1000, std::string_view{"hello\0", 6});
    CHECK(f.call_at(0x04, 0x1000) == 0);
    CHECK(f.call_at(0x03, 0x1001) == 0);
    CHECK(f.flat.output == "helloe");
    const u64 out = f.open(":tt", 4);
    CHECK(f.call(0x05, {out, 0x1000, 5}) == 0);
    CHECK(f.flat.output == "helloehello");
    CHECK(f.call(0x09, {out}) == 1);
    CHECK(f.call(0x05, {out, 0xfffe, 5}) == 5); // beyond memory
    f.flat.memory.back() = 'x';
    CHECK(f.call_at(0x04, 0xffff) == 0); // no end
    CHECK(f.flat.output.ends_with("x"));
}

TEST_CASE("semihosting reads from the console", "[system]") {
    SemihostingFixture f;
    f.flat.input = "ab\ncd";
    CHECK(f.call_at(0x07, 0) == 'a');
    const u64 in = f.open(":tt", 0);
    CHECK(f.call(0x06, {in, 0x1000, 10}) == 8); // the rest of the line
    CHECK(f.flat.memory[0x1000] == 'b');
    CHECK(f.call(0x06, {in, 0x1000, 10}) == 8);
    CHECK(f.call(0x06, {in, 0x1000, 10}) == 10); // the end
    CHECK(f.call_at(0x07, 0) == -1);
}

TEST_CASE("semihosting uses files", "[system]") {
    SemihostingFixture f;
    CHECK(f.call(0x0d, {0x3000, 7, 100}) == 0); // SYS_TMPNAM
    const std::string path = reinterpret_cast<const char*>(&f.flat.memory[0x3000]);
    const std::string other = path + "x";
    const u64 out = f.open(path, 4);
    f.put(0x1000, "contents");
    CHECK(f.call(0x05, {out, 0x1000, 8}) == 0);
    CHECK(f.call(0x0c, {out}) == 8);
    CHECK(f.call(0x02, {out}) == 0);
    CHECK(f.call(0x02, {out}) == -1);
    const u64 in = f.open(path, 0);
    CHECK(f.call(0x0a, {in, 3}) == 0);
    CHECK(f.call(0x06, {in, 0x1100, 10}) == 5);
    CHECK(std::memcmp(&f.flat.memory[0x1100], "tents", 5) == 0);
    CHECK(f.call(0x06, {in, 0x1100, 10}) == 10);
    CHECK(f.call(0x05, {in, 0x1000, 8}) == 8); // not for writing
    CHECK(f.call_at(0x13, 0) == EBADF);
    f.put(0x2000, path);
    f.put(0x2100, other);
    CHECK(f.call(0x0f, {0x2000, path.size(), 0x2100, other.size()}) == 0);
    CHECK(f.call(0x0e, {0x2100, other.size()}) == 0);
    CHECK(f.call(0x0e, {0x2100, other.size()}) == -1);
    CHECK(f.call_at(0x13, 0) == ENOENT);
    CHECK(static_cast<i64>(f.open(path, 0)) == -1);
    CHECK(static_cast<i64>(f.open(path, 12)) == -1);
}

TEST_CASE("semihosting says what it has", "[system]") {
    SemihostingFixture f;
    const u64 features = f.open(":semihosting-features", 0);
    CHECK(f.call(0x06, {features, 0x1000, 8}) == 3);
    CHECK(std::memcmp(&f.flat.memory[0x1000], "SHFB\3", 5) == 0);
    CHECK(f.call(0x0c, {features}) == 5);
    CHECK(f.call(0x15, {0x1000, 100}) == 0);
    CHECK(std::strcmp(reinterpret_cast<char*>(&f.flat.memory[0x1000]), "program one two") == 0);
    CHECK(f.flat.memory[0x108] == 15);
    CHECK(f.call(0x15, {0x1000, 15}) == -1);
    CHECK(f.call_at(0x31, 0) == ir::kCounterFrequency);
    CHECK(f.call_at(0x30, 0x1000) == 0);
    CHECK(f.flat.memory[0x1000] == (f.host.count & 0xff));
    CHECK(f.call(0x08, {~u64{0}}) == 1);
    CHECK(f.call(0x08, {0}) == 0);
    CHECK(f.call(0x12, {0x1000, 4}) == -1); // SYS_SYSTEM
    CHECK(f.call(0x99, {}) == -1);
}

TEST_CASE("semihosting ends the machine", "[system]") {
    SemihostingFixture f;
    static_cast<void>(f.call(0x18, {0x2'0026, 42}));
    CHECK(f.flat.status == 42);
    static_cast<void>(f.call(0x20, {0x2'0023, 0})); // a run-time error
    CHECK(f.flat.status == 1);
}

TEST_CASE("semihosting survives what guests may pass", "[system]") {
    SemihostingFixture f;
    for (u32 operation = 0; operation < 0x40; ++operation) {
        for (const u64 parameter : {u64{0}, u64{0xfff8}, u64{0xffff'ffff'ffff'fff8}}) {
            f.flat.input.clear();
            static_cast<void>(f.call_at(operation, parameter));
        }
        const u64 huge = ~u64{0};
        static_cast<void>(f.call(operation, {huge, huge, huge, huge}));
        static_cast<void>(f.call(operation, {0x1000, 0, huge, huge}));
    }
    CHECK(static_cast<i64>(f.open(std::string_view{"a\0b", 3}, 4)) == -1);
}

} // namespace
} // namespace ulna::system
