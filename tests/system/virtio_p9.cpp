// virtio-9p: messages as Linux' v9fs writes them, on a folder of the host.
#include "runtime/devices/virtio/p9_device.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "tests/system/virtio_driver.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::devices::virtio {
namespace {

namespace fs = std::filesystem;

// A folder with a few files, and one beside it that is none of the guest's business.
class Folders {
  public:
    Folders() {
        REQUIRE(mkdtemp(top.data()) != nullptr);
        shared = top + "/shared";
        fs::create_directories(shared + "/sub/deep");
        fs::create_directories(top + "/secret");
        std::ofstream(shared + "/file") << "contents";
        std::ofstream(shared + "/sub/inner") << "inner contents";
        std::ofstream(top + "/secret/file") << "secret";
        fs::create_symlink("/etc/passwd", shared + "/absolute");
        fs::create_symlink("../secret", shared + "/outside");
        fs::create_symlink("sub", shared + "/inside");
    }
    ~Folders() { fs::remove_all(top); }
    std::string text(const std::string& path) const {
        std::ifstream file(shared + "/" + path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string top = "/tmp/ulna-test-9p-XXXXXX";
    std::string shared;
};

// A client of the server, without virtio between them.
class Client {
  public:
    explicit Client(const std::string& path, SharedFolder::Options options = {}) {
        options.path = path;
        std::string why_not;
        auto folder = SharedFolder::open(options, why_not);
        INFO(why_not);
        REQUIRE(folder != nullptr);
        server = std::make_unique<P9Server>(std::move(folder));
        P9Writer version;
        version.put32(8192);
        version.put_string("9P2000.L");
        REQUIRE(call(100, version) == 0);
        P9Writer attach;
        attach.put32(0);
        attach.put32(~u32{0});
        attach.put_string("root");
        attach.put_string("");
        attach.put32(1000);
        REQUIRE(call(104, attach) == 0);
    }

    // Sends a message; 0, or the errno of the answer. The answer's fields are in `reply`.
    int call(u8 type, const P9Writer& fields) {
        P9Writer message;
        message.put32(static_cast<u32>(7 + fields.size()));
        message.put8(type);
        message.put16(42);
        const auto rest = message.extend(fields.size());
        std::copy(fields.bytes().begin(), fields.bytes().end(), rest.begin());
        answer = server->answer(message.bytes(), 8192);
        P9Reader in(answer);
        CHECK(in.take32() == answer.size());
        const u8 got = in.take8();
        CHECK(in.take16() == 42);
        reply = P9Reader(std::span(answer).subspan(7));
        CHECK((got == type + 1 || got == 7));
        return got == 7 ? static_cast<int>(reply.take32()) : 0;
    }
    // `walked`: how many names were there.
    int walk(u32 from, u32 to, std::vector<std::string> names) {
        P9Writer fields;
        fields.put32(from);
        fields.put32(to);
        fields.put16(static_cast<u16>(names.size()));
        for (const std::string& name : names) {
            fields.put_string(name);
        }
        const int error = call(110, fields);
        walked = error == 0 ? reply.take16() : 0;
        return error;
    }
    int with_fid(
        u8 type, u32 fid, const std::function<void(P9Writer&)>& more = [](P9Writer&) {}) {
        P9Writer fields;
        fields.put32(fid);
        more(fields);
        return call(type, fields);
    }
    int open(u32 fid, u32 flags) {
        return with_fid(12, fid, [&](P9Writer& w) { w.put32(flags); });
    }
    int create(u32 fid, const std::string& name, u32 mode) {
        return with_fid(14, fid, [&](P9Writer& w) {
            w.put_string(name);
            w.put32(2); // O_RDWR
            w.put32(mode);
            w.put32(100);
        });
    }
    int read(u32 fid, u64 offset, u32 bytes) {
        const int error = with_fid(116, fid, [&](P9Writer& w) {
            w.put64(offset);
            w.put32(bytes);
        });
        if (error == 0) {
            const auto data = reply.take_bytes(reply.take32());
            text.assign(data.begin(), data.end());
        }
        return error;
    }
    int write(u32 fid, u64 offset, const std::string& bytes) {
        return with_fid(118, fid, [&](P9Writer& w) {
            w.put64(offset);
            w.put32(static_cast<u32>(bytes.size()));
            const auto data = w.extend(bytes.size());
            std::copy(bytes.begin(), bytes.end(), data.begin());
        });
    }
    int clunk(u32 fid) { return with_fid(120, fid); }
    struct Attributes {
        u32 mode = 0, uid = 0, gid = 0;
        u64 device = 0, bytes = 0;
    };
    Attributes attributes(u32 fid) {
        Attributes result;
        if (with_fid(24, fid, [](P9Writer& w) { w.put64(0x7ff); }) == 0) {
            (void)reply.take64();
            (void)reply.take_bytes(13);
            result = {reply.take32(), reply.take32(), reply.take32()};
            (void)reply.take64();
            result.device = reply.take64();
            result.bytes = reply.take64();
        }
        return result;
    }
    int set(u32 fid, u32 valid, u32 mode, u32 uid, u32 gid, u64 bytes, u64 seconds = 0) {
        return with_fid(26, fid, [&](P9Writer& w) {
            for (const u32 value : {valid, mode, uid, gid}) {
                w.put32(value);
            }
            for (const u64 value : {bytes, seconds, u64{0}, seconds, u64{0}}) {
                w.put64(value);
            }
        });
    }
    int make_folder(u32 fid, const std::string& name) {
        return with_fid(72, fid, [&](P9Writer& w) {
            w.put_string(name);
            w.put32(0775);
            w.put32(100);
        });
    }
    int make_symlink(u32 fid, const std::string& name, const std::string& target) {
        return with_fid(16, fid, [&](P9Writer& w) {
            w.put_string(name);
            w.put_string(target);
            w.put32(100);
        });
    }
    int make_node(u32 fid, const std::string& name, u32 mode) {
        return with_fid(18, fid, [&](P9Writer& w) {
            w.put_string(name);
            w.put32(mode);
            w.put32(4);
            w.put32(64);
            w.put32(100);
        });
    }
    int unlink(u32 fid, const std::string& name, u32 flags = 0) {
        return with_fid(76, fid, [&](P9Writer& w) {
            w.put_string(name);
            w.put32(flags);
        });
    }
    int rename(u32 from, const std::string& name, u32 to, const std::string& new_name) {
        return with_fid(74, from, [&](P9Writer& w) {
            w.put_string(name);
            w.put32(to);
            w.put_string(new_name);
        });
    }
    std::string link_target(u32 fid) {
        return with_fid(22, fid) == 0 ? reply.take_string() : "error";
    }
    // All names of an open folder, by messages of so many bytes.
    std::multiset<std::string> list(u32 fid, u32 bytes) {
        std::multiset<std::string> names;
        u64 offset = 0;
        while (true) {
            const int error = with_fid(40, fid, [&](P9Writer& w) {
                w.put64(offset);
                w.put32(bytes);
            });
            REQUIRE(error == 0);
            const u32 count = reply.take32();
            CHECK(count <= bytes);
            if (count == 0) {
                return names;
            }
            P9Reader entries(reply.take_bytes(count));
            for (u64 left = count; left > 0;) {
                (void)entries.take_bytes(13);
                offset = entries.take64();
                (void)entries.take8();
                const std::string name = entries.take_string();
                names.insert(name);
                left -= 24 + name.size();
            }
        }
    }

    std::unique_ptr<P9Server> server;
    std::vector<u8> answer;
    P9Reader reply{{}};
    u16 walked = 0;
    std::string text;
};

TEST_CASE("files of a shared folder are found, read and written", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"file"}) == 0);
    CHECK(client.attributes(1).bytes == 8);
    CHECK(client.open(1, 2) == 0);
    CHECK(client.read(1, 3, 100) == 0);
    CHECK(client.text == "tents");
    CHECK(client.read(1, 100, 100) == 0);
    CHECK(client.text.empty());
    CHECK(client.write(1, 8, " and more") == 0);
    CHECK(folders.text("file") == "contents and more");
    CHECK(client.clunk(1) == 0);
    CHECK(client.clunk(1) == EBADF);
    CHECK(client.walk(0, 2, {"sub", "inner"}) == 0);
    CHECK(client.open(2, 01001) == 0); // O_WRONLY | O_TRUNC
    CHECK(client.read(2, 0, 10) == EBADF);
    CHECK(folders.text("sub/inner").empty());
    CHECK(client.with_fid(50, 2) == 0); // fsync
    CHECK(client.with_fid(8, 0) == 0);  // statfs
    CHECK(client.reply.take32() == 0x01021997);
}

