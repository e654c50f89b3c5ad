#include "runtime/system/device_tree_file.h"

#include <cstdio>

#include "runtime/system/board.h"

namespace ulna::system {

std::string save_device_tree(const SystemOptions& options, const std::string& name) {
    std::string why_not;
    const auto tree = boot_device_tree(boot_request(options), describe(options), why_not);
    if (!tree) {
        return why_not;
    }
    std::FILE* const file = std::fopen(name.c_str(), "wbe");
    const bool is_written =
        file != nullptr && std::fwrite(tree->data(), 1, tree->size(), file) == tree->size();
    const bool is_closed = file != nullptr && std::fclose(file) == 0;
    return is_written && is_closed ? "" : "cannot write '" + name + "'";
}

} // namespace ulna::system
