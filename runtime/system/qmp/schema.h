// What query-qmp-schema answers (QEMU, docs/devel/qapi-code-gen: SchemaInfo): commands, events and
// the types of their arguments, out of the table of commands. What queries answer is not described.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <span>

#include "runtime/system/qmp/protocol.h"

namespace ulna::system::qmp {

[[nodiscard]] Json schema_of(std::span<const Command> commands);

} // namespace ulna::system::qmp