TEST_CASE("a walk that fails half-way says how far it got", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"sub", "missing", "more"}) == 0);
    CHECK(client.walked == 1);
    CHECK(client.clunk(1) == EBADF);
    CHECK(client.walk(0, 1, {"missing"}) == ENOENT);
    CHECK(client.walk(0, 1, {}) == 0);
    CHECK(client.walk(0, 1, {}) == EINVAL); // in use
    CHECK(client.walk(1, 1, {"sub"}) == 0); // moves
    CHECK(client.walk(1, 2, {"inner"}) == 0);
    CHECK(client.walk(9, 3, {}) == EBADF);
    CHECK(client.walk(0, 3, std::vector<std::string>(17, "sub")) == EINVAL);
}

TEST_CASE("no way leads out of a shared folder", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"..", "..", "sub", "..", "..", "file"}) == 0);
    CHECK(client.walked == 6);
    CHECK(client.attributes(1).bytes == 8); // the root is its own parent
    for (const char* name : {"../secret", "/etc/passwd", "sub/inner", "", "."}) {
        INFO(name);
        CHECK(client.walk(0, 2, {name}) != 0);
        CHECK(client.make_folder(0, name) != 0);
        CHECK(client.create(0, name, 0644) != 0);
        CHECK(client.make_symlink(0, name, "x") != 0);
        CHECK(client.unlink(0, name) != 0);
        CHECK(client.rename(0, "file", 0, name) != 0);
    }
    CHECK(client.rename(0, "file", 0, "..") != 0);
    CHECK(client.walk(0, 2, {std::string("file\0x", 6)}) != 0);
    // Links are seen, and followed by nobody but the guest.
    CHECK(client.walk(0, 3, {"absolute"}) == 0);
    CHECK((client.attributes(3).mode & S_IFMT) == S_IFLNK);
    CHECK(client.link_target(3) == "/etc/passwd");
    CHECK(client.open(3, 0) != 0);
    CHECK(client.walk(0, 4, {"outside", "file"}) == 0);
    CHECK(client.walked == 1);
    CHECK(client.walk(0, 5, {"outside"}) == 0);
    CHECK(client.make_folder(5, "new") != 0);
    CHECK(client.create(5, "new", 0644) != 0);
    // The host puts a link in the place of a folder that the guest has looked up.
    CHECK(client.walk(0, 6, {"sub"}) == 0);
    fs::rename(folders.shared + "/sub", folders.shared + "/old");
    fs::create_symlink("../secret", folders.shared + "/sub");
    CHECK(client.walk(6, 7, {"file"}) != 0);
    CHECK(client.create(6, "planted", 0644) != 0);
    CHECK(client.unlink(6, "file") != 0);
    CHECK(fs::exists(folders.top + "/secret/file"));
    CHECK_FALSE(fs::exists(folders.top + "/secret/planted"));
    CHECK_FALSE(fs::exists(folders.top + "/secret/new"));
}

