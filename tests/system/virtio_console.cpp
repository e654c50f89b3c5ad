// virtio-console on a back end that a test speaks for.
#include "runtime/devices/virtio/console_device.h"

#include <algorithm>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {
namespace {

struct TestCharacters final : CharacterBackend {
    void write(std::span<const u8> bytes) override {
        written.append(bytes.begin(), bytes.end());
        full = written.size() >= most;
    }
    bool congested() const override { return full; }
    void room_grew() override { ++grown; }
    void resume() {
        full = false;
        most = ~size_t{0};
        sink_->output_resumed();
    }
    // As much of the text as the guest takes.
    size_t type(const std::string& text) {
        const size_t count = std::min(text.size(), sink_->room());
        sink_->receive({reinterpret_cast<const u8*>(text.data()), count});
        return count;
    }
    std::string written;
    bool full = false;
    size_t most = ~size_t{0};
    unsigned grown = 0;
};

struct ConsoleDriver : TestDriver {
    ConsoleDriver() : characters(new TestCharacters), console(take(characters)) {
        attach(&console);
        bring_up(kAllOffered, 2);
    }
    static std::unique_ptr<CharacterBackend> take(TestCharacters* characters) {
        return std::unique_ptr<CharacterBackend>(characters);
    }
    void print(const std::string& text) {
        add(1, {{store(text.data(), text.size()), static_cast<u32>(text.size())}});
        notify(1);
    }
    TestCharacters* characters;
    ConsoleDevice console;
};

TEST_CASE("a virtio console prints", "[virtio][console]") {
    ConsoleDriver driver;
    driver.print("hello, ");
    driver.print("world");
    driver.print(std::string(10000, 'x'));
    CHECK(driver.characters->written == "hello, world" + std::string(10000, 'x'));
    CHECK(driver.used_index(1) == 3);
}

TEST_CASE("a virtio console waits for a slow reader", "[virtio][console]") {
    ConsoleDriver driver;
    driver.characters->most = 5000;
    driver.print(std::string(10000, 'x'));
    driver.print("end");
    CHECK(driver.used_index(1) == 0);
    CHECK(driver.characters->written.size() < 10000);
    driver.characters->resume();
    CHECK(driver.used_index(1) == 2);
    CHECK(driver.characters->written == std::string(10000, 'x') + "end");

    driver.characters->most = 0; // what a reset driver wanted to say is not said
    driver.print(std::string(10000, 'y'));
    driver.bring_up(TestDriver::kAllOffered, 2);
    driver.characters->written.clear();
    driver.characters->resume();
    CHECK(driver.characters->written.empty());
}

TEST_CASE("a virtio console takes what is typed as far as there are buffers", "[virtio][console]") {
    ConsoleDriver driver;
    CHECK(driver.characters->type("lost") == 0);
    const PhysAddr first = driver.allocate(8), second = driver.allocate(8);
    driver.add(0, {{first, 8, true}});
    driver.add(0, {{first, 8}}); // no room at all
    driver.add(0, {{second, 2, true}, {second + 2, 2, true}});
    driver.notify(0);
    CHECK(driver.characters->grown == 2); // with DRIVER_OK, and now
    CHECK(driver.characters->type("abc") == 3);
    CHECK(driver.used(0, 0).bytes == 3);
    CHECK(driver.line.asserted);
    CHECK(driver.characters->type("defghij") == 4);
    CHECK(driver.characters->type("hij") == 0);
    CHECK(std::memcmp(driver.host(first), "abc", 3) == 0);
    CHECK(std::memcmp(driver.host(second), "defg", 4) == 0);
    CHECK(driver.used_index(0) == 3);
    driver.write(0x070, 0);
    CHECK(driver.characters->type("x") == 0);
}

TEST_CASE("a virtio console has a size and takes emergency writes", "[virtio][console]") {
    ConsoleDriver driver;
    CHECK(driver.read(0x100) == 0);
    driver.console.set_terminal_size(132, 43);
    CHECK(driver.read(0x100) == (43 << 16 | 132));
    CHECK(driver.read(0x060) == 2);
    driver.write(0x070, 0);
    driver.write(0x108, 'O');
    driver.write(0x108, 'h');
    CHECK(driver.characters->written == "Oh");
}

} // namespace
} // namespace ulna::devices::virtio
