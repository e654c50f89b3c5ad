// What another option names.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ir/support/check.h"

namespace ulna::system {

// The command line made sure that it is there.
template <class Options>
const Options* with_id(const std::vector<Options>& all, const std::string& id) {
    const auto found = std::ranges::find(all, id, &Options::id);
    CHECK(found != all.end());
    return &*found;
}

} // namespace ulna::system
