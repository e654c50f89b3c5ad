#include "runtime/system/pseudo_terminals.h"

#include <array>
#include <cstdio>
#include <map>

#include "runtime/devices/pty_backend.h"

namespace ulna::system {

namespace {

constexpr std::string_view kUnopened = "pty#", kOpen = "pty:";

} // namespace

std::string unopened_pty(const std::string& id) { return std::string(kUnopened) + id; }

bool open_ptys(SystemOptions& options, std::string& why_not) {
    std::map<std::string, std::string> opened;
    const auto open = [&](std::string& words) {
        if (!words.starts_with(kUnopened)) {
            return true;
        }
        std::string& now = opened[words];
        if (now.empty()) {
            now = devices::PtyBackend::open(why_not);
            if (now.empty()) {
                return false;
            }
            std::fprintf(stderr, "char device redirected to %s (label %s)\n",
                         shown_place(now).substr(kOpen.size()).c_str(),
                         words.substr(kUnopened.size()).c_str());
        }
        words = now;
        return true;
    };
    bool all = open(options.monitor);
    for (auto* const list : {&options.serials, &options.qmp}) {
        for (std::string& words : *list) {
            all = all && open(words);
        }
    }
    for (auto* const list : {&options.lines, &options.characters}) {
        for (CharacterOption& one : *list) {
            all = all && open(one.words);
        }
    }
    return all;
}

std::string shown_place(const std::string& words) {
    return words.starts_with(kOpen)
               ? std::string(kOpen) + words.substr(words.find(':', kOpen.size()) + 1)
               : words;
}

} // namespace ulna::system
