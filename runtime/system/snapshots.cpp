#include "runtime/system/snapshots.h"

#define FMT_HEADER_ONLY
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "runtime/devices/memory_image.h"
#include "runtime/devices/pl031.h"
#include "runtime/system/board.h"
#include "runtime/system/machine.h"
#include "runtime/system/snapshot_configuration.h"
#include "runtime/system/snapshot_file.h"

namespace ulna::system {

using devices::MemoryImage;
using devices::StatePart;
using devices::StateVisitor;

namespace {

constexpr std::string_view kSuffix = ".ulna-snapshot";
constexpr const char* kAbout = "about";
constexpr u32 kAboutVersion = 1;

// What a list tells of a snapshot.
struct About {
    u64 made_s = 0;  // since 1970
    u64 guest_s = 0; // since the guest was switched on
    void visit_state(StateVisitor& visit) {
        visit(made_s, guest_s);
        visit.finish();
    }
};

template <class Function> std::vector<u8> saved(Function visit_state) {
    StateVisitor visit;
    visit_state(visit);
    return visit.take();
}

bool is_name(const std::string& name) {
    constexpr std::size_t kMost = 100;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.' || c == '+';
    };
    return !name.empty() && name.size() <= kMost && name[0] != '.' && name[0] != '-' &&
           std::ranges::all_of(name, fits);
}

} // namespace

Snapshots::Snapshots(Machine& machine, Board& board, const SystemOptions& options)
    : machine_{machine},
      board_{board},
      folder_{options.snapshot_folder},
      configuration_{snapshot_configuration(options)} {
    board_.describe_devices(configuration_);
}

// Empty, with a line, for what is no name.
std::string Snapshots::path(const std::string& name, std::string& why_not) const {
    if (!is_name(name)) {
        why_not = "'" + name + "' is no name of a snapshot: letters, digits and -_.+";
        return "";
    }
    return (folder_.empty() ? "" : folder_ + "/") + name + std::string{kSuffix};
}

// Devices first: what they drive is the interrupt controller's state.
Snapshots::Parts Snapshots::parts() {
    Parts parts;
    board_.add_state(parts);
    machine_.add_state(parts);
    return parts;
}

Snapshots::Images Snapshots::images() {
    Images images;
    for (const auto& ram : machine_.memory().ram_ranges()) {
        images.push_back(std::make_unique<MemoryImage>(fmt::format("ram at {:#x}", ram.base),
                                                       ram.host, ram.bytes));
    }
    board_.add_images(images);
    return images;
}

// --- saving

std::string Snapshots::save(const std::string& name) {
    const std::lock_guard one{mutex_};
    std::string why_not;
    const std::string file_path = path(name, why_not);
    SnapshotWriter file;
    if (file_path.empty()) {
        return why_not;
    }
    const Pause pause{machine_.run_control()};
    board_.drain();
    const std::lock_guard lock{machine_.lock()};
    if (machine_.stopping()) {
        return "the machine ends";
    }
    if (why_not = board_.why_not_saved(); !why_not.empty()) {
        return why_not;
    }
    if (!file.open(file_path, why_not)) {
        return why_not;
    }
    About about{.made_s = static_cast<u64>(std::time(nullptr)),
                .guest_s = machine_.counter() / ir::kCounterFrequency};
    file.add(kAbout, kAboutVersion, saved([&](StateVisitor& visit) { about.visit_state(visit); }));
    file.add(kConfigurationSection, kConfigurationVersion,
             saved([&](StateVisitor& visit) { visit_configuration(configuration_, visit); }));
    for (const StatePart& part : parts()) {
        file.add(part.name, part.version, saved(part.visit));
    }
    for (const auto& image : images()) {
        file.add(*image);
    }
    board_.go_on();
    return file.finish(why_not) ? "" : why_not;
}

// --- loading

struct Snapshots::Loaded {
    Parts parts;
    std::vector<std::vector<u8>> states; // of the parts
    Images images;                       // put aside
};

bool Snapshots::fits(const SnapshotReader& file, std::string& why_not) const {
    const SnapshotSection* const section = file.find(kConfigurationSection);
    std::vector<u8> bytes;
    if (section == nullptr || section->version != kConfigurationVersion) {
        why_not = "it does not say what machine it is of";
        return false;
    }
    if (!file.read(*section, bytes, why_not)) {
        return false;
    }
    Configuration other;
    StateVisitor visit{bytes};
    visit_configuration(other, visit);
    visit.finish();
    why_not = visit.failed() ? "its configuration has " + visit.why_not()
                             : difference(other, configuration_);
    return why_not.empty();
}