TEST_CASE("files and folders are made, renamed and removed", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.make_folder(0, "made") == 0);
    CHECK(client.make_folder(0, "made") == EEXIST);
    CHECK(client.walk(0, 1, {"made"}) == 0);
    CHECK((client.attributes(1).mode & 07777) == 0775);
    CHECK(client.walk(0, 2, {"made"}) == 0);
    CHECK(client.create(2, "new", 0666) == 0);
    CHECK((client.attributes(2).mode & 07777) == 0666);
    CHECK(client.write(2, 0, "hello") == 0);
    CHECK(folders.text("made/new") == "hello");
    CHECK(client.walk(0, 3, {"made", "new"}) == 0);
    CHECK(client.rename(0, "made", 0, "renamed") == 0);
    CHECK(client.attributes(3).bytes == 5); // found under its new name
    CHECK(client.unlink(1, "new") == 0);
    CHECK(client.write(2, 5, "!") == 0); // still open
    CHECK(client.attributes(2).bytes == 6);
    CHECK(client.set(2, 8, 0, 0, 0, 2) == 0);
    CHECK(client.attributes(2).bytes == 2);
    CHECK(client.attributes(3).mode == 0);
    CHECK(client.unlink(0, "renamed") == EISDIR);
    CHECK(client.unlink(0, "renamed", 0x200) == 0);
    CHECK_FALSE(fs::exists(folders.shared + "/renamed"));
    CHECK(client.walk(0, 4, {"file"}) == 0);
    CHECK(client.with_fid(122, 4) == 0); // remove
    CHECK(client.clunk(4) == EBADF);
    CHECK_FALSE(fs::exists(folders.shared + "/file"));
    CHECK(client.with_fid(122, 0) == EBUSY);
}

