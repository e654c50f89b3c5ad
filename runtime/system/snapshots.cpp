#include "runtime/system/snapshots.h"

#define FMT_HEADER_ONLY
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "runtime/devices/memory_image.h"
#include "runtime/system/board.h"
#include "runtime/system/machine.h"
#include "runtime/system/snapshot_configuration.h"
#include "runtime/system/snapshot_file.h"
#include "runtime/system/snapshot_folder.h"

namespace ulna::system {

using devices::MemoryImage;
using devices::StatePart;
using devices::StateVisitor;

namespace {

constexpr const char* kEnds = "the machine ends";

template <class Function> std::vector<u8> saved(Function visit_state) {
    StateVisitor visit;
    visit_state(visit);
    return visit.take();
}

} // namespace

Snapshots::Snapshots(Machine& machine, Board& board, const SystemOptions& options)
    : machine_{machine},
      board_{board},
      folder_{options.snapshot_folder},
      configuration_{snapshot_configuration(options)} {}

Snapshots::Configuration Snapshots::configuration() const {
    Configuration all = configuration_;
    const std::lock_guard lock{machine_.lock()};
    board_.describe_devices(all);
    return all;
}

// Devices know what time it is, and drive what is the interrupt controller's state.
Snapshots::Parts Snapshots::parts() {
    Parts parts;
    machine_.add_clock_state(parts);
    board_.add_state(parts);
    machine_.add_state(parts);
    return parts;
}

Snapshots::Images Snapshots::images() {
    Images images;
    for (const auto& ram : machine_.memory().ram_ranges()) {
        images.push_back(std::make_unique<MemoryImage>(fmt::format("ram at {:#x}", ram.base),
                                                       ram.host, ram.bytes));
        if (ram.tags != nullptr) {
            images.push_back(std::make_unique<MemoryImage>(
                fmt::format("tags of ram at {:#x}", ram.base), ram.tags, ram.tag_bytes()));
        }
    }
    board_.add_images(images);
    return images;
}

// --- saving

std::string Snapshots::save(const std::string& name) {
    const std::lock_guard one{mutex_};
    std::string why_not;
    const std::string file_path = snapshot_path(folder_, name, why_not);
    SnapshotWriter file;
    if (file_path.empty()) {
        return why_not;
    }
    const std::lock_guard no_change{board_.change_lock()};
    const Pause pause{machine_.run_control()};
    board_.drain();
    Configuration now = configuration();
    const bool called = machine_.call_exclusively([&] {
        why_not = machine_.stopping() ? kEnds : board_.why_not_saved();
        if (why_not.empty() && file.open(file_path, why_not)) {
            write(file, now);
            board_.go_on();
        }
    });
    return !called || !why_not.empty() ? (called ? why_not : kEnds)
           : file.finish(why_not)      ? ""
                                       : why_not;
}

void Snapshots::write(SnapshotWriter& file, Configuration& configuration) {
    SnapshotAbout about{.made_s = static_cast<u64>(std::time(nullptr)),
                        .guest_s = machine_.counter() / ir::kCounterFrequency};
    file.add(SnapshotAbout::kSection, SnapshotAbout::kVersion,
             saved([&](StateVisitor& visit) { about.visit_state(visit); }));
    file.add(kConfigurationSection, kConfigurationVersion,
             saved([&](StateVisitor& visit) { visit_configuration(configuration, visit); }));
    for (const StatePart& part : parts()) {
        file.add(part.name, part.version, saved(part.visit));
    }
    for (const auto& image : images()) {
        file.add(*image);
    }
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
                             : difference(other, configuration());
    return why_not.empty();
}

namespace {

const SnapshotSection*
find(const SnapshotReader& file, const std::string& name, std::string& why_not) {
    const SnapshotSection* const section = file.find(name);
    if (section == nullptr) {
        why_not = "it has no '" + name + "'";
    }
    return section;
}

bool read_state(const SnapshotReader& file,
                const StatePart& part,
                std::vector<u8>& state,
                std::string& why_not) {
    const SnapshotSection* const section = find(file, part.name, why_not);
    if (section != nullptr && section->version != part.version) {
        why_not = fmt::format("its '{}' is of version {}, and this program's of {}", part.name,
                              section->version, part.version);
        return false;
    }
    return section != nullptr && file.read(*section, state, why_not);
}

bool read_image(const SnapshotReader& file, devices::StateImage& image, std::string& why_not) {
    const SnapshotSection* const section = find(file, image.name(), why_not);
    return section != nullptr && image.begin(why_not) && file.read(*section, image, why_not);
}

} // namespace

// All of it, before anything changes.
bool Snapshots::read(const SnapshotReader& file, Loaded& loaded, std::string& why_not) {
    std::vector<std::string> known{SnapshotAbout::kSection, kConfigurationSection};
    if (!fits(file, why_not)) {
        return false;
    }
    for (const StatePart& part : loaded.parts) {
        known.push_back(part.name);
        if (!read_state(file, part, loaded.states.emplace_back(), why_not)) {
            return false;
        }
    }
    for (const auto& image : loaded.images) {
        known.push_back(image->name());
        if (!read_image(file, *image, why_not)) {
            return false;
        }
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
    const std::string file_path = snapshot_path(folder_, name, why_not);
    if (file_path.empty()) {
        return why_not;
    }
    const auto refused = [&] { return "snapshot '" + name + "': " + why_not; };
    const std::lock_guard no_change{board_.change_lock()};
    const Pause pause{machine_.run_control()}; // a guest that runs may let go of a device
    SnapshotReader file;
    Loaded loaded{.parts = parts(), .states = {}, .images = images()};
    if (!file.open(file_path, why_not) || !read(file, loaded, why_not)) {
        return refused();
    }
    board_.drain();
    bool fits_now = false;
    const bool called = machine_.call_exclusively([&] {
        why_not = machine_.stopping() ? kEnds : board_.why_not_loaded();
        fits_now = why_not.empty();
        if (fits_now && apply(loaded, why_not)) {
            board_.forget_past();
        }
        board_.go_on();
    });
    if (!called || !fits_now) {
        return called ? why_not : kEnds;
    }
    machine_.forget_past(); // in either case: time has stood still
    return why_not.empty() ? "" : refused();
}

} // namespace ulna::system
