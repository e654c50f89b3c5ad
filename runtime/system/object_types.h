// What -object makes.
#pragma once

#include <string_view>

#include "runtime/system/command_line.h"
#include "runtime/system/properties.h"

namespace ulna::system {

constexpr std::string_view kObjectTypes[] = {"memory-backend-file", "memory-backend-memfd",
                                             "memory-backend-ram",  "rng-builtin",
                                             "rng-random",          "secret"};

// Takes the properties of one; what is wrong fails them.
void take_object(ObjectOption& object, Properties& properties);
[[nodiscard]] std::vector<Properties::Known> object_properties(std::string_view type);

} // namespace ulna::system
