// virtio-blk and what it stores its bytes in.
#include "runtime/devices/virtio/block.h"
#include "runtime/devices/virtio/raw_file.h"
#include "runtime/devices/virtio/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"

namespace ulna::devices::virtio {
namespace {

// A file with random bytes that goes with the test.
class Image {
  public:
    explicit Image(u64 bytes) {
        const int fd = mkostemp(path.data(), O_CLOEXEC);
        REQUIRE(fd >= 0);
        std::mt19937_64 random(bytes);
        contents.resize(bytes);
        for (char& byte : contents) {
            byte = static_cast<char>(random());
        }
        REQUIRE(::write(fd, contents.data(), bytes) == static_cast<ssize_t>(bytes));
        close(fd);
    }
    ~Image() { unlink(path.c_str()); }
    std::string now() const {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string path = "/tmp/ulna-test-image-XXXXXX";
    std::string contents;
};

struct DiskDriver : TestDriver {
    explicit DiskDriver(const BlockOptions& options,
                        u64 features = kAllOffered,
                        Worker::Place place = Worker::Place::Thread) {
        std::string why_not;
        auto backend = open_block_backend(options, why_not);
        INFO(why_not);
        REQUIRE(backend != nullptr);
        disk = std::make_unique<Block>(std::move(backend), "disk-of-a-test-with-a-long-name", lock,
                                       place);
        const std::lock_guard held(lock);
        attach(disk.get());
        bring_up(features, 1, 64);
    }
    ~DiskDriver() { disk.reset(); }

    struct Request {
        PhysAddr status;
        u16 position;
    };
    PhysAddr header(u32 type, u64 sector) {
        const PhysAddr at = allocate(16);
        put<u32>(at, type);
        put<u64>(at + 8, sector);
        return at;
    }
    // Makes a request; data pieces come between header and status.
    Request start(u32 type, u64 sector, std::vector<Piece> data, bool indirect = false) {
        const std::lock_guard held(lock);
        const PhysAddr status = allocate(1);
        put<u8>(status, 0xff);
        data.insert(data.begin(), {header(type, sector), 16});
        data.push_back({status, 1, true});
        indirect ? add_indirect(0, data) : add(0, data);
        notify(0);
        return {status, made_++};
    }
    int finish(const Request& request) {
        REQUIRE(wait_used(0, static_cast<u16>(request.position + 1), lock));
        return load<u8>(request.status);
    }
    int transfer(u32 type, u64 sector, std::vector<Piece> data, bool indirect = false) {
        return finish(start(type, sector, std::move(data), indirect));
    }
    std::string read(u64 sector, u32 bytes) {
        const PhysAddr at = allocate(bytes);
        if (transfer(0, sector, {{at, bytes, true}}) != 0) {
            return "error";
        }
        return {reinterpret_cast<char*>(host(at)), bytes};
    }
    int write(u64 sector, const std::string& bytes) {
        const PhysAddr at = store(bytes.data(), bytes.size());
        return transfer(1, sector, {{at, static_cast<u32>(bytes.size())}});
    }
    int change_ranges(u32 type, std::vector<std::array<u64, 3>> ranges) {
        const u32 bytes = static_cast<u32>(16 * ranges.size());
        const PhysAddr at = allocate(bytes);
        for (u32 i = 0; i < ranges.size(); ++i) {
            put<u64>(at + 16 * i, ranges[i][0]);
            put<u32>(at + 16 * i + 8, static_cast<u32>(ranges[i][1]));
            put<u32>(at + 16 * i + 12, static_cast<u32>(ranges[i][2]));
        }
        return transfer(type, 0, {{at, bytes}});
    }

    std::mutex lock;
    std::unique_ptr<Block> disk;

