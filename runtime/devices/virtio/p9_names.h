// Paths of a shared folder, from its root, which is "".
#pragma once

#include <cerrno>
#include <climits>
#include <string>

namespace ulna::devices::virtio {

inline std::string child_of(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : folder + "/" + name;
}

// The folder and the name in it of a path that is not the root's.
struct Split {
    std::string folder, name;
};
inline Split split(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? Split{"", path}
                                      : Split{path.substr(0, slash), path.substr(slash + 1)};
}

// 0, or why the name cannot be one of something in a folder.
inline int wrong_name(const std::string& name) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
        return EINVAL;
    }
    return name.size() > NAME_MAX ? ENAMETOOLONG : 0;
}

inline bool is_within(const std::string& path, const std::string& top) {
    return path == top || (path.size() > top.size() && path.compare(0, top.size(), top) == 0 &&
                           path[top.size()] == '/');
}

} // namespace ulna::devices::virtio