// All of it, before anything changes.
bool Snapshots::read(const SnapshotReader& file, Loaded& loaded, std::string& why_not) {
    if (!fits(file, why_not)) {
        return false;
    }
    std::vector<std::string> known{kAbout, kConfigurationSection};
    for (const StatePart& part : loaded.parts) {
        const SnapshotSection* const section = file.find(part.name);
        if (section == nullptr) {
            why_not = "it has no '" + part.name + "'";
            return false;
        }
        if (section->version != part.version) {
            why_not = fmt::format("its '{}' is of version {}, and this program's of {}", part.name,
                                  section->version, part.version);
            return false;
        }
        if (!file.read(*section, loaded.states.emplace_back(), why_not)) {
            return false;
        }
        known.push_back(part.name);
    }
    for (const auto& image : loaded.images) {
        const SnapshotSection* const section = file.find(image->name());
        if (section == nullptr) {
            why_not = "it has no '" + image->name() + "'";
            return false;
        }
        if (!image->begin(why_not) || !file.read(*section, *image, why_not)) {
            return false;
        }
        known.push_back(image->name());
    }
    for (const SnapshotSection& section : file.sections()) {
        if (std::ranges::count(known, section.name) == 0) {
            why_not = "it has a '" + section.name + "', which this machine does not have";
            return false;
        }
    }
    return true;
}

// Devices that were given what cannot be get back what they had.
bool Snapshots::apply(const Loaded& loaded, std::string& why_not) {
    std::vector<std::vector<u8>> before;
    for (const StatePart& part : loaded.parts) {
        before.push_back(saved(part.visit));
    }
    const auto load = [&](const std::vector<std::vector<u8>>& states) {
        for (std::size_t n = 0; n < states.size(); ++n) {
            StateVisitor visit{states[n]};
            loaded.parts[n].visit(visit);
            visit.finish();
            if (visit.failed()) {
                why_not = "its '" + loaded.parts[n].name + "' has " + visit.why_not();
                return false;
            }
        }
        return true;
    };
    if (!load(loaded.states)) {
        const std::string reason = std::exchange(why_not, "");
        CHECK(load(before));
        why_not = reason;
        return false;
    }
    for (const auto& image : loaded.images) {
        image->commit();
    }
    return true;
}

std::string Snapshots::load(const std::string& name) {
    const std::lock_guard one{mutex_};
    std::string why_not;
    const std::string file_path = path(name, why_not);
    if (file_path.empty()) {
        return why_not;
    }
    const auto refused = [&] { return "snapshot '" + name + "': " + why_not; };
    SnapshotReader file;
    Loaded loaded{.parts = parts(), .states = {}, .images = images()};
    if (!file.open(file_path, why_not) || !read(file, loaded, why_not)) {
        return refused();
    }
    const Pause pause{machine_.run_control()};
    board_.drain();
    {
        const std::lock_guard lock{machine_.lock()};
        if (machine_.stopping()) {
            return "the machine ends";
        }
        if (why_not = board_.why_not_loaded(); !why_not.empty()) {
            return why_not;
        }
        const bool done = apply(loaded, why_not);
        if (done) {
            board_.forget_past();
        }
        board_.go_on();
        if (!done) {
            return refused();
        }
    }
    machine_.forget_past();
    return "";
}

// --- the folder

std::string Snapshots::remove(const std::string& name) const {
    std::string why_not;
    const std::string file_path = path(name, why_not);
    if (!file_path.empty() && unlink(file_path.c_str()) != 0) {
        why_not = "cannot remove '" + file_path + "': " + std::strerror(errno);
    }
    return why_not;
}

std::string Snapshots::list() const {
    std::vector<std::string> lines;
    std::error_code ignored;
    for (const auto& entry :
         std::filesystem::directory_iterator{folder_.empty() ? "." : folder_, ignored}) {
        const std::string file_name = entry.path().filename();
        std::string why_not;
        SnapshotReader file;
        std::vector<u8> bytes;
        if (!file_name.ends_with(kSuffix)) {
            continue;
        }
        const std::string name = file_name.substr(0, file_name.size() - kSuffix.size());
        if (!file.open(entry.path(), why_not)) {
            lines.push_back(fmt::format("{:<20} {}\n", name, why_not));
            continue;
        }
        About about;
        if (const SnapshotSection* const section = file.find(kAbout)) {
            if (file.read(*section, bytes, why_not)) {
                StateVisitor visit{bytes};
                about.visit_state(visit);
            }
        }
        const auto made = static_cast<std::time_t>(about.made_s);
        std::tm local{};
        localtime_r(&made, &local);
        lines.push_back(
            fmt::format("{:<20} {:>9.1f} MiB  {:%Y-%m-%d %H:%M:%S}  {:02}:{:02}:{:02}\n", name,
                        static_cast<double>(file.bytes()) / (1 << 20), local, about.guest_s / 3600,
                        about.guest_s / 60 % 60, about.guest_s % 60));
    }
    std::ranges::sort(lines);
    return lines.empty() ? "there is none in '" + (folder_.empty() ? "." : folder_) + "'\n"
                         : fmt::format("{:<20} {:>13}  {:<19}  {}\n{}", "name", "size", "made",
                                       "guest's time", fmt::join(lines, ""));
}

} // namespace ulna::system
