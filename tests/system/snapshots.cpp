// Snapshot files, and machines that are saved and loaded while they do not run.
#include "runtime/system/snapshots.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "runtime/devices/memory_image.h"
#include "runtime/system/board.h"
#include "runtime/system/round_robin.h"
#include "runtime/system/snapshot_configuration.h"
#include "runtime/system/snapshot_file.h"
#include "runtime/system/snapshot_folder.h"
#include "tests/system/temporary_file.h"

#include "tests/support/catch.h"
#include "tests/support/seed.h"

namespace ulna::system {
namespace {

using devices::StateImage;

class Folder {
  public:
    Folder() {
        std::string name = std::filesystem::temp_directory_path() / "ulna-test-XXXXXX";
        path_ = mkdtemp(name.data());
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string operator/(const std::string& name) const {
        return path_ + "/" + name;
    }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

std::string bytes_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}
void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream{path, std::ios::binary} << bytes;
}
std::vector<u8> bytes(std::string_view text) { return {text.begin(), text.end()}; }

// An image that says what a test wants.
struct FakeImage final : StateImage {
    std::string its_name = "image";
    u64 its_bytes = 0x10'0000;
    std::vector<Run> its_runs;
    u64 put_bytes = 0;
    bool takes = true;

    const std::string& name() const override { return its_name; }
    u64 bytes() const override { return its_bytes; }
    std::vector<Run> runs() override { return its_runs; }
    bool read(u64 offset, std::span<u8> to) override {
        std::ranges::fill(to, static_cast<u8>(offset >> 12));
        return true;
    }
    bool begin(std::string&) override { return true; }
    bool put(u64 offset, std::span<const u8> from) override {
        CHECK((offset < its_bytes && from.size() <= its_bytes - offset));
        put_bytes += from.size();
        return takes;
    }
    void commit() override {}
    void give_up() override {}
};

TEST_CASE("a snapshot's file has its sections", "[snapshots]") {
    const Folder folder;
    const std::string path = folder / "a";
    FakeImage image;
    image.its_runs = {{0, 0x8'0000}, {0xf'f000, 0x1000}};
    std::string why_not;
    {
        SnapshotWriter file;
        REQUIRE(file.open(path, why_not));
        file.add("one", 1, bytes("first"));
        file.add("two", 7, {});
        file.add(image);
        CHECK_FALSE(std::filesystem::exists(path)); // not before it is whole
        REQUIRE(file.finish(why_not));
    }
    SnapshotReader file;
    REQUIRE(file.open(path, why_not));
    CHECK(file.sections().size() == 3);
    CHECK(file.find("three") == nullptr);
    std::vector<u8> found;
    REQUIRE(file.read(*file.find("one"), found, why_not));
    CHECK(found == bytes("first"));
    REQUIRE(file.find("two")->version == 7);
    REQUIRE(file.read(*file.find("two"), found, why_not));
    CHECK(found.empty());
    REQUIRE(file.read(*file.find("image"), image, why_not));
    CHECK(image.put_bytes == 0x8'1000);
    image.takes = false;
    CHECK_FALSE(file.read(*file.find("image"), image, why_not));
    CHECK(why_not == "cannot have what its 'image' has");

    {
        SnapshotWriter dropped; // leaves nothing
        REQUIRE(dropped.open(path, why_not));
        dropped.add("one", 1, bytes("other"));
    }
    CHECK(std::distance(std::filesystem::directory_iterator{folder.path()}, {}) == 1);
    SnapshotWriter nowhere;
    CHECK_FALSE(nowhere.open(folder / "none/a", why_not));
    CHECK(why_not.starts_with("cannot make '"));
}

TEST_CASE("runs that no image has are refused", "[snapshots]") {
    const Folder folder;
    using Runs = std::vector<StateImage::Run>;
    for (const Runs& runs :
         {Runs{{0, 0}}, Runs{{0x1000, 0x1000}, {0, 0x1000}}, Runs{{1, 0x1000}},
          Runs{{0, 0x2000}, {0x1000, 0x1000}}, Runs{{0x10'0000, 0x1000}}, Runs{{0xf'f000, 0x2000}},
          Runs{{~u64{0xfff}, 0x1000}}, Runs{{0x1000, 0x800}}}) {
        FakeImage image, other;
        image.its_runs = runs;
        SnapshotWriter file;
        std::string why_not;
        REQUIRE(file.open(folder / "a", why_not));
        file.add(image);
        REQUIRE(file.finish(why_not));
        SnapshotReader reader;
        REQUIRE(reader.open(folder / "a", why_not));
        CHECK_FALSE(reader.read(*reader.find("image"), other, why_not));
        CHECK(why_not == "its 'image' is damaged");
        CHECK(other.put_bytes == 0);
    }
}

TEST_CASE("every damage of a snapshot's file is seen", "[snapshots]") {
    const Folder folder;
    std::string why_not;
    FakeImage image;
    image.its_runs = {{0x1000, 0x1000}};
    SnapshotWriter writer;
    REQUIRE(writer.open(folder / "a", why_not));
    writer.add("one", 1, bytes("first"));
    writer.add(image);
    REQUIRE(writer.finish(why_not));
    const std::string good = bytes_of(folder / "a");
    const auto is_seen = [&](const std::string& bent) {
        write_file(folder / "b", bent);
        SnapshotReader reader;
        std::vector<u8> found;
        if (!reader.open(folder / "b", why_not)) {
            return true;
        }
        const SnapshotSection* const one = reader.find("one");
        const SnapshotSection* const many = reader.find("image");
        return one == nullptr || many == nullptr || !reader.read(*one, found, why_not) ||
               !reader.read(*many, image, why_not);
    };
    CHECK_FALSE(is_seen(good));
    for (std::size_t at = 0; at < good.size(); at += at < 200 || at > good.size() - 200 ? 1 : 97) {
        std::string bent = good;
        bent[at] = static_cast<char>(bent[at] ^ 0x10);
        CHECK(is_seen(bent));
        CHECK(is_seen(good.substr(0, at)));
    }
}

// A machine that does not run.
struct Whole {
    SystemOptions options;
    std::unique_ptr<Machine> machine;
    std::unique_ptr<Board> board;
    std::unique_ptr<Snapshots> snapshots;

    explicit Whole(const Folder& folder, const std::vector<const char*>& words = {}) {
        std::vector<const char*> all{
            "ulna-system",        "-m", "16", "-kernel", "none", "-serial", "null", "-snapshot-dir",
            folder.path().c_str()};
        all.insert(all.end(), words.begin(), words.end());
        const SystemCommandLine line =
            parse_system_command_line(static_cast<int>(all.size()), all.data());
        INFO(line.message);
        REQUIRE_FALSE(line.exit_status);
        options = line.options;
        std::string why_not;
        machine = Machine::create({.cpus = options.cpus,
                                   .ram_bytes = options.ram_bytes,
                                   .model = &options.cpu_model,
                                   .engine = runtime::EngineKind::Interpreter,
                                   .has_el2 = options.el2,
                                   .has_el3 = options.el3,
                                   .gic = options.gic,
                                   .has_its = options.its,
                                   .instruction_time = options.instruction_time},
                                  why_not);
        REQUIRE(machine != nullptr);
        board = Board::create(*machine, options, why_not);
        INFO(why_not);
        REQUIRE(board != nullptr);
        snapshots = std::make_unique<Snapshots>(*machine, *board, options);
    }
    u8* ram() { return machine->memory().ram(0x4000'0000, 0x1000); }
    // Its state as a file has it, without what time does to it.
    std::string state(const Folder& folder) {
        REQUIRE(snapshots->save("state") == "");
        std::string why_not, text;
        SnapshotReader file;
        REQUIRE(file.open(folder / "state.ulna-snapshot", why_not));
        for (const SnapshotSection& section : file.sections()) {
            if (section.name != "about" && section.name != "time" && section.name != "clock") {
                text += section.name + " " + std::to_string(section.checksum) + "\n";
            }
        }
        return text;
    }
};

TEST_CASE("a machine has its state back", "[snapshots]") {
    const Folder folder;
    Whole one(folder, {"-smp", "2"}), other(folder, {"-smp", "2"});
    one.ram()[5] = 5;
    one.machine->cpus()[1]->cpu().state->x[3] = 33;
    {
        const std::lock_guard lock{one.machine->lock()};
        CHECK(one.machine->memory().write(0x0900'0038, 4, 0x7f0)); // UARTIMSC
    }
    CHECK(one.snapshots->save("a") == "");
    CHECK(other.snapshots->load("a") == "");
    CHECK(other.ram()[5] == 5);
    CHECK(other.machine->cpus()[1]->cpu().state->x[3] == 33);
    CHECK(other.state(folder) == one.state(folder));
    CHECK(remove_snapshot(folder.path(), "a") == "");
    CHECK(remove_snapshot(folder.path(), "a").starts_with("cannot remove '"));
    CHECK(list_snapshots(folder.path()).find("state") != std::string::npos);
    std::filesystem::copy(folder / "state.ulna-snapshot", folder / "\x1b[31m.ulna-snapshot");
    std::filesystem::copy(folder / "state.ulna-snapshot", folder / ".ulna-snapshot");
    CHECK(list_snapshots(folder.path()).find("\x1b") == std::string::npos);
    CHECK(std::ranges::count(list_snapshots(folder.path()), '\n') == 2);
    CHECK(one.snapshots->save("") != "");
    CHECK(one.snapshots->save("a/b") != "");
    CHECK(one.snapshots->save("..") != "");
}

TEST_CASE("a snapshot may say that it was made at any time", "[snapshots]") {
    const Folder folder;
    std::string why_not;
    for (const u64 time : {u64{0}, u64{1} << 40, u64{1} << 62, u64{1} << 63, ~u64{0}}) {
        SnapshotAbout about{.made_s = time, .guest_s = time};
        devices::StateVisitor visit;
        about.visit_state(visit);
        SnapshotWriter file;
        REQUIRE(file.open(folder / "a.ulna-snapshot", why_not));
        file.add(SnapshotAbout::kSection, SnapshotAbout::kVersion, visit.take());
        REQUIRE(file.finish(why_not));
        CHECK(std::ranges::count(list_snapshots(folder.path()), '\n') == 2);
    }
}

TEST_CASE("a machine that counts instructions has its time back", "[snapshots]") {
    const Folder folder;
    Whole one(folder, {"-smp", "2", "-icount", "3"}), other(folder, {"-smp", "2", "-icount", "3"});
    std::vector<u8> state(8 + 8 + 8 + 4 + 2 * 8);
    const u64 fields[] = {5000, 700, 60}; // instructions, idle nanoseconds, the turn's
    std::memcpy(state.data(), fields, sizeof fields);
    state[24] = 1; // the second CPU's
    devices::StateVisitor visit{state};
    one.machine->round_robin()->visit_state(visit);
    visit.finish();
    REQUIRE(visit.why_not() == "");
    CHECK(one.machine->round_robin()->instructions() == 5000);
    CHECK(one.machine->round_robin()->now_ns() == 700 + 5000 * 8);
    CHECK(one.snapshots->save("a") == "");
    CHECK(other.snapshots->load("a") == "");
    CHECK(other.machine->round_robin()->instructions() == 5000);
    CHECK(other.machine->round_robin()->now_ns() == 700 + 5000 * 8);
    CHECK(other.machine->counter() == one.machine->counter());
    CHECK(other.state(folder) == one.state(folder));
    state[24] = 2; // of two CPUs
    devices::StateVisitor bent{state};
    other.machine->round_robin()->visit_state(bent);
    CHECK(bent.why_not() == "a number that is too large");
    state[24] = 1;
    state[23] = 1; // a turn of centuries, in which nobody would hear of anything
    devices::StateVisitor long_turn{state};
    other.machine->round_robin()->visit_state(long_turn);
    CHECK(long_turn.why_not() == "a number that is too large");
}

TEST_CASE("a snapshot of another machine does not fit", "[snapshots]") {
    const Folder folder;
    Whole one(folder);
    REQUIRE(one.snapshots->save("a") == "");
    const auto why_not = [&](std::vector<const char*> words) {
        Whole other(folder, words);
        const std::string before = other.state(folder);
        const std::string line = other.snapshots->load("a");
        CHECK(other.state(folder) == before);
        return line;
    };
    const std::string start = "snapshot 'a': of a machine with ";
    CHECK(why_not({"-smp", "4"}) == start + "-smp 1, and this one has 4");
    CHECK(why_not({"-m", "32"}) == start + "-m 16M, and this one has 32M");
    CHECK(why_not({"-cpu", "cortex-a53"}) == start + "-cpu max, and this one has cortex-a53");
    CHECK(why_not({"-cpu", "max,sha3=off"}) ==
          "snapshot 'a': of a machine with other CPU features");
    CHECK(why_not({"-device", "virtio-rng-device"}) ==
          start + "virtio-mmio 0: none, and this one has virtio-rng");
    CHECK(why_not({"-device", "virtio-rng-pci"}) ==
          start + "virtio-pci 0: none, and this one has virtio-rng");
    CHECK(why_not({"-icount", "2,sleep=off"}) ==
          start + "-icount off, and this one has shift=2,sleep=off");
    CHECK(why_not({"-semihosting"}) == start + "-semihosting off, and this one has on");
    CHECK(why_not({"-M", "virt,gic-version=2"}) == start + "gic-version 3, and this one has 2");
    CHECK(why_not({"-M", "virt,its=off"}) == start + "its on, and this one has off");
    CHECK(why_not({"-M", "virt,secure=on"}) == start + "secure off, and this one has on");
}

// Sections that are missing, of another version, or of something else.
TEST_CASE("a snapshot has exactly the machine's parts", "[snapshots]") {
    const Folder folder;
    Whole whole(folder);
    REQUIRE(whole.snapshots->save("good") == "");
    std::string why_not;
    SnapshotReader good;
    REQUIRE(good.open(folder / "good.ulna-snapshot", why_not));
    const auto load_with = [&](const std::string& name, u32 version, const std::string& as) {
        SnapshotWriter other;
        REQUIRE(other.open(folder / "other.ulna-snapshot", why_not));
        for (const SnapshotSection& section : good.sections()) {
            std::vector<u8> content;
            FakeImage image;
            image.its_name = section.name;
            const bool is_it = section.name == name;
            if (is_it && as.empty()) {
                continue;
            }
            if (section.name.starts_with("ram") || section.name.starts_with("contents")) {
                other.add(image);
            } else {
                REQUIRE(good.read(section, content, why_not));
                other.add(is_it ? as : section.name, is_it ? version : section.version, content);
            }
        }
        REQUIRE(other.finish(why_not));
        return whole.snapshots->load("other");
    };
    CHECK(load_with("uart", 1, "") == "snapshot 'other': it has no 'uart'");
    CHECK(load_with("ram at 0x40000000", 1, "") ==
          "snapshot 'other': it has no 'ram at 0x40000000'");
    CHECK(load_with("cpu 0", 99, "cpu 0") ==
          "snapshot 'other': its 'cpu 0' is of version 99, and this program's of 3");
    CHECK(load_with("configuration", 9, "configuration") ==
          "snapshot 'other': it does not say what machine it is of");
    CHECK(load_with("about", 1, "more") ==
          "snapshot 'other': it has a 'more', which this machine does not have");
}

// With right checksums: what a file has is anything.
TEST_CASE("a machine survives snapshots that somebody made up", "[snapshots]") {
    const Folder folder;
    Whole whole(folder, {"-smp", "2"});
    whole.ram()[0] = 1;
    REQUIRE(whole.snapshots->save("good") == "");
    std::string why_not;
    SnapshotReader good;
    REQUIRE(good.open(folder / "good.ulna-snapshot", why_not));
    std::mt19937_64 random{test::seed(17)};
    unsigned refused = 0;
    for (unsigned round = 0; round < 150; ++round) {
        const std::size_t chosen = random() % good.sections().size();
        const bool leaves_out = random() % 16 == 0;
        SnapshotWriter bent;
        REQUIRE(bent.open(folder / "bent.ulna-snapshot", why_not));
        for (std::size_t n = 0; n < good.sections().size(); ++n) {
            const SnapshotSection& section = good.sections()[n];
            if (section.bytes > 1 << 20 || (n == chosen && leaves_out)) {
                continue;
            }
            std::vector<u8> content(section.bytes);
            if (section.name.starts_with("ram") || section.name.starts_with("contents")) {
                FakeImage image;
                image.its_name = section.name;
                image.its_bytes = ~u64{0};
                image.its_runs = {{random() % 4 * 0x1000, 0x1000}};
                bent.add(image);
                continue;
            }
            REQUIRE(good.read(section, content, why_not));
            for (u64 changes = n == chosen ? random() % 4 + 1 : 0; changes != 0 && !content.empty();
                 --changes) {
                content[random() % content.size()] = static_cast<u8>(random());
            }
            bent.add(section.name, section.version, content);
        }
        REQUIRE(bent.finish(why_not));
        const std::string before = whole.state(folder);
        const std::string line = whole.snapshots->load("bent");
        CHECK(line.find('\n') == std::string::npos);
        if (!line.empty()) {
            ++refused;
            CHECK(whole.state(folder) == before);
            REQUIRE(whole.snapshots->load("good") == "");
        }
    }
    CHECK(refused > 10);
}

} // namespace
} // namespace ulna::system
