#include "runtime/persist/cache_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/persist/cache_file.h"
#include "runtime/persist/checksum.h"

namespace ulna::runtime {

namespace {

constexpr u64 kMostBytes = u64{1} << 30; // of all files together
constexpr u64 kBytesAfterTrimming = kMostBytes / 4 * 3;

struct Entry {
    std::string path;
    u64 bytes;
    i64 used; // seconds
};

// Files that are ours by their names, unfinished ones of writers that died included.
std::vector<Entry> entries_of(const std::string& directory) {
    std::vector<Entry> entries;
    DIR* const listing = ::opendir(directory.c_str());
    if (listing == nullptr) {
        return entries;
    }
    while (const dirent* const item = ::readdir(listing)) {
        const std::string_view name = item->d_name;
        struct stat info;
        if ((name.ends_with(".code") || name.ends_with(".tmp")) &&
            ::fstatat(::dirfd(listing), item->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode)) {
            entries.push_back({directory + "/" + item->d_name, static_cast<u64>(info.st_size),
                               std::max(info.st_atim.tv_sec, info.st_mtim.tv_sec)});
        }
    }
    ::closedir(listing);
    return entries;
}

bool make_directories(const std::string& directory) {
    for (std::size_t at = 1; at != std::string::npos;) {
        at = directory.find('/', at + 1);
        if (::mkdir(directory.substr(0, at).c_str(), 0700) != 0 && errno != EEXIST) {
            return false;
        }
    }
    return true;
}

int show_stats(const std::string& directory, std::string& text) {
    u64 files = 0, bytes = 0, blocks = 0;
    for (const Entry& entry : entries_of(directory)) {
        ++files;
        bytes += entry.bytes;
        blocks += CacheFile::inspect(entry.path).blocks;
    }
    text = "directory  " + directory + "\nfiles      " + std::to_string(files) + "\nbytes      " +
           std::to_string(bytes) + " (of " + std::to_string(kMostBytes) + " at most)\nblocks     " +
           std::to_string(blocks) + "\n";
    return 0;
}

int clear(const std::string& directory, std::string& text) {
    u64 files = 0;
    for (const Entry& entry : entries_of(directory)) {
        if (::unlink(entry.path.c_str()) != 0 && errno != ENOENT) {
            text = "ulna: " + entry.path + ": " + std::strerror(errno) + "\n";
            return 1;
        }
        ++files;
    }
    text = std::to_string(files) + " files removed from " + directory + "\n";
    return 0;
}

int verify(const std::string& directory, std::string& text) {
    int status = 0;
    u64 blocks = 0, other_versions = 0;
    for (const Entry& entry : entries_of(directory)) {
        const CacheFile::Report report = CacheFile::inspect(entry.path);
        blocks += report.blocks - report.damaged_blocks;
        other_versions += report.other_version;
        if (entry.path.ends_with(".code") && !report.other_version &&
            (!report.readable || report.damaged_blocks != 0 || report.trailing_bytes != 0)) {
            text += entry.path + (report.readable ? ": damaged, " : ": not readable, ") +
                    std::to_string(report.damaged_blocks) + " damaged blocks, " +
                    std::to_string(report.trailing_bytes) + " bytes behind the last segment\n";
            status = 1;
        }
    }
    text += std::to_string(blocks) + " good blocks" +
            (other_versions == 0 ? ""
                                 : "; " + std::to_string(other_versions) +
                                       " files of other versions of Ulna, not looked at") +
            (status == 0 ? "" : "; what is damaged is not used: ulna --cache clear removes it") +
            "\n";
    return status;
}

} // namespace

std::string cache_directory(const std::string& asked) {
    if (!asked.empty()) {
        return asked;
    }
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && cache[0] == '/') {
        return std::string(cache) + "/ulna/code";
    }
    const char* const home = std::getenv("HOME");
    const bool exists = home != nullptr && home[0] == '/' && ::access(home, F_OK) == 0;
    return exists ? std::string(home) + "/.cache/ulna/code" : "";
}

std::optional<u64> prepare_cache_directory(const std::string& directory, std::string& why_not) {
    struct statx info;
    const auto look = [&] {
        return ::statx(AT_FDCWD, directory.c_str(), AT_SYMLINK_NOFOLLOW,
                       STATX_BASIC_STATS | STATX_BTIME, &info) == 0;
    };
    if (directory.empty()) {
        why_not = "neither XDG_CACHE_HOME nor HOME is set";
        return std::nullopt;
    }
    if (!look() && (!make_directories(directory) || !look())) {
        why_not = directory + ": " + std::strerror(errno);
        return std::nullopt;
    }
    if (!S_ISDIR(info.stx_mode) || info.stx_uid != ::geteuid() || (info.stx_mode & 077) != 0) {
        why_not = directory + ": must be a directory of this user alone (mode 0700)";
        return std::nullopt;
    }
    FieldHash hash;
    hash.add(info.stx_ino).add(::makedev(info.stx_dev_major, info.stx_dev_minor));
    hash.add(info.stx_uid).add(static_cast<u64>(info.stx_btime.tv_sec));
    return hash.add(info.stx_btime.tv_nsec).value();
}

void trim_cache_directory(const std::string& directory) {
    std::vector<Entry> entries = entries_of(directory);
    u64 bytes = 0;
    for (const Entry& entry : entries) {
        bytes += entry.bytes;
    }
    if (bytes <= kMostBytes) {
        return;
    }
    std::ranges::sort(entries, {}, &Entry::used);
    for (const Entry& entry : entries) {
        if (bytes <= kBytesAfterTrimming) {
            break;
        }
        bytes -= ::unlink(entry.path.c_str()) == 0 ? entry.bytes : 0;
    }
}

int run_cache_command(const std::string& directory, const std::string& command, std::string& text) {
    std::string why_not;
    if (!prepare_cache_directory(directory, why_not)) {
        text = "ulna: no persistent cache: " + why_not + "\n";
        return 1;
    }
    if (command == "stats") {
        return show_stats(directory, text);
    }
    return command == "clear" ? clear(directory, text) : verify(directory, text);
}

} // namespace ulna::runtime
