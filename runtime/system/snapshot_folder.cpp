#include "runtime/system/snapshot_folder.h"

#define FMT_HEADER_ONLY
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "runtime/system/snapshot_file.h"

namespace ulna::system {

using devices::StateVisitor;

namespace {

constexpr std::string_view kSuffix = ".ulna-snapshot";

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

std::string
snapshot_path(const std::string& folder, const std::string& name, std::string& why_not) {
    if (!is_name(name)) {
        why_not = "'" + name + "' is no name of a snapshot: letters, digits and -_.+";
        return "";
    }
    return (folder.empty() ? "" : folder + "/") + name + std::string{kSuffix};
}

std::string remove_snapshot(const std::string& folder, const std::string& name) {
    std::string why_not;
    const std::string file_path = snapshot_path(folder, name, why_not);
    if (!file_path.empty() && unlink(file_path.c_str()) != 0) {
        why_not = "cannot remove '" + file_path + "': " + std::strerror(errno);
    }
    return why_not;
}

namespace {

std::string describe(const std::string& name, const std::string& path) {
    SnapshotReader file;
    std::string why_not;
    std::vector<u8> bytes;
    if (!file.open(path, why_not)) {
        return fmt::format("{:<20} {}\n", name, why_not);
    }
    SnapshotAbout about;
    const SnapshotSection* const section = file.find(SnapshotAbout::kSection);
    if (section != nullptr && file.read(*section, bytes, why_not)) {
        StateVisitor visit{bytes};
        about.visit_state(visit);
    }
    const auto made = static_cast<std::time_t>(about.made_s);
    std::tm local{};
    if (localtime_r(&made, &local) == nullptr) {
        return fmt::format("{:<20} damaged\n", name);
    }
    return fmt::format("{:<20} {:>9.1f} MiB  {:%Y-%m-%d %H:%M:%S}  {:02}:{:02}:{:02}\n", name,
                       static_cast<double>(file.bytes()) / (1 << 20), local, about.guest_s / 3600,
                       about.guest_s / 60 % 60, about.guest_s % 60);
}

} // namespace

std::string list_snapshots(const std::string& folder) {
    namespace fs = std::filesystem;
    const std::string place = folder.empty() ? "." : folder;
    std::vector<std::string> lines;
    std::error_code error;
    for (fs::directory_iterator at{place, error}; at != fs::directory_iterator{};
         at.increment(error)) {
        const std::string file_name = at->path().filename();
        const bool fits = file_name.ends_with(kSuffix);
        const std::string name = fits ? file_name.substr(0, file_name.size() - kSuffix.size()) : "";
        if (is_name(name)) { // others cannot be loaded, and may be anything on a terminal
            lines.push_back(describe(name, at->path()));
        }
    }
    std::ranges::sort(lines);
    return lines.empty() ? "there is none in '" + place + "'\n"
                         : fmt::format("{:<20} {:>13}  {:<19}  {}\n{}", "name", "size", "made",
                                       "guest's time", fmt::join(lines, ""));
}

} // namespace ulna::system
