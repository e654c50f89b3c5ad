// Properties out of JSON, as QMP and options have them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/system/properties.h"

namespace ulna::system {

// Members of objects in it are "outer.inner", elements of lists "outer.0" and up, or all of the
// same name if they are {"str": text}; true is "on", null an empty text.
[[nodiscard]] Properties properties_of(const nlohmann::json& object);

} // namespace ulna::system