  private:
    u16 made_ = 0;
};

TEST_CASE("a disk is read and written through its queue", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({image.path});
    CHECK(driver.transport->read(0x100, 8) == 128); // sectors
    CHECK(driver.read(2, 1024) == image.contents.substr(1024, 1024));
    const std::string text(1536, 'x');
    CHECK(driver.write(5, text) == 0);
    CHECK(driver.read(5, 1536) == text);
    CHECK(image.now().substr(5 * 512, 1536) == text);
    CHECK(driver.transfer(4, 0, {}) == 0); // flush
    CHECK(driver.used(0, 3).bytes == 1);
    image.contents.replace(5 * 512, 1536, text);
    CHECK(image.now() == image.contents);
}

TEST_CASE("a disk without a thread has answered when the driver goes on", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({.path = image.path, .format = BlockFormat::Raw}, DiskDriver::kAllOffered,
                      Worker::Place::AtOnce);
    for (u16 n = 0; n < 100; ++n) {
        const PhysAddr at = driver.allocate(512);
        const auto request = driver.start(0, n, {{at, 512, true}});
        REQUIRE(driver.used_index(0) == n + 1);
        CHECK(driver.load<u8>(request.status) == 0);
        CHECK(std::memcmp(driver.host(at), &image.contents[n * 512], 512) == 0);
    }
}

TEST_CASE("a disk's requests may be cut into any pieces", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({image.path});
    const PhysAddr to = driver.allocate(2048);
    CHECK(driver.transfer(0, 1, {{to, 1, true}, {to + 1, 1000, true}, {to + 1001, 23, true}},
                          true) == 0);
    CHECK(std::string(reinterpret_cast<char*>(driver.host(to)), 1024) ==
          image.contents.substr(512, 1024));
    // The header in two pieces and with the data; the status with the data.
    PhysAddr at;
    {
        const std::lock_guard held(driver.lock);
        at = driver.allocate(513);
        const PhysAddr head = driver.header(0, 7);
        driver.add(0, {{head, 3}, {head + 3, 13}, {at, 513, true}});
        driver.notify(0);
    }
    REQUIRE(driver.wait_used(0, 2, driver.lock));
    CHECK(driver.load<u8>(at + 512) == 0);
    CHECK(driver.used(0, 1).bytes == 513);
    CHECK(std::string(reinterpret_cast<char*>(driver.host(at)), 512) ==
          image.contents.substr(7 * 512, 512));
}

TEST_CASE("a disk refuses what lies outside of it and what it does not know", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({image.path});
    CHECK(driver.read(127, 1024) == "error");
    CHECK(driver.read(128, 512) == "error");
    CHECK(driver.read(~u64{0}, 512) == "error");
    CHECK(driver.read(u64{1} << 55, 512) == "error");
    CHECK(driver.read(0, 100) == "error");
    CHECK(driver.write(127, std::string(1024, 'x')) == 1);
    CHECK(driver.transfer(99, 0, {}) == 2);
    CHECK(driver.transfer(14, 0, {}) == 2);
    CHECK(image.now() == image.contents);
    CHECK(driver.TestDriver::read(0x070) == 15);
}

TEST_CASE("a disk has a name of twenty bytes", "[virtio][block]") {
    Image image(4096);
    DiskDriver driver({image.path});
    const PhysAddr at = driver.allocate(20);
    CHECK(driver.transfer(8, 0, {{at, 20, true}}) == 0);
    CHECK(std::string(reinterpret_cast<char*>(driver.host(at)), 20) == "disk-of-a-test-with-");
}

TEST_CASE("ranges are discarded and zeroed", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({image.path});
    CHECK(driver.change_ranges(13, {{1, 2, 0}, {16, 16, 1}}) == 0);
    image.contents.replace(512, 1024, std::string(1024, '\0'));
    image.contents.replace(16 * 512, 8192, std::string(8192, '\0'));
    CHECK(image.now() == image.contents);
    CHECK(driver.change_ranges(11, {{32, 8, 0}}) == 0);
    CHECK(driver.change_ranges(11, {{32, 8, 1}}) == 2); // unmap is not a flag of discard
    CHECK(driver.change_ranges(13, {{32, 8, 2}}) == 2);
    CHECK(driver.change_ranges(13, {{127, 2, 0}}) == 1);
    CHECK(driver.change_ranges(13, {{~u64{0}, 2, 0}}) == 1);
    CHECK(driver.change_ranges(13, {}) == 2);
    CHECK(driver.change_ranges(13, std::vector<std::array<u64, 3>>(65, {0, 1, 0})) == 2);
    CHECK(image.now().size() == 64 * 1024);
}

TEST_CASE("a read-only disk says so and stays as it is", "[virtio][block]") {
    Image image(64 * 1024);
    DiskDriver driver({image.path, true});
    CHECK((driver.offered() & (1 << 5)) != 0);
    CHECK((driver.offered() & (1 << 13)) == 0);
    CHECK(driver.write(0, std::string(512, 'x')) == 1);
    CHECK(driver.change_ranges(13, {{0, 1, 0}}) == 1);
    CHECK(driver.read(0, 512) == image.contents.substr(0, 512));
    CHECK(image.now() == image.contents);
}

TEST_CASE("the write cache is on until the driver turns it off", "[virtio][block]") {
    Image image(4096);
    DiskDriver driver({image.path});
    CHECK(driver.transport->read(0x120, 1) == 1);
    driver.transport->write(0x120, 1, 0);
    CHECK(driver.transport->read(0x120, 1) == 0);
    CHECK(driver.write(0, std::string(512, 'y')) == 0);
    driver.transport->write(0x100, 8, 0); // only that field
    CHECK(driver.transport->read(0x100, 8) == 8);
    const std::lock_guard held(driver.lock);
    driver.bring_up(kFeatureVersion1, 1);
    CHECK(driver.transport->read(0x120, 1) == 1);
    driver.transport->write(0x120, 1, 0);
    CHECK(driver.transport->read(0x120, 1) == 1); // not negotiated
}

TEST_CASE("many requests are served in order", "[virtio][block]") {
    Image image(1 << 20);
    DiskDriver driver({image.path});
    DiskDriver::Request last{};
    for (u32 i = 0; i < 20; ++i) {
        const std::string text(512, static_cast<char>('a' + i));
        last = driver.start(1, 3, {{driver.store(text.data(), 512), 512}});
    }
    CHECK(driver.finish(last) == 0);
    CHECK(driver.read(3, 512) == std::string(512, 'a' + 19));
}

TEST_CASE("a disk request without header or status asks for a reset", "[virtio][block]") {
    Image image(4096);
    for (const bool has_status : {false, true}) {
        DiskDriver driver({image.path});
        const std::lock_guard held(driver.lock);
        const PhysAddr at = driver.allocate(16);
        has_status ? driver.add(0, {{at, 8}, {at, 1, true}}) : driver.add(0, {{at, 16}});
        driver.notify(0);
        CHECK((driver.TestDriver::read(0x070) & 64) != 0);
        CHECK(driver.used_index(0) == 0);
    }
}

TEST_CASE("a disk is reset while it works", "[virtio][block]") {
    Image image(1 << 20);
    DiskDriver driver({image.path});
    for (int round = 0; round < 200; ++round) {
        const std::lock_guard held(driver.lock);
        driver.bring_up(TestDriver::kAllOffered, 1, 64);
        const PhysAddr to = driver.allocate(2048);
        for (u32 i = 0; i < 8; ++i) {
            driver.add(0, {{driver.header(0, i), 16}, {to, 2047, true}, {to + 2047, 2, true}});
        }
        driver.notify(0);
        driver.TestDriver::write(0x070, 0);
        // Nothing may touch this any more.
        const PhysAddr used = driver.ring(0).used;
        std::memset(driver.host(to), 0x55, 2048);
        std::memset(driver.host(used), 0x55, 128);
        std::this_thread::yield();
        CHECK(driver.load<u64>(to + 2040) == 0x5555555555555555);
        CHECK(driver.load<u64>(used) == 0x5555555555555555);
        if (driver.allocate(1) > TestDriver::kRam + TestDriver::kRamBytes - (1 << 20)) {
            break;
        }
    }
}

TEST_CASE("a snapshot shows what was written and leaves the image alone", "[virtio][block]") {
    Image image(40960 + 512);
    std::string expected = image.contents;
    {
        DiskDriver driver({image.path, false, true});
        std::mt19937 random(5);
        for (int i = 0; i < 100; ++i) {
            const u64 sector = random() % 81;
            const u32 sectors = random() % std::min<u32>(20, static_cast<u32>(81 - sector)) + 1;
            if (i % 5 == 4) {
                CHECK(driver.change_ranges(13, {{sector, sectors, 0}}) == 0);
                expected.replace(sector * 512, sectors * 512, std::string(sectors * 512, '\0'));
            } else {
                const std::string text(sectors * 512, static_cast<char>('0' + i));
                CHECK(driver.write(sector, text) == 0);
                expected.replace(sector * 512, sectors * 512, text);
            }
            CHECK(driver.read(0, 81 * 512) == expected);
        }
    }
    CHECK(image.now() == image.contents);
}

TEST_CASE("an image that cannot be a disk is refused in one line", "[virtio][block]") {
    std::string why_not;
    const auto refused = [&](const BlockOptions& options) {
        const bool failed = open_block_backend(options, why_not) == nullptr;
        return failed && !why_not.empty() && why_not.find('\n') == std::string::npos;
    };
    CHECK(refused({"/nonexistent/image"}));
    CHECK(refused({"/tmp"}));
    CHECK(refused({"/dev/null"}));
    Image image(4096);
    {
        std::string ignored;
        const auto writer = open_block_backend({image.path}, ignored);
        CHECK(refused({image.path}));
        CHECK(refused({image.path, true}));
    }
    {
        const auto reader = open_block_backend({image.path, true}, why_not);
        CHECK(open_block_backend({image.path, false, true}, why_not) != nullptr);
        CHECK(refused({image.path}));
    }
    std::ofstream(image.path) << "QFI\xfb more"; // whether or not there is a server for such
    CHECK(refused({image.path}));
    CHECK(open_block_backend({.path = image.path, .format = BlockFormat::Raw}, why_not) != nullptr);
}

TEST_CASE("the end of a file that is no whole sector reads as zeroes", "[virtio][block]") {
    Image image(700);
    std::string why_not;
    const auto file = RawFile::open(image.path, false, why_not);
    REQUIRE(file != nullptr);
    CHECK(file->bytes() == 1024);
    std::string bytes(1024, 'x');
    const iovec piece{bytes.data(), bytes.size()};
    CHECK(file->read(0, {&piece, 1}) == 0);
    CHECK(bytes == image.contents + std::string(324, '\0'));
}

} // namespace
} // namespace ulna::devices::virtio