TEST_CASE("links and special files are made as far as they do no harm", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.make_symlink(0, "link", "../../anything") == 0);
    CHECK(client.walk(0, 1, {"link"}) == 0);
    CHECK(client.link_target(1) == "../../anything");
    CHECK(client.walk(0, 2, {"file"}) == 0);
    const auto hard_link = [&](u32 fid, const std::string& name) {
        return client.with_fid(70, 0, [&](P9Writer& w) {
            w.put32(fid);
            w.put_string(name);
        });
    };
    CHECK(hard_link(2, "second") == 0);
    CHECK(folders.text("second") == "contents");
    CHECK(hard_link(9, "third") == EBADF);
    CHECK(client.make_node(0, "pipe", S_IFIFO | 0600) == 0);
    CHECK(client.walk(0, 3, {"pipe"}) == 0);
    CHECK(client.open(3, 0) != 0); // would wait for a writer
    CHECK(client.make_node(0, "tty", S_IFCHR | 0600) == EPERM);
    CHECK(client.make_node(0, "../tty", S_IFIFO | 0600) == EINVAL);
}

TEST_CASE("attributes are set", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"file"}) == 0);
    CHECK(client.set(1, 1, 06640, 0, 0, 0) == 0);
    CHECK((client.attributes(1).mode & 07777) == 0640); // no set-user-ID on the host
    CHECK(client.set(1, 8, 0, 0, 0, 3) == 0);
    CHECK(folders.text("file") == "con");
    CHECK(client.set(1, 0x20 | 0x100, 0, 0, 0, 0, 1'000'000'000) == 0);
    struct stat info;
    REQUIRE(stat((folders.shared + "/file").c_str(), &info) == 0);
    CHECK(info.st_mtim.tv_sec == 1'000'000'000);
    CHECK(client.set(1, 0x20, 0, 0, 0, 0) == 0); // now
    REQUIRE(stat((folders.shared + "/file").c_str(), &info) == 0);
    CHECK(info.st_mtim.tv_sec > 1'500'000'000);
    CHECK(client.set(9, 1, 0, 0, 0, 0) == EBADF);
}

TEST_CASE("a folder is listed whole, whatever fits into a message", "[virtio][9p]") {
    Folders folders;
    std::multiset<std::string> expected{".", ".."};
    for (int i = 0; i < 1500; ++i) {
        const std::string name = "entry-" + std::to_string(i) + std::string(i % 50, 'x');
        std::ofstream(folders.shared + "/sub/deep/" + name);
        expected.insert(name);
    }
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"sub", "deep"}) == 0);
    CHECK(client.open(1, 0) == 0);
    CHECK(client.list(1, 100) == expected);
    CHECK(client.list(1, 100'000) == expected); // again, from the start
}

TEST_CASE("a folder shared for reading does not change", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared, {.read_only = true});
    CHECK(client.walk(0, 1, {"file"}) == 0);
    CHECK(client.walk(0, 2, {}) == 0);
    CHECK(client.open(1, 1) == EROFS);
    CHECK(client.open(1, 01000) == EROFS);
    CHECK(client.create(2, "new", 0644) == EROFS);
    CHECK(client.make_folder(0, "new") == EROFS);
    CHECK(client.make_symlink(0, "new", "x") == EROFS);
    CHECK(client.make_node(0, "new", S_IFIFO) == EROFS);
    CHECK(client.unlink(0, "file") == EROFS);
    CHECK(client.rename(0, "file", 0, "new") == EROFS);
    for (const u32 valid : {1, 2, 8, 0x20}) {
        CHECK(client.set(1, valid, 0, 0, 0, 0) == EROFS);
    }
    CHECK(client.open(1, 0) == 0);
    CHECK(client.read(1, 0, 100) == 0);
    CHECK(client.text == "contents");
}

TEST_CASE("mapped attributes are the guest's own", "[virtio][9p]") {
    Folders folders;
    // /tmp may be a file system without user attributes; then there is nothing to test.
    Client client(folders.shared, {.ownership = Ownership::Mapped});
    CHECK(client.walk(0, 1, {}) == 0);
    const int error = client.create(1, "new", 04755);
    if (error == EOPNOTSUPP) {
        WARN("skipped: no extended attributes in /tmp");
        return;
    }
    REQUIRE(error == 0);
    CHECK(client.attributes(1).mode == (S_IFREG | 04755));
    CHECK(client.attributes(1).uid == 1000);
    CHECK(client.attributes(1).gid == 100);
    struct stat info;
    REQUIRE(stat((folders.shared + "/new").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
    CHECK(client.set(1, 2, 0, 7, 8, 0) == 0); // the owner, not the group
    CHECK(client.attributes(1).uid == 7);
    CHECK(client.attributes(1).gid == 100);
    CHECK(client.set(1, 1, 0111, 0, 0, 0) == 0);
    CHECK(client.attributes(1).mode == (S_IFREG | 0111));
    CHECK(client.make_node(0, "tty", S_IFCHR | 0620) == 0);
    CHECK(client.walk(0, 2, {"tty"}) == 0);
    CHECK(client.attributes(2).mode == (S_IFCHR | 0620));
    CHECK(client.attributes(2).device == (4 << 8 | 64));
    CHECK(client.make_symlink(0, "link", "/a/b") == 0);
    CHECK(client.walk(0, 3, {"link"}) == 0);
    CHECK(client.attributes(3).mode == (S_IFLNK | 0777));
    CHECK(client.link_target(3) == "/a/b");
    CHECK(client.make_folder(0, "dir") == 0);
    CHECK(client.walk(0, 4, {"dir"}) == 0);
    CHECK(client.attributes(4).mode == (S_IFDIR | 0775));
}

TEST_CASE("what is no message or unknown is answered with an error", "[virtio][9p]") {
    Folders folders;
    Client client(folders.shared);
    CHECK(client.call(30, {}) == EOPNOTSUPP);
    CHECK(client.call(255, {}) == EOPNOTSUPP);
    for (int type = 0; type < 255; type += 2) {
        if (type != 100 && type != 6) {
            CHECK(client.call(static_cast<u8>(type), {}) != 0); // its fields are missing
        }
    }
    const u8 brief[] = {4, 0, 0, 0};
    CHECK(client.server->answer(brief, 100).empty());
    const u8 too_long[] = {200, 0, 0, 0, 120, 0, 0, 1, 0, 0, 0};
    CHECK(client.server->answer(too_long, 100).empty());
}

TEST_CASE("an answer keeps to the room that there is", "[virtio][9p]") {
    Folders folders;
    std::ofstream(folders.shared + "/long") << std::string(100'000, 'x');
    Client client(folders.shared);
    CHECK(client.walk(0, 1, {"long"}) == 0);
    CHECK(client.open(1, 0) == 0);
    CHECK(client.read(1, 0, ~u32{0}) == 0);
    CHECK(client.text.size() == 8192 - 11);
    P9Writer message;
    message.put32(7 + 4);
    message.put8(24); // getattr
    message.put16(1);
    message.put32(1);
    CHECK(client.server->answer(message.bytes(), 11).size() == 11);
}

TEST_CASE("random messages do a server no harm", "[virtio][9p][fuzz]") {
    Folders folders;
    Client client(folders.shared + "/sub");
    std::mt19937 random(test::seed(3));
    const u8 types[] = {8,  12, 14, 16, 18, 20,  22,  24,  26,  40,  50,  52,
                        54, 70, 72, 74, 76, 104, 108, 110, 116, 118, 120, 122};
    const char* names[] = {"a", "b", "inner", "deep", "..", ".", "", "x/y"};
    for (int i = 0; i < 100'000; ++i) {
        P9Writer fields;
        for (u32 count = random() % 7; count > 0; --count) {
            switch (random() % 4) {
            case 0:
                fields.put_string(names[random() % std::size(names)]);
                break;
            case 1:
                fields.put8(static_cast<u8>(random()));
                break;
            default:
                fields.put32(random() % 8 == 0 ? static_cast<u32>(random()) : random() % 4);
            }
        }
        client.call(types[random() % std::size(types)], fields);
    }
    CHECK(fs::exists(folders.top + "/secret/file"));
    CHECK(folders.text("file") == "contents");
}

TEST_CASE("a folder is shared over virtio", "[virtio][9p]") {
    Folders folders;
    std::string why_not;
    CHECK(SharedFolder::open({.path = "/nonexistent"}, why_not) == nullptr);
    CHECK(why_not.find("/nonexistent") != std::string::npos);
    std::mutex lock;
    TestDriver driver;
    {
        P9Device device(SharedFolder::open({.path = folders.shared}, why_not), "host", lock);
        {
            const std::lock_guard held(lock);
            driver.attach(&device);
            CHECK(driver.transport->read(0x100, 2) == 4);
            CHECK(driver.read(0x100) == (4 | 'h' << 16 | 'o' << 24));
            driver.bring_up(TestDriver::kAllOffered, 1);
            P9Writer version;
            version.put32(19 + 2);
            version.put8(100);
            version.put16(0xffff);
            version.put32(8192);
            version.put_string("9P2000.L");
            const PhysAddr message = driver.store(version.bytes().data(), version.size());
            const PhysAddr answer = driver.allocate(64);
            driver.add(0, {{message, 21}, {answer, 64, true}});
            driver.notify(0);
        }
        REQUIRE(driver.wait_used(0, 1, lock));
        CHECK(driver.used(0, 0).bytes == 21);
        const std::lock_guard held(lock);
        driver.add(0, {{driver.allocate(64), 8}});
        driver.notify(0);
        CHECK((driver.read(0x070) & 64) != 0); // no room for an answer
    }
}

} // namespace
} // namespace ulna::devices::virtio
